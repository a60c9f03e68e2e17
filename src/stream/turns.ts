// Work that is heavy: at most so many at once, a few more wait for their turn.
// T1: every wait ends: with a turn, or when its time is over. T2: who waits is bounded; turns go in the order of asking.
import type { VisageError } from '../base/errors.ts';

type Waiting = { readonly start: () => void };

export class Turns {
  private running = 0;
  private readonly waiting: Waiting[] = [];
  private readonly options: { readonly atOnce: number; readonly waiting: number; readonly busy: () => VisageError };

  /** @param options `busy` makes the error for who gets no turn */
  constructor(options: Turns['options']) {
    this.options = options;
  }

  /** Does `work` when there is room for it. @throws what `busy` makes; what `work` throws */
  async run<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    await this.turn(timeoutMs);
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next.start(); // it has the room that this one leaves
    }
  }

  private turn(timeoutMs: number): Promise<void> {
    const { atOnce, waiting, busy } = this.options;
    if (this.running < atOnce) {
      this.running++;
      return Promise.resolve();
    }
    if (this.waiting.length >= waiting) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(mine), 1);
        reject(busy());
      }, timeoutMs);
      const mine: Waiting = {
        start: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.waiting.push(mine);
    });
  }
}
