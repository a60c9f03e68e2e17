// The listeners apart from a worker: what bounds them, how they close, and what becomes of a service that fails.
import { once } from 'node:events';
import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { serveAdmin, serveHttp, type HttpServer } from '../../src/api/http_server.ts';
import { VisageError, type ErrorKind } from '../../src/base/errors.ts';
import type { MetricsPage } from '../../src/ports/metrics.ts';
import type { ReadService } from '../../src/ports/reads.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import { newWorkerMeter } from '../../src/shard/metering.ts';
import { ask, problemOf } from '../support/ask.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { NO_READS, NO_WRITES } from '../support/pages.ts';

const READS_MAX = 1_000;
const VIEW = { version: 7 } as unknown as ProfileView;

const servers: HttpServer[] = [];
const defects: unknown[] = [];
const defectIds: unknown[] = [];
const metrics: MetricsPage = { contentType: 'text/plain', text: () => Promise.reject(new Error('the metrics fail')) };
const common = {
  host: '127.0.0.1',
  port: 0,
  health: { readiness: () => ({ ready: false, reasons: ['starting'], degraded: [] }) },
  metrics,
  ...NO_WRITES,
  onRefused: () => undefined,
  isBusy: () => false,
  onDefect: (error: unknown, requestId?: string) => {
    defects.push(error);
    defectIds.push(requestId);
  },
};

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  defects.length = 0;
  defectIds.length = 0;
});

async function serve(profile: ReadService['profile']): Promise<HttpServer> {
  const subscribe = (): never => {
    throw new Error('not asked here');
  };
  const live = newWorkerMeter().live;
  const server = await serveHttp({ ...common, version: '0', reads: { ...NO_READS, profile }, changes: { subscribe }, live });
  servers.push(server);
  return server;
}

/** Reads that are answered when the test says so. */
function held(): { readonly profile: ReadService['profile']; readonly waiting: () => number; release(): void } {
  const answers: (() => void)[] = [];
  return {
    profile: () => new Promise((resolve) => answers.push(() => resolve(VIEW))),
    waiting: () => answers.length,
    release: () => answers.splice(0).forEach((answer) => answer()),
  };
}

const PROFILE = '/profiles/customerId/secret';

test.each<[number, string, ErrorKind]>([
  [503, 'store_unreadable', 'stop_shard'],
  [503, 'shard_halted', 'stop_shard'],
  [503, 'fenced', 'stop_worker'],
  [503, 'of_a_later_release', 'retry'],
  [504, 'not_yet', 'retry'],
  [422, 'of_the_caller', 'usage'],
])('%s says %s (%s)', async (status, code, kind) => {
  const { port } = await serve(() => Promise.reject(new VisageError(code, 'one line', { kind })));
  expect(problemOf(await ask(port, PROFILE))).toMatchObject({ status, code, detail: 'one line' });
  expect(defects).toEqual([]);
});

test('a defect is 500 without its words, and told to the log alone', async () => {
  const defect = new TypeError('secret is not a function');
  const { port } = await serve(() => Promise.reject(defect));
  const answer = await ask(port, PROFILE);
  expect(problemOf(answer)).toMatchObject({ status: 500, code: 'defect' });
  expect(answer.text).not.toContain('secret');
  expect(problemOf(await ask(port, '/metrics'))).toMatchObject({ status: 500, code: 'defect' });
  expect(problemOf(await ask(port, PROFILE, { headers: { 'x-request-id': 'mine-7' } })).requestId).toBe('mine-7');
  expect(defects).toEqual([defect, expect.objectContaining({ message: 'the metrics fail' }), defect]);
  expect(defectIds[2]).toBe('mine-7');
  expect(defectIds[0]).toBe(problemOf(answer).requestId);
  expect(await ask(port, '/healthz')).toMatchObject({ status: 200 });
});

test('reads at once are bounded; health is asked for all the same, and when they end there is room again', async () => {
  const reads = held();
  const { port } = await serve(reads.profile);
  const answers = Array.from({ length: READS_MAX }, () => ask(port, PROFILE));
  await eventually('all of them wait', () => reads.waiting() === READS_MAX);
  expect(problemOf(await ask(port, PROFILE))).toMatchObject({ status: 503, code: 'too_many_reads' });
  expect(await ask(port, '/healthz')).toMatchObject({ status: 200 });
  reads.release();
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ status: 200, text: '{"version":7}' });
  const next = ask(port, PROFILE);
  await eventually('it is asked', () => reads.waiting() === 1);
  reads.release();
  expect((await next).status).toBe(200);
});

test('closing waits for the answer under way, and not for its connection, which is kept alive', async () => {
  const reads = held();
  const server = await serve(reads.profile);
  const agent = new Agent({ keepAlive: true });
  const answered = new Promise<IncomingMessage>((resolve) => httpGet({ port: server.port, path: PROFILE, agent }, resolve));
  await eventually('it is asked', () => reads.waiting() === 1);
  const beganMs = performance.now();
  const closed = server.close();
  setTimeout(reads.release, 100);
  const answer = await answered;
  expect([answer.statusCode, answer.headers.connection]).toEqual([200, 'close']);
  answer.resume();
  await closed;
  expect(performance.now() - beganMs).toBeLessThan(800);
  agent.destroy();
});

test('closing waits a second at most for an answer, and for half a request', async () => {
  const server = await serve(() => new Promise(() => undefined));
  const cut = rejectionOf(ask(server.port, PROFILE));
  const half = await halfRequest(server.port, 'GET /hea');
  const beganMs = performance.now();
  await within('it closes', 3_000, server.close());
  expect(performance.now() - beganMs).toBeLessThan(1_800);
  expect(await cut).toMatchObject({ code: 'ECONNRESET' });
  half.destroy();
  expect(await rejectionOf(ask(server.port, '/healthz'))).toMatchObject({ code: 'ECONNREFUSED' });
});

test('who sends a request in drops, or nothing, is cut off', async () => {
  const { port } = await serve(held().profile);
  const beganMs = performance.now();
  const drip = await halfRequest(port, 'GET /healthz HTTP/1.1\r\n');
  const silent = await halfRequest(port, '');
  const dripping = setInterval(() => drip.write('x-more: 1\r\n'), 500);
  let said = '';
  drip.on('data', (chunk: Buffer) => (said += chunk.toString()));
  silent.resume();
  await within('both are closed', 9_000, Promise.all([once(drip, 'close'), once(silent, 'close')]));
  clearInterval(dripping);
  expect(performance.now() - beganMs).toBeGreaterThan(4_000);
  expect(said).toContain('"code":"too_slow"');
});

test('two listeners do not share a port; the second one says which setting to change', async () => {
  const { port } = await serve(held().profile);
  const error = await rejectionOf(serveAdmin({ ...common, port }));
  expect(error).toMatchObject({ code: 'port_in_use', kind: 'usage' });
  expect((error as Error).message).toContain(`port ${port} of 127.0.0.1 is in use; set admin.port`);
});

/** A connection that has sent this much. */
async function halfRequest(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return socket;
}
