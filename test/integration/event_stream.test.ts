// Server-sent events on a real socket: what bounds them, and how they end.
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { serveHttp, type HttpServer } from '../../src/api/http_server.ts';
import { EventStream, type CutOff } from '../../src/api/event_stream.ts';
import { VisageError } from '../../src/base/errors.ts';
import type { ChangeListener } from '../../src/ports/changes.ts';
import type { LiveMeter } from '../../src/ports/metrics.ts';
import type { ReadService } from '../../src/ports/reads.ts';
import { newWorkerMeter } from '../../src/shard/metering.ts';
import { ask, problemOf } from '../support/ask.ts';
import { NO_READS, NO_WRITES } from '../support/pages.ts';
import { openEvents, type EventSource } from '../support/event_source.ts';
import { eventually, within } from '../support/eventually.ts';

const BEAT_MS = 15_000;
const PATH = '/profiles/customerId/ada/changes';

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

/** The HTTP port, with profiles that are read as said and changes that this test makes. */
async function port(profile: ReadService['profile']): Promise<{
  http: HttpServer;
  live: LiveMeter;
  listeners: ChangeListener[];
  refused: () => number;
}> {
  vi.useRealTimers();
  const listeners: ChangeListener[] = [];
  const { live } = newWorkerMeter();
  let refused = 0;
  const http = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    health: { readiness: () => ({ ready: true, reasons: [], degraded: [] }) },
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    ...NO_WRITES,
    version: '0',
    reads: { ...NO_READS, profile },
    changes: {
      subscribe: (_, listener) => {
        listeners.push(listener);
        return Promise.resolve({ position: 'p-0', close: () => void listeners.splice(listeners.indexOf(listener), 1) });
      },
    },
    live,
    onRefused: () => refused++,
    isBusy: () => false,
    onDefect: (error) => {
      throw error;
    },
  });
  return { http, live, listeners, refused: () => refused };
}

test('more than a thousand are told to come again; a place is free when somebody goes', async () => {
  const { http, live, listeners, refused } = await port(() => Promise.resolve(undefined));
  try {
    live.open = 999;
    const last = await openEvents(http.port, PATH);
    expect((await last.first('ready', () => true)).data).toEqual({ version: null });
    expect(problemOf(await ask(http.port, PATH))).toMatchObject({ status: 503, code: 'too_many_streams' });
    expect([live.open, refused(), listeners.length]).toEqual([1_000, 1, 1]);
    last.close();
    await eventually('its place is free', () => live.open === 999 && listeners.length === 0);
    const again = await openEvents(http.port, PATH);
    await again.first('ready', () => true);
    listeners[0]!.end();
    expect(await within('it ends', 5_000, again.over)).toBe('ended');
  } finally {
    await http.close();
  }
});

test('who reads what somebody has missed does not wait for one who never begins', async () => {
  const reading = Promise.withResolvers<undefined>();
  const moving = new VisageError('shard_not_ready', 'the shard is moving', { kind: 'retry' });
  const { http, live, listeners } = await port(() => reading.promise);
  try {
    const answers = [ask(http.port, PATH), ask(http.port, PATH)];
    await eventually('both are listened for', () => listeners.length === 2);
    const drained = listeners.map((listener) => listener.drained());
    reading.reject(moving);
    for (const answer of answers) expect((await answer).status).toBe(503);
    await within('the reader goes on', 5_000, Promise.all(drained));
    await eventually('the places are free', () => live.open === 0 && listeners.length === 0);
  } finally {
    await http.close();
  }
});

test('what comes behind another request of its connection is refused, and holds nothing when the connection ends', async () => {
  const { http, live, listeners } = await port(() => Promise.resolve(undefined));
  const get = `GET ${PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const socket = connect(http.port, '127.0.0.1');
  try {
    socket.write(get.repeat(5));
    await eventually('the first is answered', () => listeners.length > 0);
    await ask(http.port, '/healthz'); // by then those behind it were looked at
    expect([live.open, listeners.length]).toEqual([1, 1]);
    socket.destroy();
    await eventually('its place is free', () => live.open === 0 && listeners.length === 0);
  } finally {
    socket.destroy();
    await http.close();
  }
});
