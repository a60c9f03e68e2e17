import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_ROWS } from '../../../src/aggregate/chunk_list.ts';
import { Staircase } from '../../../src/aggregate/staircase.ts';

type Row = { time: number; value: number };
type Direction = 'low' | 'high';

/** The naive twin: every row that came, looked at again for every question. */
class Rows {
  all: Row[] = [];
  readonly direction: Direction;

  constructor(direction: Direction) {
    this.direction = direction;
  }

  reaches(a: number, b: number): boolean {
    return this.direction === 'high' ? a >= b : a <= b;
  }

  /** Rows that no other row at their time or later reaches; of two equal ones the one that came first. */
  steps(): Row[] {
    const stays = (row: Row, index: number): boolean =>
      !this.all.some(({ time, value }, other) => {
        if (other === index || time < row.time || !this.reaches(value, row.value)) return false;
        return time > row.time || value !== row.value || other < index;
      });
    return this.all.filter(stays).sort((a, b) => a.time - b.time);
  }

  extremeFrom(startMs: number): Row | undefined {
    let best: Row | undefined;
    for (const row of this.all) {
      if (row.time < startMs) continue;
      if (best === undefined || (row.value === best.value ? row.time > best.time : this.reaches(row.value, best.value)))
        best = row;
    }
    return best;
  }
}

/** What a store holds of the list; refuses to lose or to forget a chunk. */
class ChunkRecords {
  readonly data = new Map<number, readonly number[]>();

  save(stairs: Staircase): void {
    for (const id of stairs.removed) expect(this.data.delete(id)).toBe(true);
    stairs.removedAreGone();
    for (const chunk of stairs.chunks) {
      if (chunk.stored && !chunk.dirty) continue;
      this.data.set(chunk.id, [...chunk.data]);
      chunk.stored = true;
      chunk.dirty = false;
    }
    expect(Object.fromEntries(this.data)).toEqual(Object.fromEntries(stairs.chunks.map(({ id, data }) => [id, data])));
  }

  load(direction: Direction, from: Staircase): Staircase {
    const stairs = new Staircase(direction);
    stairs.nextId = from.nextId;
    for (const { id } of from.chunks) stairs.loadChunk(id, [...this.data.get(id)!], true);
    return stairs;
  }
}

function rowsOf(stairs: Staircase): Row[] {
  const rows: Row[] = [];
  for (const { data } of stairs.chunks) {
    expect(data.length > 0 && data.length <= CHUNK_ROWS * 2 && data.length % 2 === 0).toBe(true);
    for (let i = 0; i < data.length; i += 2) rows.push({ time: data[i]!, value: data[i + 1]! });
  }
  expect(stairs.size).toBe(rows.length);
  expect(new Set(stairs.chunks.map(({ id }) => id)).size).toBe(stairs.chunks.length);
  return rows;
}

type Step =
  | { kind: 'insert'; time: number; value: number }
  | { kind: 'run'; from: number; step: number; start: number; slope: number; count: number }
  | { kind: 'drop'; share: number }
  | { kind: 'save' | 'reload' };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      time: fc.oneof(fc.nat(12), fc.nat(600)),
      value: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -300, max: 300 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      from: fc.nat(400),
      step: fc.constantFrom(-2, -1, 0, 1, 1, 2),
      start: fc.integer({ min: -300, max: 300 }),
      slope: fc.constantFrom(-1, -1, 0, 1, 1),
      count: fc.integer({ min: 1, max: 300 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('save' as const, 'reload' as const) }) },
);

