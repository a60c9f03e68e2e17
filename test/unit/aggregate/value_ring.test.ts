// The ring against a plain sorted array, from a handful of rows to thousands, of which most rest packed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_ROWS } from '../../../src/aggregate/chunk_list.ts';
import { found, ValueRing } from '../../../src/aggregate/value_ring.ts';
import { seededRandom } from '../../../src/base/random.ts';

const WINDOWS = 2;
const OPEN_MAX = WINDOWS + 2;
const VALUES = [1, 9.99, -0.25, 1 / 3, 1e300, -1e300, 0, 123456789012345680, 5e-324];

type Row = { time: number; value: number };

function rowsOf(ring: ValueRing): Row[] {
  const rows: Row[] = [];
  for (const chunk of ring.chunks) {
    const data = ring.rowsOf(chunk);
    expect(data.length > 0 && data.length <= CHUNK_ROWS * ring.stride && data.length % ring.stride === 0).toBe(true);
    for (let i = 0; i < data.length; i += ring.stride) rows.push({ time: data[i]!, value: ring.stride === 2 ? data[i + 1]! : 1 });
  }
  return rows;
}

/** The naive twin: a sorted array, later inserts after equal times. */
function insertSorted(rows: Row[], row: Row): void {
  const at = rows.findLastIndex(({ time }) => time <= row.time);
  rows.splice(at + 1, 0, row);
}

function expectFrom(ring: ValueRing, rows: readonly Row[], startMs: number): void {
  const first = rows.findIndex(({ time }) => time >= startMs);
  expect(ring.seek(startMs)).toBe(rows[first]?.time ?? NaN);
  if (first < 0) return;
  const { chunk: at, offset } = found;
  const before = ring.chunks.slice(0, at).reduce((sum, chunk) => sum + ring.rowsOf(chunk).length / ring.stride, 0);
  expect(before + offset / ring.stride).toBe(first);
  const data = ring.dataOf(at);
  expect(data[offset]).toBe(rows[first]!.time);
  if (ring.stride === 2) expect(data[offset + 1]).toBe(rows[first]!.value);
}

function reloaded(ring: ValueRing): ValueRing {
  const loaded = new ValueRing(ring.stride === 2);
  loaded.nextId = ring.nextId;
  for (const chunk of ring.chunks) loaded.loadChunk(chunk.id, [...ring.rowsOf(chunk)], true);
  loaded.loaded(WINDOWS);
  return loaded;
}

function unpacked(ring: ValueRing): number {
  return ring.chunks.filter((chunk) => chunk.packed === null).length;
}

type Step =
  | { kind: 'insert'; time: number }
  | { kind: 'run'; from: number; step: number; count: number }
  | { kind: 'scatter'; count: number; seed: number }
  | { kind: 'take' | 'before' | 'seek'; share: number }
  | { kind: 'reload' | 'leave' };
const share = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('insert' as const), time: fc.integer({ min: -5, max: 40 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      from: fc.integer({ min: -50, max: 400 }),
      step: fc.integer({ min: -1, max: 2 }),
      count: fc.integer({ min: 1, max: 400 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('scatter' as const), count: fc.integer({ min: 1, max: 700 }), seed: fc.nat() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('take' as const, 'before' as const, 'seek' as const, 'seek' as const), share }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('reload' as const, 'leave' as const) }) },
);

/** A ring of fewer chunks than eight is never packed. */
const SHORT_CHUNKS_MAX = 7;

