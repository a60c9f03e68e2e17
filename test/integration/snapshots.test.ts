// Snapshots: what one worker stored, another goes on from; what is not whole is never used.
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Objm } from '@nats-io/obj';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import { inspectStore } from '../../src/store/copy_store.ts';
import { ShardSnapshots, type Snapshot } from '../../src/worker/shard_snapshots.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import type { MetaBucket } from '../../src/stream/meta_bucket.ts';
import { openSnapshotObjects } from '../../src/stream/snapshot_objects.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { bytesIn } from '../support/bytes_in.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { configFile, runCommand } from '../support/run_command.ts';
import { DAMAGES, manifestOf, objectNames, said, settingsAs, takeSnapshot, writeManifest } from '../support/snapshots.ts';
import { verifyAll } from '../support/verify.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const QUIET_MS = 300;

let world: World;
let client: Client;
let run = 0;

beforeEach(async () => {
  // values stay: nothing moves the log but what is published
  world = await startWorld({ shortWindow: '1h', overrides: { partitions: 1, 'lease.ttl': '1s', 'snapshot.interval': '1h' } });
  await world.setup();
  client = await world.client();
});
afterEach(() => world.stop());

const as = (instance: string, more: Overrides = {}): Overrides => settingsAs(world, instance, more);

