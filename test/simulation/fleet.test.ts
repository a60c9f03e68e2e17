// A hundred worlds with several workers: one owner at a time, nothing lost, doubled, wrong or stuck, and a stream that lost its end is noticed.
import { describe, expect, it } from 'vitest';
import { expectFine, FILES, fileOf } from './worlds.ts';

const SEEDS = 100;
const GROUP = 20;
/** Seeds that once failed, with the number of workers. */
const NAMED = [
  { seed: 312, file: FILES[0], workers: 3, what: 'a follower that was to finish asked without a pause' },
  { seed: 15_714, file: FILES[1], workers: 3, what: 'the change stream lost its end behind a follower' },
];

const workersOf = (seed: number): number => 2 + (seed % 3);

describe('simulated workers', () => {
  it.each(NAMED)('seed $seed with $workers workers: $what', async ({ seed, file, workers }) => {
    await expectFine(seed, file, { workers });
  });

  const sum: Record<string, number> = {};
  const add = (name: string, count: number): void => void (sum[name] = (sum[name] ?? 0) + count);

  for (let first = 1; first <= SEEDS; first += GROUP) {
    it(`seeds ${first} to ${first + GROUP - 1}`, { timeout: 60_000 }, async () => {
      for (let seed = first; seed < first + GROUP; seed++) {
        const result = await expectFine(seed, fileOf(seed), { workers: workersOf(seed) });
        for (const [name, count] of Object.entries(result.faults)) add(name, count);
        for (const name of ['events', 'crashes', 'comparisons', 'changeEvents'] as const) add(name, result[name]);
      }
    });
  }

  it('do enough to mean something', () => {
    for (const name of ['taken', 'handedOver', 'pause', 'cut', 'crashes', 'events', 'comparisons', 'changeEvents'])
      expect(sum[name], name).toBeGreaterThan(SEEDS / 2);
    for (const name of ['lost', 'fenced', 'kill', 'leave', 'log_rewound', 'changes_rewound'])
      expect(sum[name], name).toBeGreaterThan(SEEDS / 20);
  });
});
