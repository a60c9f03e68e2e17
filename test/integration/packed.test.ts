// MessagePack through a real server and worker: it comes to what JSON comes to, and what cannot be read stops nothing.
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { packMap } from '../../src/message/write_message_pack.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { eventually, rejectionOf } from '../support/eventually.ts';
import { startRecordRoot, type RecordRoot } from '../support/record_root.ts';
import { verifyAll } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
let records: RecordRoot;
let producer: Producer;

beforeAll(async () => {
  world = await startWorld({ shortWindow: '1s' });
  await world.startReady({}, { setup: true, definitions: world.document });
  records = await startRecordRoot(world, 'packed');
  producer = await createProducer({ servers: world.server.url, root: 'packed', encoding: 'msgpack' });
});
afterAll(async () => {
  await producer.close();
  await world.stop();
});

const who = (id: string): { identity: { namespace: string; id: string } } => ({ identity: { namespace: 'customerId', id } });

test('the same events as JSON and as MessagePack come to the same profiles, and to what brute force makes of them', async () => {
  const client = await world.client();
  const json = await createProducer({ servers: world.server.url });
  const packed = await createProducer({ servers: world.server.url, encoding: 'msgpack' });
  const generated = generateEvents({
    seed: 7,
    events: 1_500,
    profiles: 40,
    zipfS: 1,
    startMs: Date.now() - 60_000,
    spanMs: 59_000,
    outOfOrderShare: 0.2,
    maxLateMs: 86_400_000,
    duplicateShare: 0.05,
    invalidShare: 0,
  });
  const ids = new Set<string>();
  let last = 0;
  for (const { dataset, id, body } of generated) {
    ids.add(id);
    const event = JSON.parse(body) as object;
    const sent = [json.send(dataset, event, who(`json-${id}`)), packed.send(dataset, event, who(`pack-${id}`))];
    for (const { sequence } of await Promise.all(sent)) last = Math.max(last, sequence);
  }
  await json.close();
  await packed.close();
  const verdict = await verifyAll(client, 1_500);
  expect(verdict.problems).toEqual([]);
  expect([verdict.profiles, verdict.refused]).toEqual([2 * ids.size, 0]);
  for (const id of ids) {
    const [one, other] = await Promise.all(
      ['json', 'pack'].map((how) => client.profile({ namespace: 'customerId', id: `${how}-${id}` })),
    );
    const valuesOf = ({ computed }: NonNullable<typeof one>): unknown =>
      Object.entries(computed).map(([name, { value, timestamp }]) => [name, value, timestamp]);
    expect(valuesOf(other!)).toEqual(valuesOf(one!));
  }
  const [id] = ids;
  const listed = await Promise.all(
    ['json', 'pack'].map(async (how) => (await client.events({ namespace: 'customerId', id: `${how}-${id}` }))?.events),
  );
  expect(listed[1]!.length).toBeGreaterThan(10);
  expect(listed[1]!.map(({ event }) => event)).toEqual(listed[0]!.map(({ event }) => event));
});

test('records: replaced, merged and deleted', async () => {
  await producer.send('crm', { name: 'Ada', points: 1, personalEmail: { address: 'ada@x.y' } }, who('ada'));
  const merged = await producer.send('crm', { points: 2.5 }, { ...who('ada'), operation: 'merge' });
  expect(await records.attributes('customerId', 'ada', merged.sequence)).toEqual({
    name: 'Ada',
    points: 2.5,
    personalEmail: { address: 'ada@x.y' },
  });
  const deleted = await producer.send('crm', null, { ...who('ada'), operation: 'delete' });
  expect(await records.attributes('customerId', 'ada', deleted.sequence)).toBeUndefined();
});

test('the owner is chosen from the body, also when it is given as bytes', async () => {
  const bytes = packMap({ name: 'Bob', personalEmail: { address: 'bob@x.y' } });
  expect((await producer.send('crm', bytes)).identity).toEqual({ namespace: 'email', id: 'bob@x.y' });
  const plain = await records.client.producer();
  const { sequence, identity } = await plain.send('crm', packMap({ name: 'Eve', identityMap: { customerId: [{ id: 'eve' }] } }));
  expect([identity.id, await records.attributes('customerId', 'eve', sequence)]).toEqual(['eve', { name: 'Eve' }]);
  expect(await rejectionOf(plain.send('crm', Uint8Array.of(0x81)))).toMatchObject({ code: 'malformed', kind: 'refuse' });
});

test('a refused one is kept as it came, shown as JSON, and sent again as it was', async () => {
  const { lastSequence: before } = await records.client.streamState('dead');
  await producer.send('later', { name: 'old', extSourceSystemAudit: { lastUpdatedDate: '2026-03-01T00:00:00Z' } }, who('zoe'));
  await producer.send('later', { name: 'undated' }, who('max'));
  await eventually('they are refused', async () => (await records.client.streamState('dead')).lastSequence === before + 2);
  const shown = await records.good(['dead', 'show', String(before + 1)]);
  expect(shown).toContain('header    Content-Type: application/msgpack');
  expect(shown).toContain('MessagePack; as JSON:\n  {\n    "name": "old"');
  await records.apply('  later: { schema: customer, profile: true }');
  const newer = await producer.send('later', { name: 'new' }, { ...who('zoe'), lastUpdated: '2026-03-02T00:00:00Z' });
  expect(newer.duplicate).toBe(false);
  const report = JSON.parse(await records.good(['dead', 'replay', '--dataset', 'later', '--json'])) as { replayed: number };
  expect(report.replayed).toBe(2);
  const after = (await records.client.streamState('log')).lastSequence;
  expect(await records.attributes('customerId', 'zoe', after)).toEqual({ name: 'new' }); // its own date made it the older one
  expect(await records.attributes('customerId', 'max', after)).toEqual({ name: 'undated' });
  const [old] = (await records.logged('later')).filter(({ lastUpdated }) => lastUpdated === undefined);
  expect(old).toBeDefined(); // and no other date was put in its place
});

test('bytes that are none, however broken, are refused with a reason; the shard goes on', async () => {
  const { lastSequence: before } = await records.client.streamState('dead');
  const random = seededRandom(11);
  const valid = packMap({ _id: 'e', timestamp: '2026-03-10T09:00:00Z', nested: { list: [1, 'x', null, { a: 2 ** 40 }] } });
  const h = headers();
  h.set('Content-Type', 'application/msgpack');
  const { nc } = records.client;
  for (let n = 0; n < 300; n++) {
    const bytes = Uint8Array.from(valid);
    for (let edits = 0; edits <= n % 4; edits++) bytes[random.below(bytes.length)] = random.below(256);
    const body = n % 5 === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    await nc.request(`packed.in.orders.customerId.fuzz-${n}`, body, { headers: h, timeout: 5_000 });
  }
  const { sequence } = await producer.send('orders', { _id: 'last', timestamp: new Date().toISOString() }, who('last'));
  expect((await records.client.profile({ namespace: 'customerId', id: 'last', after: sequence }))?.version).toBe(sequence);
  expect((await records.client.status()).shards.map(({ state }) => state)).toEqual(Array(4).fill('active'));
  const refused = await eventually(
    'refused ones',
    async () => (await records.client.streamState('dead')).lastSequence - before > 100,
  );
  expect(refused).toBe(true);
  const verdict = await verifyAll(records.client, 500);
  expect(verdict.problems).toEqual([]);
});
