// F3, F6 and kin: what must not go on does not go on, and says so once, with a code.
import { cp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FOLD_VERSION } from '../../src/shard/fold.ts';
import { FORMAT_VERSION } from '../../src/shard/recovery.ts';
import type { ShardMeta } from '../../src/ports/profile_store.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { openChangeSink } from '../../src/stream/change_sink.ts';
import { isNewEnough, openConnection } from '../../src/nats/connection.ts';
import { openMetaBucket } from '../../src/stream/meta_bucket.ts';
import { openShardLog } from '../../src/stream/shard_log.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { shardsOf } from '../support/shards_of.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { copyOf, recreate } from '../support/rewinding.ts';
import { standStill } from '../support/stand_still.ts';
import { verifyAll } from '../support/verify.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const PARTITIONS = 4;
const QUIET_MS = 1_500;

let world: World;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1s' });
});
afterEach(() => world.stop());

let run = 0;
/** One event for each of 40 customers: some for every shard. */
function events(): Sendable[] {
  run++;
  return Array.from({ length: 40 }, (_, n) => purchase(`c-${n}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000 }));
}

async function publish(): Promise<void> {
  await publishAll(events(), { nc: await world.connect() });
}

/** A worker that applied some events, checkpointed and stopped. */
async function aLife(): Promise<void> {
  const started = await world.startReady({}, { setup: true, definitions: world.document });
  await publish();
  await applied(started);
  await started.worker.stop();
}

/** Everything in the log is applied, committed and in a checkpoint. */
async function applied({ worker }: StartedWorker): Promise<void> {
  const client = await world.client();
  const shardsDone = async (): Promise<boolean> => {
    const { shards } = worker.status();
    const last = (await client.streamState('log')).lastSequence;
    const ends = shards.map((shard) => (shard['checkpoint'] as { sequence: number } | null)?.sequence ?? 0);
    return Math.max(...ends) === last && shards.every((shard, i) => shard['lag'] === 0 && shard['applied'] === ends[i]);
  };
  await eventually('everything is applied and in a checkpoint', shardsDone);
}

/** What every shard says, and that it was logged once per shard. */
async function halts(started: StartedWorker, code: string, message: RegExp): Promise<void> {
  await within('ready or halted', 20_000, started.worker.ready);
  await eventually(`every shard is halted with ${code}`, () =>
    started.worker.status().shards.every((shard) => shard.reasonCode === code && shard.state === 'halted'),
  );
  for (const shard of started.worker.status().shards) expect(shard.reason).toMatch(message);
  const errors = started.log
    .map((line) => JSON.parse(line) as { level: number; code?: string; msg: string })
    .filter(({ level }) => level >= 50);
  expect(errors.map(({ code, msg }) => [code, msg])).toEqual(Array.from({ length: PARTITIONS }, () => [code, 'shard halted']));
}

/** A life, a copy of these streams, another life; then the copy is put back: the streams were rewound. */
async function rewound(...streams: string[]): Promise<void> {
  await aLife();
  let restore = async (): Promise<void> => undefined;
  await world.restartServer('stop', async () => {
    restore = await copyOf(world, ...streams);
  });
  await aLife();
  await world.restartServer('stop', () => restore());
}

/** What they were is gone; the manifests still name them. */
async function loseSnapshots(): Promise<void> {
  await (await jetstreamManagerOf(await world.connect())).streams.purge('OBJ_visage_snapshots');
}

async function changeMeta(change: Partial<ShardMeta>): Promise<void> {
  for (let shard = 0; shard < PARTITIONS; shard++) {
    const store = LmdbStore.open(join(world.folder, 'data', `shard-${shard}`));
    const checkpoint = await store.beginCheckpoint();
    await checkpoint.commit({ ...store.readMeta()!, ...change });
    await store.close();
  }
}

describe('the server', () => {
  test.each([
    ['2.10.27', false],
    ['2.9.10', false],
    ['1.99.0', false],
    ['0.0.0', false],
    ['', false],
    ['nonsense', false],
    ['2.11.0', true],
    ['2.11.0-preview.2', true],
    ['2.15.1', true],
    ['3.0.0', true],
  ])('version %j is new enough: %j', (version, newEnough) => {
    expect(isNewEnough(version)).toBe(newEnough);
  });

  // a twin: a TCP server that says INFO as nats-server 2.10.27 does; the real one is not at hand here
  test('a server that is too old is refused, with both versions named', async () => {
    const twin = createServer((socket) => {
      const info = {
        server_id: 'X',
        server_name: 'x',
        version: '2.10.27',
        proto: 1,
        headers: true,
        jetstream: true,
        max_payload: 1_048_576,
        host: '127.0.0.1',
        port: 0,
      };
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (data) => void (data.includes('PING') && socket.write('PONG\r\n'))).on('error', () => undefined);
    });
    await new Promise<void>((resolve) => twin.listen(0, '127.0.0.1', resolve));
    const { port } = twin.address() as AddressInfo;
    const { worker } = world.start({ 'nats.servers': `nats://127.0.0.1:${port}` });
    const error = await rejectionOf(worker.ready);
    expect([error.code, error.message]).toEqual([
      'server_too_old',
      `the NATS server at nats://127.0.0.1:${port} is version 2.10.27; Visage needs 2.11 or newer`,
    ]);
    await new Promise((resolve) => twin.close(resolve));
  });

  test('no server there, no set-up: said at once', async () => {
    const none = { ...world.settings().nats, servers: ['nats://127.0.0.1:1'] };
    expect((await rejectionOf(openConnection(none, 'test'))).code).toBe('no_connection');
    const { worker } = world.start();
    const error = await rejectionOf(worker.ready);
    expect([error.code, error.message]).toEqual(['not_set_up', "there is no bucket visage_meta; run 'visage setup' first"]);
  });
});

