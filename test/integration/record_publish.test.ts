// Records and deletes on their way in: the command line and the producer, against a worker.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Producer } from '../../src/producer/producer.ts';
import { ended, start } from '../e2e/program.ts';
import { rejectionOf } from '../support/eventually.ts';
import { startRecordRoot, type RecordRoot } from '../support/record_root.ts';
import { startWorld, type World } from '../support/world.ts';

const HOUR = '2026-03-10T09:00:00Z';
const LATER = '2026-03-10T10:00:00Z';

let world: World;
let root: RecordRoot;
let producer: Producer;
beforeAll(async () => {
  world = await startWorld();
  root = await startRecordRoot(world, 'ways');
  producer = await root.client.producer();
});
afterAll(() => world.stop());

describe('publish', () => {
  const published = async (args: readonly string[], input?: string): Promise<number> =>
    (JSON.parse(await root.good(['publish', ...args, '--json'], input)) as { sequence: number }).sequence;

  test('create, merge, one that is too late, delete without a body', async () => {
    const ada = ['crm', 'customerId', 'ada'];
    await published([...ada, '--last-updated', HOUR], '{"name":"Ada","points":1}');
    const merged = await published([...ada, '--operation', 'merge', '--last-updated', LATER], '{"points":2}');
    expect(await root.attributes('customerId', 'ada', merged)).toEqual({ name: 'Ada', points: 2 });
    const stale = await published([...ada, '--operation', 'create', '--last-updated', HOUR], '{"points":3}');
    expect(await root.attributes('customerId', 'ada', stale)).toEqual({ name: 'Ada', points: 2 });
    const deleting = start(['publish', ...ada, '--operation', 'delete', '--config', root.config, '--json']); // its stdin stays open
    const deleted = (JSON.parse((await ended(deleting)).stdout) as { sequence: number }).sequence;
    expect(await root.attributes('customerId', 'ada', deleted)).toBeUndefined();
    expect(await root.logged('crm')).toEqual([
      { body: '{"name":"Ada","points":1}', lastUpdated: HOUR },
      { body: '{"points":2}', operation: 'merge', lastUpdated: LATER },
      { body: '{"points":3}', operation: 'create', lastUpdated: HOUR },
      { body: '', operation: 'delete' },
    ]);
  });

  test('a whole profile', async () => {
    await published(['crm', 'customerId', 'bob'], '{"name":"Bob"}');
    const sequence = await published(['_profile', 'customerId', 'bob', '--operation', 'delete']);
    expect(await root.attributes('customerId', 'bob', sequence)).toBeUndefined();
  });

  test('what cannot be meant is wrong use, and nothing of it is sent', async () => {
    const before = (await root.client.streamState('log')).lastSequence;
    const event = ['publish', 'orders', 'customerId', 'ada'];
    const cases = [
      { args: [...event, '--operation', 'merge'], says: "the dataset 'orders' has events, which can only be created" },
      { args: [...event, '--operation', 'delete'], says: "the dataset 'orders' has events, which can only be created" },
      { args: [...event, '--last-updated', HOUR], says: "the dataset 'orders' has events: their time is their timestamp" },
      { args: ['publish', '_profile', 'customerId', 'ada'], says: 'has the operation delete or erase' },
      {
        args: ['publish', 'crm', 'customerId', 'ada', '--operation', 'upsert'],
        says: 'Allowed choices are create, merge, delete',
      },
      { args: ['publish', 'crm', 'customerId', 'ada', '--last-updated', 'today'], says: 'It must be RFC 3339' },
    ];
    for (const { args, says } of cases)
      expect(await root.run(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(says) as string });
    expect((await root.client.streamState('log')).lastSequence).toBe(before);
  });
});

describe('the producer', () => {
  test('who owns a record is read from the fields that its schema names', async () => {
    const { identity, sequence } = await producer.send('crm', { name: 'Eve', personalEmail: { address: 'eve@example.com' } });
    expect(identity).toEqual({ namespace: 'email', id: 'eve@example.com' });
    expect(await root.attributes('email', 'eve@example.com', sequence)).toMatchObject({ name: 'Eve' });
    const both = { personalEmail: { address: 'eve@example.com' }, identityMap: { customerId: [{ id: '7' }] } };
    expect((await producer.send('crm', both)).identity).toEqual({ namespace: 'customerId', id: '7' });
    const event = { personalEmail: { address: 'eve@example.com' } };
    expect((await rejectionOf(producer.send('orders', event))).code).toBe('no_identity'); // its schema names none
  });

  test('operation and lastUpdated; deletes have no body', async () => {
    const identity = { namespace: 'customerId', id: 'mia' };
    await producer.send('loyalty', { name: 'Mia', points: 1 }, { identity, lastUpdated: new Date(HOUR) });
    const merged = await producer.send('loyalty', { points: null }, { identity, operation: 'merge', lastUpdated: LATER });
    expect(await root.attributes('customerId', 'mia', merged.sequence)).toEqual({ name: 'Mia' });
    expect((await rejectionOf(producer.send('loyalty', null, { identity }))).code).toBe('malformed');
    expect((await rejectionOf(producer.send('orders', '{}', { identity, operation: 'merge' }))).code).toBe('bad_operation');
    const deleted = await producer.send('_profile', null, { identity, operation: 'delete' });
    expect(await root.attributes('customerId', 'mia', deleted.sequence)).toBeUndefined();
  });

  test('a dataset that became live after it was opened', async () => {
    const late = await startRecordRoot(world, 'late');
    const opened = await late.client.producer();
    expect((await opened.send('crm', { personalEmail: { address: 'a@b' } })).identity.id).toBe('a@b');
    await late.apply('  extra: { schema: customer, profile: true }');
    expect((await opened.send('extra', { personalEmail: { address: 'c@d' } })).identity.id).toBe('c@d');
  });
});

