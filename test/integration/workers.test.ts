// Several workers of one root: they share its shards, answer for each other's, and hand them over without a gap.
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateEvents } from '../../src/oracle/generate.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { verifyAll } from '../support/verify.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const QUIET_MS = 3_500;
const BASE = { 'lease.ttl': '2s', partitions: 4 };

let world: World;
let client: Client;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '3s' });
  await world.setup(BASE);
  client = await world.client();
});
afterEach(() => world.stop());

function as(instance: string, more: Overrides = {}): Overrides {
  return { ...BASE, instance, dataDirectory: join(world.folder, `data-${instance}`), ...more };
}

const loads = (...workers: readonly StartedWorker[]): number[] =>
  workers.map(({ worker }) => worker.status().shards.filter(({ state }) => state === 'active').length);

async function publish(count: number, seed: number): Promise<void> {
  const events = generateEvents({
    seed,
    events: count,
    profiles: 300,
    zipfS: 1,
    startMs: Date.now() - 1_000,
    spanMs: 1_000,
    outOfOrderShare: 0.1,
    maxLateMs: 3_600_000,
    duplicateShare: 0.02,
    invalidShare: 0.01,
  });
  await publishAll(events, { nc: client.nc });
}

async function haveShards(counts: readonly number[], ...workers: readonly StartedWorker[]): Promise<void> {
  await eventually(`${counts.join(' and ')} shards`, () => loads(...workers).join() === counts.join());
}

async function verified(): Promise<void> {
  const { problems } = await verifyAll(client, QUIET_MS);
  expect(problems).toEqual([]);
}

test('a second worker gets half of the shards; each answers for all; what they say of themselves is one status', async () => {
  const a = await world.startReady(as('a'));
  await publish(3_000, 1);
  expect(loads(a)).toEqual([4]);
  const b = await world.startReady(as('b'));
  await haveShards([2, 2], a, b);
  await publish(2_000, 2);
  await verified();
  const status = await client.status();
  expect(status.shards.map(({ shard, state }) => [shard, state])).toEqual([0, 1, 2, 3].map((shard) => [shard, 'active']));
  expect(status.workers?.map(({ instance, answers, shards }) => [instance, answers, shards]).sort()).toEqual([
    ['a', true, 2],
    ['b', true, 2],
  ]);
  for (const { worker } of [a, b]) {
    const identity = { namespace: 'customerId', id: 'c1' };
    for (const id of ['c1', 'c2', 'c3', 'c4', 'c5', 'c6']) {
      const view = await worker.reads.profile({ ...identity, id });
      const asked = await client.profile({ ...identity, id });
      expect(view?.version).toBe(asked?.version);
    }
  }
});

test('a worker that stops hands its shards over before it ends; nothing is replayed twice, nothing is lost', async () => {
  const a = await world.startReady(as('a'));
  const b = await world.startReady(as('b'));
  await publish(4_000, 3);
  await haveShards([2, 2], a, b);
  const stopping = a.worker.stop();
  await publish(2_000, 4);
  await stopping;
  await haveShards([4], b);
  await verified();
  const again = await world.startReady(as('a'));
  await haveShards([2, 2], again, b);
  await verified();
});
