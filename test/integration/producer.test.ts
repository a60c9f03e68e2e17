// The producer against a real server: what it sends, what it refuses, its bounds, and its rights.
import { connect } from '@nats-io/transport-node';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { partitionOf } from '../../src/message/identity.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import type { Sent } from '../../src/producer/delivery.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { startServer } from '../../src/server/start_server.ts';
import { setupRoot } from '../../src/worker/setup_root.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { codesOf, expectOnce, numbers, producerRoots } from '../support/producer_root.ts';
import { standStill } from '../support/stand_still.ts';
import { startWorld, type World } from '../support/world.ts';

const SECRET = 'geheim';
const ADA = { namespace: 'customerId', id: 'ada@example.com' };

let world: World;
const { root, closeRoots } = producerRoots(() => world);
beforeAll(async () => void (world = await startWorld()));
afterAll(async () => {
  await closeRoots();
  await world.stop();
});

describe('one message', () => {
  test('shard, sequence, headers and subject are those of the log', async () => {
    const { open, logged } = await root('one');
    const producer = await open();
    const body = { _id: 'e-1', identityMap: { customerId: [{ id: ADA.id }], email: [{ id: 'x' }] } };
    const first = await producer.send('orders', body);
    const second = await producer.send('orders', new TextEncoder().encode('{}'), {
      identity: { namespace: 'email', id: 'a b' },
      headers: { 'X-Source': 'shop' },
      messageId: 'mine',
    });
    const [one, two] = await logged();
    const shard = partitionOf('customerId.ada%40example%2Ecom', 4);
    expect(first).toEqual({ shard, sequence: one!.sequence, duplicate: false, identity: ADA });
    expect(one).toMatchObject({
      subject: `one.log.${shard}.in.orders.customerId.ada%40example%2Ecom`,
      body: JSON.stringify(body),
    });
    expect(second.sequence).toBe(two!.sequence);
    expect(two).toMatchObject({ subject: `one.log.${second.shard}.in.orders.email.a%20b`, messageId: 'mine', body: '{}' });
  });

  test('a repetition under one message id is dropped, by another producer too', async () => {
    const { open, logged } = await root('twice');
    const [one, two] = [await open(), await open()];
    const first = await one.send('orders', '{}', { identity: ADA, messageId: 'm' });
    const again = await two.send('orders', '{}', { identity: ADA, messageId: 'm' });
    expect([first.duplicate, again.duplicate, again.sequence]).toEqual([false, true, first.sequence]);
    await Promise.all([one.send('orders', '{}', { identity: ADA }), two.send('orders', '{}', { identity: ADA })]);
    expect((await logged()).length).toBe(3); // their own ids never meet
  });

  test('the identity is chosen by the priorities of the live definitions, or by those that are given', async () => {
    const { open } = await root('choice');
    const body = { identityMap: { email: [{ id: 'a@b' }], customerId: [{ id: '7' }] } };
    expect((await (await open()).send('orders', body)).identity).toEqual({ namespace: 'customerId', id: '7' });
    const other = await open({ namespaces: { email: 1, customerId: 2 } });
    expect((await other.send('orders', JSON.stringify(body))).identity).toEqual({ namespace: 'email', id: 'a@b' });
  });

  test('what cannot be sent is refused, nothing of it is told, and nothing is counted as under way', async () => {
    const { open } = await root('refused');
    const producer = await open();
    const circle: Record<string, unknown> = { [SECRET]: SECRET };
    circle[`${SECRET}2`] = circle;
    const cases: [string, string, Promise<unknown>][] = [
      ['malformed', 'refuse', producer.send('orders', `{"${SECRET}":`)],
      ['malformed', 'refuse', producer.send('orders', Uint8Array.of(0xff))],
      ['malformed', 'refuse', producer.send('orders', '\ufeff{}')],
      ['malformed', 'refuse', producer.send('orders', circle, { identity: ADA })],
      ['no_identity', 'refuse', producer.send('orders', { _id: SECRET })],
      ['bad_identity', 'usage', producer.send('orders', '{}', { identity: { namespace: 'email', id: '' } })],
      ['bad_dataset', 'usage', producer.send('a.b', '{}', { identity: ADA })],
      ['bad_header', 'usage', producer.send('orders', '{}', { identity: ADA, headers: { 'X-A': 'a\r\nb' } })],
      ['bad_header', 'usage', producer.send('orders', '{}', { identity: ADA, messageId: ' ' })],
      ['too_large', 'refuse', producer.send('orders', 'x'.repeat(1_048_577), { identity: ADA })],
    ];
    for (const [code, kind, sending] of cases) {
      const error = await rejectionOf(sending);
      expect(error).toMatchObject({ code, kind });
      expect(inspect(error)).not.toContain(SECRET); // its cause neither
    }
    expect([producer.inFlight, producer.queued]).toEqual([0, 0]);
    await producer.send('orders', 'not JSON, and nobody asked', { identity: ADA }); // the worker refuses it with its reasons
  });

  test('definitions that are not live yet', async () => {
    await world.setup({ root: 'early' }, null);
    const producer = await createProducer({ servers: world.server.url, root: 'early' });
    expect(await rejectionOf(producer.send('orders', { identityMap: { email: [{ id: '1' }] } }))).toMatchObject({
      code: 'no_priorities',
    });
    await producer.close();
  });

  test('bad options', async () => {
    for (const options of [{ maxInFlight: 0 }, { maxQueued: -1 }, { retryForMs: NaN }, { partitions: 1.5 }])
      expect((await rejectionOf(createProducer({ servers: world.server.url, ...options }))).code).toBe('bad_option');
    expect((await rejectionOf(createProducer({ root: 'No.' }))).code).toBe('bad_root');
    expect((await rejectionOf(createProducer({ servers: 'nats://127.0.0.1:1' }))).code).toBe('no_connection');
  });
});

