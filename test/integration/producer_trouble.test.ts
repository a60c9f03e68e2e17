// The producer in every trouble there is. What counts is what the log has in the end: every message once.
import { PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Priorities } from '../../src/producer/priorities.ts';
import { NatsProducer } from '../../src/producer/producer.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { codesOf, expectOnce, numbers, producerRoots, sendMany } from '../support/producer_root.ts';
import { standStill } from '../support/stand_still.ts';
import { startProxy } from '../support/tcp_proxy.ts';
import { startWorld, type World } from '../support/world.ts';

const ADA = { namespace: 'customerId', id: 'ada@example.com' };

let world: World;
const { root, closeRoots } = producerRoots(() => world);
beforeAll(async () => void (world = await startWorld()));
afterAll(async () => {
  await closeRoots();
  await world.stop();
});

// of users who may not ask how full it is: others slow down before (log_room.test.ts)
describe('a log that is full', () => {
  /** As if the server had refused the question: users cost a server of their own. */
  async function withoutRight(): Promise<NatsConnection> {
    const nc = await world.connect();
    return new Proxy(nc, {
      get(target, key) {
        if (key === 'request')
          return (...[subject, ...given]: Parameters<typeof nc.request>) =>
            subject.startsWith('$JS.API.STREAM.INFO.') && subject.endsWith('_LOG')
              ? Promise.reject(new PermissionViolationError('not allowed', 'publish', subject))
              : target.request(subject, ...given);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
  const big = (n: number): string => `{"n":${n},"fill":"${'x'.repeat(10_000)}"}`; // a log takes 1 MB or more
  const bodies = Array.from({ length: 300 }, (_, n) => big(n));

  test('it waits, says so, and goes on when there is space', async () => {
    const at = await root('space', { 'log.maxBytes': '1MB' });
    const said: (string | null)[] = [];
    const producer = await at.open({ connection: await withoutRight(), maxInFlight: 20, onWaiting: (why) => said.push(why) });
    let done = false;
    const sending = sendMany(producer, 300, big).results.finally(() => (done = true));
    await eventually('it waits', () => producer.waitingFor === 'the log is full');
    const seen = new Set<string>();
    while (!done) {
      if (producer.waitingFor === null) {
        await delay(5);
        continue;
      }
      const last = (await at.client.streamState('log')).lastSequence; // what is stored after this is not purged unseen
      for (const { body } of await at.logged()) seen.add(body);
      await at.purge(last);
      await delay(5);
    }
    expect(codesOf(await sending)).toEqual({ stored: 300 });
    for (const { body } of await at.logged()) seen.add(body);
    expect([...seen].sort()).toEqual([...bodies].sort());
    expect(said[0]).toBe('the log is full');
    expect(said.at(-1)).toBe(null);
  });

  test('it gives up after `retryForMs` with log_full, what waits comes next, and it works when there is space again', async () => {
    const at = await root('spent', { 'log.maxBytes': '1MB' });
    const producer = await at.open({ connection: await withoutRight(), maxInFlight: 50, maxQueued: 100, retryForMs: 500 });
    const results = await Promise.allSettled(
      bodies.slice(0, 150).map((body) => producer.send('orders', body, { identity: ADA })),
    );
    const { stored = 0, log_full: full = 0, ...others } = codesOf(results);
    expect(others).toEqual({});
    expect(stored).toBeGreaterThan(5);
    expect(stored + full).toBe(150);
    expect((await at.logged()).length).toBe(stored);
    await within('nothing is under way, so a place is free', 1_000, producer.ready());
    await at.purge();
    await producer.send('orders', '{}', { identity: ADA });
  });
});

describe('a server that goes away', () => {
  test('killed and restarted under load: every message once', async () => {
    const at = await root('killed');
    const said: (string | null)[] = [];
    const producer = await at.open({ maxInFlight: 500, maxQueued: 1_000, onWaiting: (why) => said.push(why) });
    const { stored, results } = sendMany(producer, 15_000);
    const most = { inFlight: 0, queued: 0 };
    const watching = setInterval(() => {
      most.inFlight = Math.max(most.inFlight, producer.inFlight);
      most.queued = Math.max(most.queued, producer.queued);
    }, 1);
    for (let kills = 0; kills < 3; kills++) {
      const before = stored();
      await eventually('it is under load', () => stored() > before + 500, { everyMs: 5 });
      await world.restartServer('kill');
      await eventually('it goes on', () => producer.waitingFor === null);
    }
    expect(codesOf(await results)).toEqual({ stored: 15_000 });
    clearInterval(watching);
    expect(most.inFlight).toBeLessThanOrEqual(500);
    expect(most.queued).toBeLessThanOrEqual(1_000);
    await expectOnce(at, numbers(15_000));
    expect(said).toContain('the connection to NATS is lost');
    expect(said.at(-1)).toBe(null);
  });

  test('cut off again and again: every message once', async () => {
    const at = await root('cut');
    const proxy = await startProxy(world.server.port);
    const producer = await at.open({ servers: `nats://127.0.0.1:${proxy.port}`, maxInFlight: 300 });
    const { results } = sendMany(producer, 5_000);
    for (let cuts = 0; cuts < 4; cuts++) {
      await delay(60);
      proxy.cut();
    }
    expect(codesOf(await results)).toEqual({ stored: 5_000 });
    await expectOnce(at, numbers(5_000));
    await producer.close();
    await proxy.close();
  });

  test('away longer than `retryForMs`: what was under way is unknown, what waited goes out later', async () => {
    const at = await root('away');
    const producer = await at.open({ maxInFlight: 10, maxQueued: 15, retryForMs: 600 });
    await standStill(world.server); // so that it is sure that nothing of it is stored
    const results = Promise.allSettled(numbers(30).map((body) => producer.send('orders', body, { identity: ADA })));
    await eventually('as much as may be is sent', () => producer.inFlight === 10);
    await world.restartServer('kill', async () => {
      await eventually('it gives up what was sent', () => producer.inFlight === 0);
      expect([producer.waitingFor, producer.queued]).toEqual(['the connection to NATS is lost', 15]);
    });
    expect(codesOf(await results)).toEqual({ unknown: 10, stored: 15, queue_full: 5 });
    await expectOnce(at, numbers(15, 10));
  });

  test('close while it is away ends after `retryForMs`, and says what was never sent', async () => {
    const at = await root('leave');
    const nc = await world.connect();
    const producer = await at.open({ connection: nc, retryForMs: 500 });
    await world.restartServer('stop', async () => {
      await eventually('it notices', () => producer.waitingFor !== null);
      const sending = rejectionOf(producer.send('orders', '{}', { identity: ADA }));
      await within('it closes', 2_000, producer.close());
      expect((await sending).code).toBe('closed');
    });
    expect((await at.logged()).length).toBe(0);
  });

  test('stopped for longer than an attempt waits: repeated, and once in the log', async () => {
    const at = await root('paused');
    const said: (string | null)[] = [];
    const producer = new NatsProducer({
      nc: await world.connect(),
      ownsConnection: false,
      root: 'paused',
      partitions: 4,
      priorities: new Priorities(null),
      encoding: 'json' as const,
      nonce: 'paused',
      maxInFlight: 100,
      maxQueued: 1_000,
      retryForMs: 20_000,
      attemptMs: 300,
      onWaiting: (why) => said.push(why),
    });
    await standStill(world.server);
    const sending = Promise.allSettled(numbers(500).map((body) => producer.send('orders', body, { identity: ADA })));
    await delay(1_000);
    expect([producer.waitingFor, producer.inFlight, producer.queued]).toEqual(['the server does not answer', 100, 400]);
    world.server.kill('SIGCONT');
    expect(codesOf(await sending)).toEqual({ stored: 500 });
    await expectOnce(at, numbers(500));
    expect(said.at(-1)).toBe(null);
    await producer.close();
  });

  test('answers that are lost on the way: all are asked for again soon, not one by one', async () => {
    const at = await root('deaf');
    const nc = await world.connect();
    let deaf = true;
    const lossy = new Proxy(nc, {
      get(target, key) {
        // a server that loses what it was sent: a leader that is replaced does
        if (key === 'publish')
          return (...given: Parameters<typeof nc.publish>) => {
            if (!deaf) target.publish(...given);
          };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const setup = {
      nc: lossy,
      ownsConnection: false,
      root: 'deaf',
      partitions: 4,
      priorities: new Priorities(null),
      encoding: 'json' as const,
      nonce: 'deaf',
    };
    const limits = { maxInFlight: 500, maxQueued: 500, retryForMs: 20_000, attemptMs: 300, onWaiting: () => undefined };
    const producer = new NatsProducer({ ...setup, ...limits });
    const sending = Promise.allSettled(numbers(500).map((body) => producer.send('orders', body, { identity: ADA })));
    await eventually('all are sent', () => producer.inFlight === 500);
    deaf = false;
    expect(codesOf(await within('all are stored', 3_000, sending))).toEqual({ stored: 500 });
    await expectOnce(at, numbers(500));
    await producer.close();
  });

  test('stored without an answer, and refused when it is repeated: unknown, never refused', async () => {
    const at = await root('edited');
    const nc = await world.connect();
    const refusal = { error: { code: 400, err_code: 10054, description: 'message size exceeds maximum allowed' } };
    let attempts = 0;
    const edited = new Proxy(nc, {
      get(target, key) {
        // the answer to the first attempt is lost, and before the second the stream gets another limit
        if (key === 'publish')
          return (...[subject, body, options]: Parameters<typeof nc.publish>) => {
            if (attempts++ === 0) target.publish(subject, body, { ...options, reply: '_INBOX.lost' });
            else target.publish(options!.reply!, JSON.stringify(refusal));
          };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const setup = {
      nc: edited,
      ownsConnection: false,
      root: 'edited',
      partitions: 4,
      priorities: new Priorities(null),
      encoding: 'json' as const,
      nonce: 'edited',
    };
    const limits = { maxInFlight: 10, maxQueued: 10, retryForMs: 20_000, attemptMs: 200, onWaiting: () => undefined };
    const producer = new NatsProducer({ ...setup, ...limits });
    const error = await rejectionOf(producer.send('orders', '{"n":0}', { identity: ADA }));
    expect(error).toMatchObject({ code: 'unknown', kind: 'retry' });
    await expectOnce(at, numbers(1));
    await producer.close();
  });
});
