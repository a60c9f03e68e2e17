// A program that reads, as the user that config/nats/reader.conf makes: typed reads, and change events of which none is missing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Producer } from '../../src/producer/producer.ts';
import type { Changed, ChangeStream } from '../../src/stream/follow_changes.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { createReader, type Reader } from '../../src/worker/create_reader.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { ADA, as, produce, send, startRoleWorld } from '../support/roles.ts';
import { shardsOf } from '../support/shards_of.ts';
import { startWorld, type World } from '../support/world.ts';

type Shop = { readonly computed: { readonly spendLifetime: number; readonly lastChannel: string } };

let world: World;
let administrator: Client;
let producer: Producer;
let reader: Reader;

beforeAll(async () => {
  world = await startRoleWorld('users.conf', { shortWindow: '1h' });
  await world.setup(as(world, 'administrator'));
  await world.startReady(as(world, 'worker'));
  administrator = await world.client(as(world, 'administrator'));
  producer = await produce(world);
  reader = await openReader();
});
afterAll(async () => {
  await reader.close();
  await producer.close();
  await world.stop();
});

function openReader(): Promise<Reader> {
  const { servers, user, passwordFile, inboxPrefix } = world.settings(as(world, 'reader')).nats;
  return createReader({ servers, user: user!, passwordFile: passwordFile!, inboxPrefix });
}

let n = 0;
/** One after the other, each in the stream before the next: no two of them are folded into one change event. */
async function buy(times = 1): Promise<number> {
  let sequence = 0;
  for (let i = 0; i < times; i++) {
    ({ sequence } = await send(producer, ++n));
    await committed(administrator, sequence);
  }
  return sequence;
}

async function committed(client: Client, version: number): Promise<void> {
  await eventually('it is in the stream', async () => {
    for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' }))
      if (Buffer.from(body).includes(`"version":${version},`)) return true;
    return false;
  });
}

