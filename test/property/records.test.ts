// Events, records, deletes and erasures: the fold equals brute force after every message. VISAGE_PROPERTY_RUNS asks for another number of
// runs, VISAGE_SEED repeats those of a seed.
import { expect, it } from 'vitest';
import { checkRecords } from './records_run.ts';

const SOAK = process.env['VISAGE_SOAK'] === '1';
const RUNS = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? (SOAK ? 20_000 : 1_000));
const SEED = process.env['VISAGE_SEED'];

it(`records and deletes equal brute force after every message (${RUNS} runs)`, { timeout: 60 * RUNS }, async () => {
  const { met, problem } = await checkRecords(RUNS, SEED === undefined ? undefined : Number(SEED));
  if (problem !== null) throw new Error(problem);
  // it has met all of it
  for (const [what, times] of Object.entries(met)) expect([what, times > RUNS / 50]).toEqual([what, true]);
});
