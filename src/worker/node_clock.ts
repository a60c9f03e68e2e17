// The machine's clock behind the port.
import type { Clock } from '../ports/clock.ts';

const TIMER_MAX_MS = 2 ** 31 - 1; // a longer timer would fire at once

let waiting = 0;

export const nodeClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
  yieldNow() {
    waiting++;
    return new Promise((resolve) => {
      setImmediate(() => {
        waiting--;
        resolve();
      });
    });
  },
};

/** Does anybody wait for its next turn of the event loop? */
export function isYielding(): boolean {
  return waiting > 0;
}
