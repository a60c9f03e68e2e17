// Two months of real invoices through `visage ingest` under the event clock: every customer as the file says, to the cent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RETAIL_FILE, readRetail, retailDifferences } from '../support/retail.ts';
import { runRetail, type RetailRun } from '../support/retail_run.ts';
import { checkAgainstOracle, exportAll } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
let run: RetailRun;

describe.skipIf(RETAIL_FILE === undefined)('the retail file', () => {
  beforeAll(async () => {
    world = await startWorld();
    run = await runRetail(world, RETAIL_FILE!, { worker: [], ingest: [] });
  }, 60_000);
  afterAll(async () => {
    await run.stop();
    await world.stop();
  });

  it('refuses the lines without a customer, and says where', () => {
    expect(run.ingest, run.ingest.stderr).toMatchObject({ code: 0 });
    const summary = JSON.parse(run.ingest.stdout) as { rows: number; sent: number; refused: number; refusals: unknown[] };
    expect(summary).toMatchObject({ rows: 77_628, sent: 48_762, refused: 28_866 });
    expect(summary.refusals).toHaveLength(10);
  });

  it('gives every customer as the file says, to the cent, and as brute force over the log says', async () => {
    const exported = await exportAll(run.client);
    expect(retailDifferences(readRetail(RETAIL_FILE!), exported.views)).toEqual([]);
    const verdict = await checkAgainstOracle(run.client, exported);
    expect(verdict).toMatchObject({ problems: [], events: 48_762, duplicates: 0, refused: 0, profiles: 1_369 });
  });

  it('is not ingested twice', async () => {
    const before = (await run.client.streamState('log')).lastSequence;
    const again = await run.again();
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'already' });
    expect((await run.client.streamState('log')).lastSequence).toBe(before);
  });
});
