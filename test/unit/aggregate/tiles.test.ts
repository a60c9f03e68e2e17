// A part that keeps few values one by one: what it folds is that of a window that begins a little earlier, and it says how little.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWide } from '../../../src/aggregate/decimal_sum.ts';
import { advance, insertValue, Part, SLOT } from '../../../src/aggregate/part.ts';
import type { Measure } from '../../../src/aggregate/plan.ts';
import { TILE, Tiles, type Folding } from '../../../src/aggregate/tiles.ts';
import { leavesAt, windowStart } from '../../../src/aggregate/window.ts';
import { exactSum } from '../../../src/oracle/exact_sum.ts';
import { calendar, DAY, measureOf, windowsOf } from './plan_parts.ts';

type Row = { readonly at: number; readonly value: number };

const WINDOWS = measureOf({ windows: [50, 400, 3_000], calendars: [calendar('day')], lifetime: true, sums: true });
const EXACT = 20;

const read = (part: Part, slot: number): [number, number] => {
  const [count, whole, nanos] = part.acc.slice(slot * SLOT, slot * SLOT + SLOT) as [number, number, number];
  return [count, readWide(whole, nanos, part.wide?.get(slot) ?? 0n)];
};

function expectTiles({ tiles, ring }: Part): void {
  if (tiles === null) return;
  expect(tiles.count).toBeGreaterThan(0);
  if (tiles.wide !== null) expect(tiles.wide.length).toBe(tiles.count);
  for (let at = 0; at < tiles.count; at++) {
    expect(tiles.lastMs(at)).toBeGreaterThanOrEqual(tiles.firstMs(at));
    expect(tiles.rows(at)).toBeGreaterThan(0);
    if (at > 0) expect(tiles.firstMs(at)).toBeGreaterThan(tiles.lastMs(at - 1)); // TI1; rows of one time are in one tile
  }
  if (ring!.size > 0) expect(ring!.seek(-Infinity)).toBeGreaterThanOrEqual(tiles.endMs());
}

/** PA1, TI2: count and sum of each window are those since some time at most the longest tile before its start, not after it. */
function expectWindows(part: Part, m: Measure, rows: readonly Row[], now: number): number {
  let inexact = 0;
  const finite = windowsOf({ ...m, lifetime: false });
  for (const [slot, window] of finite.entries()) {
    const startMs = windowStart(window, now);
    const hopMs = part.tiles?.longestSpan(startMs) ?? 0;
    const starts = [startMs, ...rows.map(({ at }) => at).filter((at) => at < startMs && at >= startMs - hopMs)];
    const [count, sum] = read(part, slot);
    const counts = starts.map((since) => rows.reduce((n, { at }) => n + (at >= since ? 1 : 0), 0));
    const right = counts.indexOf(count); // with so many rows a window has these and no others
    if (right < 0) expect(counts).toContain(count);
    expect(sum).toBe(sumOf(rows.filter(({ at }) => at >= starts[right]!)));
    if (count !== counts[0]) inexact++;
  }
  return inexact;
}

function sumOf(rows: readonly Row[]): number {
  return exactSum(rows.map(({ value }) => value));
}

const step = fc.record({
  wait: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 9, 20, 51),
  late: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(60), fc.nat(500)),
  value: fc.constantFrom(1, 0.1, -2.5, 9.99, 1e22, -1e22, 1e-12, 0, 12345678901234568),
  rare: fc.constantFrom(...Array.from({ length: 60 }, () => 0), 350, 3_000, DAY),
  repeat: fc.constantFrom(...Array.from({ length: 50 }, () => 1), 90),
});

