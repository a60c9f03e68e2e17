// Bodies of requests: which routes take one, of which types.
// BD1: a route takes what its schema has (`body`, or `body.content` by type; see openapi.ts); any other body is refused before it is read.
// BD2: JSON is UTF-8, and has no key that changes what an object is (`__proto__`, `constructor.prototype`).
import type { FastifyInstance, FastifySchema, onRequestHookHandler } from 'fastify';
import { VisageError } from '../base/errors.ts';

export const JSON_TYPE = 'application/json';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The types of the bodies that a route takes; none: it takes no body. */
export function bodyTypesOf({ body, consumes }: FastifySchema): readonly string[] {
  if (consumes !== undefined) return consumes;
  if (body === undefined || body === null) return [];
  const { content } = body as { readonly content?: Readonly<Record<string, unknown>> };
  return content === undefined ? [JSON_TYPE] : Object.keys(content);
}

export function refuseOtherBodies(types: readonly string[]): onRequestHookHandler {
  return ({ headers }, _, done) => {
    const { 'content-type': type = '', 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
    const hasBody = encoding !== undefined || length !== '0';
    if (!hasBody || types.includes(type.split(';', 1)[0]!.trim().toLowerCase())) return done();
    const taken = types.length === 0 ? 'this page takes no body' : `a body of this page is ${types.join(' or ')}`;
    done(new VisageError('unsupported_type', taken, { kind: 'usage' }));
  };
}

/** For the pages of `app`, which is a part of the application (`register`): what some take is nothing to the others. An empty body is none. */
export function parseJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = decoder.decode(bytes as Buffer);
    } catch {
      return done(new VisageError('bad_json', 'the body is not UTF-8', { kind: 'usage' }));
    }
    void parse(request, text, done);
  });
}
