// The explorer at `/`: a page and what it needs, plain files that are served as they lie.
// XR1: read once, at the start; nothing of a request ever becomes a path.
// XR2: no profile data in them: they are open, what the page then asks for is not.
// XR3: the page runs its own scripts and nothing else, and talks to its own worker and nobody else.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { RouteScope } from './route_scope.ts';

/** Beside this room in a checkout, and in what is built. */
const FOLDER = join(import.meta.dirname, '../explorer');
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
const OPEN: { readonly scope: RouteScope } = { scope: 'open' };

type Page = { readonly url: string; readonly type: string; readonly body: Buffer; readonly etag: string };

export function explorerRoutes(app: FastifyInstance): void {
  for (const { url, type, body, etag } of pages()) {
    // `hide`: they are no part of the API that OpenAPI describes
    app.get(url, { exposeHeadRoute: true, config: OPEN, schema: { hide: true } as object }, (request, reply) => {
      reply.headers({ ...HEADERS, etag });
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).send(body);
    });
  }
}

function pages(): readonly Page[] {
  return readdirSync(FOLDER)
    .filter((file) => TYPES[extname(file)] !== undefined)
    .map((file) => {
      const body = readFileSync(join(FOLDER, file));
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      return { url: file === 'index.html' ? '/' : `/explorer/${file}`, type: TYPES[extname(file)]!, body, etag };
    });
}