test('a server that does not answer is a failure to try again, not a defect that halts a shard after five times', async () => {
  await world.setup();
  const nc = await world.connect();
  const topology = topologyOf('visage');
  const sink = await openChangeSink({ nc, topology, shard: 0 });
  const log = await openShardLog({ nc, reading: nc, topology, shard: 0 });
  const meta = await openMetaBucket(nc, topology);
  await standStill(world.server);
  try {
    const questions = [sink.last(), sink.state(), log.lastForShard(), log.fingerprintAt(1), log.state(), meta.liveDefinitions()];
    for (const error of await Promise.all(questions.map((question) => rejectionOf(question))))
      expect(error).toMatchObject({ code: 'unavailable', kind: 'retry' });
  } finally {
    world.server.kill('SIGCONT');
  }
});

describe('the log', () => {
  test('rewound while no worker ran', async () => {
    await rewound('VISAGE_LOG');
    await halts(world.start(), 'log_rewound', /the log ends at \d+, but .* it was rewound\. Restore/);
  });

  test('rewound together with the change stream', async () => {
    await rewound('VISAGE_LOG', 'VISAGE_CHANGES', 'VISAGE_DEAD');
    await halts(world.start(), 'log_rewound', /it was rewound\. Restore/);
  });

  test('rewound, and grown again beyond where it was', async () => {
    await rewound('VISAGE_LOG');
    for (let n = 0; n < 3; n++) await publish();
    await halts(world.start(), 'log_rewound', /the message at \d+ is not the one that .* rewound and grew again/);
  });

  test('rewound, and the data directory lost: the last commit still knows', async () => {
    await rewound('VISAGE_LOG');
    await rm(join(world.folder, 'data'), { recursive: true });
    await loseSnapshots();
    await halts(world.start(), 'log_rewound', /the last commit stands at \d+: it was rewound/);
  });

  test('rewound under a running worker', async () => {
    await aLife();
    let restore = async (): Promise<void> => undefined;
    await world.restartServer('stop', async () => {
      restore = await copyOf(world, 'VISAGE_LOG');
    });
    const started = await world.startReady();
    await publish();
    await applied(started);
    await world.restartServer('stop', () => restore());
    await publish(); // new messages under old numbers: they must not be skipped in silence
    await halts(started, 'log_rewound', /rewound/);
  });

  test('rewound under a running worker, and grown again before it looked', async () => {
    const started = await world.startReady({}, { setup: true, definitions: world.document });
    await publish();
    let restore = async (): Promise<void> => undefined;
    await world.restartServer('stop', async () => {
      restore = await copyOf(world, 'VISAGE_LOG');
    });
    await publish();
    await applied(started);
    // another server on the same store and another port lets the log grow where the worker does not see it
    await world.restartServer('stop', async () => {
      await restore();
      await world.growApart(async (nc) => {
        for (let n = 0; n < 3; n++) await publishAll(events(), { nc });
      });
    });
    await halts(started, 'log_rewound', /rewound/);
  });

  test('deleted and made again', async () => {
    await aLife();
    await recreate(world, 'VISAGE_LOG');
    await halts(world.start(), 'log_recreated', /it was deleted and made again\. Restore/);
  });

  test('deleted and made again, and the data directory lost', async () => {
    await aLife();
    await recreate(world, 'VISAGE_LOG');
    await rm(join(world.folder, 'data'), { recursive: true });
    await loseSnapshots();
    await halts(world.start(), 'log_recreated', /the last commit belongs to one made at/);
  });

  test('deleted and made again under a running worker', async () => {
    const started = await world.startReady({}, { setup: true, definitions: world.document });
    await publish();
    await applied(started);
    await recreate(world, 'VISAGE_LOG');
    await publish();
    await halts(started, 'log_recreated', /deleted and made again/);
  });

  test('trimmed beyond what was read: a gap halts, or is let pass by policy', async () => {
    await aLife();
    await publish();
    const client = await world.client();
    const jsm = await jetstreamManagerOf(client.nc);
    const last = (await client.streamState('log')).lastSequence;
    await jsm.streams.purge('VISAGE_LOG', { seq: last - 1 });
    const halted = world.start();
    await halts(halted, 'log_gap', /the log begins at \d+, but was read only through \d+: messages between may be gone/);
    await halted.worker.stop();
    const passing = await world.startReady({ logGap: 'continue' });
    expect(passing.log.some((line) => line.includes('log gap accepted by policy'))).toBe(true);
    await publish();
    await eventually('it goes on', () =>
      passing.worker.status().shards.every((shard) => shard.state === 'active' && (shard['events'] as number) > 0),
    );
  });
});

