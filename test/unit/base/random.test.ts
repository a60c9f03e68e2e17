import { describe, expect, it } from 'vitest';
import { seededRandom, zipf } from '../../../src/base/random.ts';

const take = (seed: number, n: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: n }, () => random.below(1_000_000));
};

describe('seeded randomness', () => {
  it('is the same for the same seed, for ever', () => {
    expect(take(7, 100)).toEqual(take(7, 100));
    expect(take(1, 4)).toEqual(take(1, 4));
    expect(take(1, 6)).toMatchInlineSnapshot(`
      [
        735536,
        193949,
        352429,
        168879,
        689372,
        832985,
      ]
    `);
  });

  it('differs between seeds', () => {
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => take(seed, 3).join()));
    expect(firsts.size).toBe(1000);
  });

  it('stays inside its range and is even', () => {
    const random = seededRandom(3);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const x = random.next();
      if (!(x >= 0 && x < 1)) throw new Error(`out of range: ${x}`);
      counts[random.below(10)]!++;
    }
    for (const n of counts) expect(Math.abs(n - 2000)).toBeLessThan(250);
  });

  it('draws ranks by Zipf', () => {
    const random = seededRandom(5);
    const draw = zipf(100, 1);
    const counts = new Array<number>(100).fill(0);
    for (let i = 0; i < 50_000; i++) counts[draw(random)]!++;
    expect(counts[0]! / counts[1]!).toBeCloseTo(2, 0);
    expect(counts[0]! / counts[9]!).toBeGreaterThan(7);
    expect(counts.every((n) => n > 0)).toBe(true);
  });
});
