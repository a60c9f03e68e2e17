// Traces from a message to the change event that it causes, also when the worker is killed in between.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createProducer, type ProducerOptions } from '../../src/producer/create_producer.ts';
import type { ChangeEvent as Event } from '../support/change_listener.ts';
import { eventually } from '../support/eventually.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld } from '../support/world.ts';

type ChangeEvent = Event & { readonly traceparent?: string; readonly tracestate?: string };

const newTrace = (): string => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;

test('each change event has the trace of its first cause that has one, once, however often the worker is killed', async () => {
  const world = await startWorld({ shortWindow: '1s' });
  try {
    await world.setup();
    const overrides = {
      'nats.servers': world.server.url,
      partitions: 4,
      dataDirectory: `${world.folder}/data`,
      instance: 'traces',
      'checkpoint.interval': '200ms',
    };
    const options: ProducerOptions = { servers: world.server.url };
    const producers = [await createProducer(options), await createProducer({ ...options, encoding: 'msgpack' })];
    const traces = new Map<string, string>();
    let n = 0;
    const publish = async (count: number): Promise<void> => {
      for (const end = n + count; n < end; n++) {
        const _id = `e-${n}`;
        if (n % 3 !== 0) traces.set(_id, newTrace());
        const traceparent = n % 9 === 0 ? 'not a trace' : (traces.get(_id) ?? '');
        const headers = traceparent === '' ? {} : { traceparent, ...(n % 2 === 0 ? { tracestate: 'shop=1' } : {}) };
        const event = {
          _id,
          timestamp: new Date().toISOString(),
          eventType: 'commerce.purchases',
          commerce: { order: { priceTotal: 1 } },
        };
        await producers[n % 2]!.send('orders', event, { identity: { namespace: 'customerId', id: `c-${n % 11}` }, headers });
      }
    };
    for (let kill = 0; kill < 3; kill++) {
      const worker = spawnWorker(overrides);
      await worker.ready;
      await publish(120);
      await worker.kill('SIGKILL'); // some of it is committed, some only in the log, little in a checkpoint
      await publish(40);
    }
    const last = spawnWorker(overrides);
    await last.ready;
    await publish(20);
    const client = await world.client();
    const verdict = await verifyAll(client, 1_500);
    expect(verdict.problems).toEqual([]);
    const events: ChangeEvent[] = [];
    for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' }))
      events.push(...(JSON.parse(Buffer.from(body).toString()) as ChangeEvent[]));
    await last.kill('SIGTERM');
    expect(last.said()).toBe('stopped drained');
    const found = events.map(({ traceparent }) => traceparent);
    const wanted = events.map(({ data }) =>
      data.cause.map(({ _id }) => traces.get(_id as string)).find((trace) => trace !== undefined),
    );
    expect(found).toEqual(wanted);
    expect(new Set(found).size).toBeGreaterThan(100);
    expect(events.some(({ tracestate }) => tracestate === 'shop=1')).toBe(true);
    for (const producer of producers) await producer.close();
  } finally {
    await world.stop();
  }
});

test('a producer sends the headers that it is given, beside its own', async () => {
  const world = await startWorld();
  try {
    await world.setup();
    const client = await world.client();
    const traceparent = newTrace();
    const producer = await createProducer({ servers: world.server.url, encoding: 'msgpack' });
    const identity = { namespace: 'customerId', id: 'ada' };
    const event = { _id: 'e', timestamp: new Date().toISOString() };
    await producer.send('orders', event, { identity, headers: { traceparent, tracestate: 'a=1' } });
    await producer.close();
    const message = await eventually('it is in the log', async () => {
      for await (const found of client.readDataset('orders', 0)) return found;
      return undefined;
    });
    expect(message.headers?.()).toMatchObject({ traceparent, tracestate: 'a=1', 'Content-Type': 'application/msgpack' });
    expect(message.headers?.()['Nats-Msg-Id']).toMatch(/-1$/);
  } finally {
    await world.stop();
  }
});
