// F7: three servers and three replicas of everything, while leaders step down and servers are killed -9: nothing lost, nothing twice.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { openChangeSink } from '../../src/stream/change_sink.ts';
import { PartitionReader } from '../../src/stream/partition_reader.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import type { Client } from '../../src/worker/client.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { eventually, within } from '../support/eventually.ts';
import { purchase } from '../support/purchase.ts';
import { checkAgainstOracle, exportAll, verifyAll } from '../support/verify.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { DEFINITIONS, startWorld, type World } from '../support/world.ts';

const SHORT_WINDOW = '2s';
const QUIET_MS = 2_600; // longer than the window
/** Two elections, one after the other, on a machine that is busy with other things. */
const GOES_ON_MS_MAX = 40_000;
const PARTITIONS = 8; // so many readers that hardly any server is without one
const PER_SECOND = 500;
const INSTANCE = 'cluster';
const { logStream, changesStream, deadStream, leasesBucket, metaBucket, snapshotsBucket } = topologyOf('visage');
const META_STREAM = `KV_${metaBucket}`;

let cluster: Cluster;
let world: World;
/** The world's definitions, and one attribute more. */
let extended: DefinitionsDocument;
/** Messages that the log has taken, by all tests. */
let published = 0;

beforeAll(async () => {
  cluster = await startCluster();
  const overrides = { replicas: 3, partitions: PARTITIONS, instance: INSTANCE };
  world = await startWorld({ shortWindow: SHORT_WINDOW, servers: cluster.urls, overrides });
  const file = join(world.folder, 'extended.yaml');
  const added = '  ordersNew: { class: individual, eventTypes: [commerce.purchases], function: count, window: lifetime }\n';
  await writeFile(file, DEFINITIONS.replaceAll('SHORT', SHORT_WINDOW) + added);
  extended = loadDefinitionsFile(file);
});
afterAll(async () => {
  await world.stop();
  await cluster.stop();
});

test('a worker sets up a cluster that has no leader yet; reads, definitions and export are as on one server', async () => {
  onTestFailed(() => console.log(cluster.recentLogs()));
  const { worker, log } = world.start({}, { setup: true, definitions: world.document });
  await within('the worker is ready', GOES_ON_MS_MAX, worker.ready);
  const client = await world.client();
  const jsm = await jetstreamManagerOf(client.nc);
  const buckets = [`KV_${leasesBucket}`, META_STREAM, `OBJ_${snapshotsBucket}`];
  for (const stream of [logStream, changesStream, deadStream, ...buckets])
    expect((await jsm.streams.info(stream)).config.num_replicas, stream).toBe(3);

  const producer = await client.producer();
  const buy = async (n: number): Promise<number> => {
    const event = purchase(`c-${n % 10}`, { _id: `first-${n}`, atMs: Date.now() - 1_000 });
    published++;
    return (await producer.send(event.dataset, event.body, { identity: event })).sequence;
  };
  for (let n = 0; n < 100; n++) {
    const view = await client.profile({ namespace: 'customerId', id: `c-${n % 10}`, after: await buy(n) });
    expect(view).toMatchObject({ computed: { orders30d: { value: Math.floor(n / 10) + 1 } } }); // its own write, each time
  }
  const applied = await applyDefinitions(client, world.settings(), extended);
  expect(applied).toMatchObject({ waiting: [], told: { length: PARTITIONS }, inForce: { length: PARTITIONS } });
  const view = await client.profile({ namespace: 'customerId', id: 'c-0', after: await buy(100) });
  expect(view).toMatchObject({ computed: { ordersNew: { value: 1 }, orders30d: { value: 11 } } });
  await producer.close();
  const verdict = await checkAgainstOracle(client, await exportAll(client));
  expect(verdict).toMatchObject({ problems: [], events: published, profiles: 10 });
  expect(errorsOf(log)).toEqual([]);
  await worker.stop();
});

test('leaders step down, servers and the worker are killed -9 while events stream in', async () => {
  await world.setup({}, extended); // nothing new, after the test before
  let worker = spawn();
  onTestFailed(() => console.log([...worker.log.slice(-20), cluster.recentLogs()].join('\n')));
  await within('the worker is ready', GOES_ON_MS_MAX, worker.ready);
  const client = await world.client();
  const load = startLoad(await client.producer({ maxInFlight: 500, maxQueued: 1_000 }));
  const tookMs: Record<string, number> = {};
  /** Does something to the cluster, and waits until every shard has got over it. */
  const survive = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const startMs = performance.now();
    await act();
    await everyShardGoesOn(client);
    tookMs[what] = Math.round(performance.now() - startMs);
  };
  const stepDown = (): Promise<unknown> => Promise.all([logStream, changesStream].map((name) => cluster.stepDown(name)));
  try {
    for (let n = 1; n <= 3; n++) await survive(`leaders step down, ${n}`, stepDown);
    // the server that the worker reads from, and that takes its commits
    const reading = (await cluster.serverOf(`visage ${INSTANCE} read`))!;
    await cluster.stepDown(changesStream, reading);
    await survive('a server is killed', () => cluster.kill(reading, 'SIGKILL'));
    expect(await cluster.serverOf(`visage ${INSTANCE} read`)).not.toBe(reading);
    expect([errorsOf(worker.log), worker.said()]).toEqual([[], '']);
    await cluster.restart(reading);
    await cluster.current();
    // the worker as well: the next one starts while nobody leads anything that it needs
    const leading = await cluster.leaderOf(META_STREAM);
    for (const stream of [logStream, changesStream]) await cluster.stepDown(stream, leading);
    await survive('a server and the worker are killed', async () => {
      await Promise.all([cluster.kill(leading, 'SIGKILL'), worker.kill('SIGKILL')]);
      worker = spawn();
      await within('the next worker is ready', GOES_ON_MS_MAX, worker.ready);
    });
    await cluster.restart(leading);
    await cluster.current();
    await survive('leaders step down, 4', stepDown);
  } finally {
    published += await load.stop();
  }
  const verdict = await verifyAll(client, QUIET_MS);
  console.log(JSON.stringify({ ...verdict, problems: verdict.problems.length, tookMs }));
  expect(verdict.problems.slice(0, 10)).toEqual([]);
  expect(verdict.events + verdict.duplicates + verdict.refused).toBe(published);
  expect(verdict.expiries).toBeGreaterThan(0);
  expect(errorsOf(worker.log)).toEqual([]);
  await worker.kill('SIGTERM');
  expect(worker.said()).toBe('stopped drained');
});

