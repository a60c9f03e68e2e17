// min and max: from values that come in any order, over parts of several datasets, to what is read.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributeValue } from '../../../src/aggregate/attribute_value.ts';
import { comparable } from '../../../src/aggregate/extremes.ts';
import { estimateBytes, IdentityState } from '../../../src/aggregate/identity_state.ts';
import { advance, insertValue, Part } from '../../../src/aggregate/part.ts';
import { nextChanges } from '../../../src/aggregate/next_change.ts';
import type { Attribute, Measure, Plan } from '../../../src/aggregate/plan.ts';
import type { Window, WindowSet } from '../../../src/aggregate/window.ts';
import { attributeOf, LIFETIME, measureOf, sliding, windowSet } from './plan_parts.ts';

const EXACT = 5_000;

function attribute(function_: 'min' | 'max', window: Window, timestamps = false): Attribute {
  return attributeOf({ function: function_, window, timestamps });
}

function nextChange(state: IdentityState, one: Attribute): number {
  return nextChanges(state, { attributes: [one], expressions: [] } as unknown as Plan)[0]!;
}

function put(part: Part, m: Measure, value: unknown, at: { atMs: number; sequence?: number; nowMs?: number }): void {
  insertValue(part, m, value, { sequence: 1, nowMs: at.atMs, exactEvents: EXACT, ...at });
}

type Held = { at: number; value: number };

/** The last instant at which the best of these values is held; undefined when there are none. */
function best(function_: 'min' | 'max', rows: readonly Held[]): Held | undefined {
  if (rows.length === 0) return undefined;
  const value = Math[function_](...rows.map((row) => row.value));
  return { value: value + 0, at: Math.max(...rows.filter((row) => row.value === value).map((row) => row.at)) };
}

/** When a part's first extreme, or first row of a ring, leaves. */
function dueOf(m: Measure, rows: readonly Held[], now: number): number {
  let dueMs = Infinity;
  const inside = (window: number): Held[] => rows.filter(({ at }) => at >= now - window);
  for (const [function_, plan] of [['min', m.low] as const, ['max', m.high] as const])
    for (const window of plan?.windows ?? [])
      dueMs = Math.min(dueMs, (best(function_, inside(window))?.at ?? Infinity) + window + 1);
  for (const window of m.windows) for (const { at } of inside(window)) dueMs = Math.min(dueMs, at + window + 1);
  return dueMs;
}

const windows = fc.uniqueArray(fc.constantFrom(1, 2, 5, 20, 100), { maxLength: 3 }).map((list) => list.sort((a, b) => a - b));
const asked: fc.Arbitrary<WindowSet> = fc.record({ windows, calendars: fc.constant([]), lifetime: fc.boolean() });
const shape = fc.record({ low: fc.option(asked), high: fc.option(asked), sums: fc.boolean(), windows });
const step = fc.record({
  wait: fc.constantFrom(0, 0, 1, 1, 2, 6, 21, 101),
  late: fc.constantFrom(0, 0, 1, 2, 3, 5, 6, 20, 21, 100, 101, 500),
  value: fc.constantFrom(1, 1, 2, 3, 0.1, -2.5, 1e300, -1e300, 0, -0),
  dataset: fc.nat(2),
});

