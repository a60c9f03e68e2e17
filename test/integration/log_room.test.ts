// A log that fills up, against a real server: producers slow down before it is full, and are fast again when there is room.
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import { startServer } from '../../src/server/start_server.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { setupRoot } from '../../src/worker/setup_root.ts';
import { ended, start } from '../e2e/program.ts';
import { eventually } from '../support/eventually.ts';
import { codesOf, expectOnce, producerRoots, sendMany } from '../support/producer_root.ts';
import { startWorld, type World } from '../support/world.ts';

const SLOW = 'the log is more than 80 % full: sending slowly, until there is room';
const FULL_MB = { 'log.maxBytes': '1MB' };
const FILL = 'x'.repeat(1_000);
const body = (n: number): string => `{"n":${n},"fill":"${FILL}"}`;

let world: World;
const { root, closeRoots } = producerRoots(() => world);
beforeAll(async () => void (world = await startWorld()));
afterAll(async () => {
  await closeRoots();
  await world.stop();
});

/** How full the log is, 0..1. */
async function shareOf(client: Client): Promise<number> {
  const { config, state } = await (await jetstreamManagerOf(client.nc)).streams.info(client.topology.logStream);
  return state.bytes / config.max_bytes;
}

async function makeRoom(client: Client): Promise<void> {
  const jsm = await jetstreamManagerOf(client.nc);
  await jsm.streams.update(client.topology.logStream, { max_bytes: 10 * 1024 ** 2 });
}

test('it slows down before the log is full, says so once, and ends at full speed when the log may be larger', async () => {
  const at = await root('nearly', FULL_MB);
  const said: (string | null)[] = [];
  const producer = await at.open({ maxInFlight: 100, onWaiting: (why) => said.push(why) });
  const { stored, results } = sendMany(producer, 2_000, body);
  await eventually('it is slow', () => producer.waitingFor === SLOW && producer.inFlight === 0);
  const share = await shareOf(at.client);
  expect(share).toBeGreaterThan(0.78);
  expect(share).toBeLessThan(0.9);
  const [before, beganMs] = [stored(), performance.now()];
  await eventually('it goes on, slowly', () => stored() >= before + 4);
  const perSecond = ((stored() - before) * 1000) / (performance.now() - beganMs);
  expect(perSecond).toBeGreaterThan(0.5);
  expect(perSecond).toBeLessThan(20);
  expect(producer.queued).toBeLessThanOrEqual(100); // whoever waits for `ready` waits too
  expect(await shareOf(at.client)).toBeLessThan(0.95);
  expect(said).toEqual([SLOW]);
  await makeRoom(at.client);
  expect(codesOf(await results)).toEqual({ stored: 2_000 });
  await expectOnce(
    at,
    Array.from({ length: 2_000 }, (_, n) => body(n)),
  );
  await eventually('nothing is waited for', () => producer.waitingFor === null);
  expect(said).toEqual([SLOW, null]);
});

test('a log that others have filled: the first message is refused and kept, and goes when there is room', async () => {
  const at = await root('brim', FULL_MB);
  const subject = `${at.root}.in.orders.customerId.c`;
  for (const size of [8_000, 500, 0])
    await Promise.all(Array.from({ length: 200 }, () => at.client.nc.request(subject, ' '.repeat(size))));
  expect(await shareOf(at.client)).toBeGreaterThan(0.999);
  const filled = (await at.logged()).length;
  const said: (string | null)[] = [];
  const producer = await at.open({ maxInFlight: 20, onWaiting: (why) => said.push(why) });
  const { stored, results } = sendMany(producer, 100, body);
  await eventually('the log is full', () => said.includes('the log is full'));
  expect([producer.inFlight, stored()]).toEqual([1, 0]); // one finds out for all
  await makeRoom(at.client);
  expect(codesOf(await results)).toEqual({ stored: 100 });
  expect((await at.logged()).slice(filled).map((message) => message.body)).toEqual(
    Array.from({ length: 100 }, (_, n) => body(n)),
  );
});

test('`visage ingest` says why it is slow, and ends by itself when there is room: every row once', async () => {
  const at = await root('rows', FULL_MB);
  const config = join(world.folder, 'rows.yaml');
  writeFileSync(config, `nats: { servers: ['${world.server.url}'] }\nroot: rows\npartitions: 4\n`);
  const time = formatTime(Date.now() - 60_000);
  const row = (n: number): string =>
    `{"_id":"e-${n}","timestamp":"${time}","identityMap":{"customerId":[{"id":"c-${n % 50}"}]},"fill":"${FILL}"}`;
  const rows = Array.from({ length: 2_000 }, (_, n) => row(n));
  const path = join(world.folder, 'rows.ndjson');
  writeFileSync(path, rows.join('\n'));
  const child = start(['ingest', path, '--dataset', 'orders', '--config', config, '--json']);
  const end = ended(child);
  const told = new Promise<void>((resolve) => {
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(`waiting: ${SLOW}`)) resolve();
    });
  });
  await Promise.race([told, end]);
  expect(await shareOf(at.client)).toBeLessThan(1);
  expect(child.exitCode).toBe(null);
  await makeRoom(at.client);
  const { code, stdout, stderr } = await end;
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(SLOW) as string });
  expect(JSON.parse(stdout)).toMatchObject({ state: 'done', rows: 2_000, sent: 2_000, refused: 0 });
  await expectOnce(at, rows);
});

test('a user without the right to ask fills it at full speed, and hears that it is full', async () => {
  const inbox = 'subscribe: ["_INBOX.>"]';
  const sender = `{ user: sender, password: word, permissions: { publish: ["visage.in.orders.>"], ${inbox} } }`;
  const config = { extra: `authorization { users: [ { user: admin, password: word }, ${sender} ] }` };
  const server = await startServer({ storeDirectory: join(world.folder, 'users'), config });
  const as = (user: string): Promise<NatsConnection> => connect({ servers: server.url, user, pass: 'word' });
  const admin = await as('admin');
  await setupRoot(admin, topologyOf('visage'), world.settings(FULL_MB), world.document);
  const said: (string | null)[] = [];
  const connection = await as('sender');
  const producer = await createProducer({
    connection,
    partitions: 4,
    namespaces: {},
    retryForMs: 3_000, // on a busy machine an answer takes a while
    onWaiting: (why) => said.push(why),
  });
  const { stored = 0, ...others } = codesOf(await sendMany(producer, 1_200, body).results);
  expect(stored).toBeGreaterThan(700);
  expect(Object.keys(others)).toEqual(['log_full']);
  expect(said[0]).toBe('the log is full');
  expect(said).not.toContain(SLOW);
  await producer.close();
  await Promise.all([admin.close(), connection.close()]);
  await server.stop();
});