test('a reader on a replica that is behind does not say that it has read what the leader has', async () => {
  await cluster.current();
  const nc = await world.connect();
  const jsm = await jetstreamManagerOf(nc);
  await jsm.streams.add({ name: 'BEHIND', subjects: ['behind.*'], num_replicas: 3 });
  const readers: PartitionReader[] = [];
  const isElsewhere = async (): Promise<boolean> => {
    const { leader } = (await jsm.streams.info('BEHIND')).cluster!;
    for await (const { cluster: at } of jsm.consumers.list('BEHIND')) if (at?.leader !== leader) return true;
    return false;
  };
  while (readers.length < 8 || !(await isElsewhere()))
    readers.push(await PartitionReader.open({ nc, stream: 'BEHIND', filter: 'behind.a', after: 0 }));
  const taken = readers.map(() => 0);
  const reading = readers.map(async (reader, at) => {
    for (let batch = await reader.next(); batch !== null; batch = await reader.next())
      taken[at] = batch.messages.at(-1)!.sequence;
  });
  let claims = 0;
  const wrong: string[] = [];
  const publisher = await world.connect(); // on a connection of its own an answer is not followed by what is read
  for (let n = 0; n < 500; n++) {
    const { seq } = (await publisher.request('behind.a', 'x'.repeat(1_000))).json<{ seq: number }>();
    await nextTurn(); // what has been handed out has been noted then
    const before = [...taken];
    const said = await Promise.all(readers.map((reader) => reader.readThrough()));
    for (const [at, through = 0] of said.entries()) {
      if (through > 0) claims++;
      if (through >= seq && before[at]! < seq) wrong.push(`read through ${through}, taken ${before[at]}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(claims).toBeGreaterThan(0);
  await Promise.all(readers.map((reader) => reader.close()));
  await Promise.all(reading);
  await jsm.streams.delete('BEHIND');
});

function spawn(): WorkerProcess {
  return spawnWorker({
    'nats.servers': cluster.urls.join(','),
    replicas: 3,
    partitions: PARTITIONS,
    dataDirectory: join(world.folder, 'data'),
    instance: INSTANCE,
    'checkpoint.interval': '200ms',
  });
}

/** Events through a producer. `stop`: @returns how many there were   @throws when one of them is not in the log for sure */
function startLoad(producer: Producer): { stop(): Promise<number> } {
  const outcomes: Promise<unknown>[] = [];
  let going = true;
  const run = async (): Promise<void> => {
    const startMs = performance.now();
    const events = generateEvents({
      seed: 8,
      events: 100_000,
      profiles: 1_000,
      zipfS: 1,
      startMs: Date.now() - 1_500,
      spanMs: (100_000 / PER_SECOND) * 1_000, // as fast as they are sent
      outOfOrderShare: 0.1,
      maxLateMs: 3_600_000,
      duplicateShare: 0.02,
      invalidShare: 0.01,
    });
    for (const event of events) {
      if (!going) return;
      await producer.ready();
      const outcome = producer.send(event.dataset, event.body, { identity: event });
      outcome.catch(() => undefined); // `stop` looks at all of them
      outcomes.push(outcome);
      const aheadMs = (outcomes.length / PER_SECOND) * 1_000 - (performance.now() - startMs);
      if (aheadMs > 20) await delay(aheadMs);
    }
  };
  const running = run();
  return {
    async stop() {
      going = false;
      await running;
      await producer.close();
      await Promise.all(outcomes);
      return outcomes.length;
    },
  };
}

/** Resolves when every shard has committed what came after this moment. */
async function everyShardGoesOn(client: Client): Promise<void> {
  const look = { timeoutMs: GOES_ON_MS_MAX };
  const end = await eventually('the end of the log', async () => (await client.streamState('log')).lastSequence, look);
  for (let shard = 0; shard < client.partitions; shard++) {
    const sink = await openChangeSink({ ...client, shard });
    await eventually(`shard ${shard} goes on`, async () => (await sink.last())!.header.position.sequence > end, look);
  }
}

function errorsOf(log: readonly string[]): string[] {
  return log.filter((line) => /"level":[56]0/.test(line));
}