describe('the staircase', () => {
  it.each(['low', 'high'] as const)(
    'of the %s holds what can still be the extreme, in chunks that the store can follow',
    (direction) => {
      let longest = 0;
      fc.assert(
        fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
          let stairs = new Staircase(direction);
          const rows = new Rows(direction);
          const records = new ChunkRecords();
          const insert = (time: number, value: number): void => {
            const before = stairs.size;
            const gone = stairs.insert(time, value);
            expect(stairs.size).toBe(gone < 0 ? before : before + 1 - gone);
            rows.all.push({ time, value });
          };
          for (const s of steps) {
            if (s.kind === 'insert') insert(s.time, s.value);
            else if (s.kind === 'run')
              for (let i = 0; i < s.count; i++) insert(Math.max(0, s.from + i * s.step), s.start + i * s.slope);
            else if (s.kind === 'drop') {
              const limit = Math.floor(s.share * 300);
              const before = stairs.size;
              stairs.dropBefore(limit);
              const outside = rows.steps().filter(({ time }) => time < limit).length;
              // in bulk, or when they are all that is left
              if (outside >= 32 || outside === before) rows.all = rows.all.filter(({ time }) => time >= limit);
            } else {
              records.save(stairs);
              if (s.kind === 'reload') stairs = records.load(direction, stairs);
            }
            longest = Math.max(longest, stairs.size);
            const kept = rows.steps();
            expect(rowsOf(stairs)).toEqual(kept);
            rows.all = kept; // the others can never matter again; keeps the naive twin quick
            for (const startMs of [-1, 0, 1, 5, 100, 250, 251, 300, 599, 1000, ...kept.slice(0, 3).map(({ time }) => time + 1)]) {
              const extreme = rows.extremeFrom(startMs);
              expect([stairs.valueFrom(startMs), stairs.timeFrom(startMs)]).toEqual([
                extreme?.value ?? NaN,
                extreme?.time ?? NaN,
              ]);
            }
          }
          records.save(stairs);
        }),
        { numRuns: 250 },
      );
      expect(longest).toBeGreaterThan(2 * CHUNK_ROWS);
    },
  );

  it('is the same whatever the order in which the rows came', () => {
    const row = fc.record({ time: fc.nat(40), value: fc.integer({ min: -8, max: 8 }) });
    fc.assert(
      fc.property(
        fc
          .array(row, { maxLength: 60 })
          .chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length }))),
        ([rows, shuffled]) => {
          const [a, b] = [new Staircase('high'), new Staircase('high')];
          for (const { time, value } of rows) a.insert(time, value);
          for (const { time, value } of shuffled) b.insert(time, value);
          expect(rowsOf(a)).toEqual(rowsOf(b));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('says how many rows a new one put out', () => {
    const stairs = new Staircase('high');
    expect([stairs.insert(10, 5), stairs.insert(20, 4), stairs.insert(30, 3)]).toEqual([0, 0, 0]);
    expect(stairs.insert(20, 3)).toBe(-1); // its own time has more
    expect(stairs.insert(15, 4)).toBe(-1); // later ones reach it
    expect(stairs.insert(20, 4)).toBe(-1); // the same again
    expect(stairs.insert(30, 4)).toBe(2); // equal values: the latest holds longest
    expect(rowsOf(stairs)).toEqual([
      { time: 10, value: 5 },
      { time: 30, value: 4 },
    ]);
    expect(stairs.insert(30, 9)).toBe(2);
    expect([stairs.valueFrom(30), stairs.valueFrom(31)]).toEqual([9, NaN]);
  });

  it('touches no other chunk than it must, and lets those that empty go', () => {
    const stairs = new Staircase('high');
    const records = new ChunkRecords();
    for (let i = 0; i < 6 * CHUNK_ROWS; i++) stairs.insert(i * 10, 100_000 - i * 10);
    expect(stairs.chunks.length).toBe(6);
    records.save(stairs);
    const dirty = (): boolean[] => stairs.chunks.map((chunk) => chunk.dirty);
    stairs.insert(1e6, 1);
    expect(dirty()).toEqual([false, false, false, false, false, false, true]);
    records.save(stairs);
    // one row in the fifth chunk reaches back into the second
    const ids = stairs.chunks.map(({ id }) => id);
    const secondStarts = CHUNK_ROWS;
    expect(stairs.insert(5 * CHUNK_ROWS * 10 - 5, 100_000 - (secondStarts + 100) * 10)).toBe(5 * CHUNK_ROWS - secondStarts - 100);
    expect(stairs.removed.toSorted((a, b) => a - b)).toEqual([ids[2], ids[3]]);
    expect(stairs.chunks.map(({ id }) => id)).toEqual([ids[0], ids[1], ids[4], ids[5], ids[6]]);
    expect(dirty()).toEqual([false, true, true, false, false]);
    records.save(stairs);
    // a new extreme of all leaves one row, in one chunk
    stairs.insert(2e6, 1e6);
    expect(stairs.chunks.map(({ data }) => data)).toEqual([[2e6, 1e6]]);
    records.save(stairs);
    stairs.dropBefore(2e6 + 1);
    expect([stairs.size, stairs.chunks, stairs.removed.length]).toEqual([0, [], 1]);
    records.save(stairs);
    expect(records.data.size).toBe(0);
    stairs.insert(3e6, 1);
    expect(stairs.chunks[0]!.id).toBeGreaterThan(Math.max(...ids)); // ids are never used again
  });

  it('joins what new extremes left of chunks', () => {
    const stairs = new Staircase('low');
    for (let i = 0; i < 4 * CHUNK_ROWS; i++) stairs.insert(i * 10, i * 10);
    // in each chunk from the back: only its first row is less than the new one at its end
    for (let chunk = 3; chunk >= 0; chunk--) stairs.insert(((chunk + 1) * CHUNK_ROWS - 1) * 10 + 5, chunk * CHUNK_ROWS * 10 + 5);
    expect(stairs.size).toBe(8);
    expect(stairs.chunks.length).toBe(1);
  });
});
