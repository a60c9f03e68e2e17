// The partition reader: every message once, in order, whatever happens to connections, consumers and servers.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { seededRandom } from '../../src/base/random.ts';
import { openConnection, type Connection } from '../../src/nats/connection.ts';
import { PartitionReader } from '../../src/stream/partition_reader.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { startProxy, type TcpProxy } from '../support/tcp_proxy.ts';
import { startWorld, type World } from '../support/world.ts';

const MESSAGES = 20_000;
const BATCH = 256;
const BATCHES_MAX = 2 * BATCH;
const STREAM = 'READ';

let world: World;
let proxy: TcpProxy;
let nc: Connection;
let reading: Connection;

beforeEach(async () => {
  world = await startWorld();
  proxy = await startProxy(world.server.port);
  nc = await world.connect();
  const jsm = await jetstreamManagerOf(nc);
  const limits = { retention: RetentionPolicy.Limits, storage: StorageType.File, discard: DiscardPolicy.Old };
  await jsm.streams.add({ name: STREAM, subjects: ['read.*'], ...limits });
  reading = await openConnection({ ...world.settings().nats, servers: [`nats://127.0.0.1:${proxy.port}`] }, 'test reading');
});
afterEach(async () => {
  await reading.close();
  await proxy.close();
  await world.stop();
});

/** Every third message belongs to another filter: our sequences have holes. */
async function fill(count: number, from = 0): Promise<void> {
  const jsm = await jetstreamManagerOf(nc);
  await eventually('the server is there', () => jsm.streams.info(STREAM));
  for (let n = from; n < from + count; n++) {
    nc.publish('read.mine', String(n));
    if (n % 3 === 0) nc.publish('read.other', 'x');
    if (n % 2_000 === 0) await nc.flush();
  }
  await eventually('all are stored', async () => {
    const { subjects } = (await jsm.streams.info(STREAM, { subjects_filter: 'read.mine' })).state;
    return subjects?.['read.mine'] === from + count;
  });
}

const open = (after = 0): Promise<PartitionReader> =>
  PartitionReader.open({ nc: reading, stream: STREAM, filter: 'read.mine', after });

/** Takes batches until `count` messages came; checks that they are 0, 1, 2 … and that sequences rise. */
async function take(
  reader: PartitionReader,
  count: number,
  from = 0,
  each?: (taken: number) => Promise<void> | void,
): Promise<number> {
  const decoder = new TextDecoder();
  let expected = from;
  let sequence = 0;
  while (expected < from + count) {
    const batch = await within(`message ${expected}`, 20_000, reader.next());
    for (const message of batch!.messages) {
      const got = Number(decoder.decode(message.body));
      if (got !== expected || message.sequence <= sequence)
        throw new Error(`expected ${expected} after sequence ${sequence}, got ${got} at ${message.sequence}`);
      sequence = message.sequence;
      expected++;
    }
    await each?.(expected);
  }
  expect(expected).toBe(from + count);
  return sequence;
}

test(`${MESSAGES} messages through six cut sockets`, async () => {
  await fill(MESSAGES);
  const random = seededRandom(7);
  const cuts = Array.from({ length: 6 }, (_, n) => n * 3_000 + random.below(2_500)).reverse();
  const reader = await open();
  await take(reader, MESSAGES, 0, async (taken) => {
    if (taken < (cuts.at(-1) ?? Infinity)) return;
    cuts.pop();
    if (random.next() < 0.5) await delay(random.below(20)); // sometimes with the next batches on their way
    proxy.cut();
  });
  expect(cuts).toEqual([]);
  expect(reader.recreated).toBeGreaterThanOrEqual(6);
  await reader.close();
});

test('an idle stream, cut, goes on', async () => {
  await fill(10);
  const reader = await open();
  await take(reader, 10);
  const waiting = reader.next();
  const before = reader.recreated;
  proxy.cut();
  await eventually('the reader is there again', () => reader.recreated > before && proxy.connections() > 0);
  await fill(3_000, 10);
  const batch = await within('the next message', 10_000, waiting);
  expect(new TextDecoder().decode(batch!.messages[0]!.body)).toBe('10');
  await take(reader, 3_000 - batch!.messages.length, 10 + batch!.messages.length);
  await reader.close();
});

test('its consumer is deleted under it, again and again', async () => {
  const reader = await open();
  const jsm = await jetstreamManagerOf(nc);
  const deleteAll = async (): Promise<void> => {
    for await (const { name } of jsm.consumers.list(STREAM)) await jsm.consumers.delete(STREAM, name).catch(() => undefined);
  };
  await deleteAll();
  await fill(6_000);
  let next = 500;
  await take(reader, 6_000, 0, async (taken) => {
    if (taken < next) return;
    next += 1_500;
    await deleteAll();
  });
  await reader.close();
});