describe('many messages', () => {
  test('each once, within the limits, and flush waits for them', async () => {
    const at = await root('many');
    const producer = await at.open({ maxInFlight: 200, maxQueued: 50 });
    let most = [0, 0];
    const results: Promise<Sent>[] = [];
    for (const body of numbers(5_000)) {
      await producer.ready();
      results.push(producer.send('orders', body, { identity: ADA }));
      most = [Math.max(most[0]!, producer.inFlight), Math.max(most[1]!, producer.queued)];
    }
    await producer.flush();
    expect([producer.inFlight, producer.queued]).toEqual([0, 0]);
    expect(most[0]).toBeGreaterThan(100);
    expect(most[0]).toBeLessThanOrEqual(200);
    expect(most[1]).toBeLessThanOrEqual(50);
    const sequences = (await Promise.all(results)).map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b)); // without trouble the order is that of `send`
    await expectOnce(at, numbers(5_000));
  });

  test('the queue is full: refused at once, and nothing of what was taken is lost', async () => {
    const at = await root('full');
    const producer = await at.open({ maxInFlight: 10, maxQueued: 20 });
    const results = await Promise.allSettled(numbers(100).map((body) => producer.send('orders', body, { identity: ADA })));
    expect(codesOf(results)).toEqual({ stored: 30, queue_full: 70 });
    await expectOnce(at, numbers(30));
  });

  test('close sends what it took, and takes no more; a connection that was given stays open', async () => {
    const at = await root('close');
    const nc = await world.connect();
    const producer = await at.open({ connection: nc, maxInFlight: 10 });
    const results = numbers(100).map((body) => producer.send('orders', body, { identity: ADA }));
    const closing = producer.close();
    expect((await rejectionOf(producer.send('orders', '{}', { identity: ADA }))).code).toBe('closed');
    await closing;
    await producer.close();
    await Promise.all(results);
    expect(nc.isClosed()).toBe(false);
    await nc.flush();
    await expectOnce(at, numbers(100));
    await producer.ready();
    await producer.flush();
  });

  test('the connection is closed under it: what was sent is unknown, what waited was not sent', async () => {
    const { open } = await root('gone');
    const nc = await world.connect();
    const producer = await open({ connection: nc, maxInFlight: 5 });
    await standStill(world.server);
    try {
      const results = Promise.allSettled(numbers(20).map((body) => producer.send('orders', body, { identity: ADA })));
      await eventually('the first ones are sent', () => producer.inFlight === 5);
      await nc.close();
      expect(codesOf(await results)).toEqual({ unknown: 5, closed: 15 });
    } finally {
      world.server.kill('SIGCONT');
    }
    expect((await rejectionOf(producer.send('orders', '{}', { identity: ADA }))).code).toBe('closed');
    expect((await rejectionOf(open({ connection: nc }))).code).toBe('no_connection');
  });
});

