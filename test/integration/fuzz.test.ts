// 500 payloads that nobody should send through a real server and a real worker: no shard stops, nobody else's profile changes, what is
// refused is a dead letter, and everything is as the oracle has it.
import { connect } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from '../support/eventually.ts';
import { HOSTILE_DOCUMENT } from '../support/hostile_definitions.ts';
import { hostileMessages, type HostileMessage } from '../support/hostile_messages.ts';
import { SECRET } from '../support/hostile_text.ts';
import { checkAgainstOracle, checkDeadLetters, exportAll, settled } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20_261_129);
const COUNT = 500;
const CUSTOMERS = 12;
const BYSTANDERS = 20;
const BODY_BYTES_MAX = 1_000_000;

let world: World | undefined;
afterEach(() => world?.stop());

/** As bytes over a socket: no client would send some of them. Resolves when the server has read all. */
async function sendAll(port: number, messages: Iterable<HostileMessage>): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  let answers = '';
  socket.on('data', (data: Buffer) => (answers += data.toString('latin1')));
  const write = (bytes: Uint8Array | string): Promise<void> =>
    new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())));
  await write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
  for (const { subject, headers, body } of messages) {
    const to = `visage.in.${subject}`;
    const sizes = headers === null ? `${body.length}` : `${headers.length} ${headers.length + body.length}`;
    await write(
      Buffer.concat([
        Buffer.from(`${headers === null ? 'PUB' : 'HPUB'} ${to} ${sizes}\r\n`),
        headers ?? Buffer.alloc(0),
        body,
        Buffer.from('\r\n'),
      ]),
    );
  }
  await write('PING\r\n');
  await eventually('the server has read all', () => answers.includes('PONG'));
  socket.destroy();
  expect(answers).not.toContain('-ERR');
}

async function bystanders(client: Client): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let n = 0; n < BYSTANDERS; n++) {
    const { sequence: _, time: __, ...view } = (await client.profile({ namespace: 'customerId', id: `by-${n}` }))!;
    all.push(view);
  }
  return all;
}

test(`500 payloads through the worker (seed ${SEED})`, async () => {
  world = await startWorld();
  const file = join(world.folder, 'hostile.json');
  await writeFile(file, JSON.stringify(HOSTILE_DOCUMENT));
  const { log } = await world.startReady({}, { setup: true, definitions: loadDefinitionsFile(file) });
  const client = await world.client();
  const producer = await client.producer();
  const timestamp = formatTime(Date.now() - 2 * 3_600_000);
  for (let n = 0; n < BYSTANDERS; n++) {
    const identity = { namespace: 'customerId', id: `by-${n}` };
    await producer.send('orders', { _id: `by-${n}`, timestamp, eventType: 'buy', price: n, channel: 'web' }, { identity });
    await producer.send('crm', { city: 'Oslo', age: n }, { identity });
  }
  await settled(client, 300);
  const before = await bystanders(client);
  const inLog = (await client.streamState('log')).lastSequence;

  const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c-${n}`);
  const options = { seed: SEED, count: COUNT, customers, atMs: Date.now, bodyBytesMax: BODY_BYTES_MAX, erases: false };
  const messages = [...hostileMessages(options)];
  await sendAll(world.server.port, messages);
  const stored = messages.filter(({ subject }) => subject.split('.').length === 3).length;
  expect(stored).toBeGreaterThan(COUNT * 0.9);
  await eventually('all are in the log', async () => (await client.streamState('log')).lastSequence >= inLog + stored);
  await settled(client, 500);

  expect((await client.status()).shards.map(({ state }) => state)).toEqual(['active', 'active', 'active', 'active']);
  expect(await bystanders(client)).toEqual(before);
  const exported = await exportAll(client);
  const verdict = await checkAgainstOracle(client, exported);
  expect(verdict.problems).toEqual([]);
  const dead = await checkDeadLetters(client, verdict.oracles);
  expect(dead).toEqual({ problems: [], letters: verdict.refused, repeated: 0 });
  expect(verdict.refused).toBeGreaterThan(COUNT / 5);
  expect(verdict.events).toBeGreaterThan(COUNT / 10);
  const report = await verifyRoot(client);
  expect(report).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  expect(report.records).toBeGreaterThan(COUNT / 10);
  expect(log.filter((line) => line.includes(SECRET) || /"level":[56]0/.test(line))).toEqual([]);
});
