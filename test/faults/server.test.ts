// F7, F15: the server dies, freezes, comes back while events stream in; the worker resumes by itself. SIGTERM under load drains.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateEvents } from '../../src/oracle/generate.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type Overrides, type World } from '../support/world.ts';

const SHORT_WINDOW = '2s';
const QUIET_MS = 2_600;

let world: World;
beforeEach(async () => {
  world = await startWorld({ shortWindow: SHORT_WINDOW, syncInterval: 'always' });
});
afterEach(() => world.stop());

const events = (seed: number, count: number): ReturnType<typeof generateEvents> =>
  generateEvents({
    seed,
    events: count,
    profiles: Math.ceil(count / 10),
    zipfS: 1,
    startMs: Date.now() - 1_500,
    spanMs: 1_500,
    outOfOrderShare: 0.1,
    maxLateMs: 3_600_000,
    duplicateShare: 0.02,
    invalidShare: 0.01,
  });

async function stateOfShards(): Promise<string[]> {
  const client = await world.client();
  const { shards } = await client.status();
  await client.close();
  return shards.map((shard) => shard.state);
}

test('the server is killed -9 three times while events stream in', async () => {
  const { worker, log } = await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const publishing = publishAll(events(1, 15_000), { nc: await world.connect(), perSecond: 1_500, inFlight: 1_000 });
  publishing.catch(() => undefined);
  for (let kill = 1; kill <= 3; kill++) {
    await delay(1_500 + 300 * kill);
    await world.restartServer('kill', () => delay(200 * kill));
  }
  await publishing;
  const verdict = await verifyAll(client, QUIET_MS);
  console.log(JSON.stringify(verdict));
  expect(verdict.problems.slice(0, 10)).toEqual([]);
  expect(verdict.events).toBeGreaterThan(14_000);
  expect(log.filter((line) => /"level":50/.test(line))).toEqual([]);
  await worker.stop();
});

test('the server is paused for three seconds and goes on', async () => {
  const { worker, log } = await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const publishing = publishAll(events(2, 12_000), {
    nc: await world.connect(),
    perSecond: 1_500,
    inFlight: 1_000,
    timeoutMs: 8_000,
  });
  publishing.catch(() => undefined);
  await delay(2_000);
  world.server.kill('SIGSTOP');
  await delay(3_000);
  world.server.kill('SIGCONT');
  await publishing;
  const verdict = await verifyAll(client, QUIET_MS);
  console.log(JSON.stringify(verdict));
  expect(verdict.problems.slice(0, 10)).toEqual([]);
  expect(log.filter((line) => /"level":50/.test(line))).toEqual([]);
  await worker.stop();
});

test('the server is paused for longer than every request waits', async () => {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const publishing = publishAll(events(3, 6_000), {
    nc: await world.connect(),
    perSecond: 3_000,
    inFlight: 500,
    timeoutMs: 3_000,
  });
  publishing.catch(() => undefined);
  await delay(1_000);
  world.server.kill('SIGSTOP');
  await delay(7_000); // a commit is in flight, times out, and is found to be stored, or not
  world.server.kill('SIGCONT');
  await publishing;
  const verdict = await verifyAll(client, QUIET_MS);
  console.log(JSON.stringify(verdict));
  expect(verdict.problems.slice(0, 10)).toEqual([]);
  await worker.stop();
});

test('the server is away when a worker starts, and comes back in the middle of its start', async () => {
  const first = await world.startReady({}, { setup: true, definitions: world.document });
  await publishAll(events(4, 3_000), { nc: await world.connect(), inFlight: 1_000 });
  await first.worker.stop();
  for (const afterMs of [20, 60, 100]) {
    const { worker } = world.start();
    await delay(afterMs);
    world.server.kill('SIGSTOP');
    await delay(1_000);
    world.server.kill('SIGCONT');
    await within('ready', 20_000, worker.ready);
    await eventually('every shard is active', async () => (await stateOfShards()).every((state) => state === 'active'));
    await worker.stop();
  }
  await world.startReady();
  expect((await verifyAll(await world.client(), QUIET_MS)).problems.slice(0, 10)).toEqual([]);
});

test('SIGTERM under load drains: the checkpoint is at the last commit, so the next start folds nothing again', async () => {
  await world.setup();
  const dataDirectory = join(world.folder, 'data');
  const overrides: Overrides = {
    'nats.servers': world.server.url,
    partitions: 4,
    dataDirectory,
    instance: 'drain',
    'checkpoint.interval': '1h',
  };
  const client = await world.client();
  const publishing = publishAll(events(5, 12_000), { nc: await world.connect(), perSecond: 3_000, inFlight: 1_000 });
  publishing.catch(() => undefined);
  for (let life = 1; life <= 2; life++) {
    const worker = spawnWorker(overrides);
    await worker.ready;
    await delay(800);
    const { shards } = await client.status();
    const startMs = performance.now();
    await worker.kill('SIGTERM');
    const drainedMs = Math.round(performance.now() - startMs);
    console.log(`drained in ${drainedMs} ms`);
    expect(worker.said()).toBe('stopped drained');
    expect(drainedMs).toBeLessThan(5_000);
    const commits = await lastCommits();
    for (const [shard, committed] of commits.entries()) {
      const store = LmdbStore.open(join(dataDirectory, `shard-${shard}`));
      const { applied } = store.readMeta()!;
      await store.close();
      expect(applied).toBeGreaterThanOrEqual(committed);
      expect(applied).toBeGreaterThanOrEqual(shards[shard]!['applied'] as number);
    }
    expect(commits).toHaveLength(4);
  }
  await publishing;
  await world.startReady(overrides);
  expect((await verifyAll(client, QUIET_MS)).problems.slice(0, 10)).toEqual([]);
});

/** By shard: where the last commit stands. */
async function lastCommits(): Promise<number[]> {
  const client = await world.client();
  const last: number[] = [];
  for await (const message of client.readStream('changes', { from: 'start', until: 'now' }))
    last[Number(message.subject.split('.').at(-1))] = Number(message.headers!()['Visage-Position']!.split('/')[0]);
  await client.close();
  return last;
}
