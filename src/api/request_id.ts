// The id that an answer, its problem and the log's line have in common.
// RI1: the caller's is taken only when it can do no harm where it is written; else one is made.
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export const REQUEST_ID = 'x-request-id';
const HARMLESS = /^[A-Za-z0-9._-]{1,64}$/;
/** Tells the requests of one process from those of another. */
const PROCESS = randomBytes(4).toString('hex');

let made = 0;

export function newRequestId(): string {
  return `${PROCESS}-${(++made).toString(36)}`;
}

export function requestIdOf({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = headers[REQUEST_ID];
  return typeof given === 'string' && HARMLESS.test(given) ? given : newRequestId();
}
