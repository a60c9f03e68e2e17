// The different values against a Map, exact and sampled, of one part and of two.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinct } from '../../../src/aggregate/attribute_value.ts';
import { distinctHash, DistinctValues } from '../../../src/aggregate/distinct_values.ts';
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import { advance, insertValue } from '../../../src/aggregate/part.ts';
import { precisionOf } from '../../../src/aggregate/next_change.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { attributeOf, LIFETIME, measureOf, sliding, windowSet } from './plan_parts.ts';

/** The naive twin: every value with the last time it was seen. */
class Seen {
  readonly lastMs = new Map<unknown, number>();

  take(value: unknown, timeMs: number): void {
    this.lastMs.set(value, Math.max(timeMs, this.lastMs.get(value) ?? -Infinity));
  }

  from(startMs: number): unknown[] {
    return [...this.lastMs].filter(([, lastMs]) => lastMs >= startMs).map(([value]) => value);
  }
}

function rowsOf(set: DistinctValues): Map<number, number> {
  const rows = new Map<number, number>();
  let beforeMs = -Infinity;
  for (const { data } of set.chunks) {
    expect(data.length).toBeGreaterThan(0);
    for (let i = 0; i < data.length; i += 2) {
      expect(data[i]).toBeGreaterThanOrEqual(beforeMs);
      expect(rows.has(data[i + 1]!)).toBe(false);
      rows.set(data[i + 1]!, (beforeMs = data[i]!));
    }
  }
  expect(set.size).toBe(rows.size);
  return rows;
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ value: fc.nat(40), time: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ from: fc.nat(900), count: fc.integer({ min: 1, max: 400 }), time: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ drop: fc.nat(80) }) },
);

