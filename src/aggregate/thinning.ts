// What may be put together when there is too much of it: neighbours whose span is small against their age.
// TH1: two neighbours are never put together across the start of a window: what is visible now does not change by it.
// TH2: which are put together is a function of the rows, of now and of the windows.
import type { EpochMs } from '../base/time.ts';
import { windowStart, type WindowSet } from './window.ts';

/** The first try puts together what spans at most a 64th of its age; each further one twice as much. */
const FINEST = 1 / 64;
const TRIES = 8;

/** Where the finite windows begin now. */
export function startsOf(set: Pick<WindowSet, 'windows' | 'calendars'>, nowMs: EpochMs): number[] {
  return [...set.windows.map((ms) => nowMs - ms), ...set.calendars.map((window) => windowStart(window, nowMs))];
}

/** May a run that began at `firstMs` and ends at `lastMs` be one, when `inside` … `lastMs` are the ends of its pieces? */
export function mayJoin(
  span: { readonly firstMs: number; readonly innerLastMs: number; readonly lastMs: number },
  nowMs: EpochMs,
  starts: readonly number[],
  share = FINEST,
): boolean {
  const { firstMs, innerLastMs, lastMs } = span;
  if (lastMs - firstMs > (nowMs - lastMs) * share) return false;
  for (let i = 0; i < starts.length; i++) if (innerLastMs < starts[i]! && starts[i]! <= lastMs) return false;
  return true;
}

/** Calls `join` with a growing share until it says that enough is gone. The last share takes whatever no window's start divides. */
export function thinUntil(join: (share: number) => boolean): void {
  let share = FINEST;
  for (let i = 0; i < TRIES; i++, share *= 2) if (join(share)) return;
  join(Infinity);
}
