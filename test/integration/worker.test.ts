// The worker as its users see it: events in, change events and reads out; on time; over restarts; with little memory.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import type { Sent } from '../../src/producer/delivery.ts';
import type { Producer } from '../../src/producer/producer.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { Client } from '../../src/worker/client.ts';
import { listenToChanges } from '../support/change_listener.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { settled, verifyAll } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

const WINDOW_MS = 3_000;
const QUIET_MS = WINDOW_MS + 500;
const TICK_MS = 100;
const SLACK_MS = 100;

let world: World;
let nc: Connection;
let producer: Producer;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '3s' });
  nc = await world.connect();
  producer = await createProducer({ connection: nc, partitions: 4, namespaces: {} });
});
afterEach(() => world.stop());

const send = (event: Sendable): Promise<Sent> => producer.send(event.dataset, event.body, { identity: event });

async function start(): Promise<Client> {
  await world.startReady({}, { setup: true, definitions: world.document });
  return world.client();
}

test('an event becomes a change event in the shape of the interfaces, the next one continues its chain', async () => {
  await start();
  const changes = await listenToChanges(nc);
  const atMs = Date.now() - 86_400_000;
  const first = await send(purchase('ada@example.com', { _id: 'e-1', atMs, price: 59.99, channel: 'web' }));
  const { event: created } = await changes.first('created', ({ data }) => data.version === first.sequence);
  expect(created).toEqual({
    specversion: '1.0',
    id: `${first.shard}-${first.sequence}-1`,
    source: `/visage/VISAGE_LOG/${first.shard}`,
    type: 'visage.profile.created',
    subject: 'customerId:ada@example.com',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    datacontenttype: 'application/json',
    data: {
      profile: { namespace: 'customerId', id: 'ada@example.com' },
      version: first.sequence,
      previousVersion: 0,
      sequence: first.sequence,
      cause: [{ kind: 'event', dataset: 'orders', _id: 'e-1', sequence: first.sequence }],
      changes: [
        { path: 'computed.bigOrders30d', after: 0 },
        { path: 'computed.lastChannel', after: 'web' },
        { path: 'computed.orders30d', after: 1 },
        { path: 'computed.ordersShort', after: 0 },
        { path: 'computed.spend30d', after: 59.99 },
        { path: 'computed.spendLifetime', after: 59.99 },
        { path: 'computed.spendShort', after: 0 },
      ],
      audiences: { entered: [], exited: [] },
    },
  });
  const second = await send(purchase('ada@example.com', { _id: 'e-2', atMs: atMs + 1, price: 25, channel: 'store' }));
  const { event: updated } = await changes.first('updated', ({ data }) => data.version === second.sequence);
  expect(updated.type).toBe('visage.profile.updated');
  expect(updated.data.previousVersion).toBe(first.sequence);
  expect([...updated.data.changes].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: 'computed.lastChannel', before: 'web', after: 'store' },
    { path: 'computed.orders30d', before: 1, after: 2 },
    { path: 'computed.spend30d', before: 59.99, after: 84.99 },
    { path: 'computed.spendLifetime', before: 59.99, after: 84.99 },
  ]);
});

test('a profile is read in the shape of the interfaces; reads after a write see it; an unknown one is not there', async () => {
  const client = await start();
  const atMs = Date.now() - 60_000;
  for (let n = 1; n <= 50; n++) {
    const { shard, sequence } = await send(purchase('c-1', { _id: `e-${n}`, atMs: atMs + n, price: 0.1 }));
    const view = await client.profile({ namespace: 'customerId', id: 'c-1', after: sequence });
    expect([view?.version, view?.sequence, view?.shard]).toEqual([sequence, expect.any(Number), shard]);
    expect(view?.computed['spendLifetime']?.value).toBe(Math.round(n) / 10);
  }
  const view = await client.profile({ namespace: 'customerId', id: 'c-1' });
  expect(view).toMatchObject({
    profile: { namespace: 'customerId', id: 'c-1' },
    identities: [{ namespace: 'customerId', id: 'c-1', primary: true }],
    computed: {
      spend30d: { value: 5, nextChangeAt: formatTime(atMs + 1 + 30 * 86_400_000 + 1) },
      lastChannel: { value: 'web', timestamp: formatTime(atMs + 50) },
    },
  });
  expect(await client.profile({ namespace: 'customerId', id: 'nobody' })).toBeUndefined();
  const last = (await client.streamState('log')).lastSequence;
  const late = await rejectionOf(client.profile({ namespace: 'customerId', id: 'c-1', after: last + 1_000, timeoutMs: 200 }));
  expect(late.code).toBe('not_yet');
  expect((await rejectionOf(client.profile({ namespace: '', id: 'c-1' }))).code).toBe('bad_identity');
});

