// Windows: which times count now, and when a time stops counting.
// WI1: the start of a window never goes back while now goes on, so what has left never comes in again by time alone.
// WI2: an event at t is inside while start(now) ≤ t ≤ now: both ends included. Calendar units are those of UTC; a week begins on Sunday.
import { unreachable } from '../base/assert.ts';
import type { DurationMs, EpochMs } from '../base/time.ts';

export type CalendarUnit = 'day' | 'week' | 'month';

/** `calendar`: the current unit and the `count` − 1 before it. */
export type CalendarWindow = { readonly kind: 'calendar'; readonly unit: CalendarUnit; readonly count: number };

export type Window = { readonly kind: 'sliding'; readonly ms: DurationMs } | CalendarWindow | { readonly kind: 'lifetime' };

/** The windows that attributes of one kind ask of a measure. */
export type WindowSet = {
  /** Lengths of the sliding ones, ascending. */
  readonly windows: readonly DurationMs[];
  /** Shorter units first, then smaller counts. */
  readonly calendars: readonly CalendarWindow[];
  /** Does any attribute look at all time? */
  readonly lifetime: boolean;
};

const DAY_MS = 86_400_000;
/** 1970-01-01 was a Thursday: four days after a Sunday. */
const SUNDAY_OFFSET_DAYS = 4;

/** The first time that counts now; −Infinity for a lifetime. Cost: a few ns, some tens for months */
export function windowStart(window: Window, nowMs: EpochMs): EpochMs {
  switch (window.kind) {
    case 'sliding':
      return nowMs - window.ms;
    case 'calendar':
      return unitStart(window.unit, unitOf(window.unit, nowMs) - window.count + 1);
    case 'lifetime':
      return -Infinity;
    default:
      return unreachable(window);
  }
}

/** The first instant at which something that happened at `atMs` counts no more; Infinity for a lifetime. */
export function leavesAt(window: Window, atMs: EpochMs): EpochMs {
  switch (window.kind) {
    case 'sliding':
      return atMs + window.ms + 1;
    case 'calendar':
      return unitStart(window.unit, unitOf(window.unit, atMs) + window.count);
    case 'lifetime':
      return Infinity;
    default:
      return unreachable(window);
  }
}

/** The earliest start of the finite windows; Infinity when there are none. */
export function earliestStart(set: WindowSet, nowMs: EpochMs): EpochMs {
  const { windows, calendars } = set;
  let startMs = windows.length === 0 ? Infinity : nowMs - windows[windows.length - 1]!;
  for (let i = 0; i < calendars.length; i++) startMs = Math.min(startMs, windowStart(calendars[i]!, nowMs));
  return startMs;
}

/** The first instant after which something that happened at `atMs`, and counts in a finite window now, leaves one of them;
 *  Infinity when it is in none. */
export function firstLeave(set: WindowSet, atMs: EpochMs, nowMs: EpochMs): EpochMs {
  const { windows, calendars } = set;
  let leaveMs = Infinity;
  // of the sliding windows that hold it the shortest loses it first
  for (let i = 0; i < windows.length; i++) {
    if (atMs < nowMs - windows[i]!) continue;
    leaveMs = atMs + windows[i]! + 1;
    break;
  }
  for (let i = 0; i < calendars.length; i++) {
    const outMs = leavesAt(calendars[i]!, atMs);
    if (outMs > nowMs && outMs < leaveMs) leaveMs = outMs;
  }
  return leaveMs;
}

/** Rows in time order: `timeFrom` is the time that keeps the first at or after a start in a window; NaN when there is none. */
export interface RowsInTime {
  timeFrom(startMs: EpochMs): EpochMs;
}

/** The first instant after `nowMs` at which a finite window loses the first of its rows; Infinity: none does. Cost: O(windows × lookup) */
export function firstOut({ windows, calendars }: WindowSet, nowMs: EpochMs, rows: RowsInTime): EpochMs {
  let outMs = Infinity;
  for (let i = 0; i < windows.length; i++) {
    const leavesMs = rows.timeFrom(nowMs - windows[i]!) + windows[i]! + 1;
    if (leavesMs < outMs) outMs = leavesMs; // never true for NaN
  }
  for (let i = 0; i < calendars.length; i++) {
    const heldMs = rows.timeFrom(windowStart(calendars[i]!, nowMs));
    if (heldMs === heldMs) outMs = Math.min(outMs, leavesAt(calendars[i]!, heldMs));
  }
  return outMs;
}

export function hasFinite(set: WindowSet | null): set is WindowSet {
  return set !== null && (set.windows.length > 0 || set.calendars.length > 0);
}

/** Consecutive whole numbers, one a unit. */
function unitOf(unit: CalendarUnit, atMs: EpochMs): number {
  switch (unit) {
    case 'day':
      return Math.floor(atMs / DAY_MS);
    case 'week':
      return Math.floor((Math.floor(atMs / DAY_MS) + SUNDAY_OFFSET_DAYS) / 7);
    case 'month': {
      const date = new Date(atMs);
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    }
    default:
      return unreachable(unit);
  }
}

function unitStart(unit: CalendarUnit, index: number): EpochMs {
  switch (unit) {
    case 'day':
      return index * DAY_MS;
    case 'week':
      return (index * 7 - SUNDAY_OFFSET_DAYS) * DAY_MS;
    case 'month': {
      const date = new Date(0);
      date.setUTCFullYear(Math.floor(index / 12), ((index % 12) + 12) % 12, 1);
      return date.getTime();
    }
    default:
      return unreachable(unit);
  }
}
