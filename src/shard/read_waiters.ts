// Reads that wait for a sequence: "read your own write". RW1: every waiter ends: reached, timed out, or stopped. RW2: bounded.
import { VisageError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';

const WAITERS_MAX = 10_000;

type Waiter = {
  readonly after: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly cancel: () => void;
};

export class ReadWaiters {
  /** A set: ten thousand that time out in the same moment are taken out one by one. */
  private readonly waiters = new Set<Waiter>();
  private stopped = false;

  /** @throws VisageError `not_yet`, `too_many_reads`, `stopped` (all: retry) */
  wait(after: number, timeoutMs: number, clock: Clock): Promise<void> {
    if (this.stopped) return Promise.reject(stoppedError());
    if (this.waiters.size >= WAITERS_MAX)
      return Promise.reject(new VisageError('too_many_reads', 'too many reads are waiting; try again', { kind: 'retry' }));
    return new Promise((resolve, reject) => {
      const cancel = clock.timer(timeoutMs, () => {
        this.waiters.delete(waiter);
        reject(
          new VisageError('not_yet', `sequence ${after} was not reached within ${timeoutMs} ms; try again`, { kind: 'retry' }),
        );
      });
      const waiter = { after, resolve, reject, cancel };
      this.waiters.add(waiter);
    });
  }

  reached(sequence: number): void {
    for (const waiter of this.waiters) {
      if (waiter.after > sequence) continue;
      this.waiters.delete(waiter);
      waiter.cancel();
      waiter.resolve();
    }
  }

  stop(): void {
    this.stopped = true;
    for (const waiter of this.waiters) {
      waiter.cancel();
      waiter.reject(stoppedError());
    }
    this.waiters.clear();
  }
}

export function stoppedError(): VisageError {
  return new VisageError('stopped', 'the shard is stopping; try again', { kind: 'retry' });
}
