// Events, records, deletes and erasures: the fold equals brute force after every message. VISAGE_PROPERTY_RUNS asks for another number of
// runs, VISAGE_SEED repeats those of a seed.
import { expect, it } from 'vitest';
import { checkRecords } from './records_run.ts';

const SOAK = process.env['VISAGE_SOAK'] === '1';
const RUNS = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? (SOAK ? 20_000 : 1_000));
const WITH_ERASURES = Math.ceil(RUNS / 4);
const SEED = process.env['VISAGE_SEED'] === undefined ? undefined : Number(process.env['VISAGE_SEED']);

it(`records and deletes equal brute force after every message (${RUNS} runs)`, { timeout: 200 * RUNS }, async () => {
  const { met, problem } = await checkRecords({ runs: RUNS, seed: SEED, erases: false });
  if (problem !== null) throw new Error(problem);
  const { erased, ...others } = met;
  expect(erased).toBe(0);
  // it has met all of it
  for (const [what, times] of Object.entries(others)) expect([what, times > RUNS / 50]).toEqual([what, true]);
});

it(`and so they do when identities are erased (${WITH_ERASURES} runs)`, { timeout: 200 * WITH_ERASURES + 10_000 }, async () => {
  const { met, problem } = await checkRecords({ runs: WITH_ERASURES, seed: SEED, erases: true });
  if (problem !== null) throw new Error(problem);
  expect(met.erased).toBeGreaterThan(WITH_ERASURES / 10);
});
