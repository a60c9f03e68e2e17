// What an erasure means for the log, and for everybody who reads it later.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { identityKey, partitionOf, type Identity } from '../../src/message/identity.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { Client } from '../../src/worker/client.ts';
import { eraseProfile } from '../../src/worker/erase_profile.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { DEFINITIONS, startWorld, type Overrides, type World } from '../support/world.ts';

const START = Date.parse('2026-01-10T00:00:00Z');
const HOUR = 3_600_000;
const ALL_IN_ORDER = { verified: true, differences: [], chains: { whole: true, problems: [] } };

let world: World;
let nc: Connection;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h' });
  nc = await world.connect();
});
afterEach(() => world.stop());

/** `count` identities of one shard. */
function peopleOf(shard: number, count: number): Identity[] {
  const found: Identity[] = [];
  for (let n = 0; found.length < count; n++) {
    const identity = { namespace: 'customerId', id: `p-${n}` };
    if (partitionOf(identityKey(identity), 4) === shard) found.push(identity);
  }
  return found;
}

async function exported(client: Client): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const { view } of client.exportProfiles()) found.set(identityKey(view.profile), [view.version, view.computed]);
  return found;
}

async function countsOf(client: Client): Promise<unknown> {
  const now = (shardTimeMs: unknown): unknown => (client.clock === 'event' ? shardTimeMs : null); // else every export moves it
  const { shards } = await client.status();
  return shards.map(({ shard, changes, profiles, shardTimeMs }) => ({ shard, changes, profiles, time: now(shardTimeMs) }));
}

/** The state is the same when it is built from what the log has now. */
async function expectSameFromNothing(client: Client, overrides: Overrides = {}): Promise<void> {
  const before = await exported(client);
  const counts = await countsOf(client);
  await world.stopWorkers();
  await world.startReady({ ...overrides, dataDirectory: join(world.folder, `again-${Math.round(performance.now())}`) });
  expect(await exported(client)).toEqual(before);
  expect(await countsOf(client)).toEqual(counts);
  expect(await verifyRoot(await world.client(overrides))).toMatchObject(ALL_IN_ORDER);
}

test('under the event clock, time goes on from where an erased event has moved it; a refused one has moved nothing', async () => {
  const overrides = { clock: 'event' };
  await world.startReady(overrides, { setup: true, definitions: world.document });
  const client = await world.client(overrides);
  const [ada, bob, eve] = peopleOf(2, 3) as [Identity, Identity, Identity];
  const events = (n: number): Sendable[] => [
    purchase(bob.id, { _id: `b-${n}`, atMs: START + n * HOUR, price: 2 }),
    // it is hers that move time, and let what is his leave its window
    purchase(ada.id, { _id: `a-${n}`, atMs: START + n * HOUR + 0.9 * HOUR, price: 3 }),
    purchase(eve.id, { _id: `e-${n}`, atMs: START + n * HOUR - 10 * HOUR, price: 4 }),
  ];
  for (let n = 0; n < 30; n++) await publishAll(events(2 * n), { nc, inFlight: 1 });
  const far = purchase(ada.id, { _id: 'far', atMs: Date.now() + 400 * 24 * HOUR, price: 1 });
  await publishAll([far, { ...far, dataset: 'nosuch' }], { nc, inFlight: 1 });
  const receipt = await eraseProfile(client, ada);
  expect(receipt).toMatchObject({ messages: 32, deadLetters: 2 });
  await publishAll([purchase(eve.id, { _id: 'e', atMs: START + 5 * HOUR, price: 4 })], { nc });
  await expectSameFromNothing(client, overrides);
}, 60_000);

test('what left its window when an erased message came has left it there, also when the message is gone', async () => {
  await world.startReady({ tick: '5s' }, { setup: true, definitions: world.document }); // no tick comes between
  const client = await world.client();
  const [ada, bob] = peopleOf(2, 2) as [Identity, Identity];
  const leavesMs = Date.now() + 1_000;
  await publishAll([purchase(bob.id, { _id: 'b', atMs: leavesMs - HOUR, price: 2 })], { nc });
  let last = 0;
  await delay(leavesMs - 100 - Date.now());
  // one after the other
  for (let n = 0; Date.now() < leavesMs + 150; n++)
    last = await publishAll([purchase(ada.id, { _id: `a-${n}`, atMs: Date.now(), price: 3 })], { nc });
  const { version } = (await client.profile({ ...bob, after: last }))!;
  const by: string[] = [];
  for await (const { sequence, subject } of client.readLog(2)) if (sequence === version) by.push(subject);
  expect(by).toEqual([`visage.log.2.in.orders.${identityKey(ada)}`]);
  await eraseProfile(client, ada);
  await expectSameFromNothing(client);
}, 60_000);

