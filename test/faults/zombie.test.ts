// F6: a worker that stands still for more than twice its lease, and then goes on as if nothing had happened.
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import { ask } from '../support/ask.ts';
import { eventually, within } from '../support/eventually.ts';
import { freePort } from '../support/free_port.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { shardsOf } from '../support/shards_of.ts';
import { standStill } from '../support/stand_still.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const LEASE_MS = 2_000;
const PARTITIONS = 4;
const PER_SECOND = 300;
const QUIET_MS = 1_500;
const CUSTOMERS = [...shardsOf(PARTITIONS)].sort(([a], [b]) => a - b).map(([, id]) => id);

let world: World;
let client: Client;
const running: WorkerProcess[] = [];

beforeEach(async () => {
  world = await startWorld({
    shortWindow: '1s',
    overrides: { partitions: PARTITIONS, 'lease.ttl': `${LEASE_MS}ms`, 'snapshot.interval': '2s' },
  });
  await world.setup();
  client = await world.client();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((worker) => worker.kill('SIGKILL')));
  await world.stop();
});

type Served = { readonly worker: WorkerProcess; readonly port: number };

async function serve(instance: string): Promise<Served> {
  const port = await freePort();
  const worker = spawnWorker({
    'nats.servers': world.server.url,
    partitions: PARTITIONS,
    'log.maxBytes': '1GB',
    'lease.ttl': `${LEASE_MS}ms`,
    'checkpoint.interval': '200ms',
    'snapshot.interval': '2s',
    'http.port': port,
    dataDirectory: join(world.folder, `data-${instance}`),
    instance,
  });
  running.push(worker);
  await within(`${instance} is ready`, 20_000, worker.ready);
  return { worker, port };
}

type Read = { readonly status: number; readonly sequence: number };

async function read({ port }: Served, shard: number, after = 0): Promise<Read> {
  const { status, text } = await ask(port, `/profiles/customerId/${CUSTOMERS[shard]}?after=${after}&timeout=2s`);
  return { status, sequence: status === 200 ? (JSON.parse(text) as ProfileView).sequence : 0 };
}

const SHARDS = Array.from({ length: PARTITIONS }, (_, shard) => shard);

async function loads(): Promise<Record<string, number>> {
  const { shards } = await client.status();
  const counts: Record<string, number> = {};
  for (const { state, owner } of shards as readonly { state: string; owner?: string }[])
    if (state === 'active') counts[owner!.slice(0, 1)] = (counts[owner!.slice(0, 1)] ?? 0) + 1;
  return counts;
}

/** Until it is told to stop: to the customers that are read, and to others. */
function* events(isOver: () => boolean): Generator<Sendable> {
  for (let n = 0; !isOver(); n++)
    yield purchase(n % 3 === 0 ? CUSTOMERS[(n / 3) % PARTITIONS]! : `c-${n % 200}`, {
      _id: `e-${n}`,
      atMs: Date.now() - (n % 5 === 0 ? 3_600_000 : 0),
      price: n % 17,
    });
}

test('a worker that stood still answers nothing old, emits nothing twice, and takes shards again', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  let isOver = false;
  const publishing = publishAll(
    events(() => isOver),
    { nc: await world.connect(), perSecond: PER_SECOND },
  );
  publishing.catch(() => undefined); // awaited below
  await eventually('each has two', async () => (await loads())['a'] === 2 && (await loads())['b'] === 2);
  await eventually('all are read', async () =>
    (await Promise.all(SHARDS.map((shard) => read(a, shard)))).every(({ status }) => status === 200),
  );

  const stoppedMs = performance.now();
  await standStill({ pid: a.worker.pid, kill: (signal) => process.kill(a.worker.pid, signal) });
  await eventually('the other has all of them', async () => {
    const reads = await Promise.all(SHARDS.map((shard) => read(b, shard)));
    return performance.now() - stoppedMs > 2.5 * LEASE_MS && reads.every(({ status }) => status === 200);
  });
  // what everybody may know by now
  const known = (await Promise.all(SHARDS.map((shard) => read(b, shard)))).map(({ sequence }) => sequence);
  expect(Math.min(...known)).toBeGreaterThan(0);
  const first = SHARDS.map((shard) => read(a, shard)); // they wait for it to go on
  process.kill(a.worker.pid, 'SIGCONT');
  const answers = (await Promise.all(first)).map((answer, shard) => ({ shard, ...answer }));
  const untilMs = performance.now() + 1.5 * LEASE_MS;
  while (performance.now() < untilMs) for (const shard of SHARDS) answers.push({ shard, ...(await read(a, shard)) });
  expect(answers.filter(({ shard, status, sequence }) => status === 200 && sequence < known[shard]!)).toEqual([]);
  expect([...new Set(answers.map(({ status }) => status))].filter((status) => ![200, 503].includes(status))).toEqual([]);
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);

  await eventually('it has shards again', async () => (await loads())['a'] === 2);
  isOver = true;
  const last = await publishing;
  expect(await Promise.all(SHARDS.map(async (shard) => (await read(a, shard, last)).status))).toEqual(SHARDS.map(() => 200));
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems).toEqual([]);
  expect(verdict.duplicates).toBe(0);
  expect(a.worker.log.join('\n')).toMatch(/shard lost: (its lease ran out|another owner has fenced it off)/);
  for (const { worker } of [a, b]) {
    await worker.kill('SIGTERM');
    expect(worker.said()).toBe('stopped drained');
    expect(worker.log.filter((line) => (JSON.parse(line) as { level: number }).level >= 50)).toEqual([]);
  }
  running.length = 0;
});
