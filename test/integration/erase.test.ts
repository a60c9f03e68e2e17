// Erasing an identity: nothing of it is left, nothing of anybody else is touched, and a replay without its messages gives the same.
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { encodeId, identityKey, partitionOf } from '../../src/message/identity.ts';
import { ChainChecker, type ChainEvent } from '../../src/oracle/chain.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { Client } from '../../src/worker/client.ts';
import { eraseProfile } from '../../src/worker/erase_profile.ts';
import { openEraseHash } from '../../src/worker/erase_secret.ts';
import { bytesIn } from '../support/bytes_in.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type World } from '../support/world.ts';

const ADA = { namespace: 'customerId', id: 'ada.l@lovelace.example' };
const TOKEN = encodeId(ADA.id);
const SHARD = partitionOf(identityKey(ADA), 4);

let world: World;
let nc: Connection;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h' });
  nc = await world.connect();
});
afterEach(() => world.stop());

/** Others, of whom many share Ada's shard. */
function others(from: number, count: number): Sendable[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    return purchase(`other-${n % 40}`, { _id: `o-${n}`, atMs: now - 1_000 * ((n * 7) % 900), price: 1 + (n % 13) });
  });
}

function hers(from: number, count: number): Sendable[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, i) => purchase(ADA.id, { _id: `a-${from + i}`, atMs: now - 500 + i, price: 5 }));
}

/** Ada's events among those of others. */
function mixed(from: number, count: number): Sendable[] {
  return others(from, 4 * count).flatMap((other, i) => (i % 4 === 0 ? [...hers(from + i / 4, 1), other] : [other]));
}

async function exported(client: Client): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const { view } of client.exportProfiles())
    found.set(identityKey(view.profile), [view.version, view.computed, view.audiences]);
  return found;
}

async function textOf(client: Client, stream: 'log' | 'dead' | 'changes'): Promise<string> {
  const texts: string[] = [];
  const add = (message: { subject: string; body: Uint8Array; headers: (() => unknown) | null }): void =>
    void texts.push(message.subject, new TextDecoder().decode(message.body), JSON.stringify(message.headers?.()));
  if (stream !== 'log') for await (const message of client.readStream(stream, { from: 'start', until: 'now' })) add(message);
  else for (let shard = 0; shard < 4; shard++) for await (const message of client.readLog(shard)) add(message);
  return texts.join('\n');
}

const serverFolder = (stream: string): string => join(world.folder, 'nats', 'jetstream', '$G', 'streams', stream);