describe('the change stream', () => {
  test('rewound', async () => {
    await rewound('VISAGE_CHANGES');
    await halts(world.start(), 'changes_rewound', /the change stream was rewound\. Restore/);
  });

  test('deleted and made again', async () => {
    await aLife();
    await recreate(world, 'VISAGE_CHANGES');
    await halts(world.start(), 'changes_recreated', /it was deleted and made again\. Restore/);
  });

  test('deleted and made again under a running worker', async () => {
    const started = await world.startReady({}, { setup: true, definitions: world.document });
    await publish();
    await applied(started);
    await recreate(world, 'VISAGE_CHANGES');
    await publish();
    await halts(started, 'changes_recreated', /deleted and made again/);
  });

  test('a foreign message under a running worker, and at the next start', async () => {
    const started = await world.startReady({}, { setup: true, definitions: world.document });
    const nc = await world.connect();
    for (let shard = 0; shard < PARTITIONS; shard++) await nc.request(`visage.changes.${shard}`, '[]');
    await publish();
    const message = /the last message on visage\.changes\.\d is not a commit of Visage: somebody else publishes there/;
    await halts(started, 'foreign_commit', message);
    await started.worker.stop();
    await halts(world.start(), 'foreign_commit', message);
  });
});

describe('the data directory', () => {
  test('partitions in the settings differ', async () => {
    await world.setup();
    const { worker } = world.start({ partitions: 8 });
    const error = await rejectionOf(worker.ready);
    expect([error.code, error.message]).toEqual([
      'partitions_changed',
      "partitions is 8 in the settings, but root 'visage' was set up with 4: the number is for life. Set it back",
    ]);
  });

  test('partitions in the folder differ', async () => {
    await aLife();
    await changeMeta({ partitions: 8 });
    await halts(world.start(), 'partitions_changed', /its state was made with 8 partitions, now there are 4/);
  });

  test('a folder of another root', async () => {
    await aLife();
    const { worker } = await world.startReady(
      { root: 'other', dataDirectory: join(world.folder, 'other') },
      { setup: true, definitions: world.document },
    );
    await worker.stop();
    await halts(
      world.start({ root: 'other' }),
      'log_recreated',
      /Restore the log, or build the state anew with 'visage resync --shard \d --rebuild'/,
    );
  });

  test('two shards’ folders were swapped', async () => {
    await aLife();
    const folder = (name: string): string => join(world.folder, 'data', name);
    await cp(folder('shard-0'), folder('shard-1'), { recursive: true });
    const { worker } = await world.startReady();
    expect(worker.status().shards.map(({ state, reasonCode }) => [state, reasonCode])).toEqual([
      ['active', null],
      ['halted', 'wrong_folder'],
      ['active', null],
      ['active', null],
    ]);
    const client = await world.client();
    const id = shardsOf(PARTITIONS).get(1)!;
    const error = await rejectionOf(client.profile({ namespace: 'customerId', id }));
    expect(error.code).toBe('shard_halted');
    expect(error.message).toContain('a folder was moved under another name');
  });

  test('a state of a later format, or of a later fold, is refused', async () => {
    await aLife();
    await changeMeta({ formatVersion: FORMAT_VERSION + 1 });
    const first = world.start();
    await halts(
      first,
      'newer_format',
      new RegExp(`its state has format ${FORMAT_VERSION + 1}, this release knows ${FORMAT_VERSION}: start a later release`),
    );
    await first.worker.stop();
    await changeMeta({ formatVersion: FORMAT_VERSION, foldVersion: 99 });
    await halts(
      world.start(),
      'newer_fold',
      new RegExp(`its state has fold version 99, this release knows ${FOLD_VERSION}: start a later release`),
    );
  });

  test('in use by another worker', async () => {
    await world.startReady({}, { setup: true, definitions: world.document });
    const { worker } = world.start();
    const error = await rejectionOf(worker.ready);
    expect(error.code).toBe('folder_in_use');
    expect(error.message).toContain(`is in use by process ${process.pid}`);
  });

  test('lost: it comes from the snapshots, and only what followed is replayed', async () => {
    await aLife();
    await aLife();
    await rm(join(world.folder, 'data'), { recursive: true });
    const { worker } = await world.startReady();
    await publish();
    const verdict = await verifyAll(await world.client(), QUIET_MS);
    expect(verdict.problems).toEqual([]);
    expect(verdict.changeEvents).toBe(120);
    expect(worker.status().shards.reduce((sum, shard) => sum + (shard['events'] as number), 0)).toBe(40);
  });

  test('lost, and the snapshots too: the log is replayed whole, and nothing is emitted twice', async () => {
    await aLife();
    await aLife();
    await rm(join(world.folder, 'data'), { recursive: true });
    await loseSnapshots();
    const { worker } = await world.startReady();
    await publish();
    const verdict = await verifyAll(await world.client(), QUIET_MS);
    expect(verdict.problems).toEqual([]);
    expect(verdict.changeEvents).toBe(120);
    expect(worker.status().shards.reduce((sum, shard) => sum + (shard['events'] as number), 0)).toBe(120);
  });
});

test('a second worker under the same name waits for the first, then refuses; the first goes on', async () => {
  const lease = { 'lease.ttl': '1s' };
  await world.setup(lease);
  const first = await world.startReady(lease);
  const { worker } = world.start({ ...lease, dataDirectory: join(world.folder, 'second') });
  const error = await rejectionOf(within('it refuses', 15_000, worker.ready));
  expect([error.code, error.message]).toEqual([
    'instance_in_use',
    "another worker that runs now is called 'test': give each worker its own instance name and data directory",
  ]);
  await publish();
  expect((await verifyAll(await world.client(), QUIET_MS)).problems).toEqual([]);
  expect(first.worker.status().shards.map(({ state }) => state)).toEqual(Array.from({ length: PARTITIONS }, () => 'active'));
});
