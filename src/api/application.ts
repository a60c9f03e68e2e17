// What both listeners have in common, before there are pages: how a request is read, what bounds it, how errors are answered.
// AP1: nothing of a request is logged. AP2: a route's schema validates as it is written: nothing is added, taken out or turned into another
//      type (but query parameters, see query_types.ts). It checks requests only; an answer is the JSON that its page made.
// AP3: every answer has the request's id.
import { fastify, type FastifyInstance, type RouteOptions } from 'fastify';
import { VisageError } from '../base/errors.ts';
import { bodyTypesOf, refuseOtherBodies } from './bodies.ts';
import { problem, problemOnSocket, sendProblem, type Problem } from './problem.ts';
import { toQueryTypes } from './query_types.ts';
import { REQUEST_ID, requestIdOf } from './request_id.ts';
import { schemaMistake } from './schema_mistake.ts';

/** Of a route that does not say (`bodyLimit`). */
export const BODY_BYTES_MAX = 64 * 1024;
/** An id of 512 bytes, every one of them percent-encoded. */
const PARAMETER_MAX = 3 * 512;
const CONNECTION_MS = 65_000;
const REQUEST_MS = 5_000;
/** Node looks for slow requests only so often; by itself every 30 s. */
const LOOK_MS = 1_000;
const BODYLESS: readonly unknown[] = ['GET', 'HEAD'];

/** Hears of errors that are no VisageError, and of which request. */
export type OnDefect = (error: unknown, requestId?: string) => void;

export type Application = {
  readonly app: FastifyInstance;
  /** Every route there is so far, as it was registered. */
  readonly routes: readonly RouteOptions[];
};

export function application({ onDefect }: { readonly onDefect: OnDefect }): Application {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PARAMETER_MAX },
    connectionTimeout: CONNECTION_MS,
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: REQUEST_MS, connectionsCheckingInterval: LOOK_MS },
    exposeHeadRoutes: false, // the pages are for GET
    return503OnClosing: false, // while it closes every page still says in its own way that the worker is stopping
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: requestIdOf,
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, verbose: true, allowUnionTypes: true },
    },
    schemaErrorFormatter: (errors, part) => schemaMistake(errors, part),
    clientErrorHandler: problemOnSocket,
    frameworkErrors: (_, __, reply) =>
      void problem(reply, { status: 400, code: 'bad_path', detail: 'the path is not percent-encoded UTF-8, or too long' }),
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeAllContentTypeParsers(); // each page that takes a body brings its own: what brings one to any other is answered as without
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => {
    routes.push(route);
    const { schema = {}, method } = route;
    if (!BODYLESS.includes(method)) route.onRequest = [...listOf(route.onRequest), refuseOtherBodies(bodyTypesOf(schema))];
    const toTypes = toQueryTypes(schema.querystring);
    if (toTypes !== undefined) route.preValidation = [...listOf(route.preValidation), toTypes];
  });
  app.setNotFoundHandler((_, reply) =>
    problem(reply, { status: 404, code: 'no_such_page', detail: 'there is no such page for this method' }),
  );
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof VisageError) {
      reply.removeHeader('connection'); // what is left of the body is read away, or the answer could be lost with the connection
      return sendProblem(reply, error);
    }
    const { statusCode, code = '' } = error as { readonly statusCode?: number; readonly code?: string };
    if (statusCode === undefined || statusCode >= 500) {
      onDefect(error, request.id);
      return sendProblem(reply, error);
    }
    reply.removeHeader('connection');
    return problem(reply, unreadable(code, statusCode, request.routeOptions.bodyLimit));
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.header(REQUEST_ID, request.id);
    done();
  });
  app.addHook('onSend', (_, reply, __, done) => {
    // an answer under way when it closes is its connection's last: kept alive, it would hold `close` up
    if (!app.server.listening) reply.header('connection', 'close');
    done();
  });
  return { app, routes };
}

function listOf<T>(hooks: T | T[] | undefined): T[] {
  if (hooks === undefined) return [];
  return Array.isArray(hooks) ? hooks : [hooks];
}

/** What fastify could not read, in our words: its own may repeat what was sent. */
function unreadable(code: string, status: number, bytesMax: number | undefined): Problem {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { status, code: 'body_too_large', detail: `a body of this page has at most ${bytesMax ?? BODY_BYTES_MAX} bytes` };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { status, code: 'unsupported_type', detail: 'this page takes no body of this type' };
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return { status, code: 'bad_json', detail: 'the body is no JSON, or has a key __proto__ or constructor.prototype in it' };
    default:
      return { status, code: 'bad_request', detail: 'the request cannot be read' };
  }
}
