// The machine's clock behind the port.
import type { Clock } from '../ports/clock.ts';

const TIMER_MAX_MS = 2 ** 31 - 1; // a longer timer would fire at once

export const nodeClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
};
