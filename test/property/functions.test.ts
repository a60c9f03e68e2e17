// Every function × window equals brute force at every instant. VISAGE_PROPERTY_RUNS asks for another number of runs, VISAGE_SEED
// repeats those of a seed.
import { expect, it } from 'vitest';
import { checkFunctions } from './functions_run.ts';

const SOAK = process.env['VISAGE_SOAK'] === '1';
const RUNS = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? (SOAK ? 20_000 : 2_000));
const SEED = process.env['VISAGE_SEED'];

it(`every function over every window equals brute force at every instant (${RUNS} runs)`, { timeout: 60 * RUNS }, async () => {
  const { met, problem } = await checkFunctions(RUNS, SEED === undefined ? undefined : Number(SEED));
  if (problem !== null) throw new Error(problem);
  if (RUNS < 1_000) return;
  expect(met.tiled).toBeGreaterThan(RUNS);
  expect(met.sampled).toBeGreaterThan(RUNS / 10);
  expect(met.revised).toBeGreaterThan(RUNS / 10);
});
