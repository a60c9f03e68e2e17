// Staircases and earliest rows past their bound: a value is always that of a window that begins a little earlier, and nothing that is
// visible changes at the moment of thinning.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EarliestRows } from '../../../src/aggregate/earliest_rows.ts';
import { Staircase } from '../../../src/aggregate/staircase.ts';
import { mayJoin, startsOf, thinUntil } from '../../../src/aggregate/thinning.ts';
import { calendar, DAY } from './plan_parts.ts';

type Row = { readonly at: number; readonly sequence: number; readonly value: number };
const WINDOWS = [60, 500];
const ROWS_MAX = 16;

const step = fc.record({
  wait: fc.constantFrom(0, 0, 1, 1, 2, 3, 7, 20, 61),
  late: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(30), fc.nat(540)),
  value: fc.integer({ min: 0, max: 60 }),
});
const steps = fc.array(step, { minLength: 30, maxLength: 200, size: 'max' });
const slope = fc.constantFrom(-1, -0.2, 0, 0.2, 1);

/** The starts whose window may be meant. */
function startsNear(rows: readonly Row[], startMs: number, hopMs: number): number[] {
  return [startMs, ...rows.map(({ at }) => at).filter((at) => at < startMs && at >= startMs - hopMs)];
}

describe('a staircase past its bound', () => {
  it.each(['low', 'high'] as const)('of the %s', (direction) => {
    let inexact = 0;
    fc.assert(
      fc.property(steps, slope, (list, rise) => {
        const stairs = new Staircase(direction);
        const rows: Row[] = [];
        const best = direction === 'high' ? Math.max : Math.min;
        const none = direction === 'high' ? -Infinity : Infinity;
        let now = 10_000;
        const valuesNow = (): number[] => WINDOWS.map((ms) => stairs.valueFrom(now - ms));
        list.forEach(({ wait, late, value }, sequence) => {
          now += wait;
          stairs.dropBefore(now - 500);
          const row = { at: now - late, sequence, value: value + Math.floor(sequence * rise * 4) };
          rows.push(row);
          if (stairs.standsAt(row.at) >= now - 500) stairs.insert(row.at, row.value); // as extremes do
          if (stairs.size > ROWS_MAX) {
            const before = valuesNow();
            stairs.thin(ROWS_MAX, now, startsOf({ windows: WINDOWS, calendars: [] }, now));
            expect(valuesNow()).toEqual(before);
            expect(stairs.size).toBeLessThanOrEqual(ROWS_MAX);
          }
          for (const ms of WINDOWS) {
            const startMs = now - ms;
            const values = startsNear(rows, startMs, stairs.longestSpan(startMs)).map((since) =>
              rows.filter(({ at }) => at >= since).reduce((so, { value: each }) => best(so, each), none),
            );
            const mine = stairs.valueFrom(startMs);
            expect(values).toContain(Number.isNaN(mine) ? none : mine);
            if (values[0] !== mine && !Number.isNaN(mine)) inexact++;
          }
        });
        const times = stairs.chunks.flatMap(({ data }) => data.filter((_, i) => i % 2 === 0));
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b)); // ST1
      }),
      { numRuns: 60 },
    );
    expect(inexact).toBeGreaterThan(0);
  });

  it('lets a late row that is more extreme than a joined one stand where that stood', () => {
    const stairs = new Staircase('high');
    for (let i = 0; i < 17; i++) stairs.insert(1_000 + i * 10, 100 - i);
    stairs.thin(ROWS_MAX, 5_000, []);
    const [firstMs, lastMs] = [...stairs.spans!].map(([last, first]) => [first, last])[0]! as [number, number];
    expect(stairs.valueFrom(lastMs)).toBe(100 - (firstMs - 1_000) / 10);
    stairs.insert(lastMs - 1, 200);
    expect(stairs.valueFrom(firstMs)).toBe(200);
    // not the value of before: no window that has it does without 200
    expect(stairs.valueFrom(lastMs)).toBe(200);
    expect(stairs.longestSpan(lastMs)).toBeGreaterThanOrEqual(1);
  });
});

