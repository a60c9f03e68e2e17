// Server-sent events on a real socket: what bounds them, and how they end.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { serveHttp } from '../../src/api/http_server.ts';
import { EventStream, type CutOff } from '../../src/api/event_stream.ts';
import type { ChangeListener } from '../../src/ports/changes.ts';
import { newWorkerMeter } from '../../src/shard/metering.ts';
import { ask, problemOf } from '../support/ask.ts';
import { openEvents, type EventSource } from '../support/event_source.ts';
import { eventually, within } from '../support/eventually.ts';

const BEAT_MS = 15_000;

let server: Server;
let opened: PromiseWithResolvers<ServerResponse>;
let sources: EventSource[];
let cutOff: CutOff[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  opened = Promise.withResolvers();
  sources = [];
  cutOff = [];
  server = createServer((_, response) => opened.resolve(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  vi.useRealTimers();
  for (const source of sources) source.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function start(
  position: () => string | undefined = () => undefined,
): Promise<{ stream: EventStream; source: EventSource }> {
  const asked = openEvents((server.address() as AddressInfo).port, '/');
  const response = await opened.promise;
  const stream = new EventStream({ response, headers: {}, position, onCutOff: (why) => void cutOff.push(why) });
  const source = await asked;
  sources.push(source);
  return { stream, source };
}

test('heartbeats are no events; those with a position move on where the client would go on', async () => {
  const at: { position?: string } = {};
  const { stream, source } = await start(() => at.position);
  vi.advanceTimersByTime(BEAT_MS);
  await eventually('a heartbeat', () => source.beats() === 1);
  expect(source.lastId()).toBe('');
  stream.event('change', '{"n":1}', 'p-1');
  at.position = 'p-9';
  vi.advanceTimersByTime(BEAT_MS);
  await eventually('another', () => source.beats() === 2);
  await eventually('the position', () => source.lastId() === 'p-9');
  expect(source.told).toEqual([{ event: 'change', data: { n: 1 }, id: 'p-1' }]);
});

test('the end: what was said arrives, with the advice to come again, and no heartbeat comes after it', async () => {
  const { stream, source } = await start();
  stream.event('change', '{"n":1}', 'p-1');
  stream.end();
  stream.end();
  expect(await source.over).toBe('ended');
  expect([source.told.length, source.retryMs()]).toEqual([1, 1_000]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a client that takes less than it is told is cut off; what waited for it was bounded', async () => {
  const { stream, source } = await start();
  source.pause();
  const response = await opened.promise;
  const data = JSON.stringify('x'.repeat(100_000));
  let most = 0;
  for (let n = 0; n < 1_000 && cutOff.length === 0; n++) {
    stream.event('change', data, `p-${n}`);
    most = Math.max(most, response.writableLength);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(cutOff).toEqual(['slow']);
  expect(most).toBeLessThan(1.5 * 1024 * 1024);
  expect(vi.getTimerCount()).toBe(0);
  await stream.drained(); // it is over: nobody waits for ever
});

test('a client that takes nothing at all is cut off between two heartbeats; one that reads on is not', async () => {
  const { stream, source } = await start();
  const response = await opened.promise;
  source.pause();
  const data = JSON.stringify('x'.repeat(50_000));
  while (response.writableLength < 200_000) {
    stream.event('change', data);
    await new Promise((resolve) => setImmediate(resolve));
  }
  vi.advanceTimersByTime(BEAT_MS);
  expect(cutOff).toEqual([]);
  vi.advanceTimersByTime(BEAT_MS);
  expect(cutOff).toEqual(['stalled']);
});

test('more than a thousand are told to come again; a place is free when somebody goes', async () => {
  vi.useRealTimers();
  const listeners: ChangeListener[] = [];
  const { live } = newWorkerMeter();
  let refused = 0;
  const unused = (): never => {
    throw new Error('not asked here');
  };
  const http = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    health: { readiness: () => ({ ready: true, reasons: [], degraded: [] }) },
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    reads: {
      profile: () => Promise.resolve(undefined),
      explain: unused,
      events: unused,
      unionSchema: unused,
      exportPage: unused,
      status: unused,
    },
    changes: {
      subscribe: (_, listener) => {
        listeners.push(listener);
        return Promise.resolve({ position: 'p-0', close: () => void listeners.splice(listeners.indexOf(listener), 1) });
      },
    },
    live,
    onRefused: () => refused++,
    onDefect: unused,
  });
  try {
    live.open = 999;
    const last = await openEvents(http.port, '/profiles/customerId/ada/changes');
    expect((await last.first('ready', () => true)).data).toEqual({ version: null });
    expect(problemOf(await ask(http.port, '/profiles/customerId/ada/changes'))).toMatchObject({
      status: 503,
      code: 'too_many_streams',
    });
    expect([live.open, refused, listeners.length]).toEqual([1_000, 1, 1]);
    last.close();
    await eventually('its place is free', () => live.open === 999 && listeners.length === 0);
    const again = await openEvents(http.port, '/profiles/customerId/ada/changes');
    await again.first('ready', () => true);
    listeners[0]!.end();
    expect(await within('it ends', 5_000, again.over)).toBe('ended');
  } finally {
    await http.close();
  }
});
