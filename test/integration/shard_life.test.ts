// A shard's follower that is told something else while it begins: it must not run on, and nobody may wait for it for ever.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openConnection, type Connection } from '../../src/nats/connection.ts';
import type { MetaBucket } from '../../src/stream/meta_bucket.ts';
import { openSnapshotObjects } from '../../src/stream/snapshot_objects.ts';
import type { Client } from '../../src/worker/client.ts';
import { definitionsCache } from '../../src/worker/definitions_cache.ts';
import { openErasing } from '../../src/worker/erase_service.ts';
import { OwnedShards } from '../../src/worker/owned_shards.ts';
import { LiveShard } from '../../src/worker/shard_life.ts';
import { ShardSnapshots } from '../../src/worker/shard_snapshots.ts';
import { WorkerMetrics } from '../../src/worker/worker_metrics.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { settingsAs } from '../support/snapshots.ts';
import { startWorld, type World } from '../support/world.ts';

const LATE_MS = 10_000;

let world: World;
let client: Client;
let own: Connection;

/** The worker that had the shard has committed, and is gone. */
beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h', overrides: { partitions: 1, 'lease.ttl': '1s', 'snapshot.interval': '1h' } });
  await world.setup();
  client = await world.client();
  const owner = await world.startReady(settingsAs(world, 'owner'));
  await publishAll([purchase('c-1', { _id: 'e-1', atMs: Date.now() - 60_000, price: 5 })], { nc: client.nc });
  await owner.worker.stop();
  own = await openConnection(world.settings().nats, 'life');
});
afterEach(async () => {
  await own.close();
  await world.stop();
});

/** The last thing that a follower asks for before it listens stays unanswered until `answer` is called. */
async function followerThatBegins(): Promise<{
  life: LiveShard;
  following: Promise<void>;
  prepared: () => number;
  answer: () => void;
}> {
  const settings = world.settings(settingsAs(world, 'life'));
  const { topology } = client;
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const meta: MetaBucket = {
    ...client.meta,
    get: async (key) => {
      if (key === 'resync.0') {
        asked.resolve();
        await gate.promise;
      }
      return client.meta.get(key);
    },
  };
  const shards = new OwnedShards(settings.cache.maxBytes);
  const report = (): void => undefined;
  const snapshots = new ShardSnapshots({
    shard: 0,
    dataDirectory: settings.dataDirectory,
    meta,
    objects: await openSnapshotObjects(own, topology),
    nowMs: () => Date.now(),
    report,
  });
  const metrics = new WorkerMetrics(() => ({
    ready: true,
    connected: true,
    disconnects: 0,
    cacheBudgetBytes: settings.cache.maxBytes,
    shards: [],
  }));
  const life = new LiveShard({
    settings,
    topology,
    shard: 0,
    owner: 'life',
    publishing: own,
    reading: own,
    meta,
    definitions: definitionsCache(meta, report),
    ...(await (await openErasing({ nc: own, topology, meta, settings, shards })).shard(0, snapshots, report)),
    snapshots,
    cacheMaxBytes: () => settings.cache.maxBytes,
    askSnapshot: () => Promise.resolve(),
    isLast: () => false,
    log: report,
    meter: metrics.life(0),
    workerMeter: metrics.meter,
  });
  let prepared = 0;
  const following = life.follow(() => prepared++);
  following.catch(() => undefined); // whoever asks sees it
  await asked.promise;
  return { life, following, prepared: () => prepared, answer: gate.resolve };
}

async function inTime(what: string, promise: Promise<unknown>): Promise<unknown> {
  const late = new AbortController();
  const over = delay(LATE_MS, undefined, { signal: late.signal }).then(() => Promise.reject(new Error(`${what} never ends`)));
  over.catch(() => undefined);
  return Promise.race([promise, over]).finally(() => late.abort());
}

test('it is not to follow any more: it does not begin to', async () => {
  const { life, following, prepared, answer } = await followerThatBegins();
  const ended = life.abandon();
  answer();
  await inTime('the end', ended);
  await expect(inTime('following', following)).rejects.toThrow('abort');
  expect(prepared()).toBe(0);
});

test('the shard is its own now: it is restored, and nothing is waited for that does not come', async () => {
  const { life, following, prepared, answer } = await followerThatBegins();
  const restored = life.restore();
  answer();
  await expect(inTime('following', following)).rejects.toThrow('abort');
  await inTime('restoring', restored);
  expect(life.shard!.status()).toMatchObject({ applied: expect.any(Number) as number, epoch: 2 });
  expect(prepared()).toBe(0);
  await life.abandon();
});

test('it is drained before anything was read: nothing is asked of the store that it has closed', async () => {
  const { life, following, answer } = await followerThatBegins();
  const restored = life.restore();
  answer();
  await expect(inTime('following', following)).rejects.toThrow('abort');
  await inTime('restoring', restored);
  const { applied } = life.shard!.status();
  await inTime('the end', life.abandon());
  // a life that was not asked yet when its next profile is due
  await publishAll([purchase('c-2', { _id: 'e-2', atMs: Date.now(), price: 5 })], { nc: client.nc });
  await inTime('restoring again', life.restore());
  const folding = life.fold(() => undefined);
  await inTime('draining', life.drain());
  await inTime('folding', folding);
  expect(life.storedThrough).toBe(applied);
});
