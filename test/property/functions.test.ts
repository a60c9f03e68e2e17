// Every function × window equals brute force at every instant. VISAGE_PROPERTY_RUNS asks for more runs, VISAGE_SEED repeats some.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { functionsCase } from './functions_log.ts';
import { expectRight, type Met } from './functions_run.ts';

const RUNS = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? 2_000);
const SEED = process.env['VISAGE_SEED'];

it(`every function over every window equals brute force at every instant (${RUNS} runs)`, { timeout: 60 * RUNS }, async () => {
  const met: Met = { messages: 0, tiled: 0, sampled: 0, changes: 0, revised: 0 };
  await fc.assert(
    fc.asyncProperty(functionsCase, (case_) => expectRight(case_, met)),
    { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  );
  console.log(JSON.stringify(met));
  if (RUNS < 1_000) return;
  expect(met.tiled).toBeGreaterThan(RUNS);
  expect(met.sampled).toBeGreaterThan(RUNS / 10);
  expect(met.revised).toBeGreaterThan(RUNS / 10);
});
