// F17: more reads at once than are taken, over NATS and HTTP: the rest is refused at once and counted, and what is published becomes
// change events meanwhile.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Connection } from '../../src/nats/connection.ts';
import { ask, problemOf, type Answer } from '../support/ask.ts';
import { listenToChanges } from '../support/change_listener.ts';
import { parseMetrics, total } from '../support/metrics_text.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const NATS_MAX = 10_000;
const HTTP_MAX = 1_000;
const OVER = 500;
/** All of them must have come before the first is answered. */
const WAIT_MS = 4_000;
/** What the test's own process takes to read ten thousand answers comes on top, three files at a time. */
const ANSWER_MS = 30_000;
/** Connections that are opened at once: the kernel keeps so many waiting, and no more. */
const OPEN_AT_ONCE = 100;
/** Reads wait for it until their time is up. */
const NEVER = 1_000_000_000;
/** Alone it takes a few ms; the test's own process has ten thousand answers to read at once. */
const CHANGE_MS = 5_000;

let world: World;
let worker: WorkerProcess;
let ports: { readonly httpPort: number; readonly adminPort: number };
beforeAll(async () => {
  world = await startWorld();
  await world.setup();
  // a process of its own: what the flood costs its sender must not slow the worker down
  worker = spawnWorker({ 'nats.servers': world.server.url, partitions: 4, dataDirectory: world.settings().dataDirectory });
  await worker.ready;
  ports = JSON.parse(worker.log.find((line) => line.includes('worker started'))!) as typeof ports;
  const nc = await world.connect();
  await publishAll([purchase('ada', { _id: 'e-0', atMs: Date.now() - 60_000 })], { nc });
});
afterAll(async () => {
  await worker.kill('SIGTERM');
  await world.stop();
});

let published = 0;
/** Publishes events while `until` is under way. @returns how long the change event of each took, in ms */
async function changesWhile(until: Promise<unknown>): Promise<number[]> {
  const nc = await world.connect();
  const listener = await listenToChanges(nc);
  const took: number[] = [];
  let going = true;
  const over = (): void => void (going = false);
  until.then(over, over); // whoever waits for it sees how it ends
  for (let n = 0; going || n === 0; n++) {
    const id = `during-${++published}`;
    const beganMs = performance.now();
    await publishAll([purchase(id, { _id: id, atMs: Date.now() - 60_000 })], { nc });
    await listener.first(`of ${id}`, ({ data }) => data.profile.id === id, CHANGE_MS);
    took.push(performance.now() - beganMs);
  }
  return took;
}

async function refused(door: string): Promise<number> {
  const { text } = await ask(ports.adminPort, '/metrics');
  return total(parseMetrics(text), 'visage_reads_refused_total', `door="${door}"`);
}

const slowest = (took: readonly number[]): number => Math.round(Math.max(...took));

type Answered = { readonly ok?: unknown; readonly error?: { readonly code: string } };

async function askNats(nc: Connection, question: object): Promise<string> {
  const answer = await nc.request('visage.api.profile', JSON.stringify(question), { timeout: ANSWER_MS });
  return answer.json<Answered>().error?.code ?? 'ok';
}

const count = (codes: readonly string[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(codes, (code) => code)].map(([code, all]) => [code, all.length]));

test('over NATS', async () => {
  const nc = await world.connect();
  const ada = { namespace: 'customerId', id: 'ada' };
  const waiting = { ...ada, after: NEVER, timeoutMs: WAIT_MS };
  const flood = Promise.all(Array.from({ length: NATS_MAX + OVER }, () => askNats(nc, waiting)));
  const took = await changesWhile(flood);
  expect(count(await flood)).toEqual({ not_yet: NATS_MAX, too_many_reads: OVER });
  expect(took.length).toBeGreaterThan(5);
  console.log(`${took.length} changes during the flood over NATS, the slowest after ${slowest(took)} ms`);
  expect(await refused('nats')).toBe(OVER);
  expect(await askNats(nc, ada)).toBe('ok');
  const quick = await Promise.all(Array.from({ length: NATS_MAX + OVER }, () => askNats(nc, ada)));
  expect(count(quick)).toEqual({ ok: NATS_MAX + OVER }); // those that wait for nothing are never too many
});

test('over HTTP', async () => {
  const { httpPort, adminPort } = ports;
  const path = `/profiles/customerId/ada?after=${NEVER}&timeout=${WAIT_MS}ms`;
  const asked: Promise<Answer>[] = [];
  while (asked.length < HTTP_MAX + OVER) {
    for (let n = 0; n < OPEN_AT_ONCE; n++) asked.push(ask(httpPort, path));
    await ask(httpPort, '/healthz'); // those before it are accepted
  }
  const flood = Promise.all(asked);
  const took = await changesWhile(flood);
  const codes = (await flood).map((answer) => `${answer.status} ${problemOf(answer).code}`);
  expect(count(codes)).toEqual({ '504 not_yet': HTTP_MAX, '503 too_many_reads': OVER });
  console.log(`${took.length} changes during the flood over HTTP, the slowest after ${slowest(took)} ms`);
  expect(await refused('http')).toBe(OVER);
  expect(await ask(adminPort, '/readyz')).toMatchObject({ status: 200 });
  const quick: Promise<Answer>[] = [];
  while (quick.length < HTTP_MAX + OVER) {
    for (let n = 0; n < OPEN_AT_ONCE; n++) quick.push(ask(httpPort, '/profiles/customerId/ada'));
    await ask(httpPort, '/healthz');
  }
  expect(count((await Promise.all(quick)).map(({ status }) => String(status)))).toEqual({ 200: HTTP_MAX + OVER }); // as over NATS
});
