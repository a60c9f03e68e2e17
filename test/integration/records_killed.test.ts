// F13: events, upserts, deletes of records, of profiles and of datasets stream in while the worker is killed -9 again and again, half of the
// times while it takes a deleted dataset out of its profiles: everything is as the oracle has it, and no chain is broken.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Connection } from '../../src/nats/connection.ts';
import { awaitDelete, tellDelete } from '../../src/worker/delete_dataset.ts';
import { eventually, within } from '../support/eventually.ts';
import { everyone, sendShop, SHOP, someOfAll } from '../support/record_load.ts';
import { settled, verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20_261_129);
const PARTITIONS = 2;
/** A sweep takes 256 profiles a control message: ten of them in each shard. */
const CUSTOMERS = 5_000;
const KILLS = 10;
const MESSAGES_A_LIFE = 600;
const LIFE_MS_MAX = 500;
const QUIET_MS = 2_300; // past the short window
/** Taken out in turn; what comes for them afterwards counts again. */
const DELETED = ['returns', 'loyalty', 'crm', 'returns', 'loyalty'];

let world: World | undefined;
afterEach(() => world?.stop());

type Caused = { readonly data: { readonly cause: readonly { readonly kind: string; readonly dataset?: string }[] } };

/** Counts the change events by which a deleted dataset's share leaves profiles. */
class Sweeps {
  events = 0;

  constructor(nc: Connection) {
    nc.subscribe('visage.changes.*', {
      callback: (error, message) => {
        if (error !== null || message.data.length < 3) return;
        for (const { data } of message.json<Caused[]>())
          if (data.cause.some(({ kind, dataset }) => kind === 'delete' && dataset !== undefined)) this.events++;
      },
    });
  }
}

test(`records and deletes while the worker is killed -9 ${KILLS} times (seed ${SEED})`, { timeout: 90_000 }, async () => {
  world = await startWorld();
  const file = join(world.folder, 'shop.json');
  await writeFile(file, JSON.stringify(SHOP));
  await world.setup({ partitions: PARTITIONS }, loadDefinitionsFile(file));
  const overrides = {
    'nats.servers': world.server.url,
    partitions: PARTITIONS,
    dataDirectory: join(world.folder, 'data'),
    instance: 'killed',
    'checkpoint.interval': '200ms',
    'log.maxBytes': '1GB',
    'cache.maxBytes': '4MB', // some of them are on disk when they are swept
  };
  const client = await world.client();
  const producer = await client.producer();
  const sweeps = new Sweeps(await world.connect());
  const random = seededRandom(SEED);
  let worker = spawnWorker(overrides);
  await within('the first worker is ready', 20_000, worker.ready);
  await sendShop(producer, everyone(random, CUSTOMERS, 'first'));
  await settled(client, 0);

  let inSweeps = 0;
  let sent = 0;
  for (let life = 0; life < KILLS; life++) {
    const load = sendShop(producer, someOfAll(random, CUSTOMERS, MESSAGES_A_LIFE, `l${life}`));
    load.catch(() => undefined); // awaited below
    sent += MESSAGES_A_LIFE;
    if (life % 2 === 0) {
      await within('the worker is ready', 20_000, worker.ready);
      const before = sweeps.events;
      const enough = 1 + random.below(CUSTOMERS / 3);
      await tellDelete(client, DELETED[life / 2]!);
      await eventually('a sweep is under way', () => sweeps.events - before >= enough, { timeoutMs: 30_000, everyMs: 1 });
      await worker.kill('SIGKILL');
      if (sweeps.events - before < CUSTOMERS * 0.9) inSweeps++;
    } else {
      await delay(200 + random.below(LIFE_MS_MAX)); // a process needs about 300 ms to be there at all: some die in their recovery
      await worker.kill('SIGKILL');
    }
    expect(worker.said()).toBe('');
    worker = spawnWorker(overrides);
    await load;
  }
  await within('the last worker is ready', 30_000, worker.ready);
  await awaitDelete(client, await tellDelete(client, 'returns'), () => undefined);
  await sendShop(producer, someOfAll(random, CUSTOMERS, MESSAGES_A_LIFE, 'last'));

  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems).toEqual([]);
  const report = await verifyRoot(client);
  expect(report).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  console.log({
    inSweeps,
    sent,
    sweepEvents: sweeps.events,
    ...verdict,
    records: report.records,
    stale: report.stale,
    dead: report.dead,
  });
  expect(inSweeps).toBeGreaterThanOrEqual(4);
  expect(verdict.refused).toBeGreaterThan(sent / 200);
  expect(report.records).toBeGreaterThan(2 * CUSTOMERS);
  expect([report.stale, report.dead, report.duplicates].every((count) => count > 10)).toBe(true);
});