test('a log whose first messages were removed has no gap: it is read from nothing, and verified', async () => {
  await world.setup({}, null); // without definitions: the first messages are refused, and first in the log
  const [ada, bob] = peopleOf(1, 2) as [Identity, Identity];
  const many = (id: string, from: number): Sendable[] =>
    Array.from({ length: 5 }, (_, i) => purchase(id, { _id: `${id}-${from + i}`, atMs: Date.now() - 1_000 }));
  await publishAll(many(ada.id, 0), { nc });
  await world.startReady({}, { definitions: world.document });
  const client = await world.client();
  await publishAll([...many(bob.id, 0), ...many(ada.id, 5)], { nc });
  const receipt = await eraseProfile(client, ada);
  expect(receipt).toMatchObject({ messages: 10, deadLetters: 5 });
  const { state } = await (await jetstreamManager(nc)).streams.info('VISAGE_LOG');
  expect(state.first_seq).toBeGreaterThan(5);
  expect((await client.streamState('log')).firstSequence).toBe(1);
  await expectSameFromNothing(client);
}, 60_000);

test('a subject with a wildcard for an id erases nobody', async () => {
  const { log } = await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const people = peopleOf(0, 4);
  await publishAll(
    people.map(({ id }) => purchase(id, { _id: id, atMs: Date.now() })),
    { nc },
  );
  const h = headers();
  h.set('Visage-Operation', 'erase');
  for (const id of ['*', '>', 'p*']) nc.publish(`visage.in._profile.customerId.${id}`, '', { headers: h });
  await nc.flush();
  await world.stopWorkers();
  await world.startReady(); // a start looks for requests that nobody has answered
  const receipt = await eraseProfile(client, people[0]!); // and whatever was asked for before is done by then
  expect(receipt.messages).toBe(1);
  expect((await exported(client)).size).toBe(3);
  expect(log.filter((line) => line.includes('"msg":"erased'))).toEqual([]);
}, 60_000);

test('erasures that come together share one rewriting of the store; who comes while one is at work is erased after it', async () => {
  const { log } = await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const people = peopleOf(3, 6);
  const events = (n: number): Sendable[] => people.map(({ id }) => purchase(id, { _id: `${id}-${n}`, atMs: Date.now() }));
  for (let n = 0; n < 50; n++) await publishAll(events(n), { nc });
  const [last, ...first] = people;
  const receipts = first.map((person) => eraseProfile(client, person));
  await eventually('one is at work', async () => {
    const { hash, shard } = await client.erase(first[0]!); // asked for twice, before and after
    return (await client.meta.get(`erasure.${shard}.${hash}`))!.includes('"step":"appended"');
  });
  const counts = (await Promise.all(receipts)).map(({ messages }) => messages);
  expect(counts.slice(1)).toEqual([50, 50, 50, 50]); // the receipt of who was asked for again may be that of the second time
  expect(log.filter((line) => line.includes('leaves the files')).length).toBeLessThanOrEqual(2);
  await eraseProfile(client, first[0]!); // who is waited for is erased after those that came before
  expect([...(await exported(client)).keys()]).toEqual([identityKey(last!)]);
  await expectSameFromNothing(client);
}, 60_000);

test('a rebuild after an erasure is of the log as it is, with its holes', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const people = peopleOf(1, 5);
  for (let n = 0; n < 40; n++)
    await publishAll(
      people.map(({ id }) => purchase(id, { _id: `${id}-${n}`, atMs: Date.now() - n * 50_000, price: n })),
      { nc },
    );
  await eraseProfile(client, people[0]!);
  await world.stopWorkers();
  const file = join(world.folder, 'changed.yaml');
  await writeFile(
    file,
    DEFINITIONS.replaceAll('SHORT', '1h').replace('function: sum, window: lifetime', 'function: max, window: lifetime'),
  );
  await world.startReady({}, { definitions: loadDefinitionsFile(file), rebuild: 'whole' });
  expect(await verifyRoot(await world.client())).toMatchObject(ALL_IN_ORDER);
  await eraseProfile(client, people[1]!);
  expect((await exported(client)).size).toBe(3);
  await expectSameFromNothing(client);
}, 60_000);

test('an export in progress comes to its end before the store is rewritten', async () => {
  await world.startReady({}, { setup: true, definitions: world.document });
  const client = await world.client();
  const people = peopleOf(0, 300); // more than a page
  await publishAll(
    people.map(({ id }) => purchase(id, { _id: id, atMs: Date.now() })),
    { nc },
  );
  const exporting = client.exportProfiles();
  const names = [(await exporting.next()).value!.view.profile.id];
  const steps: string[] = [];
  const erasing = eraseProfile(client, people[0]!, { onStep: ({ step }) => steps.push(step) });
  await eventually('the erasure has begun', () => steps.includes('appended'));
  await delay(1_000); // time enough for a checkpoint and for all that comes behind it
  expect(steps.at(-1)).toBe('appended');
  for await (const { view } of exporting) names.push(view.profile.id);
  expect(new Set(names).size).toBe(300); // as of its cut
  expect((await erasing).messages).toBe(1);
  expect((await exported(client)).size).toBe(299);
}, 60_000);
