// F13: events, upserts, deletes of records, of profiles and of datasets stream in while the worker is killed -9 again and again, half of the
// times while it takes a deleted dataset out of its profiles: everything is as the oracle has it, and no chain is broken.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { ShardOracle } from '../../src/oracle/brute_force.ts';
import { awaitDelete, tellDelete } from '../../src/worker/delete_dataset.ts';
import { eventually, within } from '../support/eventually.ts';
import { everyone, sendShop, SHOP, someOfAll } from '../support/record_load.ts';
import { checkAgainstOracle, checkChains, checkDeadLetters, exportAll, settled } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20_261_129);
const PARTITIONS = 2;
/** A sweep takes 32 profiles a tick: some thirty of them in each shard. */
const CUSTOMERS = 2_000;
const KILLS = 8;
const MESSAGES_A_LIFE = 500;
const LIFE_MS_MAX = 500;
const QUIET_MS = 2_300; // past the short window
/** Taken out in turn; what comes for them afterwards counts again. */
const DELETED = ['returns', 'loyalty', 'orders', 'crm'] as const;

let world: World | undefined;
afterEach(() => world?.stop());

type Caused = { readonly data: { readonly cause: readonly { readonly kind: string; readonly dataset?: string }[] } };

/** Counts the change events by which a deleted dataset's share leaves profiles. */
class Sweeps {
  readonly of: Record<string, number> = { returns: 0, loyalty: 0, orders: 0, crm: 0 };

  constructor(nc: Connection) {
    nc.subscribe('visage.changes.*', {
      callback: (error, message) => {
        if (error !== null || message.data.length < 3) return;
        for (const { data } of message.json<Caused[]>())
          for (const { kind, dataset } of data.cause) if (kind === 'delete' && dataset !== undefined) this.of[dataset]!++;
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

  const atKill = new Map<string, number>();
  let sent = 0;
  for (let life = 0; life < KILLS; life++) {
    const load = sendShop(producer, someOfAll(random, CUSTOMERS, MESSAGES_A_LIFE, `l${life}`));
    load.catch(() => undefined); // awaited below
    sent += MESSAGES_A_LIFE;
    if (life % 2 === 0) {
      await within('the worker is ready', 20_000, worker.ready);
      const dataset = DELETED[life / 2]!;
      const enough = 1 + random.below(CUSTOMERS / 4);
      await tellDelete(client, dataset);
      await eventually('a sweep is under way', () => sweeps.of[dataset]! >= enough, { timeoutMs: 30_000, everyMs: 1 });
      await worker.kill('SIGKILL');
      atKill.set(dataset, sweeps.of[dataset]!);
    } else {
      await delay(200 + random.below(LIFE_MS_MAX)); // a process needs about 300 ms to be there at all: some die in their recovery
      await worker.kill('SIGKILL');
    }
    expect(worker.said()).toBe('');
    worker = spawnWorker(overrides);
    await load;
  }
  await within('the last worker is ready', 30_000, worker.ready);
  await settled(client, 0);
  const swept = { ...sweeps.of };
  await awaitDelete(client, await tellDelete(client, 'returns'), () => undefined);
  await sendShop(producer, someOfAll(random, CUSTOMERS, MESSAGES_A_LIFE, 'last'));

  await settled(client, QUIET_MS);
  const exported = await exportAll(client);
  const { oracles, ...verdict } = await checkAgainstOracle(client, exported);
  const chains = await checkChains(client, exported);
  const dead = await checkDeadLetters(client, oracles);
  expect([...verdict.problems, ...chains.problems, ...dead.problems]).toEqual([]);
  const sum = (of: keyof ShardOracle['counts']): number => oracles.reduce((total, { counts }) => total + counts[of], 0);
  const met = {
    inSweeps: [...atKill].filter(([dataset, count]) => count < 0.9 * swept[dataset]!).length,
    sweepEvents: Object.values(swept).reduce((a, b) => a + b),
    profiles: verdict.profiles,
    events: verdict.events,
    records: sum('records'),
    duplicates: verdict.duplicates,
    stale: sum('stale'),
    dead: sum('dead'),
    refused: verdict.refused,
  };
  const least = {
    inSweeps: 3,
    sweepEvents: CUSTOMERS,
    profiles: CUSTOMERS / 8,
    events: 2 * CUSTOMERS,
    records: CUSTOMERS,
    duplicates: 20,
    stale: 5,
    dead: 50,
    refused: sent / 200,
  } satisfies typeof met;
  const few = (Object.keys(least) as (keyof typeof met)[]).filter((name) => met[name] < least[name]);
  expect(few, JSON.stringify(met)).toEqual([]);
});
