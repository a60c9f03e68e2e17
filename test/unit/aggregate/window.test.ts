// Windows against dates counted one by one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  earliestStart,
  firstLeave,
  leavesAt,
  windowStart,
  type CalendarUnit,
  type Window,
} from '../../../src/aggregate/window.ts';
import { parseRfc3339 } from '../../../src/base/time.ts';
import { calendar, DAY, LIFETIME, sliding, windowSet, windowsOf } from './plan_parts.ts';

const at = parseRfc3339;
const UNITS: readonly CalendarUnit[] = ['day', 'week', 'month'];

/** Goes back day by day from `nowMs` to where `count` units have begun. */
function startByDays(unit: CalendarUnit, count: number, nowMs: number): number {
  let units = 0;
  let day = new Date(nowMs);
  day.setUTCHours(0, 0, 0, 0);
  for (;;) {
    const begins = unit === 'day' || (unit === 'week' ? day.getUTCDay() === 0 : day.getUTCDate() === 1);
    if (begins && ++units === count) return day.getTime();
    day = new Date(day.getTime() - DAY);
  }
}

const time = fc.oneof(
  fc.integer({ min: Date.UTC(1890, 0, 1), max: Date.UTC(2110, 0, 1) }),
  fc
    .tuple(
      fc.constantFrom(
        ...['2026-03-01', '2024-02-29', '2024-03-01', '1970-01-01', '1969-12-28', '1900-03-01', '2000-02-29', '2100-03-01'].map(
          (day) => at(`${day}T00:00:00Z`),
        ),
        at('2026-03-15T00:00:00Z'), // a Sunday
      ),
      fc.integer({ min: -2, max: 2 }),
    )
    .map(([ms, off]) => ms + off),
);
const sets = fc.record({
  windows: fc
    .uniqueArray(fc.constantFrom(1, 10, 3_600_000, 30 * DAY), { maxLength: 3 })
    .map((list) => list.sort((a, b) => a - b)),
  calendars: fc.uniqueArray(
    fc.tuple(fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 3 })).map(([unit, count]) => calendar(unit, count)),
    { maxLength: 3, selector: ({ unit, count }) => `${unit} ${count}` },
  ),
  lifetime: fc.boolean(),
});

describe('a window', () => {
  it('of calendar units begins where counting back day by day says', () => {
    fc.assert(
      fc.property(fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 5 }), time, (unit, count, nowMs) => {
        expect(windowStart(calendar(unit, count), nowMs)).toBe(startByDays(unit, count, nowMs));
      }),
      { numRuns: 3_000 },
    );
  });

  it('is left at the first instant whose window begins later', () => {
    const window = fc.oneof(
      fc.tuple(fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 4 })).map(([unit, count]): Window => calendar(unit, count)),
      fc.integer({ min: 1, max: 40 * DAY }).map(sliding),
    );
    fc.assert(
      fc.property(window, time, (of, atMs) => {
        const leavesMs = leavesAt(of, atMs);
        expect(leavesMs).toBeGreaterThan(atMs);
        expect(windowStart(of, leavesMs - 1)).toBeLessThanOrEqual(atMs);
        expect(windowStart(of, leavesMs)).toBeGreaterThan(atMs);
      }),
      { numRuns: 3_000 },
    );
    expect([windowStart(LIFETIME, 5), leavesAt(LIFETIME, 5)]).toEqual([-Infinity, Infinity]);
  });

  it('has both ends inside', () => {
    expect(windowStart(sliding(10), 100)).toBe(90);
    expect(leavesAt(sliding(10), 90)).toBe(101);
    expect(windowStart(calendar('month'), at('2026-03-01T00:00:00.000Z'))).toBe(at('2026-03-01T00:00:00.000Z'));
    expect(windowStart(calendar('month'), at('2026-02-28T23:59:59.999Z'))).toBe(at('2026-02-01T00:00:00.000Z'));
    expect(leavesAt(calendar('month'), at('2024-02-29T12:00:00Z'))).toBe(at('2024-03-01T00:00:00Z'));
    expect(leavesAt(calendar('month', 2), at('1969-12-31T23:59:59.999Z'))).toBe(at('1970-02-01T00:00:00Z'));
    expect(windowStart(calendar('month', 13), at('1970-01-15T00:00:00Z'))).toBe(at('1969-01-01T00:00:00Z'));
    expect(windowStart(calendar('day'), -1)).toBe(-DAY);
    expect(windowStart(calendar('month'), at('0000-01-31T00:00:00Z'))).toBe(at('0000-01-01T00:00:00Z'));
  });

  // reference/adobe-profile.md §4.5
  it('W1: after Monday 9 October 2023 midnight a day ends on the 10th, a week on the 15th, a month on 1 November', () => {
    const first = at('2023-10-09T00:00:00Z');
    expect(UNITS.map((unit) => leavesAt(calendar(unit), first))).toEqual([
      at('2023-10-10T00:00:00Z'),
      at('2023-10-15T00:00:00Z'),
      at('2023-11-01T00:00:00Z'),
    ]);
  });

  it('W2: two weeks before Sunday 15 October begin on the 1st, and a week later on the 8th', () => {
    const lastInstantOf = (day: string): number => at(`${day}T00:00:00Z`) - 1;
    expect(windowStart(calendar('week', 2), lastInstantOf('2023-10-15'))).toBe(at('2023-10-01T00:00:00Z'));
    expect(windowStart(calendar('week', 2), lastInstantOf('2023-10-22'))).toBe(at('2023-10-08T00:00:00Z'));
    expect(windowStart(calendar('week', 2), at('2023-10-15T00:00:00Z'))).toBe(at('2023-10-08T00:00:00Z')); // the current one counts
  });

  it('of a set: the earliest start, and the first leave of those that hold a time', () => {
    fc.assert(
      fc.property(sets, time, fc.nat(90 * DAY), (set, nowMs, ageMs) => {
        const finite = windowsOf({ ...set, lifetime: false });
        expect(earliestStart(set, nowMs)).toBe(Math.min(Infinity, ...finite.map((window) => windowStart(window, nowMs))));
        const atMs = nowMs - ageMs;
        const holding = finite.filter((window) => windowStart(window, nowMs) <= atMs);
        expect(firstLeave(set, atMs, nowMs)).toBe(Math.min(Infinity, ...holding.map((window) => leavesAt(window, atMs))));
      }),
      { numRuns: 2_000 },
    );
    expect(earliestStart(windowSet([], true), 5)).toBe(Infinity);
  });
});
