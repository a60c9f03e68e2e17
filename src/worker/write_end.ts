// How a message that came in over HTTP ends when it does not just go into the log: given up in time, or without a place.
// WE1: what is told as `queue_full`, `log_full` or `unavailable` is not in the log; of `unknown` nobody can say.
import { VisageError } from '../base/errors.ts';
import type { Producer } from '../producer/producer.ts';
import type { Stored, Written } from '../ports/writes.ts';

/** For all places that a request needs; then for the answer to the last of its messages. */
const PLACES_MS = 10_000;
export const ANSWER_MS = 5_000;

/** The end of a request in time. */
export class Late {
  readonly over: Promise<never>;
  private readonly untilMs = performance.now() + PLACES_MS;
  private readonly timer: NodeJS.Timeout;

  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined); // raced
    this.over = promise;
    const text =
      'no clear answer from the log in time: the message may be stored or not; sent again with the same _id it counts once';
    this.timer = setTimeout(() => reject(new VisageError('unknown', text, { kind: 'retry' })), PLACES_MS + ANSWER_MS);
  }

  /** What is left for finding places. */
  get placesMs(): number {
    return this.untilMs - performance.now();
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}

/** What became of it, or `unknown` when it is late: it waits in the producer, and may go out yet. Handled, whoever looks at it and when. */
export function settled(sending: Promise<Stored>, late: Late): Promise<Written> {
  const written = Promise.race([sending, late.over]).then(
    ({ shard, sequence }) => ({ shard, sequence }),
    (error: unknown) => {
      if (error instanceof VisageError) return { error };
      throw error;
    },
  );
  sending.catch(() => undefined); // when it is late nobody waits for it any more
  written.catch(() => undefined); // a defect: whoever waits for all of them has it
  return written;
}

export function noPlace({ waitingCode }: Producer): VisageError {
  if (waitingCode === 'log_full')
    return new VisageError('log_full', 'the log is full: the message is not stored; send it again', { kind: 'retry' });
  if (waitingCode === 'unavailable')
    return new VisageError('unavailable', 'the log is not available: the message is not stored; send it again', {
      kind: 'retry',
    });
  return new VisageError('queue_full', 'too many messages at once: this one is not stored; send it again', { kind: 'retry' });
}

export function notBefore({ code }: VisageError): VisageError {
  const text = 'the message before it about the same person is not sure to be stored, so this one was not sent; send both again';
  return new VisageError(code === 'unknown' ? 'unavailable' : code, text, { kind: 'retry' });
}
