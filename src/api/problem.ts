// Errors over HTTP: `application/problem+json` (RFC 9457) with a stable code and the request's id.
// PJ1: nothing in it repeats text that was asked with: a path names a person.
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';
import { newRequestId, REQUEST_ID } from './request_id.ts';

export const PROBLEM_TYPE = 'application/problem+json';
const PROBLEM_JSON = `${PROBLEM_TYPE}; charset=utf-8`;

/** Status by code; what is not listed goes by its kind. */
const STATUS: Readonly<Record<string, number>> = {
  bad_request: 400,
  bad_path: 400,
  bad_json: 400,
  malformed: 400,
  no_messages: 400,
  pipelined: 400,
  not_found: 404,
  no_such_page: 404,
  no_such_field: 404,
  no_such_class: 404,
  unknown_dataset: 404,
  body_too_large: 413,
  unsupported_type: 415,
  bad_identity: 422,
  bad_query: 422,
  bad_body: 422,
  bad_header: 422,
  bad_operation: 422,
  unknown_namespace: 422,
  blocked_id: 422,
  too_many_messages: 422,
  all_refused: 422,
  not_confirmed: 422,
  no_such_policy: 422,
  too_much_history: 422,
  too_large: 422,
  queue_full: 429,
  log_full: 429,
  too_many_writes: 429,
  defect: 500,
  too_many_reads: 503,
  too_many_explains: 503,
  shard_not_ready: 503,
  shard_halted: 503,
  stopped: 503,
  unavailable: 503,
  no_definitions: 503,
  not_allowed: 503,
  closed: 503,
  not_yet: 504,
  explain_timeout: 504,
  events_timeout: 504,
  lookup_timeout: 504,
};
const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Who are you',
  403: 'Not allowed',
  404: 'Not found',
  408: 'Too slow',
  413: 'Too large',
  415: 'Not of this type',
  422: 'Cannot be read',
  429: 'Too much at once',
  431: 'Too long',
  500: 'Internal error',
  503: 'Not available',
  504: 'Not in time',
};

/** Seconds after which to ask again, where that is known. */
const RETRY_AFTER: Readonly<Record<string, number>> = {
  too_many_explains: 1,
  too_many_writes: 1,
  queue_full: 1,
  log_full: 10,
  unavailable: 2,
  unknown: 2,
};

/** Refused for the number of reads that are under way, whatever it asked for. */
export function isTooMany({ code }: VisageError): boolean {
  return code.startsWith('too_many_');
}

export function sendProblem(reply: FastifyReply, thrown: unknown): FastifyReply {
  return problem(reply, saidOf(thrown));
}

/** `more`: further members. */
export type Problem = {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly more?: Readonly<Record<string, unknown>>;
};

/** What is said of an error, as a whole answer or as a part of one. A defect is not shown. */
export function saidOf(thrown: unknown): Problem {
  if (!(thrown instanceof VisageError))
    return { status: 500, code: 'defect', detail: 'the worker could not answer; its log says why' };
  return { status: statusOf(thrown), code: thrown.code, detail: detailOf(thrown) };
}

/** The caller is told to correct a request only when that helps; a store that cannot be read is the worker's trouble. */
export function statusOf({ code, kind }: { readonly code: string; readonly kind?: VisageError['kind'] }): number {
  return STATUS[code] ?? (kind === 'usage' || kind === 'refuse' ? 422 : 503);
}

/** The command line may show a user the names they typed; here they may be an address in the wrong place. */
const UNQUOTED: Readonly<Record<string, string>> = {
  bad_identity: 'a namespace matches [A-Za-z][A-Za-z0-9_-]*; an id is valid Unicode, not empty, and of at most 512 bytes',
  unknown_namespace: 'no such namespace is defined',
  unknown_dataset: 'no such dataset is defined',
};

export function detailOf({ code, message }: Pick<VisageError, 'code' | 'message'>): string {
  return UNQUOTED[code] ?? message;
}

export function problem(reply: FastifyReply, said: Problem): FastifyReply {
  const { id } = reply.request;
  const retryAfter = RETRY_AFTER[said.code];
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  reply.header('cache-control', 'no-store'); // a 404 without it may be kept, and the profile is there a moment later
  return reply.code(said.status).type(PROBLEM_JSON).header(REQUEST_ID, id).send(bodyOf(said, id));
}

/** To a connection on which there is no request that could be answered; ends it. */
export function problemOnSocket({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed) return;
  let said: Problem = { status: 400, code: 'bad_request', detail: 'this is not HTTP' };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') said = { status: 408, code: 'too_slow', detail: 'the request took too long' };
  if (code === 'HPE_HEADER_OVERFLOW') said = { status: 431, code: 'too_long', detail: 'path and headers are too long' };
  const id = newRequestId();
  const body = bodyOf(said, id);
  const head = [
    `HTTP/1.1 ${said.status} ${titleOf(said.status)}`,
    `Content-Type: ${PROBLEM_JSON}`,
    `X-Request-Id: ${id}`,
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

function bodyOf({ status, code, detail, more }: Problem, requestId: string): string {
  return JSON.stringify({ type: 'about:blank', title: titleOf(status), status, detail, code, requestId, ...more });
}

export function titleOf(status: number): string {
  return TITLES[status] ?? 'Error';
}
