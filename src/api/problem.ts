// Errors over HTTP: `application/problem+json` (RFC 9457) with a stable code.
// PJ1: nothing in it repeats text that was asked with: a path names a person.
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';

const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** Status by code; what is not listed goes by its kind. */
const STATUS: Readonly<Record<string, number>> = {
  bad_identity: 422,
  bad_query: 422,
  malformed: 400,
  no_messages: 400,
  unknown_dataset: 404,
  queue_full: 429,
  log_full: 429,
  too_many_writes: 429,
  not_allowed: 503,
  closed: 503,
  not_found: 404,
  no_such_field: 404,
  no_such_class: 404,
  not_yet: 504,
  explain_timeout: 504,
  events_timeout: 504,
  too_many_reads: 503,
  too_many_explains: 503,
  shard_not_ready: 503,
  shard_halted: 503,
  stopped: 503,
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
  const known = thrown instanceof VisageError;
  const status = known ? statusOf(thrown) : 500;
  return problem(reply, {
    status,
    code: known ? thrown.code : 'defect',
    detail: known ? detailOf(thrown) : 'the worker could not answer; its log says why',
  });
}

/** The caller is told to correct a request only when that helps; a store that cannot be read is the worker's trouble. */
function statusOf({ code, kind }: VisageError): number {
  return STATUS[code] ?? (kind === 'usage' || kind === 'refuse' ? 422 : 503);
}

/** The command line may show a user the names they typed; here they may be an address in the wrong place. */
const UNQUOTED: Readonly<Record<string, string>> = {
  bad_identity: 'a namespace matches [A-Za-z][A-Za-z0-9_-]*; an id is valid Unicode and not empty',
  unknown_namespace: 'no such namespace is defined',
  unknown_dataset: 'no such dataset is defined',
};

export function detailOf({ code, message }: Pick<VisageError, 'code' | 'message'>): string {
  return UNQUOTED[code] ?? message;
}

/** `more`: further members. */
type Problem = {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly more?: Readonly<Record<string, unknown>>;
};

export function problem(reply: FastifyReply, said: Problem): FastifyReply {
  const retryAfter = RETRY_AFTER[said.code];
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  return reply.code(said.status).type(PROBLEM_JSON).send(bodyOf(said));
}

/** To a connection on which there is no request that could be answered; ends it. */
export function problemOnSocket({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed) return;
  let said: Problem = { status: 400, code: 'bad_request', detail: 'this is not HTTP' };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') said = { status: 408, code: 'too_slow', detail: 'the request took too long' };
  if (code === 'HPE_HEADER_OVERFLOW') said = { status: 431, code: 'too_long', detail: 'path and headers are too long' };
  const body = bodyOf(said);
  const head = `HTTP/1.1 ${said.status} ${titleOf(said.status)}\r\nContent-Type: ${PROBLEM_JSON}\r\nContent-Length: ${body.length}\r\nConnection: close`;
  if (socket.writable) socket.write(`${head}\r\n\r\n${body}`);
  socket.destroySoon();
}

function bodyOf({ status, code, detail, more }: Problem): string {
  return JSON.stringify({ type: 'about:blank', title: titleOf(status), status, detail, code, ...more });
}

function titleOf(status: number): string {
  return TITLES[status] ?? 'Error';
}