async function take(stream: ChangeStream<Shop>, count: number): Promise<Changed<Shop>[]> {
  const taken: Changed<Shop>[] = [];
  while (taken.length < count) {
    const { done, value } = await within('the next change event', 10_000, stream.next());
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

const versionsOf = (changed: readonly Changed[]): number[] => changed.map(({ event }) => event.data.version);
const consumers = async (): Promise<number> =>
  (await (await jetstreamManagerOf(administrator.nc)).streams.info('VISAGE_CHANGES')).state.consumer_count;

test('profiles, their events, why a value is what it is, and the shards', async () => {
  const after = await buy(2);
  const profile = await reader.profile<Shop>(ADA, { after, fields: ['spendLifetime', 'lastChannel'] });
  const spend: number | undefined = profile?.computed.spendLifetime?.value;
  const channel: string | undefined = profile?.computed.lastChannel?.value;
  expect([spend, channel, profile?.version]).toEqual([20, 'web', after]);
  expect((await reader.events(ADA, { limit: 1, order: 'desc' }))?.events.map(({ _id }) => _id)).toEqual(['e-2']);
  expect(await reader.explain(ADA, 'spendLifetime')).toMatchObject({ value: 20, counted: 2 });
  expect((await reader.status()).shards).toHaveLength(4);
  expect(await reader.profile({ namespace: 'customerId', id: 'nobody' })).toBeUndefined();
});

test('what is wrong is said as the worker says it, with what can be done about it', async () => {
  expect(await rejectionOf(reader.profile({ namespace: 'no name', id: 'x' }))).toMatchObject({
    code: 'bad_identity',
    kind: 'usage',
  });
  expect(await rejectionOf(reader.profile(ADA, { policy: 'none' }))).toMatchObject({ code: 'no_such_policy', kind: 'usage' });
  expect(await rejectionOf(reader.profile(ADA, { after: 999_999, timeoutMs: 50 }))).toMatchObject({
    code: 'not_yet',
    kind: 'retry',
  });
  expect(await rejectionOf(reader.explain(ADA, 'computed.none'))).toMatchObject({ code: 'no_such_field' });
  expect(await rejectionOf(reader.subscribe({ from: 'yesterday' }))).toMatchObject({ code: 'bad_query', kind: 'usage' });
  expect(await rejectionOf(reader.subscribe({ identity: { namespace: 'email', id: '' } }))).toMatchObject({
    code: 'bad_identity',
  });
});

describe('change events', () => {
  test('of one profile, from when it subscribed on; each follows on the one before', async () => {
    const stream = await reader.subscribe<Shop>({ identity: ADA });
    await producer.send(
      'orders',
      { _id: 'other', timestamp: new Date().toISOString() },
      { identity: { namespace: 'email', id: 'x' } },
    );
    const before = (await reader.profile(ADA))!.version;
    const last = await buy(3);
    const changed = await take(stream, 3);
    expect(changed.map(({ event }) => event.subject)).toEqual(Array(3).fill(`customerId:${ADA.id}`));
    expect(versionsOf(changed).at(-1)).toBe(last);
    expect(changed.map(({ event }) => event.data.previousVersion)).toEqual([before, ...versionsOf(changed).slice(0, 2)]);
    const [first] = changed[0]!.event.data.changes.filter(({ path }) => path === 'computed.spendLifetime');
    expect(first).toEqual({ path: 'computed.spendLifetime', before: 20, after: 30 });
    await stream.close();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('go on from a position that was kept, in another reader', async () => {
    const first = await reader.subscribe<Shop>({ identity: ADA, from: 'start' });
    const [one] = await take(first, 1);
    const rest = await take(first, 4);
    expect(first.position).toBe(rest.at(-1)!.position);
    await first.close();
    const other = await openReader();
    const again = await other.subscribe<Shop>({ identity: ADA, from: one!.position });
    expect(await take(again, 4)).toEqual(rest);
    const version = await buy();
    expect(versionsOf(await take(again, 1))).toEqual([version]);
    await other.close();
    expect((await again.next()).done).toBe(true); // it ended with its reader
  });

  test('of all profiles, in a loop that is left', async () => {
    const version = await buy();
    await eventually('what others have left is gone', async () => (await consumers()) === 0);
    const seen: string[] = [];
    for await (const { event } of await reader.subscribe({ from: 'start' })) {
      seen.push(event.subject);
      if (event.data.version === version) break;
    }
    expect(new Set(seen)).toEqual(new Set([`customerId:${ADA.id}`, 'email:x']));
    await eventually('the loop has left nothing behind', async () => (await consumers()) === 0);
  });

  test('whoever waits for the next one learns that it was closed', async () => {
    const stream = await reader.subscribe({ identity: ADA });
    const next = stream.next();
    await stream.close();
    expect((await within('it ends', 5_000, next)).done).toBe(true);
  });

  test('a position that aged out, or is of another stream, is lost: that is said at once', async () => {
    const stream = await reader.subscribe();
    const { position } = stream;
    await stream.close();
    const other = position.replace(/^[0-9a-f]{8}/, '00000000');
    expect(await rejectionOf(reader.subscribe({ from: other }))).toMatchObject({ code: 'position_lost', kind: 'refuse' });
    for (const id of shardsOf(4).values()) {
      const identity = { namespace: 'customerId', id };
      const { sequence } = await producer.send('orders', { _id: 's', timestamp: new Date().toISOString() }, { identity });
      await reader.profile(identity, { after: sequence }); // the last commit of every shard stays
    }
    await (await jetstreamManagerOf(administrator.nc)).streams.purge('VISAGE_CHANGES', { seq: 2 });
    const old = position.replace(/-\d+-/, '-1-');
    expect(await rejectionOf(reader.subscribe({ from: old }))).toMatchObject({ code: 'position_lost', kind: 'refuse' });
    const now = await reader.subscribe({ from: position });
    await now.close();
  });
});

test('a link that is missing is an error, behind everything that comes before it', async () => {
  const apart = await startWorld();
  await apart.startReady({}, { setup: true, definitions: apart.document });
  const other = await createReader({ servers: apart.server.url });
  try {
    const client = await apart.client();
    const versions: number[] = [];
    for (let k = 0; k < 4; k++) {
      const version = await publishAll([purchase('ada', { _id: `e-${k}`, atMs: Date.now() })], { nc: client.nc });
      await committed(client, version);
      versions.push(version);
    }
    const own: number[] = [];
    for await (const { sequence, body } of client.readStream('changes', { from: 'start', until: 'now' }))
      if (Buffer.from(body).includes('"ada"')) own.push(sequence);
    expect(own).toHaveLength(4);
    await (await jetstreamManagerOf(client.nc)).streams.deleteMessage('VISAGE_CHANGES', own[2]!); // nothing of ours does that
    const identity = { namespace: 'customerId', id: 'ada' };
    const stream = await other.subscribe<Shop>({ identity, from: 'start' });
    expect(versionsOf(await take(stream, 2))).toEqual(versions.slice(0, 2));
    const error = await rejectionOf(stream.next());
    expect(error).toMatchObject({ code: 'chain_broken', kind: 'refuse' });
    expect(error.message).not.toContain('ada');
    expect((await stream.next()).done).toBe(true);
    const [, position] = /go on from (\S+)$/.exec(error.message)!;
    const on = await other.subscribe<Shop>({ identity, from: position! });
    const version = await publishAll([purchase('ada', { _id: 'last', atMs: Date.now() })], { nc: client.nc });
    expect(versionsOf(await take(on, 1))).toEqual([version]);
  } finally {
    await other.close();
    await apart.stop();
  }
});

test('one whose connection is somebody else’s leaves it open', async () => {
  const mine = await createReader({ connection: administrator.nc });
  expect((await mine.status()).shards).toHaveLength(4);
  await mine.close();
  expect(administrator.nc.isClosed()).toBe(false);
});