describe('different values', () => {
  it('are those of a Map, each with the last time it was seen', () => {
    let longest = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const set = new DistinctValues();
        const seen = new Seen();
        const take = (value: number, time: number): void => {
          const before = seen.lastMs.get(value);
          const changed = set.take(distinctHash(value), time, 5_000);
          expect(changed).toBe(before === undefined || before < time);
          seen.take(value, time);
        };
        for (const s of steps) {
          if ('value' in s) take(s.value, s.time);
          else if ('from' in s) for (let i = 0; i < s.count; i++) take(s.from + i, s.time + (i % 7));
          else {
            set.dropBefore(s.drop);
            for (const [value, lastMs] of seen.lastMs) if (lastMs < s.drop) seen.lastMs.delete(value);
          }
          longest = Math.max(longest, set.size);
        }
        expect(rowsOf(set)).toEqual(new Map([...seen.lastMs].map(([value, lastMs]) => [distinctHash(value), lastMs])));
        for (const startMs of [-1, 0, 1, 20, 59, 60, 200, 1_000]) {
          const inside = seen.from(startMs);
          expect(set.countFrom(startMs)).toBe(inside.length);
          expect(set.timeFrom(startMs)).toBe(
            inside.length === 0 ? NaN : Math.min(...inside.map((value) => seen.lastMs.get(value)!)),
          );
        }
      }),
      { numRuns: 150 },
    );
    expect(longest).toBeGreaterThan(400);
  });

  it('are told apart by type and value', () => {
    const hashes = ['1', 1, true, 'true', '', 0, 'n1', 1.5, false, '\ud800'].map(distinctHash);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashes.every((hash) => Number.isSafeInteger(hash) && hash >= 0)).toBe(true);
    expect(distinctHash(-0)).toBe(distinctHash(0));
    for (const value of [null, undefined, NaN, Infinity, [], ['a'], {}]) expect(distinctHash(value)).toBe(-1);
  });

  it('past the bound are a sample that depends on the values alone', () => {
    const values = Array.from({ length: 3_000 }, (_, i) => `SKU-${i * 2}`);
    const [a, b] = [new DistinctValues(), new DistinctValues()];
    values.forEach((value, i) => a.take(distinctHash(value), i, 200));
    [...values].reverse().forEach((value, i) => b.take(distinctHash(value), i, 200));
    expect(a.level).toBeGreaterThanOrEqual(4);
    expect(b.level).toBe(a.level);
    expect([...rowsOf(a).keys()].sort()).toEqual([...rowsOf(b).keys()].sort());
    expect([...rowsOf(a).keys()].every((hash) => hash % 2 ** a.level === 0)).toBe(true);
    expect(a.size).toBeLessThanOrEqual(200);
  });

  it.each(['SKU-', '', 'customer/', 'é'])(
    'of regular texts (%s…) are estimated within what the standard error says',
    (prefix) => {
      for (const stride of [1, 2, 10, 64, 1_000]) {
        const set = new DistinctValues();
        for (let i = 0; i < 20_000; i++) set.take(distinctHash(`${prefix}${i * stride}`), i, 1_000);
        const estimate = set.size * 2 ** set.level;
        expect(Math.abs(estimate - 20_000)).toBeLessThan((5 * 20_000) / Math.sqrt(set.size));
      }
    },
  );

  it.each([16, 24, 40])('of a window with 10 to 100 of them are sampled as by drawing lots (bound %d)', (rowsMax) => {
    const random = seededRandom(rowsMax);
    const CASES = 4_000;
    let [estimates, truths, off, squares] = [0, 0, 0, 0];
    for (let n = 0; n < CASES; n++) {
      const set = new DistinctValues();
      const inside = 10 + random.below(91);
      for (let i = 0; i < 150 + inside; i++) set.take(distinctHash(random.next()), i, rowsMax);
      const share = 2 ** -set.level;
      const sampled = set.countFrom(150);
      estimates += sampled / share;
      truths += inside;
      const deviation = (sampled - inside * share) / Math.sqrt(inside * share * (1 - share));
      off += deviation / CASES;
      squares += deviation ** 2 / CASES;
    }
    expect(Math.abs(estimates / truths - 1)).toBeLessThan(0.03);
    expect(Math.abs(off)).toBeLessThan(0.15); // below 0: a level is raised when many are in
    expect(Math.abs(squares - 1)).toBeLessThan(0.1);
  });

  it('of two parts are put together, at the coarser level', () => {
    const m = measureOf({ distinct: windowSet([1_000], true) });
    const state = new IdentityState('a.b');
    const take = (dataset: number, value: number, atMs: number): void =>
      insertValue(state.partFor(m, dataset), m, value, { atMs, sequence: 1, nowMs: atMs, exactEvents: 64 });
    state.evaluatedMs = 100;
    for (let i = 0; i < 300; i++) take(0, i, 100);
    for (let i = 290; i < 330; i++) take(1, i, 100);
    const [left, right] = state.parts.map(({ keepers }) => keepers!.distinct!) as [DistinctValues, DistinctValues];
    expect([left.level > 1, right.level]).toEqual([true, 0]);
    for (const window of [LIFETIME, sliding(1_000)]) {
      const attribute = attributeOf({ function: 'countDistinct', window });
      const both = Array.from({ length: 330 }, (_, i) => distinctHash(i)).filter((hash) => hash % 2 ** left.level === 0);
      expect(distinct(state, attribute)).toEqual({
        value: both.length * 2 ** left.level,
        sampled: both.length,
        level: left.level,
      });
      expect(precisionOf(state, attribute)).toMatchObject({ mode: 'sampled', share: 2 ** -left.level });
    }
  });

  it('are exact again only when every value that was not kept has left', () => {
    const m = measureOf({ distinct: windowSet([1_000]) });
    const state = new IdentityState('a.b');
    const part = state.partFor(m, 0);
    const attribute = attributeOf({ function: 'countDistinct', window: sliding(1_000) });
    const set = part.keepers!.distinct!;
    let now = 0;
    const move = (nowMs: number): void => {
      advance(part, m, now, nowMs);
      state.evaluatedMs = now = nowMs;
    };
    const take = (value: number): void => insertValue(part, m, value, { atMs: now, sequence: 1, nowMs: now, exactEvents: 16 });
    for (let i = 0; i < 40; i++) take(i);
    const unkept = Array.from({ length: 1_000 }, (_, i) => 100 + i).filter((value) => distinctHash(value) % 2 ** set.level !== 0);
    move(500);
    take(unkept[0]!); // not in the sample
    move(1_001); // the sample is empty, the window is not
    expect([set.size, set.level > 0, precisionOf(state, attribute)?.mode]).toEqual([0, true, 'sampled']);
    take(unkept[1]!);
    expect([set.size, set.level > 0]).toEqual([0, true]);
    move(2_001);
    take(unkept[2]!);
    expect([set.size, set.level > 0]).toEqual([0, true]); // the one before is at the window's start
    move(3_002); // with nothing due
    take(unkept[3]!);
    expect([set.level, precisionOf(state, attribute), distinct(state, attribute).value]).toEqual([0, undefined, 1]);
  });
});