test('the server is stopped, killed and started again', async () => {
  await fill(5_000);
  const reader = await open();
  let restarts = 0;
  await take(reader, 5_000, 0, async (taken) => {
    if (taken < 1_000 + restarts * 2_000) return;
    await world.restartServer(restarts++ % 2 === 0 ? 'stop' : 'kill');
  });
  expect(restarts).toBeGreaterThanOrEqual(2);
  await fill(100, 5_000);
  await take(reader, 100, 5_000);
  await reader.close();
});

test('who does not ask gets no more than two batches', async () => {
  await fill(10_000);
  const jsm = await jetstreamManagerOf(nc);
  const delivered = async (): Promise<number> => {
    for await (const consumer of jsm.consumers.list(STREAM)) return consumer.delivered.consumer_seq;
    return 0;
  };
  const reader = await open();
  await eventually('two batches are there', async () => (await delivered()) === BATCHES_MAX);
  await delay(500); // long enough for thousands more
  expect(await delivered()).toBe(BATCHES_MAX);
  const batch = await reader.next();
  expect(batch!.messages).toHaveLength(BATCH);
  await eventually('one more was asked for', async () => (await delivered()) === BATCHES_MAX + BATCH);
  await delay(200);
  expect(await delivered()).toBe(BATCHES_MAX + BATCH);
  await take(reader, 10_000 - BATCH, BATCH);
  await reader.close();
});

test('a backlog of large messages, slowly read: nobody is cut off, and the queue is bounded in bytes too', async () => {
  const large = new Uint8Array(900_000);
  for (let n = 0; n < 150; n++) await nc.request('read.large', large);
  const reader = await PartitionReader.open({ nc: reading, stream: STREAM, filter: 'read.large', after: 0 });
  let taken = 0;
  for (let sequence = 0; taken < 150;) {
    const { messages } = (await within('large messages', 10_000, reader.next()))!;
    expect(messages.length * large.length).toBeLessThan(32 * 1024 ** 2);
    for (const message of messages) expect(message.sequence).toBe(++sequence);
    taken += messages.length;
    const untilMs = performance.now() + 200; // busy: the socket is not read
    while (performance.now() < untilMs);
  }
  expect(reader.recreated).toBe(1);
  expect(world.server.recentLog().filter((line) => /slow consumer/i.test(line))).toEqual([]);
  await reader.close();
});

test('who has nothing to read learns how far that is true', async () => {
  const jsm = await jetstreamManagerOf(nc);
  const end = async (): Promise<number> => (await jsm.streams.info(STREAM)).state.last_seq;
  await fill(100);
  const reader = await PartitionReader.open({ nc: reading, stream: STREAM, filter: 'read.nobody', after: 0 });
  expect(await reader.readThrough()).toBe(await end());
  await fill(10, 100);
  await eventually('it is read through', async () => (await reader.readThrough()) === (await end()));
  await reader.close();
});

test('from the middle; `pending` and `readThrough` say what is left', async () => {
  await fill(3_000);
  const reader = await open();
  const first = (await reader.next())!;
  expect(first.pending).toBe(3_000 - first.messages.length);
  expect(await reader.readThrough()).toBeUndefined();
  await take(reader, 3_000 - first.messages.length, first.messages.length);
  nc.publish('read.other', 'x');
  await nc.flush();
  const jsm = await jetstreamManagerOf(nc);
  const last = (await jsm.streams.info(STREAM)).state.last_seq;
  await eventually(
    'it has read through to the end, which is of another filter',
    async () => (await reader.readThrough()) === last,
  );
  await reader.close();
  const second = await open(first.messages.at(-1)!.sequence);
  await take(second, 3_000 - first.messages.length, first.messages.length);
  await second.close();
});

test('close ends who waits, and leaves no consumer', async () => {
  const reader = await open();
  const waiting = reader.next();
  await reader.close();
  expect(await within('the end', 1_000, waiting)).toBeNull();
  expect(await reader.next()).toBeNull();
  const jsm = await jetstreamManagerOf(nc);
  await eventually('no consumer is left', async () => (await jsm.streams.info(STREAM)).state.consumer_count === 0);
});

test('a stream that was made again fails the reader instead of letting it wait', async () => {
  await fill(100);
  const reader = await open();
  await take(reader, 100);
  const waiting = rejectionOf(reader.next());
  const jsm = await jetstreamManagerOf(nc);
  const { config } = await jsm.streams.info(STREAM);
  await jsm.streams.delete(STREAM);
  await jsm.streams.add(config);
  await fill(10);
  expect(await within('the failure', 10_000, waiting)).toMatchObject({ code: 'stream_changed', kind: 'retry' });
  expect(await rejectionOf(reader.next())).toMatchObject({ code: 'stream_changed' });
  await reader.close();
});