describe('earliest rows past their bound', () => {
  it('show the earliest since a little before', () => {
    let inexact = 0;
    fc.assert(
      fc.property(steps, (list) => {
        const kept = new EarliestRows();
        const rows: Row[] = [];
        let now = 10_000;
        const shown = (): unknown[] => WINDOWS.map((ms) => kept.rowFrom(now - ms)?.sequence);
        list.forEach(({ wait, late, value }, sequence) => {
          now += wait;
          kept.dropBefore(now - 500);
          rows.push({ at: now - late, sequence, value });
          if (late <= 500) kept.take(now - late, sequence, value); // as keepers do
          if (kept.size > ROWS_MAX) {
            const before = shown();
            kept.thin(ROWS_MAX, now, startsOf({ windows: WINDOWS, calendars: [] }, now));
            expect(shown()).toEqual(before);
            expect(kept.size).toBeLessThanOrEqual(ROWS_MAX);
          }
          for (const ms of WINDOWS) {
            const startMs = now - ms;
            const row = kept.rowFrom(startMs);
            const earliest = startsNear(rows, startMs, kept.longestSpan(startMs)).map((since) => {
              const inside = rows.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at || a.sequence - b.sequence);
              return inside[0];
            });
            const mine = row && { at: row.firstMs, sequence: row.sequence, value: row.value };
            expect(earliest).toContainEqual(mine);
            if (mine?.sequence !== earliest[0]?.sequence) inexact++;
          }
        });
      }),
      { numRuns: 80 },
    );
    expect(inexact).toBeGreaterThan(0);
  });

  it('of one time are joined first, and nothing is given up', () => {
    const kept = new EarliestRows();
    for (let i = 0; i < 17; i++) kept.take(i < 14 ? 100 : 100 + i, i, i);
    kept.thin(ROWS_MAX, 200, [100]);
    expect([kept.longestSpan(-Infinity), kept.rowFrom(100)!.sequence, kept.rowFrom(101)!.sequence]).toEqual([0, 0, 14]);
  });

  it('of one time never begin a joined row but with the first', () => {
    for (let ties = 1; ties <= 6; ties++) {
      const kept = new EarliestRows();
      for (let i = 0; i < 20; i++) kept.take(i < 5 ? i : i < 5 + ties ? 10 : 10 + i, i, i);
      kept.thin(ROWS_MAX, 1e6, []);
      for (let startMs = 0; startMs < 30; startMs++) {
        const { firstMs, sequence } = kept.rowFrom(startMs)!;
        expect(firstMs === 10 ? sequence : 5, `${ties} ties, since ${startMs}`).toBe(5);
      }
    }
  });
});

describe('what may be joined', () => {
  it('spans little against its age, and no start of a window', () => {
    const span = { firstMs: 0, innerLastMs: 50, lastMs: 100 };
    expect(mayJoin(span, 100 + 6_400, [])).toBe(true);
    expect(mayJoin(span, 100 + 6_399, [])).toBe(false);
    expect(mayJoin(span, 100 + 6_399, [], 1 / 32)).toBe(true);
    expect(mayJoin(span, 1e9, [51])).toBe(false);
    expect(mayJoin(span, 1e9, [100])).toBe(false);
    expect(mayJoin(span, 1e9, [50])).toBe(true);
    expect(mayJoin(span, 1e9, [101])).toBe(true);
    expect(mayJoin(span, 100, [], Infinity)).toBe(true); // of no age
  });

  it('is tried with growing shares, and at last with any', () => {
    const shares: number[] = [];
    thinUntil((share) => shares.push(share) === 3);
    expect(shares).toEqual([1 / 64, 1 / 32, 1 / 16]);
    shares.length = 0;
    thinUntil((share) => shares.push(share) < 0);
    expect(shares.slice(-2)).toEqual([2, Infinity]);
    expect(startsOf({ windows: [5, 10], calendars: [calendar('day')] }, DAY + 20)).toEqual([DAY + 15, DAY + 10, DAY]);
  });
});
