// The same file while the worker is killed -9 five times and `ingest` twice: the same profiles, and nothing in the log twice.
import { describe, expect, it } from 'vitest';
import { RETAIL_FILE, readRetail } from '../support/retail.ts';
import { runRetail } from '../support/retail_run.ts';
import { retailDifferences } from '../support/retail_values.ts';
import { checkAgainstOracle, checkChains, exportAll } from '../support/verify.ts';
import { startWorld } from '../support/world.ts';

const KILLS = { worker: [3_000, 12_000, 22_000, 33_000, 44_000], ingest: [9_000, 30_000] };

describe.skipIf(RETAIL_FILE === undefined)('the retail file, with kill -9', () => {
  it('gives every customer as the file says, and running ingest again changes nothing', { timeout: 120_000 }, async () => {
    const world = await startWorld();
    const run = await runRetail(world, RETAIL_FILE!, KILLS);
    try {
      expect(run.ingest, run.ingest.stderr).toMatchObject({ code: 0 });
      const exported = await exportAll(run.client);
      expect(retailDifferences(readRetail(RETAIL_FILE!), exported.views)).toEqual([]);
      const verdict = await checkAgainstOracle(run.client, exported);
      expect(verdict).toMatchObject({ problems: [], events: 48_762, refused: 0, profiles: 1_369 });
      expect((await checkChains(run.client, exported)).problems).toEqual([]);
      const before = (await run.client.streamState('log')).lastSequence;
      expect(JSON.parse((await run.again()).stdout)).toMatchObject({ state: 'already' });
      expect((await run.client.streamState('log')).lastSequence).toBe(before);
    } finally {
      await run.stop();
      await world.stop();
    }
  });
});