test('a read with `after` of another shard is answered too', async () => {
  const client = await start();
  const events = Array.from({ length: 20 }, (_, n) => purchase(`c-${n}`, { _id: `e-${n}`, atMs: Date.now() - 60_000 }));
  const last = await publishAll(events, { nc });
  for (const { id } of events) expect(await client.profile({ namespace: 'customerId', id, after: last })).toBeDefined();
});

/** How late the change event is that says that everything left the short window. */
async function latenessMs(leavesMs: number, changes: Awaited<ReturnType<typeof listenToChanges>>, id: string): Promise<number> {
  const { event, wallMs } = await changes.first(
    'the window is empty',
    ({ data }) =>
      data.profile.id === id && data.changes.some(({ path, after }) => path === 'computed.ordersShort' && after === 0),
  );
  expect(event.data.cause).toEqual([{ kind: 'expiry', sequence: event.data.version }]);
  expect(event.data.changes).toEqual([
    { path: 'computed.lastChannelShort', before: 'web' },
    { path: 'computed.ordersShort', before: 1, after: 0 },
    { path: 'computed.spendShort', before: 10, after: 0 },
  ]);
  return wallMs - leavesMs;
}

test('values leave a sliding window on time without further input, and a change event says so', async () => {
  await start();
  const changes = await listenToChanges(nc);
  for (const id of ['c-1', 'c-2', 'c-3']) {
    const atMs = Date.now();
    await send(purchase(id, { _id: 'e-1', atMs }));
    const late = await latenessMs(atMs + WINDOW_MS + 1, changes, id);
    console.log(`left ${late} ms late`);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(TICK_MS + SLACK_MS);
  }
});

test('values leave on time although the worker was restarted in between', async () => {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  const changes = await listenToChanges(nc);
  const atMs = Date.now();
  const ids = Array.from({ length: 8 }, (_, n) => `c-${n}`);
  await publishAll(
    ids.map((id) => purchase(id, { _id: 'e-1', atMs })),
    { nc },
  );
  await changes.first('everything is in', () => changes.arrivals.length >= ids.length);
  await worker.stop();
  await delay(atMs + 1_500 - Date.now()); // the worker is away for a while: its clock knows nothing of it
  await world.startReady();
  for (const id of ids) {
    const late = await latenessMs(atMs + WINDOW_MS + 1, changes, id);
    console.log(`left ${late} ms late`);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(TICK_MS + SLACK_MS);
  }
});

test('values that left while no worker ran are gone as soon as one does', async () => {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  const changes = await listenToChanges(nc);
  const atMs = Date.now();
  const { sequence } = await send(purchase('c-1', { _id: 'e-1', atMs }));
  await changes.first('it is in', ({ data }) => data.version === sequence);
  await worker.stop();
  await delay(atMs + WINDOW_MS + 200 - Date.now());
  await world.startReady();
  const readyMs = Date.now();
  const { wallMs } = await changes.first('it is out', ({ data }) => data.cause[0]!.kind === 'expiry');
  console.log(`left ${wallMs - readyMs} ms after ready`);
  expect(wallMs - readyMs).toBeLessThanOrEqual(TICK_MS + SLACK_MS);
});

test('an id counts once per dataset and identity, also over a restart', async () => {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  const atMs = Date.now() - 60_000;
  const once = purchase('c-1', { _id: 'e-1', atMs });
  await send(once);
  await send(once);
  await send(purchase('c-1', { _id: 'e-1', atMs: atMs - 5_000, price: 99 }));
  await send(purchase('c-1', { _id: 'e-1', atMs, dataset: 'refunds' }));
  await send(purchase('c-2', { _id: 'e-1', atMs }));
  await settled(await world.client(), 100);
  await worker.stop();
  await world.startReady();
  const { sequence } = await send(once);
  const client = await world.client();
  const view = await client.profile({ namespace: 'customerId', id: 'c-1', after: sequence });
  expect([view?.computed['orders30d']?.value, view?.computed['spendLifetime']?.value]).toEqual([2, 20]);
  const verdict = await verifyAll(client, 300);
  expect(verdict).toMatchObject({ problems: [], profiles: 2, events: 3, duplicates: 3 });
});

