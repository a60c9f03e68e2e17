// A hundred worlds, and those that once failed: nothing is lost, doubled, wrong, late or stuck.
import { describe, expect, it } from 'vitest';
import { expectFine, fileOf, namedSeeds } from './worlds.ts';

const SEEDS = 100;
const GROUP = 20;

describe('simulated worlds', () => {
  it.each(namedSeeds())('seed $seed on $file, which once failed', async ({ seed, file }) => {
    await expectFine(seed, file);
  });

  const sum = {
    events: 0,
    records: 0,
    stale: 0,
    dead: 0,
    crashes: 0,
    refused: 0,
    duplicates: 0,
    comparisons: 0,
    changeEvents: 0,
    checkpoints: 0,
  };

  for (let first = 1; first <= SEEDS; first += GROUP) {
    it(`seeds ${first} to ${first + GROUP - 1}`, async () => {
      for (let seed = first; seed < first + GROUP; seed++) {
        const result = await expectFine(seed, fileOf(seed));
        for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += result[name];
      }
    });
  }

  it('do enough to mean something', () => {
    for (const [name, count] of Object.entries(sum)) expect(count, name).toBeGreaterThan(SEEDS);
  });
});
