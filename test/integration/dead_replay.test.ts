// What was refused is repaired and sent again, and takes nothing away from what came since.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sent } from '../../src/producer/delivery.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { eventually } from '../support/eventually.ts';
import { startRecordRoot, type RecordRoot } from '../support/record_root.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
let root: RecordRoot;
let producer: Producer;
beforeAll(async () => {
  world = await startWorld();
  root = await startRecordRoot(world, 'dead');
  producer = await root.client.producer();
});
afterAll(() => world.stop());

type Letter = {
  deadSequence: number;
  reason: string;
  dataset: string;
  sequence: number;
  time: string;
  replayed?: boolean | null;
};
type Report = { replayed: number; fromLetter: number; already: number; unclear: number; unusable: number; failed: number };

const who = (id: string): { identity: { namespace: string; id: string } } => ({ identity: { namespace: 'customerId', id } });
const jsonLines = <T>(text: string): T[] => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
const letters = async (...filter: string[]): Promise<Letter[]> =>
  jsonLines<Letter>(await root.good(['dead', 'list', '--json', ...filter]));
const replay = async (...args: string[]): Promise<Report> =>
  JSON.parse(await root.good(['dead', 'replay', '--json', ...args])) as Report;

async function refused(count: number): Promise<void> {
  await eventually('the letters are written', async () => (await root.client.streamState('dead')).lastSequence >= count);
}

test('a dataset that was not defined: defined, and replayed', async () => {
  const identity = who('ada').identity;
  await producer.send('later', { name: 'old' }, who('ada'));
  const early = await producer.send('later', { name: 'only' }, { ...who('bob'), operation: 'merge' });
  await producer.send('later', '{"name":"Eve","points":1.10}', { ...who('eve'), lastUpdated: '2026-03-10T09:00:00Z' });
  const purchase = { _id: 'e-1', timestamp: new Date().toISOString(), eventType: 'x' };
  await producer.send('sales', purchase, who('ada'));
  await refused(4);
  const [first, ...others] = await letters();
  expect([first, ...others].map((letter) => letter?.reason)).toEqual(Array(4).fill('unknown_dataset'));
  expect((await letters('--dataset', 'sales')).map(({ dataset }) => dataset)).toEqual(['sales']);
  expect(await letters('--reason', 'schema')).toEqual([]);
  expect((await letters('--limit', '2')).map(({ deadSequence }) => deadSequence)).toEqual([1, 2]);

  await root.apply('  later: { schema: customer, profile: true }\n  sales: { schema: purchase, profile: true }');
  const newer: Sent = await producer.send('later', { name: 'new' }, { identity });
  expect(await replay('--dataset', 'later', '--dry-run')).toMatchObject({ replayed: 3, unusable: 0 });
  expect((await root.client.streamState('log')).lastSequence).toBe(newer.sequence);
  expect(await replay('--dataset', 'later')).toMatchObject({ replayed: 3, fromLetter: 0, already: 0, unclear: 0, unusable: 0 });

  const logged = (await root.logged('later')).slice(4);
  expect(logged).toEqual([
    { body: '{"name":"old"}', lastUpdated: first!.time },
    { body: '{"name":"only"}', operation: 'merge', lastUpdated: others[0]!.time },
    { body: '{"name":"Eve","points":1.10}', lastUpdated: '2026-03-10T09:00:00Z' },
  ]);
  const end = (await root.client.streamState('log')).lastSequence;
  expect(end).toBeGreaterThan(early.sequence);
  expect(await root.attributes('customerId', 'ada', end)).toEqual({ name: 'new' }); // it was refused earlier, and stays older
  expect(await root.attributes('customerId', 'bob', end)).toEqual({ name: 'only' });
  expect(await root.attributes('customerId', 'eve', end)).toEqual({ name: 'Eve', points: 1.1 });

  expect(await replay('--all')).toMatchObject({ replayed: 1, already: 3 });
  const sales = await root.logged('sales');
  expect(sales.map(({ body }) => body)).toEqual([JSON.stringify(purchase), JSON.stringify(purchase)]);
  expect(sales[1]).not.toHaveProperty('lastUpdated');
  const after = (await root.client.streamState('log')).lastSequence;
  const view = await root.client.profile({ ...identity, after });
  expect(view?.computed['orderCount']?.value).toBe(1);
  expect(await replay('--all')).toMatchObject({ replayed: 0, already: 4 });
  expect((await root.client.streamState('dead')).lastSequence).toBe(4);
});

test('gone from the log: from its letter', async () => {
  await producer.send('soon', { name: 'Kim' }, who('kim'));
  await refused(5);
  const [letter] = await letters('--dataset', 'soon');
  await (await jetstreamManagerOf(root.client.nc)).streams.deleteMessage(root.client.topology.logStream, letter!.sequence);
  await root.apply(
    '  later: { schema: customer, profile: true }\n  sales: { schema: purchase, profile: true }\n  soon: { schema: customer, profile: true }',
  );
  expect(await replay(String(letter!.deadSequence))).toMatchObject({ replayed: 1, fromLetter: 1 });
  const end = (await root.client.streamState('log')).lastSequence;
  expect(await root.attributes('customerId', 'kim', end)).toEqual({ name: 'Kim' });
  expect(await replay(String(letter!.deadSequence), '--again')).toMatchObject({ replayed: 1, already: 0 });
});

test('shown in full; what cannot be replayed says why, and ends with 1', async () => {
  const nc = await world.connect();
  const { seq } = (await nc.request('dead.in.crm.email.a@b.c', '{"n":1.10}', { timeout: 5_000 })).json<{ seq: number }>();
  const shown = await root.good(['dead', 'show', String(seq)]);
  expect(shown).toContain(`dead letter ${seq}\n  reason    bad_subject\n  subject   dead.in.crm.email.a@b.c\n`);
  expect(shown).toContain('  replayed  no\n');
  expect(shown).toMatch(/\n {2}\{\n {4}"n": 1\.10\n {2}\}\n$/);
  expect(await root.good(['dead', 'show', String(seq), '--body'])).toBe('{"n":1.10}');
  expect(JSON.parse(await root.good(['dead', 'show', '1', '--json']))).toMatchObject({
    deadSequence: 1,
    reason: 'unknown_dataset',
    replayed: true,
  });
  const { code, stdout, stderr } = await root.run(['dead', 'replay', String(seq), '999']);
  expect(stdout).toContain('replayed 0\n0 replayed before, 0 unclear, 2 unusable, 0 failed\n');
  expect(stdout).toContain(`${seq}: its subject is wrong: publish it under the right one`);
  expect(stdout).toContain('999: there is no such dead letter, or no longer');
  expect([code, stderr]).toEqual([1, 'error: 2 were not replayed\n']);
});

test('wrong use', async () => {
  const cases = [
    { args: ['replay'], says: 'say which' },
    { args: ['replay', '1', '--all'], says: 'only one of these three ways' },
    { args: ['replay', '--reason', 'unknown_datset'], says: "It is none (did you mean 'unknown_dataset'?)" },
    { args: ['replay', 'x'], says: "'x' is not the sequence of a dead letter" },
    { args: ['show', '0'], says: "'0' is not the sequence of a dead letter" },
    { args: ['list', '--limit', '0'], says: 'whole number' },
  ];
  for (const { args, says } of cases)
    expect(await root.run(['dead', ...args])).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(says) as string,
    });
  expect(await root.run(['dead', 'show', '999'])).toMatchObject({ code: 1 });
});
