// The explorer: a page at `/` and its files below `/explorer/`, plain files that are served as they lie.
// XR1: read once, at the start; nothing of a request ever becomes a path.
// XR2: no profile data in them: they are open, what the page then asks for is not.
// XR3: the page runs its own scripts and nothing else, and talks to its own worker and nobody else.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem } from './problem.ts';
import { parameters, TEXT } from './request_schemas.ts';
import { problemsOf, type DocumentedAnswer } from './route_schema.ts';
import './route_scope.ts';

/** Beside this room in a checkout, and in what is built. */
const FOLDER = join(import.meta.dirname, '../explorer');
const INDEX = 'index.html';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", // it never writes HTML
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

type File = { readonly type: string; readonly body: Buffer; readonly etag: string };

export function explorerRoutes(app: FastifyInstance): void {
  const files = readFiles();
  const send = (request: FastifyRequest, reply: FastifyReply, name: string): FastifyReply => {
    const file = files.get(name);
    if (file === undefined) return problem(reply, { status: 404, code: 'no_such_page', detail: 'the explorer has no such file' });
    reply.headers({ ...HEADERS, etag: file.etag });
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    return reply.type(file.type).send(file.body);
  };
  const config = { scope: 'open' } as const;
  const tags = ['explorer'];
  app.get(
    '/',
    { config, schema: { tags, summary: 'The explorer: a page for people', response: answers(['text/html'], []) } },
    (request, reply) => send(request, reply, INDEX),
  );
  const params = parameters({ file: { ...TEXT, description: 'the name of a file of the explorer', examples: ['main.js'] } });
  const response = answers(['text/html', 'text/css', 'text/javascript', 'image/svg+xml'], ['no_such_page']);
  app.get(
    '/explorer/:file',
    { config, schema: { tags, summary: 'A file of the explorer', params, response } },
    (request, reply) => send(request, reply, (request.params as { readonly file: string }).file),
  );
}

function answers(types: readonly string[], codes: readonly string[]): Readonly<Record<string, DocumentedAnswer>> {
  const content = Object.fromEntries(types.map((type) => [type, { schema: TEXT }]));
  return { 200: { description: 'the file', content }, 304: { description: 'it is what the caller has' }, ...problemsOf(codes) };
}

/** By name. */
function readFiles(): ReadonlyMap<string, File> {
  const names = readdirSync(FOLDER).filter((name) => TYPES[extname(name)] !== undefined);
  return new Map(
    names.map((name) => {
      const body = readFileSync(join(FOLDER, name));
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      return [name, { type: TYPES[extname(name)]!, body, etag }];
    }),
  );
}
