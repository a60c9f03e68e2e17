import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributeValue, sameValue } from '../../../src/aggregate/attribute_value.ts';
import { readDecimal, readWide } from '../../../src/aggregate/decimal_sum.ts';
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import { advance, insertValue, isPlainValue, Part, SLOT } from '../../../src/aggregate/part.ts';
import type { Measure } from '../../../src/aggregate/plan.ts';
import { exactMean, exactSum } from '../../../src/oracle/exact_sum.ts';
import { attributeOf, measureOf } from './plan_parts.ts';

const EXACT = 5_000;

function measure(windows: number[], options: { lifetime?: boolean; sums?: boolean; recent?: boolean } = {}): Measure {
  return measureOf({ windows, sums: true, ...options });
}

type Held = { at: number; value: number };

function check(part: Part, m: Measure, all: readonly Held[], now: number): void {
  let dueMs = Infinity;
  const windows = m.lifetime ? [...m.windows, Infinity] : m.windows;
  for (const [slot, window] of windows.entries()) {
    const inside = all.filter(({ at }) => at >= now - window && at <= now);
    const [count, whole, nanos] = part.acc.slice(slot * SLOT, slot * SLOT + SLOT) as [number, number, number];
    expect(count).toBe(inside.length);
    const wide = part.wide?.get(slot);
    if (m.sums)
      expect(wide === undefined ? readDecimal(whole, nanos) : readWide(whole, nanos, wide)).toBe(
        exactSum(inside.map(({ value }) => value)),
      );
    for (const { at } of inside) dueMs = Math.min(dueMs, at + window + 1);
  }
  expect(part.dueMs).toBeGreaterThan(now);
  expect(part.dueMs).toBe(dueMs);
}

