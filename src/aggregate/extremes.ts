// What min and max keep of a part: a staircase per direction for the finite windows, a number per direction for all time.
// EX1: values are finite numbers; timestamps are held as milliseconds. −0 is held as 0.
// EX2: after `advance` a staircase of which every row is outside of the longest window of its direction is empty.
import { parseRfc3339 } from '../base/time.ts';
import type { Measure } from './plan.ts';
import { Staircase } from './staircase.ts';
import { startsOf } from './thinning.ts';
import { earliestStart, firstLeave, firstOut, hasFinite, type WindowSet } from './window.ts';

/** What `take` answers when rows went: a due that one of them set may no longer be true. */
export const DUE_UNKNOWN = -Infinity;

const FIRST_TIME_MS = parseRfc3339('0000-01-01T00:00:00.000Z');
const LAST_TIME_MS = parseRfc3339('9999-12-31T23:59:59.999Z');

export class Extremes {
  /** For min and max over finite windows; null when no attribute has one. */
  readonly low: Staircase | null;
  readonly high: Staircase | null;
  /** Over all time; NaN: no value yet, or nobody asks. */
  lifetimeLow = NaN;
  lifetimeHigh = NaN;
  /** Counts or sums have all of the same windows: the ring, as long as none of it is folded, loses a row at or before every instant at
   *  which an extreme changes. */
  readonly isWithinRing: boolean;

  constructor(measure: Measure) {
    this.low = hasFinite(measure.low) ? new Staircase('low') : null;
    this.high = hasFinite(measure.high) ? new Staircase('high') : null;
    this.isWithinRing = isWithin(measure.low, measure) && isWithin(measure.high, measure);
  }

  /** Takes in a value that `comparable` gave. @returns the first instant at which a window loses it; Infinity when none does;
   *  DUE_UNKNOWN when it put other rows out. Cost: O(log n + windows) */
  take(measure: Measure, value: number, atMs: number, nowMs: number, rowsMax: number): number {
    const { low, high } = measure;
    if (low?.lifetime === true && !(this.lifetimeLow <= value)) this.lifetimeLow = value;
    if (high?.lifetime === true && !(this.lifetimeHigh >= value)) this.lifetimeHigh = value;
    const lowDueMs = this.low === null ? Infinity : takeRow(this.low, low!, value, atMs, nowMs, rowsMax);
    const highDueMs = this.high === null ? Infinity : takeRow(this.high, high!, value, atMs, nowMs, rowsMax);
    return Math.min(lowDueMs, highDueMs);
  }

  /** Lets rows leave. */
  advance(measure: Measure, nowMs: number): void {
    this.low?.dropBefore(earliestStart(measure.low!, nowMs));
    this.high?.dropBefore(earliestStart(measure.high!, nowMs));
  }

  /** The first instant after `nowMs` at which the extreme of a window changes; Infinity: none does. Cost: O(windows × log n) */
  dueMs(measure: Measure, nowMs: number): number {
    const lowDueMs = this.low === null ? Infinity : firstOut(measure.low!, nowMs, this.low);
    const highDueMs = this.high === null ? Infinity : firstOut(measure.high!, nowMs, this.high);
    return Math.min(lowDueMs, highDueMs);
  }

  /** The extreme since `startMs`, or with −Infinity of all time; NaN when there is none. */
  value(direction: 'low' | 'high', startMs: number): number {
    if (startMs === -Infinity) return direction === 'high' ? this.lifetimeHigh : this.lifetimeLow;
    return this[direction]!.valueFrom(startMs);
  }
}

/** The number that min and max compare; NaN: the value is no match. */
export function comparable(measure: Measure, value: unknown): number {
  if (!measure.timestamps) return typeof value === 'number' && value - value === 0 ? value + 0 : NaN;
  if (typeof value !== 'string') return NaN;
  const ms = parseRfc3339(value);
  // an offset can carry a time out of the years that RFC 3339 can write
  return ms >= FIRST_TIME_MS && ms <= LAST_TIME_MS ? ms : NaN;
}

/** Are all finite windows among those that the ring has? */
function isWithin(set: WindowSet | null, ring: Measure): boolean {
  return (
    set === null ||
    (set.windows.every((ms) => ring.windows.includes(ms)) &&
      set.calendars.every((one) => ring.calendars.some(({ unit, count }) => unit === one.unit && count === one.count)))
  );
}

function takeRow(stairs: Staircase, set: WindowSet, value: number, atMs: number, nowMs: number, rowsMax: number): number {
  if (stairs.standsAt(atMs) < earliestStart(set, nowMs)) return Infinity;
  const gone = stairs.insert(atMs, value);
  if (stairs.size > rowsMax) {
    stairs.thin(rowsMax, nowMs, startsOf(set, nowMs));
    return DUE_UNKNOWN;
  }
  if (gone < 0) return Infinity;
  if (gone > 0) return DUE_UNKNOWN;
  // where it is not the extreme of the window that loses it first, an earlier row leaves sooner
  return firstLeave(set, atMs, nowMs);
}
