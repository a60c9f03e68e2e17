// How reads are answered. AN1: an unknown profile is 404, never an empty one. AN2: reads at once are bounded, over all pages together; a
// page that makes several at once counts as so many. AN3: what is answered is of this moment, and about a person: no cache keeps it.
// AN4: what was read in one turn of the event loop is sent at its end, together: each answer wakes up whoever waits for it, and the next ones
//      find it awake (measured with bench/http.ts: a quarter more answers a second). Not while others wait for their turn: it would wait for all
//      of them.
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
  isBusy,
}: {
  /** Hears of each read that was one too many. */
  readonly onRefused: () => void;
  readonly onDefect: OnDefect;
  /** Do shards wait for their next turn of the event loop? */
  readonly isBusy: () => boolean;
}): Answer {
  let inFlight = 0;
  const turnEnd = turnEnds();
  return async (reply, read, reads = 1) => {
    let text: string;
    inFlight += reads;
    try {
      if (inFlight > READS_MAX) throw new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' });
      const found = await read();
      if (found === undefined) throw new VisageError('not_found', 'there is no such profile', { kind: 'usage' });
      text = typeof found === 'string' ? found : JSON.stringify(found);
    } catch (error) {
      if (!(error instanceof VisageError)) onDefect(error, reply.request.id);
      else if (isTooMany(error)) onRefused();
      return await sendProblem(reply, error);
    } finally {
      inFlight -= reads; // what only waits to be sent is no read any more
    }
    if (!isBusy()) await turnEnd();
    return await reply.header('cache-control', 'no-store').type(JSON_UTF8).send(text);
  };
}

/** @returns resolves for all who ask in one turn of the event loop at its end */
function turnEnds(): () => Promise<void> {
  let end: Promise<void> | null = null;
  return () =>
    (end ??= new Promise((resolve) => {
      setImmediate(() => {
        end = null;
        resolve();
      });
    }));
}