/** @returns the last sequence */
async function publish(count: number): Promise<number> {
  run++;
  const events = Array.from({ length: count }, (_, n) =>
    purchase(`c-${n % 50}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000, price: 1 + (n % 9) }),
  );
  return publishAll(events, { nc: client.nc });
}

async function stored({ worker }: StartedWorker, sequence: number): Promise<void> {
  await eventually(`a checkpoint at ${sequence}`, () => {
    const checkpoint = worker.status().shards[0]?.['checkpoint'] as { sequence: number } | null | undefined;
    return (checkpoint?.sequence ?? 0) >= sequence;
  });
}

async function another(started: StartedWorker, events: number): Promise<Snapshot> {
  await stored(started, await publish(events));
  return takeSnapshot(client);
}

/** Some events, a snapshot, more events, another snapshot; the worker is gone then. @returns the snapshots, newest first */
async function twoSnapshots(instance = 'a'): Promise<readonly [Snapshot, Snapshot]> {
  const first = await world.startReady(as(instance));
  for (const count of [80, 40]) await another(first, count);
  await first.worker.stop();
  const [newest, before, ...more] = await manifestOf(client);
  expect(more).toEqual([]);
  return [newest!, before!];
}

/** Of another worker, without the worker. @param meta what it sees of the bucket */
async function snapshotsOf(instance: string, meta = client.meta): Promise<{ snapshots: ShardSnapshots; warned: string[] }> {
  const warned: string[] = [];
  const snapshots = new ShardSnapshots({
    shard: 0,
    dataDirectory: join(world.folder, `data-${instance}`),
    meta,
    objects: await openSnapshotObjects(client.nc, client.topology),
    nowMs: () => Date.now(),
    report: (level, text) => void (level === 'warn' && warned.push(text)),
  });
  return { snapshots, warned };
}

/** How many events this life of the shard has folded. */
const folded = ({ worker }: StartedWorker): unknown => worker.status().shards[0]?.['events'];

async function verified(events: number): Promise<void> {
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems).toEqual([]);
  expect(verdict.events).toBe(events);
}

const purgeLog = async (seq: number): Promise<unknown> =>
  (await jetstreamManagerOf(client.nc)).streams.purge('VISAGE_LOG', { seq });

test('one is taken every interval, two are kept, and nothing else is in the object store', async () => {
  const started = await world.startReady(as('a', { 'snapshot.interval': '1s' }));
  const seen = new Map<string, Snapshot>();
  await eventually(
    'a third snapshot',
    async () => {
      await publish(5);
      const list = await manifestOf(client);
      expect(list.length).toBeLessThanOrEqual(2);
      for (const snapshot of list) seen.set(snapshot.name, snapshot);
      return seen.size >= 3;
    },
    { everyMs: 200 },
  );
  const sequences = [...seen.values()].map(({ sequence }) => sequence);
  expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  const kept = await manifestOf(client);
  expect(kept.map(({ epoch, generation }) => [epoch, generation])).toEqual([
    [1, 1],
    [1, 1],
  ]);
  await eventually('no other object is left', async () => {
    const names = (await manifestOf(client)).map(({ name }) => name).sort();
    return (await objectNames(client)).join() === names.join();
  });
  expect(started.worker.status().shards[0]?.['snapshot']).toMatchObject({ takenAt: expect.any(String) as string });
});

test('a worker with an empty folder goes on from the newest, and replays only the rest', async () => {
  const [newest] = await twoSnapshots();
  await publish(30);
  const b = await world.startReady(as('b'));
  expect(said(b)).toContain(`restored from the snapshot at ${newest.sequence}, ${newest.bytes} bytes`);
  await verified(150);
  expect(folded(b)).toBe(30);
});

describe('one that is damaged is refused with a warning', () => {
  test('and the one before is used, whatever the damage', async () => {
    const a = await world.startReady(as('a'));
    const { snapshots, warned } = await snapshotsOf('b');
    for (const [damage, make] of Object.entries(DAMAGES)) {
      const [before, newest] = [await another(a, 8), await another(a, 4)];
      await make(client, newest);
      const folder = join(world.folder, 'data-b', 'shard-0');
      const signal = AbortSignal.timeout(5_000);
      const restored = await snapshots.restore(folder, 1, signal);
      expect([damage, restored?.applied]).toEqual([damage, before.sequence]);
      expect((await inspectStore(folder))?.meta).toEqual(restored);
      expect(readdirSync(join(world.folder, 'data-b'))).toEqual(['shard-0']);
      const [warning, ...more] = warned.splice(0);
      expect([warning?.startsWith(`the snapshot ${newest.name} is not used: `), more]).toEqual([true, []]);
    }
  });

  test('both: a worker folds the log, which has everything', async () => {
    const snapshots = await twoSnapshots();
    await DAMAGES['a chunk has other bytes']!(client, snapshots[0]);
    await DAMAGES['all chunks are gone']!(client, snapshots[1]);
    const b = await world.startReady(as('b'));
    expect(said(b, 40).filter((line) => line.includes('is not used'))).toHaveLength(2);
    await verified(120);
    expect(folded(b)).toBe(120);
  });
});

describe('a log that has lost its beginning', () => {
  test('before the snapshot: a worker with an empty folder goes on, and nothing is missing', async () => {
    const [newest] = await twoSnapshots();
    await purgeLog(newest.sequence - 10);
    const b = await world.startReady(as('b'));
    await publish(10);
    await eventually('all of it is applied', () => folded(b) === 10);
    const shard = b.worker.status().shards[0]!;
    expect([shard.state, shard['gap']]).toEqual(['active', null]);
    const [view] = await Promise.all([client.profile({ namespace: 'customerId', id: 'c-0' })]);
    expect(view?.computed['orders30d']).toMatchObject({ value: 2 + 1 + 1 });
  });

  test('past the snapshot: the shard halts and names what is missing, until somebody accepts it', async () => {
    const [newest] = await twoSnapshots();
    const last = await publish(20);
    await purgeLog(last - 4);
    const b = await world.startReady(as('b'));
    await eventually('it is halted', () => b.worker.status().shards[0]?.state === 'halted');
    const { reasonCode, reason } = b.worker.status().shards[0]!;
    expect(reasonCode).toBe('log_gap');
    expect(reason).toContain(`the log begins at ${last - 4}, but was read only through ${newest.sequence}`);
    const config = ['--config', configFile(world)];
    const { code, stdout, stderr } = await runCommand(['resync', '--shard', '0', '--accept-gap', '--yes', ...config]);
    expect([code, stderr, stdout]).toEqual([0, '', `shard 0: messages up to ${last - 5} may be missing\nit is active\n`]);
    const shard = (await client.status()).shards[0]!;
    expect([shard.state, shard['gap']]).toEqual(['active', { from: newest.sequence + 1, to: last - 5 }]);
    await eventually('what is left is applied', () => folded(b) === 5);
    await publish(10);
    await eventually('and what comes', () => folded(b) === 15);
  });
});

describe('of two owners the later one is right', () => {
  const later = (snapshot: Snapshot): Snapshot => ({ ...snapshot, name: 'p0/e99/s1', epoch: 99, sequence: 1 });

  test('a manifest by a later epoch is left as it is, and nothing of the earlier owner stays', async () => {
    const a = await world.startReady(as('a'));
    await stored(a, await publish(20));
    const mine = await takeSnapshot(client);
    await stored(a, await publish(20));
    await writeManifest(client, [later(mine), mine]);
    expect(await takeSnapshot(client)).toEqual(later(mine));
    expect(await manifestOf(client)).toEqual([later(mine), mine]);
    expect(await objectNames(client)).toEqual([mine.name]);
  });

  test('one that comes between looking and writing wins, and the loser takes its object away', async () => {
    const [newest] = await twoSnapshots();
    await publish(10);
    await world.startReady(as('a')).then(({ worker }) => worker.stop());
    await writeManifest(client, [newest]);
    let isFirst = true;
    const putAt: MetaBucket['putAt'] = async (...args) => {
      if (isFirst) await writeManifest(client, [later(newest), newest]);
      isFirst = false;
      return client.meta.putAt(...args);
    };
    const { snapshots } = await snapshotsOf('zombie', { ...client.meta, putAt });
    const store = LmdbStore.open(join(world.folder, 'data-a', 'shard-0'));
    expect(await snapshots.make(store, 2, new AbortController().signal)).toBeUndefined();
    await store.close();
    expect(isFirst).toBe(false);
    expect(await manifestOf(client)).toEqual([later(newest), newest]);
    expect((await objectNames(client)).filter((name) => name.startsWith('p0/e2/'))).toEqual([]);
  });

  test('two that are made at once in one worker do not share a file', async () => {
    await twoSnapshots();
    await writeManifest(client, []);
    const { snapshots } = await snapshotsOf('a');
    const store = LmdbStore.open(join(world.folder, 'data-a', 'shard-0'));
    const { signal } = new AbortController();
    const made = await Promise.all([3, 4, 5].map((epoch) => snapshots.make(store, epoch, signal)));
    await store.close();
    expect(made.map((snapshot) => snapshot?.epoch)).toEqual([3, undefined, undefined]); // there is nothing new
    expect((await snapshots.restore(join(world.folder, 'data-b'), 1, signal))?.applied).toBe(made[0]!.sequence);
  });

  test('what no manifest names is removed with the next snapshot: not what others have', async () => {
    const a = await world.startReady(as('a'));
    await stored(a, await publish(20));
    const objects = await openSnapshotObjects(client.nc, client.topology);
    for (const name of ['p0/e0/s3', 'p0/e1/s1', 'p0/e2/s1', 'p7/e0/s1']) {
      await objects.put(name, Readable.from([Buffer.alloc(100_000)]));
    }
    // of one that a crash has left there is no end
    await client.nc.request('$O.visage_snapshots.C.p0.e1.s2.unfinished', Buffer.alloc(1_000, 'unfinished'));
    expect(await objectNames(client)).toContain('p0/e1/s2');
    const { name, sha256 } = await takeSnapshot(client);
    expect(await objectNames(client)).toEqual([name, 'p0/e2/s1', 'p7/e0/s1'].sort());
    expect(
      bytesIn(join(world.folder, 'nats', 'jetstream', '$G', 'streams', 'OBJ_visage_snapshots', 'msgs'), 'unfinishedu'),
    ).toEqual([]);
    // any tool reads what is there
    const bytes = await (await new Objm(client.nc).open('visage_snapshots')).getBlob(name);
    expect(createHash('sha256').update(bytes!).digest('hex')).toBe(sha256);
  });
});
