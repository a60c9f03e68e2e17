// A request that came behind another on its connection, before that one had its answer (HTTP pipelining).
// PI1: Node tells nobody when the connection of such a request ends: what is held for it would be held for ever. So pages that hold something
//      do not take one.
import type { FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';

export function isQueued({ raw }: FastifyReply): boolean {
  return raw.socket === null;
}

export function oneAtATime(): VisageError {
  const text = 'this page is asked for when the answer before it is there: one request at a time on a connection';
  return new VisageError('pipelined', text, { kind: 'usage' });
}