describe('a part', () => {
  it('covers exactly the rows inside each window, both ends included, whatever order they came in', () => {
    const windows = fc
      .uniqueArray(fc.constantFrom(1, 2, 5, 20, 100), { minLength: 0, maxLength: 3 })
      .map((list) => list.sort((a, b) => a - b));
    const step = fc.record({
      wait: fc.constantFrom(0, 0, 1, 1, 2, 6, 21, 101),
      late: fc.constantFrom(0, 0, 1, 2, 3, 5, 6, 20, 21, 100, 101, 500),
      value: fc.constantFrom(1, 0.1, -2.5, 1e300, 1e-300, 0),
    });
    fc.assert(
      fc.property(windows, fc.boolean(), fc.boolean(), fc.array(step, { maxLength: 40 }), (list, lifetime, sums, steps) => {
        const m = measure(list, { lifetime, sums });
        const part = new Part(m, 0);
        const all: Held[] = [];
        let now = 1000;
        for (const [i, { wait, late, value }] of steps.entries()) {
          advance(part, m, now, now + wait);
          now += wait;
          check(part, m, all, now);
          insertValue(part, m, value, { atMs: now - late, sequence: i + 1, nowMs: now, exactEvents: EXACT });
          all.push({ at: now - late, value });
          check(part, m, all, now);
        }
        const last = list.at(-1);
        if (part.ring !== null) {
          const outside = part.ring.size - all.filter(({ at }) => at >= now - last!).length;
          expect(outside).toBeGreaterThanOrEqual(0);
          expect(outside).toBeLessThan(32); // dropped in bulk
        }
        advance(part, m, now, now + 10_000);
        check(part, m, all, now + 10_000);
        if (part.ring !== null) expect(part.ring.chunks).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('loses an event one millisecond after the window’s end, not sooner', () => {
    const m = measure([10]);
    const part = new Part(m, 0);
    insertValue(part, m, 5, { atMs: 100, sequence: 1, nowMs: 100, exactEvents: EXACT });
    expect(part.dueMs).toBe(111);
    advance(part, m, 100, 110);
    expect(part.acc[0]).toBe(1);
    advance(part, m, 110, 111);
    expect([part.acc[0], part.acc[1], part.dueMs, part.ring!.size]).toEqual([0, 0, Infinity, 0]);
  });

  it('with sums takes numbers only; without, every matching event', () => {
    const sums = measure([10], { recent: true });
    const part = new Part(sums, 0);
    const now = { atMs: 100, sequence: 1, nowMs: 100, exactEvents: EXACT };
    for (const value of ['5', undefined, null, NaN, Infinity, true, [1]]) insertValue(part, sums, value, now);
    expect(part.acc[0]).toBe(0);
    const counts = measure([10], { sums: false });
    const counted = new Part(counts, 0);
    for (const value of ['5', undefined, null]) insertValue(counted, counts, value, now);
    expect(counted.acc[0]).toBe(3);
  });

  it('averages to 0, not -0, where that is too small for a double', () => {
    const m = measure([], { lifetime: true });
    const state = new IdentityState('a.b');
    const at = { atMs: 0, sequence: 1, nowMs: 0, exactEvents: EXACT };
    for (const value of [-5e-324, 0, 0]) insertValue(state.partFor(m, 0), m, value, at);
    expect(attributeValue(state, attributeOf({ function: 'average', slot: 0 }))).toBe(0);
  });

  it('averages decimals, not doubles: 3.3 divided by 3 is 1.1', () => {
    const m = measure([], { lifetime: true });
    const mean = (...values: number[]): unknown => {
      const state = new IdentityState('a.b');
      const at = { atMs: 0, sequence: 1, nowMs: 0, exactEvents: EXACT };
      for (const [i, value] of values.entries()) insertValue(state.partFor(m, i % 4), m, value, at); // spread over four datasets
      return attributeValue(state, attributeOf({ function: 'average', slot: 0 }));
    };
    expect(mean(3, 0.1, 0.2)).toBe(1.1);
    expect(mean(44.99, 0, 0)).toBe(14.996666666666666);
    expect(mean(1.7e308, 1.7e308)).toBe(1.7e308);
    const finite = fc.oneof(
      fc.integer({ min: -99_999, max: 99_999 }).map((n) => n / 100),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 7 }), (values) => {
        expect(mean(...values)).toBe(exactMean(values));
      }),
    );
  });

  it('keeps the latest value: later time wins, then higher sequence; nulls and objects are no values', () => {
    const m = measure([], { sums: false, recent: true });
    const part = new Part(m, 0);
    const put = (value: unknown, at: number, sequence: number): unknown => {
      insertValue(part, m, value, { atMs: at, sequence, nowMs: 1000, exactEvents: EXACT });
      return part.recentValue;
    };
    expect(put('a', 100, 1)).toBe('a');
    expect(put('b', 100, 2)).toBe('b');
    expect(put('c', 99, 3)).toBe('b');
    expect(put(null, 200, 4)).toBe('b');
    expect(put({ x: 1 }, 200, 5)).toBe('b');
    expect(put([[1]], 200, 6)).toBe('b');
    expect(put([1, null], 200, 7)).toBe('b');
    expect(put(['x', 1, true], 200, 8)).toEqual(['x', 1, true]);
    expect(put(false, 201, 9)).toBe(false);
    expect(put('', 202, 10)).toBe('');
    expect(put([], 203, 11)).toEqual([]);
  });

  it('knows plain values and their equality', () => {
    for (const value of ['', 0, -0, false, [], ['a', 1, true]]) expect(isPlainValue(value)).toBe(true);
    for (const value of [null, undefined, NaN, Infinity, {}, [null], [[]], [NaN]]) expect(isPlainValue(value)).toBe(false);
    expect([sameValue(0, -0), sameValue([1, 'a'], [1, 'a']), sameValue([], []), sameValue(undefined, undefined)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([
      sameValue(1, '1'),
      sameValue([1], [1, 2]),
      sameValue([1], 1),
      sameValue(undefined, 0),
      sameValue('', undefined),
      sameValue([1], ['1']),
    ]).toEqual(Array(6).fill(false));
  });
});
