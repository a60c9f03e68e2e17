// F15: one worker, three, two, one, under load; whoever reads meanwhile hardly notices.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import type { Worker } from '../../src/worker/create_worker.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { shardsOf } from '../support/shards_of.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { startWorld, type Overrides, type World } from '../support/world.ts';

const PARTITIONS = 6;
const PER_SECOND = 400;
const QUIET_MS = 1_500;
/** For so long nobody may have to wait for a shard that moves: a second where the machine has nothing else to do (`npm run bench -- rolling`); on a busy one, 2.1 s were seen. */
const AWAY_MS_MAX = 4_000;
const READ_EVERY_MS = 15;
const SHARED = { partitions: PARTITIONS, 'lease.ttl': '2s', 'snapshot.interval': '3s' };

let world: World;
let client: Client;
const running: WorkerProcess[] = [];

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1s', overrides: SHARED });
  await world.setup();
  client = await world.client();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((worker) => worker.kill('SIGKILL')));
  await world.stop();
});

const as = (instance: string): Overrides => ({ instance, dataDirectory: join(world.folder, `data-${instance}`) });

function spawned(instance: string): WorkerProcess {
  const base = { 'nats.servers': world.server.url, 'log.maxBytes': '1GB', 'checkpoint.interval': '200ms' };
  const worker = spawnWorker({ ...base, ...SHARED, ...as(instance) });
  running.push(worker);
  return worker;
}

/** How long readers of a shard waited at most, for an answer or for one that is no error; and what was wrong with answers. */
class Reader {
  readonly awayMs = new Map<number, number>();
  readonly problems: string[] = [];
  reads = 0;
  private readonly worker: Worker;
  private isOver = false;
  private readonly loops: Promise<void>[];

  constructor(worker: Worker) {
    this.worker = worker;
    this.loops = [...shardsOf(PARTITIONS)].map(([shard, id]) => this.poll(shard, id));
  }

  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.loops);
  }

  private async poll(shard: number, id: string): Promise<void> {
    let last = 0;
    let sinceMs = performance.now();
    while (!this.isOver) {
      try {
        const view = await this.worker.reads.profile({ namespace: 'customerId', id });
        const nowMs = performance.now();
        this.awayMs.set(shard, Math.max(this.awayMs.get(shard) ?? 0, nowMs - sinceMs));
        if (view === undefined) this.problems.push(`shard ${shard} has lost a profile`);
        else if (view.sequence < last) this.problems.push(`shard ${shard} went back from ${last} to ${view.sequence}`);
        last = Math.max(last, view?.sequence ?? 0);
        this.reads++;
        await delay(READ_EVERY_MS);
        sinceMs = performance.now();
      } catch (error) {
        if ((error as { kind?: string }).kind !== 'retry') this.problems.push(String(error));
        await delay(READ_EVERY_MS);
      }
    }
  }
}

const CUSTOMERS = [...shardsOf(PARTITIONS).values()];

function* events(isOver: () => boolean): Generator<Sendable> {
  for (let n = 0; !isOver(); n++)
    yield purchase(n % 2 === 0 ? CUSTOMERS[(n / 2) % PARTITIONS]! : `c-${n % 300}`, {
      _id: `e-${n}`,
      atMs: Date.now() - (n % 5 === 0 ? 3_600_000 : 0),
      price: n % 17,
    });
}

/** Active shards of each worker, by the first letter of its name. */
async function loads(): Promise<string> {
  const { shards } = await client.status();
  const counts = new Map<string, number>();
  for (const { state, owner } of shards as readonly { state: string; owner?: string }[])
    if (state === 'active') counts.set(owner!.slice(0, 1), (counts.get(owner!.slice(0, 1)) ?? 0) + 1);
  return [...counts].sort().join(' ');
}

async function leaves(worker: WorkerProcess): Promise<void> {
  running.splice(running.indexOf(worker), 1);
  await worker.kill('SIGTERM');
  expect(worker.said()).toBe('stopped drained');
  expect(worker.log.filter((line) => (JSON.parse(line) as { level: number }).level >= 50)).toEqual([]);
}

test('1 → 3 → 2 → 1 workers: nothing is lost or told twice, and no shard is away for long', async () => {
  const { worker: a, log } = await world.startReady(as('a'));
  let isOver = false;
  const publishing = publishAll(
    events(() => isOver),
    { nc: await world.connect(), perSecond: PER_SECOND },
  );
  publishing.catch(() => undefined); // awaited below
  await eventually('every shard has its customer', async () => {
    const views = await Promise.all(CUSTOMERS.map((id) => a.reads.profile({ namespace: 'customerId', id })));
    return views.every((view) => view !== undefined);
  });
  const reader = new Reader(a);
  const [b, c] = [spawned('b'), spawned('c')];
  await within('both are ready', 20_000, Promise.all([b.ready, c.ready]));
  await eventually('two shards each', async () => (await loads()) === 'a,2 b,2 c,2');
  await leaves(c);
  await eventually('three shards each', async () => (await loads()) === 'a,3 b,3');
  await leaves(b);
  await eventually('all are here', async () => (await loads()) === 'a,6');
  await reader.end();
  isOver = true;
  await publishing;
  const awayMs = [...reader.awayMs.values()].map((ms) => Math.round(ms));
  console.log(`longest waits for a read, by shard: ${awayMs.join(', ')} ms, of ${reader.reads} reads`);
  expect(reader.problems).toEqual([]);
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems).toEqual([]);
  expect(verdict.duplicates).toBe(0);
  expect(log.filter((line) => (JSON.parse(line) as { level: number }).level >= 50)).toEqual([]);
  expect(Math.max(...awayMs)).toBeLessThanOrEqual(AWAY_MS_MAX);
});
