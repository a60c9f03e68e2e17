import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { SeenIds } from '../../../src/aggregate/seen_ids.ts';

/** The naive twin: a list of what arrived, in order. */
class Naive {
  rows: { id: number; at: number }[] = [];
  ids = new Set<number>();
  expire(limit: number): void {
    while (this.rows.length > 0 && this.rows[0]!.at < limit) this.ids.delete(this.rows.shift()!.id);
  }
  has(id: number): boolean {
    return this.ids.has(id);
  }
  add(id: number, at: number, cap: number): number {
    this.rows.push({ id, at });
    this.ids.add(id);
    const out = Math.max(0, this.rows.length - cap);
    for (const row of this.rows.splice(0, out)) this.ids.delete(row.id);
    return out;
  }
}

// few different low words, so that the table's slots collide
const low = (id: number): number => (id % 7) * 0x10000001;
const high = (id: number): number => (id * 0x9e3779b1) >>> 0;

/** As the store hands it back. */
function reload(seen: SeenIds): SeenIds {
  seen.compact(); // as the store does
  const loaded = new SeenIds();
  for (const chunk of seen.chunks) loaded.loadChunk(chunk.id, [...chunk.data], true);
  loaded.nextId = seen.nextId;
  loaded.loaded();
  return loaded;
}

function play(options: { steps: number; ids: number; horizon: number; cap: number; pause: number; seed: number }): void {
  const { steps, ids, horizon, cap, pause, seed } = options;
  const random = seededRandom(seed);
  let seen = new SeenIds();
  const naive = new Naive();
  let now = 0;
  for (let n = 0; n < steps; n++) {
    now += random.below(100) === 0 ? random.below(pause) : random.below(3);
    const id = random.below(ids);
    seen.expire(now - horizon);
    naive.expire(now - horizon);
    const known = seen.has(low(id), high(id));
    if (known !== naive.has(id)) throw new Error(`step ${n}: id ${id} known ${known}, ${JSON.stringify(options)}`);
    if (!known) {
      const [mine, right] = [seen.add(low(id), high(id), now, cap), naive.add(id, now, cap)];
      if (mine !== right) throw new Error(`step ${n}: ${mine} fell out, not ${right}`);
    }
    if (seen.size !== naive.rows.length) throw new Error(`step ${n}: size ${seen.size}, not ${naive.rows.length}`);
    if (random.below(50) === 0) seen = reload(seen);
  }
  seen.compact();
  expect(seen.chunks.flatMap(({ data }) => data.filter((_, i) => i % 3 === 2))).toEqual(naive.rows.map(({ at }) => at));
}

describe('remembered ids', () => {
  it('agree with a list, with horizon and cap, small and large, reloaded at any time', () => {
    fc.assert(
      fc.property(
        fc.record({
          steps: fc.constant(400),
          ids: fc.constantFrom(3, 30, 300, 3000),
          horizon: fc.constantFrom(0, 1, 20, 200, 1e6),
          cap: fc.constantFrom(0, 1, 23, 24, 25, 127, 128, 129, 300, 1e6),
          pause: fc.constantFrom(2, 50, 1000),
          seed: fc.nat(),
        }),
        play,
      ),
      { numRuns: 80 },
    );
  });

  it('agree with a list over thousands of ids', () => {
    play({ steps: 3500, ids: 4000, horizon: 3000, cap: 1500, pause: 50, seed: 1 });
    play({ steps: 3500, ids: 100_000, horizon: 1e9, cap: 2000, pause: 50, seed: 2 });
    play({ steps: 3000, ids: 100_000, horizon: 1e9, cap: 1e9, pause: 50, seed: 3 });
  });

  it('keep what arrived exactly a horizon ago', () => {
    const seen = new SeenIds();
    seen.add(1, 1, 100, 10);
    seen.expire(100);
    expect(seen.has(1, 1)).toBe(true);
    seen.expire(101);
    expect(seen.has(1, 1)).toBe(false);
    expect(seen.chunks).toEqual([]);
  });

  it('tell ids apart that share one of their words', () => {
    const seen = new SeenIds();
    for (let i = 0; i < 100; i++) seen.add(5, i, 0, 1000);
    for (let i = 0; i < 100; i++) expect(seen.has(5, i)).toBe(true);
    expect(seen.has(5, 100)).toBe(false);
    expect(seen.has(6, 5)).toBe(false);
  });
});
