// How reads are answered. AN1: an unknown profile is 404, never an empty one. AN2: reads at once are bounded, over all pages together; a
// page that makes several at once counts as so many. AN3: what is answered is of this moment, and about a person: no cache keeps it.
// AN4: what was read in one turn of the event loop is sent at its end, together: each answer wakes up whoever waits for it, and the next ones
//      find it awake (measured with bench/http.ts: a quarter more answers a second).
import type { FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';
import type { OnDefect } from './application.ts';
import { isTooMany, sendProblem } from './problem.ts';

const READS_MAX = 1_000;
const JSON_UTF8 = 'application/json; charset=utf-8'; // whole: fastify would put it together for every answer

/** Sends what is read: undefined is an unknown profile, a text is JSON already. `reads`: how many it makes at once. */
export type Answer = (reply: FastifyReply, read: () => Promise<unknown>, reads?: number) => Promise<FastifyReply>;

export function answers({
  onRefused,
  onDefect,
}: {
  /** Hears of each read that was one too many. */
  readonly onRefused: () => void;
  readonly onDefect: OnDefect;
}): Answer {
  let inFlight = 0;
  let turnEnds: Promise<void> | null = null;
  const turnEnd = (): Promise<void> =>
    (turnEnds ??= new Promise((resolve) => {
      setImmediate(() => {
        turnEnds = null;
        resolve();
      });
    }));
  return async (reply, read, reads = 1) => {
    inFlight += reads;
    try {
      if (inFlight > READS_MAX) throw new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' });
      const found = await read();
      if (found === undefined) throw new VisageError('not_found', 'there is no such profile', { kind: 'usage' });
      const text = typeof found === 'string' ? found : JSON.stringify(found);
      await turnEnd();
      return await reply.header('cache-control', 'no-store').type(JSON_UTF8).send(text);
    } catch (error) {
      if (!(error instanceof VisageError)) onDefect(error, reply.request.id);
      else if (isTooMany(error)) onRefused();
      return await sendProblem(reply, error);
    } finally {
      inFlight -= reads;
    }
  };
}