test('nothing of an erased identity is left: not in log, dead letters, files or logs; others are as they were; new data counts', async () => {
  const { log: said } = await world.startReady({ 'changes.maxAge': '5s' }, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(mixed(0, 100), { nc });
  // refused: hers twice, and one of somebody else
  const broken = { ...purchase(ADA.id, { _id: 'broken', atMs: 0 }), body: '{"_id":"broken","who":"' + ADA.id + '"' };
  const another = { ...purchase('other-1', { _id: 'n', atMs: 0 }), namespace: 'nosuch' };
  await publishAll([broken, { ...broken, dataset: 'nosuch' }, another], { nc });
  await nc.request(`visage.in.orders.${ADA.namespace}.${ADA.id}`, '{}', { timeout: 2_000 }); // an id that nobody encoded
  await eventually('the letters', async () => (await client.streamState('dead')).lastSequence >= 4);
  await eventually('her bytes on the disk', () => bytesIn(join(world.folder, 'data'), TOKEN).length > 0);
  const before = await exported(client);
  expect(before.get(identityKey(ADA))).toBeDefined();
  expect(bytesIn(serverFolder('VISAGE_LOG'), TOKEN).length).toBeGreaterThan(0);

  const steps: string[] = [];
  const receipt = await eraseProfile(client, ADA, { onStep: ({ step }) => steps.push(step) });
  expect(receipt).toMatchObject({ shard: SHARD, messages: 102, holes: 102, deadLetters: 3 });
  expect(receipt.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(Date.parse(receipt.changesGoneBy!) - Date.parse(receipt.erasedAt)).toBeLessThan(5_001);

  expect(await client.profile(ADA)).toBeUndefined();
  const after = await exported(client);
  before.delete(identityKey(ADA));
  expect(after).toEqual(before);
  for (const stream of ['log', 'dead'] as const) {
    const lines = (await textOf(client, stream)).split('\n');
    expect(lines.filter((line) => line.includes(TOKEN) || line.includes(ADA.id))).toEqual([]);
  }
  expect((await textOf(client, 'dead')).match(/"reason":"unknown_namespace"/g)).toHaveLength(1); // the letters of others stay
  expect(bytesIn(join(world.folder, 'data'), TOKEN, ADA.id)).toEqual([]);
  expect(said.join('\n')).not.toContain('lovelace');
  for (const stream of ['VISAGE_LOG', 'VISAGE_DEAD', 'KV_visage_meta', 'KV_visage_leases'])
    expect([stream, bytesIn(serverFolder(stream), TOKEN, ADA.id)]).toEqual([stream, []]);

  // new data is new, and the version goes on from where it was
  const sequence = await publishAll([purchase(ADA.id, { _id: 'a-1', atMs: Date.now(), price: 7 })], { nc });
  expect(await client.profile({ ...ADA, after: sequence })).toMatchObject({ computed: { spendLifetime: { value: 7 } } });

  await delay(Math.max(0, Date.parse(receipt.changesGoneBy!) - Date.now()));
  const left = await textOf(client, 'changes');
  expect(
    left.split('\n').filter((text) => text.includes(ADA.id) && !text.includes('"value":7') && !text.includes('"after":7')),
  ).toEqual([]);
}, 60_000);

test('chains of change events go on, and a replay from nothing gives the same state, counts and chains', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const first = await world.client();
  await publishAll(mixed(0, 60), { nc });
  const grace = { namespace: 'customerId', id: 'grace' };
  const receipt = await eraseProfile(first, ADA);
  await publishAll([...hers(500, 5), ...others(1_000, 200)], { nc });
  await eraseProfile(first, grace); // of whom there is nothing
  await publishAll(others(2_000, 100), { nc });
  const client = await world.client(); // knows the secret for sure
  expect(await verifyRoot(client)).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  const deleted = await eventsOf(client, (event) => event.type === 'visage.profile.deleted');
  expect(deleted).toHaveLength(1);
  expect(JSON.stringify(deleted)).toContain(receipt.hash);
  expect(JSON.stringify(deleted)).not.toContain('lovelace');
  const before = await exported(client);
  const counts = await countsOf(client);
  await world.stopWorkers();

  await world.startReady({ dataDirectory: join(world.folder, 'elsewhere') });
  expect(await exported(client)).toEqual(before);
  expect(await countsOf(client)).toEqual(counts);
  await publishAll([...hers(600, 5), ...others(3_000, 100)], { nc });
  expect(await verifyRoot(client)).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  expect(bytesIn(join(world.folder, 'elsewhere'), 'a-1"')).toEqual([]);
}, 60_000);

async function countsOf(client: Client): Promise<unknown> {
  return (await client.status()).shards.map(({ shard, changes, profiles }) => ({ shard, changes, profiles }));
}

async function eventsOf(client: Client, wanted: (event: ChainEvent) => boolean): Promise<ChainEvent[]> {
  const found: ChainEvent[] = [];
  const hashOf = await openEraseHash(client.meta);
  const chains = new ChainChecker({ hashOf });
  for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' })) {
    for (const event of JSON.parse(new TextDecoder().decode(body)) as ChainEvent[]) {
      chains.feed(event);
      if (wanted(event)) found.push(event);
    }
  }
  expect(chains.problems).toEqual([]);
  return found;
}