describe('the ring', () => {
  it.each([true, false])('is a sorted array, in chunks (with values: %s)', (withValues) => {
    let longest = 0;
    let packed = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25, size: 'max' }), (steps) => {
        let ring = new ValueRing(withValues);
        const rows: Row[] = [];
        let n = 0;
        const insert = (time: number): void => {
          const value = withValues ? VALUES[n % VALUES.length]! + Math.floor(n / VALUES.length) : 1;
          n++;
          ring.insert(time, value, WINDOWS);
          insertSorted(rows, { time, value });
        };
        for (const s of steps) {
          const stored = ring.chunks.map((chunk) => chunk.id);
          for (const chunk of ring.chunks) chunk.stored = true;
          ring.removed = [];
          if (s.kind === 'insert') insert(s.time);
          else if (s.kind === 'run') for (let i = 0; i < s.count; i++) insert(s.from + i * s.step);
          else if (s.kind === 'scatter') {
            const random = seededRandom(s.seed);
            for (let i = 0; i < s.count; i++) insert(random.below(900) - 50);
          } else if (s.kind === 'take' && rows.length > 0) {
            const wanted = 1 + Math.floor(s.share * 200);
            const taken = ring.takeFront(wanted);
            const count = taken.length / ring.stride;
            expect(count > 0 && count <= wanted).toBe(true);
            expect(taken).toEqual(rows.splice(0, count).flatMap(({ time, value }) => (withValues ? [time, value] : [time])));
          } else if (s.kind === 'before') {
            const limit = Math.floor(s.share * 500) - 20;
            ring.dropBefore(limit, s.share < 0.2 ? 1 : undefined);
            const outside = rows.filter(({ time }) => time < limit).length;
            const left = ring.size - (rows.length - outside);
            expect(left >= 0 && left < (s.share < 0.2 ? 1 : 32)).toBe(true); // in bulk
            expect(outside === rows.length && left > 0).toBe(false); // or when they are all
            rows.splice(0, rows.length - ring.size);
          } else if (s.kind === 'leave') {
            ring.dropBefore(1e9);
            rows.length = 0;
          } else if (s.kind === 'seek') {
            for (const startMs of [Math.floor(s.share * 900) - 50, -1e9, 1e9]) expectFrom(ring, rows, startMs);
          } else if (s.kind === 'reload') ring = reloaded(ring);
          if (s.kind !== 'reload')
            expect([...ring.removed].sort()).toEqual(stored.filter((id) => !ring.chunks.some((chunk) => chunk.id === id)).sort());
          expect(ring.size).toBe(rows.length);
          expect(ring.seek(-Infinity)).toBe(rows[0]?.time ?? NaN);
          expect(new Set(ring.chunks.map((chunk) => chunk.id)).size).toBe(ring.chunks.length);
          expect(Math.max(0, ...ring.chunks.map((chunk) => chunk.id))).toBeLessThan(ring.nextId);
          expect(unpacked(ring)).toBeLessThanOrEqual(Math.max(OPEN_MAX + 1, SHORT_CHUNKS_MAX));
          longest = Math.max(longest, ring.size);
          packed = Math.max(packed, ring.chunks.length - unpacked(ring));
        }
        expect(rowsOf(ring)).toEqual(rows);
        for (let i = 0; i < rows.length; i += Math.max(1, rows.length >> 4)) expectFrom(ring, rows, rows[i]!.time);
        expect(rowsOf(ring)).toEqual(rows); // looking changes nothing
      }),
      { numRuns: 50 },
    );
    expect(longest).toBeGreaterThan(1_000);
    expect(packed).toBeGreaterThan(0);
  });

  it('says which chunks the store has to write again', () => {
    const ring = new ValueRing(true);
    for (let i = 0; i < 5 * CHUNK_ROWS; i++) ring.insert(i * 10, i, WINDOWS);
    const clean = (): void => ring.chunks.forEach((chunk) => (chunk.dirty = false));
    const dirty = (): boolean[] => ring.chunks.map((chunk) => chunk.dirty);
    clean();
    ring.insert(1e9, 1, WINDOWS);
    expect(dirty()).toEqual([false, false, false, false, false, true]);
    clean();
    ring.insert(2 * CHUNK_ROWS * 10 + 5, 1, WINDOWS); // into a full chunk: it splits, both halves changed
    expect(dirty()).toEqual([false, false, true, true, false, false, false]);
    clean();
    ring.seek(5); // looking at a packed chunk is no change
    expect(dirty()).toEqual([false, false, false, false, false, false, false]);
    ring.dropBefore(CHUNK_ROWS * 10); // whole chunks go without touching others
    expect(dirty()).toEqual([false, false, false, false, false, false]);
    ring.takeFront(1);
    expect(dirty()).toEqual([true, false, false, false, false, false]);
  });

  it('finds rows after a whole chunk was taken off in front of a packed one', () => {
    const ring = new ValueRing(false);
    for (let i = 0; i < 12 * CHUNK_ROWS; i++) ring.insert(i, 0, WINDOWS);
    ring.seek(5 * CHUNK_ROWS); // first times are known from here on
    expect([ring.takeFront(CHUNK_ROWS).length, ring.chunks[0]!.packed === null]).toEqual([CHUNK_ROWS, false]);
    expect([ring.seek(-Infinity), ring.seek(0), ring.seek(CHUNK_ROWS + 1)]).toEqual([CHUNK_ROWS, CHUNK_ROWS, CHUNK_ROWS + 1]);
  });

  it('is short again after all rows of a long one have left', () => {
    const ring = new ValueRing(true);
    for (let i = 0; i < 12 * CHUNK_ROWS; i++) ring.insert(i, 0, WINDOWS);
    ring.seek(5 * CHUNK_ROWS); // first times are known from here on
    ring.dropBefore(1e6);
    expect([ring.size, ring.seek(-Infinity)]).toEqual([0, NaN]);
    for (let i = 0; i < 12 * CHUNK_ROWS; i++) {
      ring.insert(2e6 + i, 1, WINDOWS);
      expect([ring.seek(-Infinity), ring.seek(2e6 + i)]).toEqual([2e6, 2e6 + i]);
    }
    expect(unpacked(ring)).toBeLessThanOrEqual(OPEN_MAX + 1);
  });

  it('keeps a long history packed, however it is read', () => {
    const ring = new ValueRing(true);
    for (let i = 0; i < 100 * CHUNK_ROWS; i++) ring.insert(i * 60_000, (i % 1_000) / 100, WINDOWS);
    const chars = (): number => ring.chunks.reduce((sum, { packed }) => sum + (packed?.length ?? 0), 0);
    const most = (): void => expect(unpacked(ring)).toBeLessThanOrEqual(OPEN_MAX + 1);
    most();
    expect(chars() / ring.size).toBeLessThan(6); // of 16 bytes
    for (let i = 0; i < 100; i++) {
      ring.seek(i * CHUNK_ROWS * 60_000);
      most();
    }
    const loaded = reloaded(ring);
    expect(unpacked(loaded)).toBe(1);
    for (let i = 0; i < 3 * CHUNK_ROWS; i++) loaded.insert((i % 2 === 0 ? i : 12_800 + i) * 60_000, 1, WINDOWS);
    expect(unpacked(loaded)).toBeLessThanOrEqual(OPEN_MAX + 1);
  });
});