describe('a root or a right that is missing', () => {
  test('no bucket: said at opening, and what to give instead', async () => {
    const error = await rejectionOf(createProducer({ servers: world.server.url, root: 'nowhere' }));
    expect(error.code).toBe('not_set_up');
    expect(error.message).toContain('the bucket nowhere_meta cannot be read');
    expect(error.message).toContain("run 'visage setup' first, or give `partitions` and `namespaces`");
  });

  test('no log: every message says so, soon after the first', async () => {
    const options = { servers: world.server.url, root: 'nothing', partitions: 4, namespaces: {}, maxInFlight: 50 };
    const producer = await createProducer(options);
    const sending = numbers(200).map((body) => producer.send('orders', body, { identity: ADA }));
    expect(codesOf(await within('all are settled', 8_000, Promise.allSettled(sending)))).toEqual({ not_set_up: 200 });
    await producer.close();
  });

  describe('on a server with users', () => {
    const PASSWORD = 'p';
    let producers: Producer[] = [];
    let server: Awaited<ReturnType<typeof startServer>>;
    const user = async (name: string): Promise<Producer> => {
      const connection = await connect({ servers: server.url, user: name, pass: PASSWORD });
      return createProducer({ connection, root: 'visage', ...(name === 'full' ? {} : { partitions: 4, namespaces: {} }) });
    };
    const opened = async (name: string): Promise<Producer> => {
      const producer = await user(name);
      producers.push(producer);
      return producer;
    };
    beforeAll(async () => {
      const meta = '"$JS.API.STREAM.MSG.GET.KV_visage_meta"';
      const publish = (subjects: string, inbox = '_INBOX.>'): string =>
        `permissions: { publish: [${subjects}], subscribe: ["${inbox}"] }`;
      const users = [
        `{ user: admin, password: ${PASSWORD} }`,
        `{ user: full, password: ${PASSWORD}, ${publish(`"visage.in.orders.>", ${meta}`)} }`,
        `{ user: narrow, password: ${PASSWORD}, ${publish('"visage.in.orders.>"')} }`,
        `{ user: deaf, password: ${PASSWORD}, ${publish('"visage.in.orders.>"', 'other.>')} }`,
      ];
      server = await startServer({
        storeDirectory: join(world.folder, 'users'),
        config: { extra: `authorization { users: [ ${users.join(', ')} ] }`, maxPayload: 4_096 },
      });
      const nc = await connect({ servers: server.url, user: 'admin', pass: PASSWORD });
      await setupRoot(nc, topologyOf('visage'), world.settings(), world.document);
      await nc.close();
    });
    afterAll(async () => {
      for (const producer of producers) await producer.close();
      producers = [];
      await server.stop();
    });

    test('publishing is not allowed: that message fails at once, others go on', async () => {
      const producer = await opened('narrow');
      const denied = within('it is denied', 1_000, rejectionOf(producer.send('refunds', '{}', { identity: ADA })));
      expect((await producer.send('orders', '{}', { identity: ADA })).duplicate).toBe(false);
      const error = await denied;
      expect(error.code).toBe('not_allowed');
      expect(error.message).toContain('visage.in.<dataset>.>');
      expect(error.message).not.toContain('ada');
    });

    test('answers cannot be heard: refused at opening', async () => {
      const error = await rejectionOf(user('deaf'));
      expect([error.code, error.message.includes('_INBOX.>')]).toEqual(['not_allowed', true]);
    });

    test('these rights are enough to read partitions and priorities', async () => {
      const sent = await (await opened('full')).send('orders', { identityMap: { customerId: [{ id: '7' }] } });
      expect(sent.shard).toBe(partitionOf('customerId.7', 4));
    });

    test('a message to the last byte of max_payload goes out; one byte more is too large', async () => {
      const producer = await opened('narrow');
      const options = { identity: ADA, messageId: 'm-1', headers: { 'X-A': 'ö' } };
      const size = 4_096 - Buffer.byteLength('NATS/1.0\r\nX-A: ö\r\nNats-Msg-Id: m-1\r\n\r\n');
      await producer.send('orders', 'x'.repeat(size), options);
      const error = await rejectionOf(producer.send('orders', 'x'.repeat(size + 1), options));
      expect(error).toMatchObject({ code: 'too_large', kind: 'refuse' });
    });
  });
});