describe('min and max', () => {
  it('are those of the rows inside, both ends included, whatever order they came in; a part knows when its own change', () => {
    fc.assert(
      fc.property(shape, fc.array(step, { maxLength: 40 }), (given, steps) => {
        const m = measureOf(given);
        const state = new IdentityState('a.b');
        const all: (Held & { dataset: number })[] = [];
        let now = (state.evaluatedMs = 1000);
        const check = (): void => {
          for (const part of state.parts) {
            const own = all.filter(({ dataset }) => dataset === part.dataset);
            expect(part.dueMs).toBe(dueOf(m, own, now));
            expect(part.dueMs).toBeGreaterThan(now);
          }
          for (const [function_, asked] of [['min', m.low] as const, ['max', m.high] as const]) {
            for (const ms of asked?.windows ?? []) {
              const right = best(
                function_,
                all.filter(({ at }) => at >= now - ms),
              );
              expect(attributeValue(state, attribute(function_, sliding(ms)))).toBe(right?.value);
              expect(nextChange(state, attribute(function_, sliding(ms)))).toBe((right?.at ?? Infinity) + ms + 1);
            }
            if (asked?.lifetime !== true) continue;
            expect(attributeValue(state, attribute(function_, LIFETIME))).toBe(best(function_, all)?.value);
            expect(nextChange(state, attribute(function_, LIFETIME))).toBe(Infinity);
          }
        };
        for (const [i, { wait, late, value, dataset }] of steps.entries()) {
          for (const part of state.parts) advance(part, m, now, now + wait);
          state.evaluatedMs = now += wait;
          check();
          put(state.partFor(m, dataset), m, value, { atMs: now - late, sequence: i + 1, nowMs: now });
          all.push({ at: now - late, value, dataset });
          check();
        }
        for (const part of state.parts) advance(part, m, now, now + 10_000);
        state.evaluatedMs = now += 10_000;
        check();
        for (const { extremes } of state.parts) {
          if (extremes?.low) expect(extremes.low.chunks).toEqual([]);
          if (extremes?.high) expect(extremes.high.chunks).toEqual([]);
        }
      }),
      { numRuns: 700 },
    );
  });

  it('lose a value one millisecond after the window’s end, not sooner, and are absent without one', () => {
    const m = measureOf({ high: windowSet([10]) });
    const max = attribute('max', sliding(10));
    const state = new IdentityState('a.b');
    expect(attributeValue(state, max)).toBeUndefined();
    state.evaluatedMs = 104;
    const part = state.partFor(m, 0);
    put(part, m, 5, { atMs: 100 });
    put(part, m, 3, { atMs: 104, sequence: 2 });
    expect([attributeValue(state, max), part.dueMs, nextChange(state, max)]).toEqual([5, 111, 111]);
    advance(part, m, 104, (state.evaluatedMs = 110));
    expect(attributeValue(state, max)).toBe(5);
    advance(part, m, 110, (state.evaluatedMs = 111));
    expect([attributeValue(state, max), part.dueMs]).toEqual([3, 115]);
    advance(part, m, 111, (state.evaluatedMs = 115));
    expect([attributeValue(state, max), part.dueMs, nextChange(state, max)]).toEqual([undefined, Infinity, Infinity]);
  });

  it('change when the last dataset that has the value loses it', () => {
    const m = measureOf({ high: windowSet([10]) });
    const state = new IdentityState('a.b');
    state.evaluatedMs = 105;
    put(state.partFor(m, 0), m, 5, { atMs: 100, sequence: 1, nowMs: 105 });
    put(state.partFor(m, 1), m, 5, { atMs: 104, sequence: 2, nowMs: 105 });
    put(state.partFor(m, 2), m, 4, { atMs: 105, sequence: 3, nowMs: 105 });
    expect(nextChange(state, attribute('max', sliding(10)))).toBe(115);
    expect(state.parts.map(({ dueMs }) => dueMs)).toEqual([111, 115, 116]); // a part knows only its own
  });

  it('of timestamps compare instants and read as RFC 3339 in UTC', () => {
    const both = windowSet([10], true);
    const m = measureOf({ low: both, high: both, timestamps: true });
    const state = new IdentityState('a.b');
    const part = state.partFor(m, 0);
    const take = (value: unknown): void => put(part, m, value, { atMs: 0 });
    const read = (): unknown[] =>
      (['min', 'max'] as const).flatMap((function_) =>
        [sliding(10), LIFETIME].map((window) => attributeValue(state, attribute(function_, window, true))),
      );
    for (const value of [
      5,
      null,
      undefined,
      'soon',
      '2026-02-30T00:00:00Z',
      '0000-01-01T00:00:00+01:00',
      ['2026-01-01T00:00:00Z'],
    ])
      take(value);
    expect(read()).toEqual([undefined, undefined, undefined, undefined]);
    take('2026-03-10T09:00:00+02:00');
    take('2026-03-10T08:30:00Z'); // later, although the smaller text
    expect(read()).toEqual([
      '2026-03-10T07:00:00.000Z',
      '2026-03-10T07:00:00.000Z',
      '2026-03-10T08:30:00.000Z',
      '2026-03-10T08:30:00.000Z',
    ]);
    take('0000-01-01T00:00:00Z');
    take('9999-12-31T23:59:59.999Z');
    expect(read()[1]).toBe('0000-01-01T00:00:00.000Z');
    expect(read()[3]).toBe('9999-12-31T23:59:59.999Z');
  });

  it('of numbers take finite numbers only, and never say -0', () => {
    const m = measureOf({ low: windowSet([], true) });
    for (const value of ['5', '2026-03-10T09:00:00Z', null, undefined, NaN, Infinity, -Infinity, true, [1]])
      expect(comparable(m, value)).toBeNaN();
    expect(comparable(m, -0)).toBe(0);
    const state = new IdentityState('a.b');
    put(state.partFor(m, 0), m, -0, { atMs: 0 });
    expect(attributeValue(state, attribute('min', LIFETIME))).toBe(0);
  });

  it('cost nothing where nobody asks, and count as memory where somebody does', () => {
    expect(new Part(measureOf({ lifetime: true }), 0).extremes).toBeNull();
    const m = measureOf({ low: windowSet([1000]), high: windowSet([], true) });
    const state = new IdentityState('a.b');
    const part = state.partFor(m, 0);
    expect([part.ring, part.acc, part.extremes!.high]).toEqual([null, [], null]);
    const before = estimateBytes(state);
    for (let i = 0; i < 300; i++) put(part, m, i, { atMs: i, sequence: i + 1 });
    expect(part.extremes!.low!.size).toBe(300);
    expect(estimateBytes(state) - before).toBeGreaterThan(300 * 16);
  });
});
