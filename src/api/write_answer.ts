// What became of a request's messages, as one answer. WA1: each is told, in order, whatever the status is: nobody sends again what is stored.
import type { FastifyReply } from 'fastify';
import type { VisageError } from '../base/errors.ts';
import type { WriteOutcome, Written } from '../ports/writes.ts';
import { JSON_TYPE } from './bodies.ts';
import { detailOf, problem } from './problem.ts';

type Fault = Exclude<WriteOutcome, 'stored'>;

const BUSY = ['queue_full', 'log_full'];
/** Of kinds that are the caller's elsewhere. */
const OF_THE_WORKER = ['not_allowed', 'closed'];

export function faultOf({ code, kind }: VisageError): Fault {
  if (BUSY.includes(code)) return 'busy';
  return (kind === 'refuse' || kind === 'usage') && !OF_THE_WORKER.includes(code) ? 'refused' : 'unavailable';
}

export function answerWritten(reply: FastifyReply, written: readonly Written[]): FastifyReply {
  const errors = written.flatMap((each) => ('error' in each ? [each.error] : []));
  const messages = written.map((each) =>
    'error' in each ? { error: { code: each.error.code, detail: detailOf(each.error) } } : each,
  );
  const first = (fault: Fault): VisageError | undefined => errors.find((error) => faultOf(error) === fault);
  const stored = `${written.length - errors.length} of ${written.length} messages are stored`;
  const again = first('unavailable') ?? first('busy');
  if (again !== undefined) {
    const { code } = again;
    const detail = `${stored}; send those again whose error is ${code}, or another that passes`;
    return problem(reply, { status: first('unavailable') === undefined ? 429 : 503, code, detail, more: { messages } });
  }
  if (errors.length === written.length)
    return problem(reply, { status: 422, code: 'all_refused', detail: `${stored}: each says why`, more: { messages } });
  return reply.code(202).header('cache-control', 'no-store').type(JSON_TYPE).send(JSON.stringify({ messages }));
}
