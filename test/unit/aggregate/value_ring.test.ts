import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_ROWS } from '../../../src/aggregate/chunk_list.ts';
import { ValueRing } from '../../../src/aggregate/value_ring.ts';

type Row = { time: number; value: number };

function rowsOf(ring: ValueRing): Row[] {
  const rows: Row[] = [];
  for (const { data } of ring.chunks) {
    expect(data.length > 0 && data.length <= CHUNK_ROWS * ring.stride && data.length % ring.stride === 0).toBe(true);
    for (let i = 0; i < data.length; i += ring.stride) rows.push({ time: data[i]!, value: ring.stride === 2 ? data[i + 1]! : 1 });
  }
  return rows;
}

/** The naive twin: a sorted array, later inserts after equal times. */
function insertSorted(rows: Row[], row: Row): void {
  const at = rows.findIndex(({ time }) => time > row.time);
  rows.splice(at < 0 ? rows.length : at, 0, row);
}

type Step =
  { kind: 'insert'; time: number } | { kind: 'run'; from: number; step: number; count: number } | { kind: 'drop'; share: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('insert' as const), time: fc.integer({ min: 0, max: 40 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      from: fc.integer({ min: 0, max: 400 }),
      step: fc.integer({ min: -1, max: 1 }),
      count: fc.integer({ min: 1, max: 200 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
);

describe('the ring', () => {
  it.each([true, false])('is a sorted array, in chunks (with values: %s)', (withValues) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const ring = new ValueRing(withValues);
        const rows: Row[] = [];
        const ids = new Set<number>();
        let n = 0;
        const insert = (time: number): void => {
          const value = withValues ? ++n : 1;
          ring.insert(time, value);
          insertSorted(rows, { time, value });
        };
        for (const s of steps) {
          if (s.kind === 'insert') insert(s.time);
          else if (s.kind === 'run') for (let i = 0; i < s.count; i++) insert(s.from + i * s.step);
          else {
            const count = Math.floor(rows.length * s.share);
            const stored = ring.chunks.map((chunk) => chunk.id);
            for (const chunk of ring.chunks) chunk.stored = true;
            ring.removed = [];
            ring.dropFront(count);
            rows.splice(0, count);
            expect(ring.removed).toEqual(stored.filter((id) => !ring.chunks.some((chunk) => chunk.id === id)));
          }
          for (const chunk of ring.chunks) ids.add(chunk.id);
          expect(new Set(ring.chunks.map((chunk) => chunk.id)).size).toBe(ring.chunks.length);
          expect(Math.max(0, ...ids)).toBeLessThan(ring.nextId);
        }
        expect(rowsOf(ring)).toEqual(rows);
        expect(ring.size).toBe(rows.length);
        for (let i = 0; i < rows.length; i += Math.max(1, rows.length >> 5)) {
          expect(ring.timeAt(i)).toBe(rows[i]!.time);
          const limit = rows[i]!.time + 3;
          const left: number[] = [];
          const count = ring.leaveBefore(i, limit, (value) => left.push(value));
          let end = i;
          while (end < rows.length && rows[end]!.time < limit) end++;
          expect(left).toEqual(rows.slice(i, end).map(({ value }) => value));
          expect(count).toBe(end - i);
        }
        if (rows.length > 0) expect(ring.timeAt(rows.length - 1)).toBe(rows[rows.length - 1]!.time);
      }),
      { numRuns: 200 },
    );
  });

  it('says which chunks the store has to write again', () => {
    const ring = new ValueRing(true);
    for (let i = 0; i < 5 * CHUNK_ROWS; i++) ring.insert(i * 10, i);
    const clean = (): void => ring.chunks.forEach((chunk) => (chunk.dirty = false));
    const dirty = (): boolean[] => ring.chunks.map((chunk) => chunk.dirty);
    clean();
    ring.insert(1e9, 1);
    expect(dirty()).toEqual([false, false, false, false, false, true]);
    clean();
    ring.insert(2 * CHUNK_ROWS * 10 + 5, 1); // into a full chunk: it splits, both halves changed
    expect(dirty()).toEqual([false, false, true, true, false, false, false]);
    clean();
    ring.dropFront(CHUNK_ROWS); // whole chunks go without touching others
    expect(dirty()).toEqual([false, false, false, false, false, false]);
    ring.dropFront(1);
    expect(dirty()).toEqual([true, false, false, false, false, false]);
  });
});
