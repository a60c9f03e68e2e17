// F17 and flow control: a way to the server that is slow, consumers of changes that are slow or dead: the shard takes no more than it can
// give, its memory is bounded, nothing is lost or doubled, and it recovers by itself.
import { connect, type Socket } from 'node:net';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startProxy } from '../support/tcp_proxy.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const MB = 1024 ** 2;
const QUIET_MS = 300;
const EVENTS = 12_000;
const SLOW_BYTES = 20_000; // a full commit takes longer than its answer is waited for
const RATE = 3_000;

let world: World;
let client: Client;
beforeEach(async () => {
  world = await startWorld({ shortWindow: '1s' });
  await world.setup();
  client = await world.client();
});
afterEach(() => world.stop());

/** Each of another customer, so that no two of them become one change event. */
function* events(count: number): Iterable<Sendable> {
  for (let n = 0; n < count; n++) yield purchase(`customer-${n}`, { _id: `e-${n}`, atMs: Date.now() - 60_000 });
}

async function residentBytes(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

async function lag(): Promise<number> {
  const { shards } = await client.status();
  return shards.reduce((sum, shard) => sum + (shard['lag'] as number), 0);
}

test('the connection that commits go out on is slow: the shard stops reading, memory stays, and it catches up', async () => {
  const root = { root: 'one', partitions: 1 };
  await world.setup(root);
  client = await world.client(root);
  const proxy = await startProxy(world.server.port);
  const worker = spawnWorker({
    'nats.servers': `nats://127.0.0.1:${proxy.port}`,
    ...root,
    dataDirectory: world.settings().dataDirectory,
    instance: 'slow',
  });
  try {
    await worker.ready;
    const { adminPort } = JSON.parse(worker.log.find((line) => line.includes('worker started'))!) as { adminPort: number };
    const degraded = async (): Promise<string[]> => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      return ((await answer.json()) as { degraded: string[] }).degraded;
    };
    proxy.limit('"visage slow publish"', SLOW_BYTES);
    await publishAll(events(EVENTS), { nc: await world.connect(), root: 'one', inFlight: 1_000 });
    // by the log itself: a shard that does not read does not hear what comes meanwhile
    const behind = async (): Promise<number> => {
      const { shards } = await client.status();
      return (await client.streamState('log')).lastSequence - Number(shards[0]!['applied']);
    };
    await eventually('the shard stops reading', async () => (await behind()) > EVENTS / 3);
    const before = await residentBytes(worker.pid);
    await eventually('it is said', async () => (await degraded()).some((line) => line.startsWith('commits do not get out')));
    expect(await behind()).toBeGreaterThan(EVENTS / 4);
    const grownMB = Math.round(((await residentBytes(worker.pid)) - before) / MB);
    console.log(`grown while commits were slow: ${grownMB} MB`);
    expect(grownMB).toBeLessThan(60);
    expect(await client.profile({ namespace: 'customerId', id: 'nobody' })).toBe(undefined); // reads have their own connection
    proxy.limit('', Infinity);
    await eventually('all is well', async () => (await lag()) === 0 && (await degraded()).length === 0, { timeoutMs: 30_000 });
    const verdict = await verifyAll(client, QUIET_MS);
    expect(verdict.problems.slice(0, 5)).toEqual([]);
    expect([verdict.events, verdict.changeEvents]).toEqual([EVENTS, EVENTS]);
    expect(worker.log.filter((line) => /"level":[56]0/.test(line))).toEqual([]);
  } finally {
    await worker.kill('SIGTERM');
    await proxy.close();
  }
});

test('consumers that never read, never acknowledge or are dead: the shards do not notice', async () => {
  const { log } = await world.startReady();
  const sockets = await Promise.all(Array.from({ length: 5 }, () => neverReads(world.server.port)));
  const jsm = await jetstreamManagerOf(client.nc);
  const config = { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };
  await jsm.consumers.add('VISAGE_CHANGES', { ...config, durable_name: 'forgotten', max_ack_pending: 1 });
  await jsm.consumers.add('VISAGE_CHANGES', { ...config, durable_name: 'pushed', deliver_subject: 'visage.nobody.hears' });
  let going = true;
  let worst = 0;
  const watching = (async () => {
    while (going) worst = Math.max(worst, await lag());
  })();
  await publishAll(events(2 * RATE), { nc: await world.connect(), perSecond: RATE, inFlight: 1_000 });
  await eventually('nothing is behind', async () => (await lag()) === 0);
  going = false;
  await watching;
  console.log(`greatest lag at ${RATE} events a second: ${worst}`);
  expect(worst).toBeLessThan(RATE);
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems.slice(0, 5)).toEqual([]);
  expect(verdict.changeEvents).toBe(2 * RATE);
  expect(log.filter((line) => /"level":[456]0/.test(line))).toEqual([]);
  for (const socket of sockets) socket.destroy();
});

/** A subscriber to every change event that does not take a byte of what the server sends it. */
async function neverReads(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  socket.write('CONNECT {"verbose":false}\r\nSUB visage.changes.* 1\r\n');
  return socket;
}