test('a message that asks for an erasure is one; its own removal ends it, and a delete is none', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(mixed(0, 20), { nc });
  const h = headers();
  h.set('Visage-Operation', 'delete');
  await nc.request(`visage.in._profile.customerId.other-3`, '', { headers: h, timeout: 2_000 });
  h.set('Visage-Operation', 'erase');
  await nc.request(`visage.in._profile.${identityKey(ADA)}`, '', { headers: h, timeout: 2_000 });
  await eventually('her messages are gone', async () => !(await textOf(client, 'log')).includes(TOKEN), { timeoutMs: 20_000 });
  const text = await textOf(client, 'log');
  expect(text).toContain('_profile.customerId.other-3');
  expect(text.match(/ctl\.erase$/gm)).toHaveLength(1);
  expect(await client.profile({ namespace: 'customerId', id: 'other-3' })).toBeUndefined();
  // the next start finds nothing to do
  await world.stopWorkers();
  await world.startReady();
  expect((await textOf(client, 'log')).match(/ctl\.erase$/gm)).toHaveLength(1);
}, 60_000);

test('records go as events do, with everything that they say; what they said stays dead when it comes again', async () => {
  const definitions = loadDefinitionsFile(join(import.meta.dirname, '../../config/definitions.example.yaml'));
  await world.startReady({}, { setup: true, definitions });
  const client = await world.client();
  const row = (city: string): string =>
    JSON.stringify({
      person: { name: { firstName: 'Ada' } },
      homeAddress: { city },
      loyalty: { interests: ['Marylebone '.repeat(300)] },
    });
  const send = async (body: string, operation: string, lastUpdated?: string): Promise<number> => {
    const h = headers();
    h.set('Visage-Operation', operation);
    if (lastUpdated !== undefined) h.set('Visage-Last-Updated', lastUpdated);
    const answer = await nc.request(`visage.in.crm.${identityKey(ADA)}`, body, { headers: h, timeout: 2_000 });
    return answer.json<{ seq: number }>().seq;
  };
  const old = new Date(Date.now() - 60_000).toISOString();
  await send(row('Marylebone'), 'create', old);
  const last = await send('{"homeAddress":{"country":"Marylebone"}}', 'merge');
  await publishAll(others(0, 50), { nc });
  expect(await client.profile({ ...ADA, after: last })).toMatchObject({ attributes: { homeAddress: { city: 'Marylebone' } } });
  await eventually('her row on the disk', () => bytesIn(join(world.folder, 'data'), 'Marylebone').length > 0);
  expect(await eraseProfile(client, ADA)).toMatchObject({ messages: 2, deadLetters: 0 });
  expect(bytesIn(join(world.folder, 'data'), 'Marylebone', TOKEN)).toEqual([]);
  expect(bytesIn(serverFolder('VISAGE_LOG'), 'Marylebone', TOKEN)).toEqual([]);
  const again = await send(row('Marylebone'), 'create', old);
  expect(await client.profile({ ...ADA, after: again })).toBeUndefined();
  const anew = await send(row('Ockham'), 'create');
  expect(await client.profile({ ...ADA, after: anew })).toMatchObject({ attributes: { homeAddress: { city: 'Ockham' } } });
  expect(await verifyRoot(await world.client())).toMatchObject({ verified: true, differences: [], chains: { problems: [] } });
}, 60_000);

test('a request that cannot be read, or names nobody, is an answer', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const ask = async (body: string): Promise<unknown> => (await nc.request('visage.api.erase', body, { timeout: 5_000 })).json();
  for (const body of ['', '[]', 'null', '{"namespace":"customerId"}', '{"namespace":1,"id":"a"}'])
    expect(await ask(body)).toMatchObject({ error: { code: 'bad_request' } });
  for (const body of ['{"namespace":"customer id","id":"a"}', '{"namespace":"customerId","id":""}'])
    expect(await ask(body)).toMatchObject({ error: { code: 'bad_identity' } });
  expect(await textOf(await world.client(), 'log')).not.toContain('ctl.erase');
}, 60_000);
