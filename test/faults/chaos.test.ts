// 30 s of chaos over several workers: every event counts once, every change event is there once, every shard has an owner soon.
import { describe, expect, it } from 'vitest';
import { RETAIL_FILE } from '../support/retail.ts';
import { chaosRun, LEASE_MS } from './chaos.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20260312);
const SECONDS = Number(process.env['VISAGE_CHAOS_SECONDS'] ?? 30);

describe.skipIf(RETAIL_FILE === undefined)('several workers', () => {
  it(
    `${SECONDS} s of kill -9, stop, continue, add, drain and server restarts (seed ${SEED}; VISAGE_SEED=n repeats one)`,
    {
      timeout: SECONDS * 1_000 + 120_000,
    },
    async () => {
      const result = await chaosRun({ seed: SEED, seconds: SECONDS, retailFile: RETAIL_FILE! });
      console.log(JSON.stringify(result));
      expect(result.problems).toEqual([]);
      expect(result.events).toBe(result.published);
      expect(result.activeAfterMs).toBeLessThanOrEqual(LEASE_MS + 5_000);
    },
  );
});
