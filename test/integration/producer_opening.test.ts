// What a producer learns after it was opened, what it leaves behind when it cannot be, and credentials that fail for a while.
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openConnection } from '../../src/nats/connection.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import { startServer } from '../../src/server/start_server.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { startWorld, type World } from '../support/world.ts';

const ADA = { namespace: 'customerId', id: 'ada@example.com' };
const BODY = { identityMap: { email: [{ id: 'a@b' }], customerId: [{ id: ADA.id }] } };

let world: World;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

test('opened before definitions are live: it learns the priorities of namespaces, and nothing is overtaken meanwhile', async () => {
  await world.setup({ root: 'late' }, null);
  const producer = await createProducer({ servers: world.server.url, root: 'late' });
  const send = (): Promise<unknown> => producer.send('orders', BODY);
  const codes = await Promise.all([rejectionOf(send()), rejectionOf(send())]);
  expect(codes.map(({ code }) => code)).toEqual(['no_priorities', 'no_priorities']);
  await world.setup({ root: 'late' });
  expect((await rejectionOf(send())).code).toBe('no_priorities'); // it read less than a second ago
  await delay(1_000);
  const sends = [producer.send('orders', BODY), producer.send('orders', {}, { identity: ADA }), producer.send('orders', BODY)];
  await within('what waits for the priorities counts', 5_000, producer.flush());
  const sent = await within('all are settled by then', 50, Promise.all(sends));
  expect(sent.map(({ identity }) => identity)).toEqual([ADA, ADA, ADA]);
  const sequences = sent.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  await producer.close();
});

test('what waits for the priorities is bounded like the queue, and `close` takes it along', async () => {
  await world.setup({ root: 'bounded' }, null);
  const producer = await createProducer({ servers: world.server.url, root: 'bounded', maxQueued: 2 });
  await world.setup({ root: 'bounded' });
  const sends = [1, 2, 3].map(() => producer.send('orders', BODY));
  const results = Promise.allSettled(sends);
  await producer.close();
  expect((await results).map((r) => (r.status === 'fulfilled' ? 'stored' : (r.reason as { code: string }).code))).toEqual([
    'stored',
    'stored',
    'queue_full',
  ]);
});

test('it cannot be opened: nothing of it stays on a connection that was given', async () => {
  const user = 'publish: [">"], subscribe: ["other.>"]';
  const server = await startServer({
    storeDirectory: join(world.folder, 'deaf'),
    config: { extra: `authorization { users: [ { user: deaf, password: p, permissions: { ${user} } } ] , }\nno_auth_user: deaf` },
  });
  const nc = await openConnection({ ...world.settings().nats, servers: [server.url] }, 'given');
  const { protocol } = nc as unknown as { readonly protocol: { readonly listeners: unknown[] } };
  const before = protocol.listeners.length;
  for (let n = 0; n < 3; n++) {
    const opening = createProducer({ connection: nc, partitions: 4, namespaces: {} });
    expect((await rejectionOf(opening)).code).toBe('not_allowed');
  }
  expect(nc.isClosed()).toBe(false);
  expect(protocol.listeners.length).toBe(before);
  await nc.close();
  await server.stop();
});

test('an `onWaiting` that throws ends nothing', async () => {
  await world.setup({ root: 'throws' });
  let heard = 0;
  const onWaiting = (): never => {
    heard++;
    throw new Error('the mistake of a caller');
  };
  const producer = await createProducer({ servers: world.server.url, root: 'throws', onWaiting });
  await world.restartServer('stop', async () => void (await eventually('it is told', () => heard === 1)));
  expect((await producer.send('orders', BODY)).duplicate).toBe(false);
  await eventually('it is told again', () => heard === 2);
  await producer.close();
});

test('credentials that are refused for a while: the connection comes back when they are good again', async () => {
  const storeDirectory = join(world.folder, 'rotated');
  const open = await startServer({ storeDirectory });
  const { port } = open;
  const nc = await openConnection({ ...world.settings().nats, servers: [open.url] }, 'rotated');
  await open.stop();
  const refusing: string[] = [];
  const closed = await startServer({
    storeDirectory,
    port,
    config: { extra: 'authorization { users: [ { user: other, password: p } ] }' },
    log: (line) => refusing.push(line),
  });
  await eventually('it was refused three times', () => refusing.filter((l) => l.includes('authentication error')).length >= 3, {
    timeoutMs: 20_000,
  });
  await closed.stop();
  const again = await startServer({ storeDirectory, port });
  await eventually('it is back', () => nc.flush().then(() => true));
  expect(nc.isClosed()).toBe(false);
  await nc.close();
  await again.stop();
});
