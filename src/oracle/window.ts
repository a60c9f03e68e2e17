// Windows, the plain way: the fields of UTC dates say where days, weeks and months begin.
// OW1: both ends are inside. Weeks begin on Sunday. OW2: when something leaves is found by asking at each instant at which it could.
import type { DurationMs, EpochMs } from '../base/time.ts';

export type OracleWindow =
  | { readonly kind: 'sliding'; readonly ms: DurationMs }
  | { readonly kind: 'calendar'; readonly unit: 'day' | 'week' | 'month'; readonly count: number }
  | { readonly kind: 'lifetime' };

/** The first instant that counts at `nowMs`; −Infinity for a lifetime. */
export function startOf(window: OracleWindow, nowMs: EpochMs): EpochMs {
  switch (window.kind) {
    case 'sliding':
      return nowMs - window.ms;
    case 'calendar':
      return unitBegins(window.unit, nowMs, 1 - window.count);
    case 'lifetime':
      return -Infinity;
  }
}

export function isInside(window: OracleWindow, atMs: EpochMs, nowMs: EpochMs): boolean {
  return window.kind === 'lifetime' || (startOf(window, nowMs) <= atMs && atMs <= nowMs);
}

/** The first instant from which on something that happened at `atMs` is outside; Infinity for a lifetime. */
export function outsideFrom(window: OracleWindow, atMs: EpochMs): EpochMs {
  switch (window.kind) {
    case 'sliding':
      return atMs + window.ms + 1;
    case 'calendar':
      for (let units = 1; ; units++) {
        const midnightMs = unitBegins(window.unit, atMs, units);
        if (!isInside(window, atMs, midnightMs)) return midnightMs;
      }
    case 'lifetime':
      return Infinity;
  }
}

/** Is there a time from `atMs` on, at most `slackMs` later, that is outside from `instantMs` on and not before? */
export function canLeaveAt(window: OracleWindow, instantMs: EpochMs, atMs: EpochMs, slackMs: DurationMs): boolean {
  const moves = startOf(window, instantMs) > startOf(window, instantMs - 1);
  return moves && outsideFrom(window, atMs) <= instantMs && instantMs <= outsideFrom(window, atMs + slackMs);
}

/** The midnight at which the unit that holds `atMs` begins, or the one so many `units` later. */
function unitBegins(unit: 'day' | 'week' | 'month', atMs: EpochMs, units: number): EpochMs {
  const date = new Date(atMs);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const day = date.getUTCDate();
  switch (unit) {
    case 'day':
      return midnight(year, month, day + units);
    case 'week':
      return midnight(year, month, day - date.getUTCDay() + 7 * units);
    case 'month':
      return midnight(year, month + units, 1);
  }
}

/** Fields out of their range carry over, as in `Date.UTC`, which would take the years 0 to 99 for 1900 to 1999. */
function midnight(year: number, month: number, day: number): EpochMs {
  return new Date(0).setUTCFullYear(year, month, day);
}