test('with a tiny cache, 5,000 profiles are evicted, loaded again, and equal', async () => {
  const tiny = { 'cache.maxBytes': '1MB', 'checkpoint.interval': '100ms' };
  const { worker } = await world.startReady(tiny, { setup: true, definitions: world.document });
  const options = {
    profiles: 5_000,
    zipfS: 0,
    outOfOrderShare: 0.1,
    maxLateMs: 10_000,
    duplicateShare: 0.02,
    invalidShare: 0.01,
  };
  const events = (seed: number): Generator<Sendable> =>
    generateEvents({ ...options, seed, events: 15_000, startMs: Date.now() - 1_000, spanMs: 1_000 });
  await publishAll(events(1), { nc, inFlight: 2_000 });
  const client = await world.client();
  await settled(client, 300);
  const held = await eventually('clean profiles were evicted', async () => {
    const { shards } = await client.status();
    return shards.every((shard) => (shard['cachedBytes'] as number) <= 256 * 1024 && shard['dirtyProfiles'] === 0) && shards;
  });
  const cached = held.reduce((sum, shard) => sum + (shard['cachedProfiles'] as number), 0);
  const profiles = held.reduce((sum, shard) => sum + (shard['profiles'] as number), 0);
  expect(profiles).toBeGreaterThan(4_500);
  expect(cached).toBeLessThan(profiles / 2);
  await worker.stop();
  await world.startReady(tiny);
  await publishAll(events(2), { nc, inFlight: 2_000 });
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems.slice(0, 5)).toEqual([]);
  expect(verdict.profiles).toBeGreaterThan(4_950); // who bought is drawn: a few never do
});

test('definitions are live before any worker is: events that came first count', async () => {
  await world.setup();
  const { sequence } = await send(purchase('c-1', { _id: 'e-1', atMs: Date.now() - 60_000 }));
  await world.startReady();
  const client = await world.client();
  expect((await client.profile({ namespace: 'customerId', id: 'c-1', after: sequence }))?.version).toBe(sequence);
  expect(await verifyAll(client, 300)).toMatchObject({ problems: [], events: 1, refused: 0 });
});

test('without definitions the worker says what to do', async () => {
  await world.setup({}, null);
  const { worker } = world.start();
  const error = await rejectionOf(worker.ready);
  expect(error.code).toBe('no_definitions');
  expect(error.message).toContain('visage setup --definitions');
  expect(await worker.stopped).toBe(error);
});

test('fold settings that changed at a restart travel in the log', async () => {
  const { worker } = await world.startReady({}, { setup: true, definitions: world.document });
  const ahead = (n: number): Sendable => purchase('c-1', { _id: `e-${n}`, atMs: Date.now() + 1_800_000 });
  await send(ahead(1));
  const client = await world.client();
  await settled(client, 100);
  await worker.stop();
  const { worker: second } = await world.startReady({ maxFutureSkew: '1h' });
  const { shard, sequence } = await send(ahead(2));
  expect((await client.profile({ namespace: 'customerId', id: 'c-1', after: sequence }))?.computed['orders30d']?.value).toBe(1);
  await second.stop();
  await world.startReady(); // and back
  await send(ahead(3));
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict).toMatchObject({ problems: [], events: 1, refused: 2, deadLetters: 2 });
  const kinds: string[] = [];
  for await (const message of client.readLog(shard)) kinds.push(message.subject.split('.').slice(3, 5).join('.'));
  expect(kinds.filter((kind) => kind === 'ctl.definitions')).toHaveLength(3);
});

test('a worker that is stopped at any moment of its start ends', async () => {
  await world.setup();
  await publishAll(
    generateEvents({
      seed: 3,
      events: 5_000,
      profiles: 500,
      zipfS: 1,
      startMs: Date.now(),
      spanMs: 1,
      outOfOrderShare: 0,
      maxLateMs: 0,
      duplicateShare: 0,
      invalidShare: 0,
    }),
    { nc, inFlight: 2_000 },
  );
  for (const afterMs of [0, 1, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150]) {
    const { worker, log } = world.start();
    await delay(afterMs);
    await within(`the worker that was stopped after ${afterMs} ms ends`, 5_000, worker.stop());
    expect(log.filter((line) => /"level":[56]0/.test(line)).join('')).toBe('');
    expect(await worker.stopped).toBeUndefined();
  }
  await world.startReady();
  expect((await verifyAll(await world.client(), QUIET_MS)).problems).toEqual([]);
});

test('an export that waits does not keep a worker from stopping, and its end is an answer', async () => {
  const client = await start();
  const waiting = client.nc.request('visage.api.export', JSON.stringify({ shard: 0, cut: 'no-such-cut', after: '' }), {
    timeout: 20_000,
  });
  const read = client.profile({ namespace: 'customerId', id: 'c-1', after: 1_000_000, timeoutMs: 20_000 });
  read.catch(() => undefined);
  await client.status(); // both have arrived
  await world.stopWorkers();
  const answer: { error?: { code: string } } = (await within('the export is answered', 2_000, waiting)).json();
  expect(answer.error?.code).toMatch(/stopped|shard_not_ready|no_such_export/);
  expect((await within('the read is answered', 2_000, rejectionOf(read))).code).toBe('stopped');
});
