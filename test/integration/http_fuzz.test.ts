// Every page of the HTTP port, asked in ways nobody should ask, from its own OpenAPI document: none fails, none hangs, each error is a problem
// without a word of what was asked with, and nobody else's profile is touched. Pages that are added are in it by themselves.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProfileView } from '../../src/profile/view.ts';
import type { Client } from '../../src/worker/client.ts';
import { problemOf, type Answer } from '../support/ask.ts';
import { SECRET } from '../support/hostile_text.ts';
import { oddRequest, type OddRequest } from '../support/odd_requests.ts';
import { AnswerCheck, documentOf, routesOf, type ApiDocument, type Route } from '../support/openapi.ts';
import { probe } from '../support/probe.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { exportAll, settled } from '../support/verify.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20_261_129);
const RUNS = Number(process.env['VISAGE_RUNS'] ?? 60);
/** Each that is accepted is work for the worker beyond its answer. */
const WRITES = 25;
const BYSTANDERS = 30;
const QUIET_MS = 300;
const STACK = /\n\s+at |node_modules|\.ts:\d+|file:\/\//;

let world: World;
let started: StartedWorker;
let client: Client;
let document: ApiDocument;
let check: AnswerCheck;
let before: readonly unknown[] = [];
const seen = new Map<string, number>();

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: world.document });
  client = await world.client();
  const atMs = Date.now() - 3_600_000;
  await publishAll(
    Array.from({ length: BYSTANDERS }, (_, n) => purchase(`by-${n}`, { _id: `e-${n}`, atMs, price: n })),
    { nc: client.nc },
  );
  await settled(client, QUIET_MS);
  before = await bystanders();
  document = await documentOf(started.worker.ports.httpPort);
  check = new AnswerCheck(document);
});
afterAll(() => world.stop());

/** Everybody who was there first, as exported; time may go on. */
async function bystanders(): Promise<unknown[]> {
  const { views } = await exportAll(client);
  return views
    .filter(({ profile }) => /^by-\d+$/.test(profile.id) && profile.namespace === 'customerId')
    .map(({ sequence: _, time: __, ...view }: ProfileView) => view)
    .sort((a, b) => (a.profile.id < b.profile.id ? -1 : 1));
}

/** Asks, and looks at what comes back. @throws when it is not as it must be */
async function expectGood(route: Route, asked: OddRequest): Promise<Answer> {
  const answer = await probe(started.worker.ports.httpPort!, asked);
  const { status, text, requestId } = answer;
  const other = routesOf(document).find(({ method, path }) => path === route.path && method === asked.method);
  const key = `${status}`;
  seen.set(key, (seen.get(key) ?? 0) + 1);
  if (status >= 500 && !((status === 503 || status === 504) && String(status) in (other ?? route).operation.responses))
    throw new Error(`${status} is no answer: ${text}`);
  if (requestId === '') throw new Error(`${status} has no request id`);
  // an erasure that was asked for has its shard begin anew: not ready, for a moment, is an answer and no problem
  const isReadiness = status === 503 && route.path === '/readyz';
  if (status >= 400 && asked.method !== 'HEAD' && !isReadiness) {
    const { code } = problemOf(answer);
    if (!/^[a-z_]+$/.test(code)) throw new Error(`${status} has no code: ${text}`);
    const said = text.replace(`"requestId":"${requestId}"`, ''); // the caller's own, where it is harmless
    if (said.includes(SECRET) || STACK.test(said)) throw new Error(`it says too much: ${text}`);
  }
  const mistake = other === undefined ? undefined : check.mistake(other, answer);
  if (mistake !== undefined && asked.method !== 'HEAD') throw new Error(mistake);
  return answer;
}

test(`no page fails, hangs or says too much (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const routes = routesOf(document);
  expect(routes.length).toBeGreaterThan(10);
  for (const [n, route] of routes.entries()) {
    const writes = !['GET', 'HEAD'].includes(route.method) && !route.path.endsWith('/lookup');
    const property = fc.asyncProperty(oddRequest(route, document, `fuzz-${n}`), async (asked) => {
      await expectGood(route, asked);
    });
    const what = `${route.method} ${route.path}`;
    const outcome = await fc.check(property, { seed: SEED + n, numRuns: writes ? WRITES : RUNS, endOnFailure: true });
    const error = outcome.errorInstance instanceof Error ? outcome.errorInstance.message : '';
    expect(outcome.failed, `${what}: ${error}\n${fc.stringify(outcome.counterexample)}`).toBe(false);
  }
  for (const status of ['200', '400', '404', '415', '422']) expect(seen.get(status) ?? 0, status).toBeGreaterThan(0);
});

test('bodies that are too large, of another type, or where none belongs', async () => {
  const bodies = routesOf(document).filter(({ operation }) => operation.requestBody !== undefined);
  expect(bodies.length).toBeGreaterThan(0);
  for (const route of bodies) {
    const [type] = Object.keys(route.operation.requestBody!.content);
    const path = route.path.replaceAll(/\{\w+\}/g, 'fuzz');
    const headers = { 'content-type': type! };
    const large = Buffer.alloc(route.operation['x-body-bytes-max']! + 1, ' ');
    expect((await expectGood(route, { method: route.method, path, headers, body: large })).status, path).toBe(413);
    const other = { 'content-type': `text/${SECRET}` };
    expect((await expectGood(route, { method: route.method, path, headers: other, body: SECRET })).status, path).toBe(415);
  }
  const without = routesOf(document).filter(
    ({ method, operation }) => method === 'DELETE' && operation.requestBody === undefined,
  );
  for (const route of without) {
    const path = route.path.replaceAll(/\{\w+\}/g, 'fuzz');
    const asked = { method: 'DELETE', path, headers: { 'content-type': 'application/json' }, body: '{}' };
    expect((await expectGood(route, asked)).status, path).toBe(415);
  }
});

test('a method that a page does not have is no page', async () => {
  for (const { path } of routesOf(document)) {
    const known = Object.keys(document.paths[path]!).map((method) => method.toUpperCase());
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter((one) => !known.includes(one))) {
      const asked = { method, path: path.replaceAll(/\{\w+\}/g, SECRET), headers: {}, body: undefined };
      const answer = await expectGood({ method, path, operation: document.paths[path]![known[0]!.toLowerCase()]! }, asked);
      expect(answer.status, `${method} ${path}`).toBe(404);
    }
  }
});

test('nobody else was touched, no shard has stopped, nothing of it all is in the log', async () => {
  await settled(client, QUIET_MS);
  expect(before).toHaveLength(BYSTANDERS);
  expect(await bystanders()).toEqual(before);
  expect((await client.status()).shards.map(({ state }) => state)).toEqual(['active', 'active', 'active', 'active']);
  expect(started.log.filter((line) => line.includes(SECRET) || /"level":[56]0/.test(line))).toEqual([]);
});
