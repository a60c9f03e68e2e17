// `worker --rebuild`: definitions that change what is live, as a new generation of the state built from the log.
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { openShardLog } from '../../src/stream/shard_log.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import { finishGeneration } from '../../src/worker/begin_generation.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from '../support/eventually.ts';
import { listenToChanges } from '../support/change_listener.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { DEFINITIONS, startWorld, type World } from '../support/world.ts';

let world: World;
let nc: Connection;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h' });
  nc = await world.connect();
});
afterEach(() => world.stop());

const CHANGED = DEFINITIONS.replaceAll('SHORT', '1h')
  .replace('priceTotal, function: sum, window: lifetime', 'priceTotal, function: max, window: lifetime')
  .replace(/ {2}ordersShort:.*\n/, '')
  .concat('  isBig: { class: individual, function: expression, expression: spendLifetime > 400.0, audience: true }\n');

const WITH_BUYER = DEFINITIONS.replaceAll('SHORT', '1h').concat(
  '  bought: { class: individual, description: x, eventTypes: [commerce.purchases], function: exists, window: lifetime, audience: false }\n',
);

async function definitions(text: string, name = 'changed.yaml'): Promise<DefinitionsDocument> {
  const file = join(world.folder, name);
  await writeFile(file, text);
  return loadDefinitionsFile(file);
}

function some(count: number, seed: number): ReturnType<typeof generateEvents> {
  const now = Date.now();
  return generateEvents({
    seed,
    events: count,
    profiles: 120,
    zipfS: 0.5,
    startMs: now - 3_600_000,
    spanMs: 3_600_000,
    outOfOrderShare: 0.1,
    maxLateMs: 7_200_000,
    duplicateShare: 0.05,
    invalidShare: 0.02,
  });
}

const generationsOf = async (client: Client): Promise<unknown[]> =>
  (await client.status()).shards.map((shard) => [shard['generation'], shard.state]);

test('values under changed definitions equal those of the whole log; one change event for each profile that differs; then it goes on', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(some(1_500, 1), { nc });
  expect((await verifyRoot(client)).verified).toBe(true);
  const before = await exported(client);
  await world.stopWorkers();

  const changed = await definitions(CHANGED);
  expect(await world.start({}, { definitions: changed }).worker.stopped).toMatchObject({ code: 'definitions_differ' });
  const changes = await listenToChanges(nc);
  await world.startReady({}, { definitions: changed, rebuild: 'whole' });
  expect(await generationsOf(client)).toEqual(Array.from({ length: 4 }, () => [2, 'active']));
  const report = await verifyRoot(client);
  expect(report).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });

  const after = await exported(client);
  const differing = [...after].filter(([key, computed]) => computed !== before.get(key)).map(([key]) => key);
  expect(differing.length).toBeGreaterThan(50);
  const rebuilt = changes.arrivals.filter(({ event }) => event.data.cause.some((cause) => cause.kind === 'definitions'));
  expect(rebuilt.map(({ event }) => event.subject).sort()).toEqual(differing.sort());
  expect(new Set(rebuilt.map(({ event }) => event.source))).toEqual(
    new Set(Array.from({ length: 4 }, (_, shard) => `/visage/VISAGE_LOG/${shard}/2`)),
  );

  await publishAll(some(500, 2), { nc });
  expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { problems: [] } });
  expect(readdirSync(join(world.folder, 'data')).filter((name) => name.startsWith('shard-'))).toEqual(
    Array.from({ length: 4 }, (_, shard) => `shard-${shard}.generation-2`),
  );
  // the next start has nothing to do, with the flag or without
  await world.stopWorkers();
  await world.startReady({}, { definitions: changed, rebuild: 'whole' });
  expect(await generationsOf(client)).toEqual(Array.from({ length: 4 }, () => [2, 'active']));
  // and its disk can be lost: the log and the change stream have everything
  await world.stopWorkers();
  await world.startReady({ dataDirectory: join(world.folder, 'elsewhere') });
  expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { problems: [] } });
}, 60_000);

test('a second rebuild goes back to what was, and its change events say so', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(some(400, 3), { nc });
  const before = await exported(client);
  await world.stopWorkers();
  await world.startReady({}, { definitions: await definitions(CHANGED), rebuild: 'whole' });
  await world.stopWorkers();
  await world.startReady({}, { definitions: world.document, rebuild: 'whole' });
  expect(await generationsOf(client)).toEqual(Array.from({ length: 4 }, () => [3, 'active']));
  expect(await exported(client)).toEqual(before);
  expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { whole: true, problems: [] } });
}, 60_000);

