// F1 with real processes: nothing is lost, doubled or wrong, whenever the worker is killed.
import { expect, test } from 'vitest';
import { kill9AtExpiryRun, kill9Run } from './kill9.ts';

const SOAK = process.env['VISAGE_SOAK'] === '1';
const EVENTS = SOAK ? 200_000 : 30_000;
const SEED = Number(process.env['VISAGE_SEED'] ?? 20260310);

test(
  `${EVENTS} events while the worker is killed -9 ten times (seed ${SEED}; VISAGE_SEED=n repeats one)`,
  { timeout: 280_000 },
  async () => {
    const result = await kill9Run({ seed: SEED, events: EVENTS, kills: 10 });
    console.log(JSON.stringify({ ...result, problems: result.problems.length }));
    expect(result.problems.slice(0, 10)).toEqual([]);
    expect(result.events).toBeGreaterThan(EVENTS * 0.95);
    expect(result.duplicates).toBeGreaterThan(0);
    expect(result.refused).toBeGreaterThan(0);
    expect(result.expiries).toBeGreaterThan(0);
  },
);

test(
  `2,400 profiles with long values leave a window at once, again and again, while the worker is killed -9 (seed ${SEED})`,
  { timeout: 120_000 },
  async () => {
    const result = await kill9AtExpiryRun({ seed: SEED, events: 7_200, kills: 3 });
    console.log(JSON.stringify({ ...result, problems: result.problems.length }));
    expect(result.problems.slice(0, 10)).toEqual([]);
    expect(result.profiles).toBe(2_400);
    expect(result.partialRecoveries).toBeGreaterThan(0);
    expect(result.expiries).toBeGreaterThan(2_400);
  },
);