describe('delete', () => {
  test('one profile, with a receipt; what comes later counts again', async () => {
    const { sequence: first } = await producer.send('crm', { name: 'Kim' }, { identity: { namespace: 'customerId', id: 'kim' } });
    expect(await root.attributes('customerId', 'kim', first)).toEqual({ name: 'Kim' });
    const receipt = JSON.parse(await root.good(['delete', 'customerId', 'kim', '--json'])) as { shard: number; sequence: number };
    expect(receipt).toEqual({ shard: expect.any(Number) as number, sequence: expect.any(Number) as number });
    expect(await root.attributes('customerId', 'kim', receipt.sequence)).toBeUndefined();
    const again = await producer.send('crm', { name: 'Kim' }, { identity: { namespace: 'customerId', id: 'kim' } });
    expect(await root.attributes('customerId', 'kim', again.sequence)).toEqual({ name: 'Kim' });
  });

  test('wrong use: nothing is in the log', async () => {
    const before = (await root.client.streamState('log')).lastSequence;
    const cases = [
      { args: ['delete'], says: 'say who' },
      { args: ['delete', 'customerId'], says: 'say who' },
      { args: ['delete', 'customerId', 'ada', '--dataset', 'crm', '--yes'], says: 'not both' },
      { args: ['delete', 'customerID', 'ada'], says: "no namespace 'customerID' is defined (did you mean 'customerId'?)" },
      { args: ['delete', '--dataset', 'loyalti', '--yes'], says: "no dataset 'loyalti' is defined (did you mean 'loyalty'?)" },
      { args: ['delete', '--dataset', 'loyalty'], says: 'To do it say --yes' },
    ];
    for (const { args, says } of cases)
      expect(await root.run(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(says) as string });
    expect((await root.client.streamState('log')).lastSequence).toBe(before);
  });

  type Receipt = { dataset: string; swept: boolean; shards: { shard: number; sequence: number; time: string }[] };
  const deleteLoyalty = async (...more: string[]): Promise<Receipt> =>
    JSON.parse(await root.good(['delete', '--dataset', 'loyalty', '--yes', '--json', ...more])) as Receipt;

  test('a dataset: out of every profile when it ends; running it again is harmless', async () => {
    const people = Array.from({ length: 40 }, (_, n) => ({ namespace: 'customerId', id: `p${n}` }));
    for (const identity of people) {
      await producer.send('crm', { name: identity.id }, { identity });
      await producer.send('loyalty', { points: 5 }, { identity });
    }
    const only = { namespace: 'customerId', id: 'only' };
    const { sequence } = await producer.send('loyalty', { points: 5 }, { identity: only });
    expect(await root.attributes('customerId', 'only', sequence)).toEqual({ points: 5 });
    const receipt = await deleteLoyalty();
    expect(receipt).toMatchObject({ dataset: 'loyalty', swept: true });
    expect(receipt.shards.map(({ shard }) => shard)).toEqual([0, 1, 2, 3]);
    for (const { time } of receipt.shards) expect(time).toMatch(/^\d{4}-.*Z$/);
    const { shards } = await root.client.status();
    for (const { sequence: at, shard } of receipt.shards) {
      const { activating, applied } = shards.find((each) => each.shard === shard)!;
      expect([activating, Number(applied) >= at]).toEqual([false, true]);
    }
    for (const { id } of people) expect(await root.attributes('customerId', id, 0)).toEqual({ name: id });
    expect(await root.attributes('customerId', 'only', 0)).toBeUndefined();

    expect(await deleteLoyalty()).toEqual(receipt); // nothing has come since: nothing is told again
    const back = await producer.send('loyalty', { points: 7 }, { identity: only });
    expect(await root.attributes('customerId', 'only', back.sequence)).toEqual({ points: 7 });
    const third = await deleteLoyalty('--no-wait');
    expect(third.swept).toBe(false);
    const told = third.shards.filter(({ sequence: at, shard }) => at !== receipt.shards[shard]!.sequence);
    expect(told.map(({ shard }) => shard)).toEqual([back.shard]);
    expect(await root.attributes('customerId', 'only', told[0]!.sequence)).toBeUndefined();
  });
});