test('a log without its beginning is refused; with --partial values say since when they count', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(some(300, 4), { nc });
  const last = await publishAll([purchase('ada', { _id: 'a-1', atMs: Date.now(), price: 5 })], { nc });
  expect(await client.profile({ namespace: 'customerId', id: 'ada', after: last })).toBeDefined();
  await exported(client); // a cut: everything is checkpointed
  await world.stopWorkers();
  await (await jetstreamManager(nc)).streams.purge('VISAGE_LOG', { seq: 200 });
  const changed = await definitions(CHANGED);
  const error = await world.start({}, { definitions: changed, rebuild: 'whole' }).worker.stopped;
  expect(error).toMatchObject({ code: 'log_not_whole' });
  await world.stopWorkers();
  await world.startReady({}, { definitions: changed, rebuild: 'partial' });
  const ada = await client.profile({ namespace: 'customerId', id: 'ada' });
  expect(ada!.computed['spendLifetime']).toMatchObject({ value: 5, since: expect.any(String) });
  expect(await verifyRoot(client)).toMatchObject({
    verified: false,
    unverifiable: expect.stringContaining('begins at sequence'),
  });
}, 60_000);

test('two that finish the same rebuild at once: every log takes one message, and apply waits until that is done', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(some(200, 5), { nc });
  const changed = await definitions(CHANGED);
  const root = { nc, topology: client.topology, meta: client.meta, settings: world.settings() };
  // as a start that was killed right after it had said what is to be done
  await client.meta.createOrGet(`definitions.${changed.hash}`, changed.canonical);
  await client.meta.putAt('definitions.rebuild', JSON.stringify({ generation: 2, hash: changed.hash, partialFrom: null }), 0);
  await expect(applyDefinitions(client, world.settings(), changed, 0)).rejects.toMatchObject({ code: 'rebuild_begun' });
  await Promise.all([finishGeneration(root), finishGeneration(root), finishGeneration(root)]);
  for (let shard = 0; shard < 4; shard++) {
    const log = await openShardLog({ nc, reading: nc, topology: client.topology, shard });
    expect((await log.generations()).map(({ generation }) => generation)).toEqual([2]);
  }
  await eventually('every shard has it', async () => (await generationsOf(client)).every((is) => String(is) === '2,active'));
  expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { problems: [] } });
  // what is added after it is of the new generation
  const added = await definitions(
    CHANGED.concat('  orders7d: { class: individual, function: count, window: { sliding: 7d } }\n'),
  );
  expect((await applyDefinitions(client, world.settings(), added)).waiting).toEqual([]);
  await publishAll(some(100, 6), { nc });
  expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { problems: [] } });
}, 60_000);

test('the message of a generation ages out of the log: a restart goes on, and the next rebuild gets the next number', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  await publishAll(some(200, 7), { nc });
  await world.stopWorkers();
  const changed = await definitions(CHANGED);
  await world.startReady({}, { definitions: changed, rebuild: 'whole' });
  const cuts: number[] = [];
  const before = await exported(client, cuts);
  await world.stopWorkers();
  // what is left is the cuts of the export: every shard has read through the first of them
  await (await jetstreamManager(nc)).streams.purge('VISAGE_LOG', { seq: Math.min(...cuts) });
  await world.startReady();
  expect(await generationsOf(client)).toEqual(Array.from({ length: 4 }, () => [2, 'active']));
  expect(await exported(client)).toEqual(before);
  await world.stopWorkers();
  // a shard with hardly a message left is not taken for one with a gap, and its values say since when they count
  await world.startReady({}, { definitions: world.document, rebuild: 'partial' });
  expect(await generationsOf(client)).toEqual(Array.from({ length: 4 }, () => [3, 'active']));
  expect((await exported(client)).size).toBe(0);
  const last = await publishAll([purchase('ada', { _id: 'a-1', atMs: Date.now(), price: 5 })], { nc });
  const ada = await client.profile({ namespace: 'customerId', id: 'ada', after: last });
  expect(ada!.computed['spendLifetime']).toMatchObject({ value: 5, since: expect.any(String) });
}, 60_000);

test('an attribute becomes an audience, and is none again: who is in it enters and exits, although no value changes', async () => {
  await world.startReady({}, { setup: true, definitions: await definitions(WITH_BUYER) });
  const client = await world.client();
  const last = await publishAll([purchase('ada', { _id: 'a-1', atMs: Date.now(), price: 5 })], { nc });
  expect(await client.profile({ namespace: 'customerId', id: 'ada', after: last })).toBeDefined();
  for (const [text, moved] of [
    [WITH_BUYER.replace('window: lifetime, audience: false', 'window: lifetime, audience: true'), 'entered'],
    [WITH_BUYER, 'exited'],
    [WITH_BUYER.replace('description: x', 'description: y'), undefined], // nothing visible
  ] as const) {
    await world.stopWorkers();
    const changes = await listenToChanges(nc);
    await world.startReady({}, { definitions: await definitions(text), rebuild: 'whole' });
    const audiences = changes.arrivals.map(({ event }) => (event.data as unknown as { audiences: unknown }).audiences);
    expect(audiences).toEqual(moved === undefined ? [] : [{ entered: [], exited: [], [moved]: ['bought'] }]);
    expect(await verifyRoot(client)).toMatchObject({ verified: true, chains: { problems: [] } });
  }
}, 60_000);

async function exported(client: Client, cuts: number[] = []): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for await (const { view } of client.exportProfiles((_, sequence) => cuts.push(sequence))) {
    const values = Object.entries(view.computed).map(([name, { value }]) => [name, value]);
    all.set(`${view.profile.namespace}:${view.profile.id}`, JSON.stringify(values.sort()));
  }
  return all;
}
