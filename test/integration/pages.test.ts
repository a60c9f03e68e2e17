// Health and metrics of a real worker, and its listeners' lives: while it starts, waits, is halted, stops, cannot start.
import { Agent, get as httpGet } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { ended, start as startProgram } from '../e2e/program.ts';
import { ask, problemOf } from '../support/ask.ts';
import { listenToChanges } from '../support/change_listener.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { parseMetrics, total, type MetricFamily } from '../support/metrics_text.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { shardsOf } from '../support/shards_of.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const PARTITIONS = 4;

let world: World;
const servers: Server[] = [];
const sockets = new Set<Socket>();

beforeEach(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await world.stop();
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

const startReady = (overrides: Overrides = {}): Promise<StartedWorker> =>
  world.startReady(overrides, { setup: true, definitions: world.document });

/** A server that takes connections and never says a word. */
async function listenSilently(): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function readiness(port: number | undefined): Promise<{ status: number; reasons: string[] }> {
  const { status, text } = await ask(port, '/readyz');
  const { ready, reasons } = JSON.parse(text) as { ready: boolean; reasons: string[] };
  expect(ready).toBe(status === 200);
  return { status, reasons };
}

const READY = { status: 200, reasons: [] };

async function metricsOf(port: number | undefined): Promise<ReadonlyMap<string, MetricFamily>> {
  const { status, type, text } = await ask(port, '/metrics');
  expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  return parseMetrics(text);
}

test('both ports say the same about health, and the metrics agree with what was published', async () => {
  const { worker } = await startReady();
  const { httpPort, adminPort } = worker.ports;
  for (const port of [httpPort, adminPort]) {
    expect(await ask(port, '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    expect(await readiness(port)).toEqual(READY);
  }
  const nc = await world.connect();
  const changes = await listenToChanges(nc);
  const events = Array.from({ length: 40 }, (_, n) => purchase(`c-${n}`, { _id: `e-${n}`, atMs: Date.now() - 60_000 }));
  await publishAll([...events, ...events.slice(0, 5)], { nc });
  await publishAll(
    [events[0]!, events[1]!, events[2]!].map((event) => ({ ...event, body: '{"timestamp":"2026-01-01T00:00:00Z"}' })),
    { nc },
  );
  await publishAll([{ ...events[0]!, body: '{' }], { nc });
  const all = (await world.client()).streamState('log');
  const page = await eventually('everything is applied and in a checkpoint', async () => {
    const families = await metricsOf(adminPort);
    const done = total(families, 'visage_checkpoint_profiles_total') >= 40 && total(families, 'visage_dirty_profiles') === 0;
    return (
      done &&
      total(families, 'visage_checkpoint_age_seconds') === 0 &&
      total(families, 'visage_events_refused_total') === 4 &&
      families
    );
  });
  const value = (name: string, having?: string): number => total(page, `visage_${name}`, having);
  expect(value('events_applied_total')).toBe(40);
  expect(value('events_duplicate_total')).toBe(5);
  expect(value('events_refused_total', 'reason="missing_id"')).toBe(3);
  expect(value('events_refused_total', 'reason="malformed"')).toBe(1);
  expect(changes.arrivals).toHaveLength(40);
  expect([value('changes_total'), value('change_events_total')]).toEqual([40, 40]);
  expect(value('end_to_end_latency_seconds', '_count')).toBe(40);
  expect(value('commit_duration_seconds', '_count')).toBe(value('commits_total'));
  expect(value('checkpoint_duration_seconds', '_count')).toBe(value('checkpoints_total'));
  expect(value('checkpoints_total')).toBeGreaterThanOrEqual(PARTITIONS);
  expect([value('lag_messages'), value('lag_seconds'), value('checkpoint_age_seconds')]).toEqual([0, 0, 0]);
  expect([value('profiles'), value('cached_profiles')]).toEqual([40, 40]);
  expect(value('store_file_bytes')).toBeGreaterThanOrEqual(value('store_used_bytes'));
  expect(value('store_used_bytes')).toBeGreaterThan(0);
  expect(page.get('visage_store_map_bytes')!.samples.size).toBe(PARTITIONS);
  expect([...page.get('visage_shard_halted')!.samples.values()]).toEqual([0, 0, 0, 0]);
  expect(Object.fromEntries(page.get('visage_shards')!.samples)).toEqual({ 'visage_shards{state="active"}': PARTITIONS });
  expect([value('ready'), value('nats_connected'), value('nats_disconnects_total')]).toEqual([1, 1, 0]);
  expect(value('cache_budget_bytes')).toBe(world.settings().cache.maxBytes);
  expect((await all).lastSequence).toBeGreaterThan(49);
  expect([...(await metricsOf(httpPort)).keys()]).toEqual([...page.keys()]);
  const text = (await ask(httpPort, '/metrics')).text;
  expect(text).not.toMatch(/customerId|c-\d|orders/);
});

test('while it starts it is alive but not ready; it answers reads with 503; what cannot start closes its ports', async () => {
  const silent = await listenSilently();
  const { worker } = world.start({ 'nats.servers': `nats://127.0.0.1:${silent}` });
  const failed = rejectionOf(worker.ready);
  await eventually('the ports are open', () => worker.ports.adminPort !== undefined);
  const { httpPort, adminPort } = worker.ports;
  expect(await ask(adminPort, '/healthz')).toMatchObject({ status: 200 });
  expect(await readiness(adminPort)).toEqual({ status: 503, reasons: ['not connected to NATS', 'starting'] });
  expect(problemOf(await ask(httpPort, '/profiles/customerId/ada'))).toMatchObject({ status: 503, code: 'shard_not_ready' });
  const page = await metricsOf(adminPort);
  expect([total(page, 'visage_ready'), total(page, 'visage_nats_connected')]).toEqual([0, 0]);
  for (const socket of sockets) socket.destroy();
  expect(await within('it gives up', 10_000, failed)).toMatchObject({ code: 'no_connection' });
  expect(await worker.stopped).toMatchObject({ code: 'no_connection' });
  for (const port of [httpPort, adminPort]) expect((await rejectionOf(ask(port, '/healthz'))).code).toBe('ECONNREFUSED');
});

test('while the server is away it is alive, not ready, and answers from memory; then it is ready again', async () => {
  const { worker } = await startReady();
  const { httpPort, adminPort } = worker.ports;
  const nc = await world.connect();
  const sequence = await publishAll([purchase('ada', { _id: 'e-1', atMs: Date.now() - 60_000 })], { nc });
  expect(await ask(httpPort, `/profiles/customerId/ada?after=${sequence}`)).toMatchObject({ status: 200 });
  await world.restartServer('stop', async () => {
    await eventually('it is not ready', async () => (await readiness(adminPort)).status === 503);
    expect(await readiness(adminPort)).toEqual({ status: 503, reasons: ['not connected to NATS'] });
    expect(await ask(adminPort, '/healthz')).toMatchObject({ status: 200 });
    expect(await ask(httpPort, '/profiles/customerId/ada')).toMatchObject({ status: 200 });
  });
  await eventually('it is ready', async () => (await readiness(adminPort)).status === 200);
  expect(total(await metricsOf(adminPort), 'visage_nats_disconnects_total')).toBe(5);
});

test('with a full log it stays ready, says that it is degraded, and counts', async () => {
  await world.stop();
  world = await startWorld({ shortWindow: '1s' });
  const { worker } = await startReady({ 'log.maxBytes': '1MB' });
  const nc = await world.connect();
  await publishAll([purchase('ada', { _id: 'e-1', atMs: Date.now() })], { nc });
  // to the brim: the last of these are smaller than a tick
  for (const size of [8_000, 0]) {
    const subject = size > 0 ? 'visage.in.orders.customerId.fill' : 'visage.in.a.b.c';
    const filling = Array.from({ length: 400 }, () => nc.request(subject, ' '.repeat(size)));
    await Promise.all(filling);
  }
  const failures = await eventually('ticks fail', async () =>
    total(await metricsOf(worker.ports.adminPort), 'visage_tick_failures_total'),
  );
  expect(failures).toBeGreaterThan(0);
  const { status, text } = await ask(worker.ports.adminPort, '/readyz');
  expect([status, JSON.parse(text)]).toEqual([
    200,
    { ready: true, reasons: [], degraded: [expect.stringMatching(/^ticks cannot be appended to the logs of shards \d$/)] },
  ]);
  const jsm = await jetstreamManagerOf(nc);
  await jsm.streams.update('VISAGE_LOG', { max_bytes: 10 * 1024 ** 2 });
  await eventually('nothing is degraded', async () => {
    const answer = await ask(worker.ports.adminPort, '/readyz');
    return (JSON.parse(answer.text) as { degraded: string[] }).degraded.length === 0;
  });
  const computed = async (): Promise<Record<string, { value: unknown }>> => {
    const answer = await ask(worker.ports.httpPort, '/profiles/customerId/ada');
    return (JSON.parse(answer.text) as { computed: Record<string, { value: unknown }> }).computed;
  };
  await eventually('the value has left its window', async () => (await computed())['ordersShort']?.value === 0);
  expect((await computed())['orders30d']?.value).toBe(1);
});

test('with a halted shard it stays ready; reads of that shard are 503, the metrics name it', async () => {
  const first = await startReady();
  const nc = await world.connect();
  const ids = [...shardsOf(PARTITIONS)].sort(([a], [b]) => a - b).map(([, id]) => id);
  const events = ids.map((id) => purchase(id, { _id: 'e-1', atMs: Date.now() - 60_000 }));
  const last = await publishAll(events, { nc });
  for (const id of ids) await ask(first.worker.ports.httpPort, `/profiles/customerId/${id}?after=${last}`);
  await first.worker.stop();
  const store = LmdbStore.open(join(world.folder, 'data', 'shard-2'));
  await (await store.beginCheckpoint()).commit({ ...store.readMeta()!, partitions: 99 });
  await store.close();
  const { worker } = await startReady();
  const { httpPort, adminPort } = worker.ports;
  expect(await readiness(adminPort)).toEqual(READY);
  const page = await metricsOf(adminPort);
  expect([...page.get('visage_shard_halted')!.samples.values()]).toEqual([0, 0, 1, 0]);
  expect(total(page, 'visage_shard_halts_total', 'shard="2",code="partitions_changed"')).toBe(1);
  expect(total(page, 'visage_profiles')).toBe(PARTITIONS - 1);
  expect(total(page, 'visage_ready')).toBe(1);
  for (const [shard, id] of ids.entries()) {
    const answer = await ask(httpPort, `/profiles/customerId/${id}`);
    if (shard === 2) expect(problemOf(answer)).toMatchObject({ status: 503, code: 'shard_halted' });
    else expect(answer.status).toBe(200);
  }
});

test('under the event clock values wait for time to move, and lag goes back to nothing', async () => {
  const { worker } = await startReady({ clock: 'event' });
  const { httpPort, adminPort } = worker.ports;
  const client = await world.client();
  const atMs = Date.UTC(2026, 0, 1);
  const count = async (after: number): Promise<unknown> => {
    const { text } = await ask(httpPort, `/profiles/customerId/ada?after=${after}`);
    return (JSON.parse(text) as { computed: Record<string, { value: unknown }> }).computed['ordersShort']?.value;
  };
  expect(await count(await publishAll([purchase('ada', { _id: 'e-1', atMs })], { nc: client.nc }))).toBe(1);
  await client.moveTime(atMs + 60_000);
  await eventually('the value has left', async () => (await count(0)) === 0);
  const page = await eventually('its change event is out', async () => {
    const families = await metricsOf(adminPort);
    return total(families, 'visage_change_events_total') === 2 && families;
  });
  expect(total(page, 'visage_expiries_total')).toBe(1);
  expect(total(page, 'visage_expiry_lateness_seconds', '_count')).toBe(0); // nothing is late where time is what events say
  expect(total(page, 'visage_lag_messages')).toBe(0);
  expect(worker.status().shards.every((shard) => shard['expiring'] === false)).toBe(true);
});

test.each(['http', 'admin'])('a port that is in use ends the worker, which names %s.port', async (name) => {
  const port = await listenSilently();
  const { worker } = world.start({ [`${name}.port`]: port, [`${name}.host`]: '127.0.0.1' });
  const error = await rejectionOf(worker.ready);
  const message = `port ${port} of 127.0.0.1 is in use; set ${name}.port (and ${name}.host), 0 takes any free port`;
  expect(error).toMatchObject({ name: 'VisageError', code: 'port_in_use', message });
  expect(await worker.stopped).toBe(error);
  const { code, stderr, stdout } = await ended(
    startProgram(['worker'], {
      VISAGE_NATS_SERVERS: world.server.url,
      VISAGE_DATA_DIRECTORY: join(world.folder, 'program'),
      VISAGE_ADMIN_HOST: '127.0.0.1',
      [`VISAGE_${name.toUpperCase()}_PORT`]: String(port),
    }),
  );
  expect({ code, stderr, stdout }).toEqual({ code: 1, stderr: `error: ${message}\n`, stdout: '' });
});

test('a host that is none ends the worker too', async () => {
  const { worker } = world.start({ 'admin.host': '203.0.113.1' });
  expect(await rejectionOf(worker.ready)).toMatchObject({
    code: 'cannot_listen',
    message: /set admin\.port \(and admin\.host\)/,
  });
});

test('stopping waits neither for connections that are kept alive nor for reads that wait', async () => {
  const { worker } = await startReady();
  const { httpPort, adminPort } = worker.ports;
  const agent = new Agent({ keepAlive: true });
  for (const port of [httpPort, adminPort])
    await new Promise((resolve) =>
      httpGet({ port, path: '/healthz', agent }, (response) => response.resume().on('end', resolve)),
    );
  await eventually('two connections are kept', () => Object.values(agent.freeSockets).flat().length === 2);
  const waiting = ask(httpPort, '/profiles/customerId/ada?after=999999&timeout=30s');
  await ask(httpPort, '/healthz'); // whatever came before has arrived
  const beganMs = performance.now();
  await worker.stop();
  expect(performance.now() - beganMs).toBeLessThan(900);
  expect(problemOf(await waiting)).toMatchObject({ status: 503, code: 'stopped' });
  agent.destroy();
});
