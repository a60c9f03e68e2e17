// F1 with real processes: nothing is lost, doubled or wrong, whenever the worker is killed.
import { expect, test } from 'vitest';
import { kill9Run } from './kill9.ts';

const SOAK = process.env['VISAGE_SOAK'] === '1';
const EVENTS = SOAK ? 200_000 : 40_000;
const SEED = Number(process.env['VISAGE_SEED'] ?? 20260310);

test(`${EVENTS} events while the worker is killed -9 ten times (seed ${SEED}; VISAGE_SEED=n repeats one)`, { timeout: 280_000 }, async () => {
  const result = await kill9Run({ seed: SEED, events: EVENTS, kills: 10 });
  console.log(JSON.stringify({ ...result, problems: result.problems.length }));
  expect(result.problems.slice(0, 10)).toEqual([]);
  expect(result.events).toBeGreaterThan(EVENTS * 0.95);
  expect(result.duplicates).toBeGreaterThan(0);
  expect(result.refused).toBeGreaterThan(0);
});