describe('tiles', () => {
  it('count and sum a window that begins a little earlier, and later rows join them', () => {
    let inexact = 0;
    let joined = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 120, maxLength: 240, size: 'max' }), (steps) => {
        const part = new Part(WINDOWS, 0);
        const rows: Row[] = [];
        let now = DAY - 900;
        let sequence = 0;
        for (const { wait, late, value, rare, repeat } of steps) {
          advance(part, WINDOWS, now, now + wait + rare);
          now += wait + rare;
          for (let i = 0; i < repeat; i++) {
            insertValue(part, WINDOWS, value, { atMs: now - late, sequence: ++sequence, nowMs: now, exactEvents: EXACT });
            rows.push({ at: now - late, value });
          }
          expectTiles(part);
          expect(part.ring!.size).toBeLessThanOrEqual(EXACT);
          if (sequence % 2 === 0) inexact += expectWindows(part, WINDOWS, rows, now);
          expect(part.dueMs).toBeGreaterThan(now);
          joined = Math.max(joined, ...Array.from({ length: part.tiles?.count ?? 0 }, (_, at) => part.tiles!.rows(at)));
        }
        expect(read(part, 4)).toEqual([rows.length, sumOf(rows)]);
        advance(part, WINDOWS, now, now + 2 * DAY);
        expect([part.tiles, part.ring!.size, part.dueMs]).toEqual([null, 0, Infinity]);
        for (let slot = 0; slot < 4; slot++) expect(read(part, slot)).toEqual([0, 0]);
      }),
      { numRuns: 25 },
    );
    expect(inexact).toBeGreaterThan(0);
    expect(joined).toBeGreaterThan(0);
  });

  it('are never joined across the start of a window: what is visible does not change when they are made', () => {
    const m = measureOf({ windows: [100, 1_000], sums: true });
    const part = new Part(m, 0);
    const rows: Row[] = [];
    for (let i = 0; i < 400; i++) {
      const before = rows.filter(({ at }) => at >= 5_000 - 100).length;
      insertValue(part, m, 1, { atMs: 4_100 + i * 2, sequence: i, nowMs: 5_000, exactEvents: EXACT });
      rows.push({ at: 4_100 + i * 2, value: 1 });
      const now = rows.filter(({ at }) => at >= 5_000 - 100).length;
      expect([read(part, 0)[0], now - before <= 1]).toEqual([now, true]);
      expect(read(part, 1)[0]).toBe(rows.length);
    }
    expect(part.tiles!.count).toBeGreaterThan(5);
    for (let at = 0; at < part.tiles!.count; at++) {
      const [firstMs, lastMs] = [part.tiles!.firstMs(at), part.tiles!.lastMs(at)];
      expect([4_000, 4_900].some((startMs) => firstMs < startMs && startMs <= lastMs)).toBe(false);
    }
  });

  it('keep all rows of one time together, however many', () => {
    const m = measureOf({ windows: [1_000] });
    const part = new Part(m, 0);
    let n = 0;
    const put = (atMs: number, nowMs: number, count: number): void => {
      for (let i = 0; i < count; i++) insertValue(part, m, undefined, { atMs, sequence: ++n, nowMs, exactEvents: EXACT });
    };
    put(10_000, 10_000, 200);
    advance(part, m, 10_000, 10_900);
    put(10_005, 10_900, 100); // the tile of 10,000 may not go on
    advance(part, m, 10_900, 11_001); // all of 10,000 has left, nothing of 10,005
    expectTiles(part);
    expect([0, 100, 300]).toContain(part.acc[0]);
    expect(part.acc[0]).toBe(100);
  });

  it('past a bound are joined, the older the more, and their sums stay exact', () => {
    const tiles = new Tiles();
    const folding = (nowMs: number): Folding => ({ nowMs, starts: [nowMs - 1e9], exactEvents: 100 });
    const values = [0.1, 1e300, -3.25, 1e-9, 4e15, 7];
    const sum: number[] = [];
    for (let i = 0; i < 3_000; i++) {
      const value = values[i % values.length]!;
      tiles.fold([i * 1_000, value], 2, folding(i * 1_000 + 500_000));
      sum.push(value);
      expect(tiles.count).toBeLessThanOrEqual(100);
    }
    let rows = 0;
    let total = 0n;
    for (let at = 0; at < tiles.count; at++) {
      rows += tiles.rows(at);
      const [whole, nanos] = tiles.data.slice(at * TILE + 3, at * TILE + 5) as [number, number];
      total += BigInt(whole) * 10n ** 340n + BigInt(nanos) * 10n ** 331n + tiles.wideOf(at);
    }
    expect([rows, readWide(0, 0, total)]).toEqual([3_000, exactSum(sum)]);
    const spans = Array.from({ length: tiles.count }, (_, at) => tiles.lastMs(at) - tiles.firstMs(at));
    const mean = (of: readonly number[]): number => of.reduce((so, span) => so + span, 0) / of.length;
    expect(mean(spans.slice(0, tiles.count >> 1))).toBeGreaterThan(mean(spans.slice(tiles.count >> 1)));
    expect(tiles.longestSpan(-Infinity)).toBe(Math.max(...spans));
    tiles.dropBefore(tiles.lastMs(3));
    expect(tiles.count).toBe(spans.length - 3);
  });

  it('say when the first of them leaves a window', () => {
    const m = measureOf({ windows: [1_000], calendars: [calendar('day')] });
    const part = new Part(m, 0);
    for (let i = 0; i < 60; i++) insertValue(part, m, undefined, { atMs: i, sequence: i, nowMs: 900, exactEvents: EXACT });
    const firstLastMs = part.tiles!.lastMs(0);
    expect(firstLastMs).toBeGreaterThan(0);
    advance(part, m, 900, 1_001); // the part's due may be that of a row before it was folded
    expect([part.acc[0], part.dueMs]).toEqual([60, firstLastMs + 1_001]);
    advance(part, m, 1_001, firstLastMs + 1_001);
    expect(part.acc[0]).toBe(60 - firstLastMs - 1);
    expect(leavesAt(calendar('day'), 59)).toBe(DAY);
    advance(part, m, firstLastMs + 1_001, DAY);
    expect([part.acc[SLOT], part.dueMs]).toEqual([0, Infinity]);
  });
});
