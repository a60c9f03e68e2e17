// What docs/operations.md promises of backups and of what was lost: each way is gone here, and brute force looks at what comes of it.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connection } from '../../src/nats/connection.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { acceptGap, adoptStreams, rebuildShard, tellOwner } from '../../src/worker/resync.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { checkAgainstOracle, exportAll, verifyAll } from '../support/verify.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const PARTITIONS = 2;
const QUIET_MS = 1_500; // longer than the short window
const LEASES = 'KV_visage_leases';
/** In the order of the page. */
const BACKED_UP = ['OBJ_visage_snapshots', 'VISAGE_CHANGES', 'VISAGE_LOG', 'VISAGE_DEAD', 'KV_visage_meta'];

let world: World;
let run = 0;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1s', overrides: { partitions: PARTITIONS } });
});
afterEach(() => world.stop());

const dataDirectory = (): string => join(world.folder, 'data');

async function publish(): Promise<void> {
  run++;
  const events = Array.from({ length: 40 }, (_, n) => purchase(`c-${n}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000 }));
  await publishAll(events, { nc: await world.connect() });
}

/** A worker that applied some events and stopped, in order: its snapshots have them. */
async function aLife(): Promise<void> {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  await publish();
  const events = (): number => worker.status().shards.reduce((sum, shard) => sum + Number(shard['events'] ?? 0), 0);
  await eventually('everything is applied', () => events() === 40);
  await worker.stop();
}

async function haltedWith({ worker }: StartedWorker, code: string): Promise<void> {
  await within('ready or halted', 20_000, worker.ready);
  await eventually(`every shard is halted with ${code}`, () =>
    worker.status().shards.every((shard) => shard.reasonCode === code && shard.state === 'halted'),
  );
}

async function isActive({ worker }: StartedWorker): Promise<void> {
  await eventually('every shard is active', () => worker.status().shards.every(({ state }) => state === 'active'));
}

/** `visage resync --rebuild` for every shard. */
async function rebuildAll(): Promise<void> {
  const client = await world.client();
  for (let shard = 0; shard < PARTITIONS; shard++) {
    await rebuildShard(client, world.settings(), shard, false);
    await tellOwner(client, shard);
  }
}

/** `visage resync --adopt` for every shard. */
async function adoptAll(): Promise<void> {
  const client = await world.client();
  for (let shard = 0; shard < PARTITIONS; shard++) {
    await adoptStreams(client, shard);
    await tellOwner(client, shard);
  }
}

async function expectRight(events: number): Promise<void> {
  const client = await world.client();
  const verdict = await checkAgainstOracle(client, await exportAll(client));
  expect(verdict).toMatchObject({ problems: [], events });
}

type Backup = { readonly name: string; readonly request: object; readonly pieces: readonly Uint8Array[] };

/** As the server's own tools do it. */
async function backUp(nc: Connection, name: string): Promise<Backup> {
  const inbox = `_INBOX.backup-${name}`;
  const pieces: Uint8Array[] = [];
  const all = Promise.withResolvers<void>();
  const subscription = nc.subscribe(inbox, {
    callback: (_, message) => {
      if (message.data.length === 0) return all.resolve();
      pieces.push(message.data.slice());
      message.respond('');
    },
  });
  const question = JSON.stringify({ deliver_subject: inbox, no_consumers: true, chunk_size: 128 * 1024 });
  const answer = (await nc.request(`$JS.API.STREAM.SNAPSHOT.${name}`, question)).json<{ config: object; state: object }>();
  await within(`${name} is backed up`, 10_000, all.promise);
  subscription.unsubscribe();
  return { name, request: { config: answer.config, state: answer.state }, pieces };
}

async function putBack(nc: Connection, { name, request, pieces }: Backup): Promise<void> {
  const answer = await nc.request(`$JS.API.STREAM.RESTORE.${name}`, JSON.stringify(request));
  const { deliver_subject: subject } = answer.json<{ deliver_subject: string }>();
  for (const piece of pieces) await nc.request(subject, piece);
  const { error } = (await nc.request(subject, '')).json<{ error?: unknown }>();
  expect(error).toBeUndefined();
}

test.each(['with its data directory', 'without one'])(
  "the server's folder, copied while nothing ran, put back %s: all goes on",
  async (how) => {
    await aLife();
    const copy = join(world.folder, 'copy');
    await world.restartServer('stop', () => cp(world.server.storeDirectory, copy, { recursive: true }));
    const data = `${copy}-data`;
    await cp(dataDirectory(), data, { recursive: true });
    await aLife(); // what is not in the copy, and lost
    await world.restartServer('stop', async () => {
      for (const folder of [world.server.storeDirectory, dataDirectory()]) await rm(folder, { recursive: true });
      await cp(copy, world.server.storeDirectory, { recursive: true });
      if (how === 'with its data directory') await cp(data, dataDirectory(), { recursive: true });
    });
    await isActive(await world.startReady());
    await publish();
    const verdict = await verifyAll(await world.client(), QUIET_MS);
    expect(verdict).toMatchObject({ problems: [], events: 80, changeEvents: 80 });
  },
);

test.each(['adopted', 'rebuilt'])(
  'streams put back by the server’s API are other streams: the shards halt, until they are %s',
  async (how) => {
    await aLife();
    const nc = await world.connect();
    const jsm = await jetstreamManagerOf(nc);
    const backups: Backup[] = [];
    for (const name of BACKED_UP) backups.push(await backUp(nc, name));
    for (const name of [...BACKED_UP, LEASES]) await jsm.streams.delete(name);
    await rm(dataDirectory(), { recursive: true });
    for (const backup of backups) await putBack(nc, backup);
    await world.setup(); // nothing differs; it makes the leases
    const started = await world.startReady();
    await haltedWith(started, 'log_recreated');
    if (how === 'rebuilt') await rebuildAll();
    else await adoptAll();
    await isActive(started);
    await publish();
    if (how === 'rebuilt') return expectRight(80);
    // adopted: the chains go on too, and so they do after a restart
    await started.worker.stop();
    await isActive(await world.startReady());
    expect(await verifyAll(await world.client(), QUIET_MS)).toMatchObject({ problems: [], events: 80, changeEvents: 80 });
  },
);

test('the object store lost: setup makes it again, and the next snapshots are in it', async () => {
  await aLife();
  const jsm = await jetstreamManagerOf(await world.connect());
  await jsm.streams.delete('OBJ_visage_snapshots');
  await world.setup();
  const { worker } = await world.startReady();
  await publish();
  await worker.stop();
  await rm(dataDirectory(), { recursive: true });
  const { log } = await world.startReady();
  expect(log.filter((line) => line.includes('restored from the snapshot at'))).toHaveLength(PARTITIONS);
  const verdict = await verifyAll(await world.client(), QUIET_MS);
  expect(verdict).toMatchObject({ problems: [], events: 80 });
});

test('the log lost its tail: the shards halt, and are rebuilt from what it has', async () => {
  await aLife();
  const streams = join(world.server.storeDirectory, 'jetstream', '$G', 'streams');
  const copy = join(world.folder, 'copy');
  await world.restartServer('stop', () => cp(join(streams, 'VISAGE_LOG'), copy, { recursive: true }));
  await aLife();
  await world.restartServer('stop', async () => {
    await rm(join(streams, 'VISAGE_LOG'), { recursive: true });
    await cp(copy, join(streams, 'VISAGE_LOG'), { recursive: true });
  });
  const started = await world.startReady();
  await haltedWith(started, 'log_rewound');
  await rebuildAll();
  await isActive(started);
  await publish();
  await expectRight(80); // 40 are gone
});

test('the log lost its beginning, and every copy of the state is gone: the gap is accepted', async () => {
  await aLife();
  await rm(dataDirectory(), { recursive: true });
  const jsm = await jetstreamManagerOf(await world.connect());
  await jsm.streams.purge('OBJ_visage_snapshots');
  const { lastSequence } = await (await world.client()).streamState('log');
  await jsm.streams.purge('VISAGE_LOG', { seq: lastSequence });
  const started = await world.startReady();
  await haltedWith(started, 'log_gap');
  const client = await world.client();
  for (let shard = 0; shard < PARTITIONS; shard++) {
    await acceptGap(client, shard);
    await tellOwner(client, shard);
  }
  await isActive(started);
});
