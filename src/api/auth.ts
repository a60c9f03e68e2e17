// Who may use a page: looked at before a body is read. AU1: a page that does not say which scope it needs needs `admin`; what is not a page at all
// tells nothing to anybody. AU2: no answer says whether a token is nearly right, and none says more than what is missing.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access, Denial, Grant } from '../ports/access.ts';
import { foreign } from './origin_guard.ts';
import { problem } from './problem.ts';
import './route_scope.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where nobody is asked. */
    caller: Grant | null;
    /** For answers that last: may they still? */
    isStillAllowed: () => boolean;
  }
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*)$/i;

const SAID: Readonly<Record<Denial, { readonly status: number; readonly detail: string; readonly challenge?: string }>> = {
  no_token: { status: 401, detail: 'a token is needed: Authorization: Bearer …', challenge: 'Bearer realm="visage"' },
  bad_token: { status: 401, detail: 'there is no such token', challenge: 'Bearer realm="visage", error="invalid_token"' },
  missing_scope: {
    status: 403,
    detail: 'this token has not the scope that this page needs',
    challenge: 'Bearer realm="visage", error="insufficient_scope"',
  },
  other_dataset: {
    status: 403,
    detail: 'this token is for other datasets',
    challenge: 'Bearer realm="visage", error="insufficient_scope"',
  },
  foreign_origin: { status: 403, detail: 'pages of other sites may not ask: there are no tokens' },
  foreign_host: {
    status: 403,
    detail: 'asked for by a name that is not of this machine: say 127.0.0.1 or localhost, or name it in http.hosts',
  },
};

/** For every page that is registered from now on. */
export function authenticate(app: FastifyInstance, access: Access): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('isStillAllowed', () => true);
  app.addHook('onRequest', (request, reply, done) => {
    const why = request.is404 ? undefined : denial(request, access);
    if (why === undefined) return done();
    access.onDenied(why);
    deny(reply, why);
  });
}

function denial(request: FastifyRequest, { tokens, isOurs }: Access): Denial | undefined {
  const { scope = 'admin' } = request.routeOptions.config;
  if (scope === 'open') return undefined;
  if (tokens === null) return foreign(request.headers, isOurs);
  const { authorization } = request.headers;
  if (authorization === undefined) return 'no_token';
  const token = BEARER.exec(authorization)?.[1];
  const grant = token === undefined ? undefined : tokens.grantOf(token);
  if (grant === undefined) return 'bad_token';
  request.caller = grant;
  request.isStillAllowed = () => tokens.grantOf(token!)?.scopes.has(scope) === true;
  if (!grant.scopes.has(scope)) return 'missing_scope';
  // a delete of a whole profile reaches every dataset, and so does an erasure
  const { dataset } = request.params as { readonly dataset?: string };
  const isBounded = grant.datasets !== null && scope !== 'read';
  return isBounded && (dataset === undefined || !grant.datasets.has(dataset)) ? 'other_dataset' : undefined;
}

/** What is still to come of a body is dropped as it comes: closing at once would take the answer away from who is still sending. */
function deny(reply: FastifyReply, why: Denial): void {
  const { status, detail, challenge } = SAID[why];
  if (challenge !== undefined) reply.header('www-authenticate', challenge);
  problem(reply, { status, code: why, detail });
}
