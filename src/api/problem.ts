// Errors over HTTP: `application/problem+json` (RFC 9457) with a stable code.
// PJ1: nothing in it repeats what was asked for: a path names a person.
import type { FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';

export const PROBLEM_JSON = 'application/problem+json';

/** Status by code; what is not listed goes by its kind. */
const STATUS: Readonly<Record<string, number>> = {
  bad_identity: 422,
  bad_query: 422,
  not_found: 404,
  not_yet: 504,
  too_many_reads: 503,
  shard_not_ready: 503,
  shard_halted: 503,
  stopped: 503,
};
const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  404: 'Not found',
  422: 'Cannot be read',
  500: 'Internal error',
  503: 'Not available',
  504: 'Not in time',
};

export function sendProblem(reply: FastifyReply, thrown: unknown): FastifyReply {
  const known = thrown instanceof VisageError;
  const status = known ? (STATUS[thrown.code] ?? (thrown.kind === 'retry' ? 503 : 422)) : 500;
  return problem(reply, {
    status,
    code: known ? thrown.code : 'defect',
    detail: known ? thrown.message : 'the worker could not answer; its log says why',
  });
}

export function problem(
  reply: FastifyReply,
  { status, code, detail }: { readonly status: number; readonly code: string; readonly detail: string },
): FastifyReply {
  const title = TITLES[status] ?? 'Error';
  return reply
    .code(status)
    .type(PROBLEM_JSON)
    .send(JSON.stringify({ type: 'about:blank', title, status, detail, code }));
}
