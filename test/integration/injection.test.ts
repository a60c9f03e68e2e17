// F17: ids that would be wildcards, paths, separators or control characters somewhere: refused where they are sent, a dead letter, or a
// profile of their own; nobody else's profile is touched.
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import { ask } from '../support/ask.ts';
import { eventually, rejectionOf } from '../support/eventually.ts';
import { purchase } from '../support/purchase.ts';
import { checkAgainstOracle, checkDeadLetters, exportAll, settled } from '../support/verify.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const IDS = [
  '*',
  '>',
  '.',
  '..',
  '../../etc/passwd',
  'a.b',
  'ada.>',
  '%2E',
  '%',
  '\u0000',
  '\r\nPUB x 0\r\n',
  'a b',
  '\u202e',
  '$JS',
];
const BYSTANDERS = ['ada', 'a', 'b', 'etc', 'passwd', '2E'];
const QUIET_MS = 300;

let world: World;
let client: Client;
let started: StartedWorker;
let bystanders: unknown[];

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: world.document });
  client = await world.client();
  const producer = await client.producer();
  for (const id of BYSTANDERS) await producer.send('orders', body(id), { identity: { namespace: 'customerId', id } });
  await settled(client, QUIET_MS);
  bystanders = await views();
});
afterAll(() => world.stop());

let events = 0;
const body = (id: string): string => purchase(id, { _id: `e-${++events}`, atMs: Date.now() - 60_000 }).body as string;

/** Of those who have nothing to do with it, as they are read. */
async function views(): Promise<unknown[]> {
  const all = await Promise.all(BYSTANDERS.map((id) => client.profile({ namespace: 'customerId', id })));
  return all.map((view) => {
    const { sequence: _, time: __, ...rest } = view!;
    return rest;
  });
}

/** Everything is as the oracle has it, nobody else was touched, no shard stopped, and nothing was written beside the shards' folders. */
async function expectUntouched(): Promise<{ readonly profiles: number; readonly refused: number }> {
  await settled(client, QUIET_MS);
  expect(await views()).toEqual(bystanders);
  const verdict = await checkAgainstOracle(client, await exportAll(client));
  expect(verdict.problems).toEqual([]);
  expect((await checkDeadLetters(client, verdict.oracles)).problems).toEqual([]);
  const folders = readdirSync(join(world.folder, 'data')).filter((name) => !/^(shard-[0-3]|.*lock.*|visage\.id)$/.test(name));
  expect(folders).toEqual([]);
  expect(existsSync(join(world.folder, 'etc'))).toBe(false);
  expect(started.log.filter((line) => /"level":[56]0/.test(line))).toEqual([]);
  return verdict;
}

test('through the producer, and read back over NATS and HTTP: each is a profile of its own', async () => {
  const producer = await client.producer();
  for (const id of IDS) await producer.send('orders', body(id), { identity: { namespace: 'customerId', id } });
  const { profiles, refused } = await expectUntouched();
  expect([profiles, refused]).toEqual([BYSTANDERS.length + IDS.length, 0]);
  for (const id of IDS) {
    const view = await client.profile({ namespace: 'customerId', id });
    const answer = await ask(
      started.worker.ports.httpPort,
      `/profiles/customerId/${encodeURIComponent(id).replaceAll('.', '%2E')}`,
    );
    for (const found of [view, JSON.parse(answer.text) as typeof view])
      expect([found!.identities, found!.computed['ordersShort']]).toEqual([view!.identities, view!.computed['ordersShort']]);
    expect(view!.computed['orders30d']).toMatchObject({ value: 1 });
  }
});

test('namespaces and datasets that are none are refused where they are sent and asked for', async () => {
  const producer = await client.producer();
  const before = (await client.streamState('log')).lastSequence;
  for (const word of ['*', '>', 'a.b', '', '..', 'x>', '\n']) {
    expect((await rejectionOf(producer.send(word, '{}', { identity: { namespace: 'customerId', id: 'ada' } }))).code).toBe(
      'bad_dataset',
    );
    const identity = { namespace: word, id: 'ada' };
    expect((await rejectionOf(producer.send('orders', '{}', { identity }))).code).toBe('bad_identity');
    expect((await rejectionOf(client.profile(identity))).code).toBe('bad_identity');
  }
  expect((await client.streamState('log')).lastSequence).toBe(before);
});

test('as raw subjects: what is not an id as we write it is a dead letter, counted, and nothing else', async () => {
  const tokens = ['ada*', 'a>', '%2e', '%2e%2e%2f', '%61da', 'ada%', 'ada%0', '%00%', '\u0001', '\u007f', '%C0%AE'];
  const noSubjects = ['../ada', '..\\ada', 'ada/..', '.']; // empty tokens: the server takes them for no subject at all
  const wildcards = ['*', '>']; // the server stores these without naming a shard, so that no shard ever sees them
  const tooLong = ['a.b', 'ada.>', 'ada.orders'];
  const before = (await client.streamState('log')).lastSequence;
  const socket = connect(world.server.port, '127.0.0.1');
  let said = '';
  socket.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
  socket.write('CONNECT {"verbose":false,"pedantic":false}\r\n');
  for (const token of [...noSubjects, ...wildcards, ...tooLong, ...tokens]) {
    const event = body('x');
    socket.write(Buffer.from(`PUB visage.in.orders.customerId.${token} ${Buffer.byteLength(event)}\r\n${event}\r\n`, 'latin1'));
  }
  socket.write('PING\r\n');
  await eventually('the server has read them', () => said.includes('PONG'));
  socket.destroy();
  await eventually('they are in the log', async () => (await client.streamState('log')).lastSequence >= before + tokens.length);
  const { profiles, refused } = await expectUntouched();
  expect([profiles, refused]).toEqual([BYSTANDERS.length + IDS.length, tokens.length]);
  const { lastSequence } = await client.streamState('dead');
  expect(lastSequence).toBe(tokens.length + tooLong.length); // these are kept there as they came, past every shard
  const counted = started.worker.status().shards.reduce((sum, shard) => sum + (shard['refused'] as number), 0);
  expect(counted).toBe(tokens.length);
});

test('as raw paths over HTTP: not found, or refused, never a file and never another page', async () => {
  const { httpPort } = started.worker.ports;
  const paths = [
    '..%2F..%2Fmetrics',
    '%2e%2e/metrics',
    '../../metrics',
    '..;/metrics',
    '%c0%ae',
    '%',
    '%zz',
    '*x',
    'x>',
    '.%00',
    'x%0d%0aa:%20b',
  ];
  for (const path of paths) {
    const { status, text } = await ask(httpPort, `/profiles/customerId/${path}`);
    expect([400, 404, 422], path).toContain(status);
    expect(text).not.toMatch(/visage_|root:/);
  }
  await expectUntouched();
});
