// What two real workers answer is what their OpenAPI document says, for every page that reads; lookups over shards of both.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { identityKey } from '../../src/message/identity.ts';
import type { DefinitionsAnswer, WorkerStatus } from '../../src/ports/reads.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import type { Client } from '../../src/worker/client.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import { ask, problemOf, type AskOptions } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { AnswerCheck, documentOf, routesOf, type ApiDocument } from '../support/openapi.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const DEFINITIONS = `
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object } }
  customer: { class: individual, behavior: record, jsonSchema: { type: object, properties: { name: { type: object, properties: { first: { type: string } } } } } }
datasets:
  orders: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
mergePolicies:
  default: { class: individual, attributes: timestampOrdered, stitching: none, default: true }
  graph: { class: individual, attributes: { dataSetPrecedence: [crm] }, stitching: graph }
computedAttributes:
  spend: { class: individual, value: event.commerce.order.priceTotal, function: sum, window: { sliding: 30d } }
  month: { class: individual, function: count, window: { calendar: month, count: 1 } }
  last: { class: individual, value: event.commerce.order.channel, function: mostRecent, window: lifetime }
  channels: { class: individual, value: event.commerce.order.channel, function: countDistinct, window: lifetime }
  vip: { class: individual, function: expression, expression: "spend > 100.0", audience: true }
`;
const ADA = '/profiles/customerId/ada%40example.com';
const CUSTOMERS = Array.from({ length: 60 }, (_, n) => `c-${n}`);

let world: World;
let client: Client;
let a: StartedWorker;
let b: StartedWorker;
let document: ApiDocument;
let check: AnswerCheck;
let beganMs = 0;

beforeAll(async () => {
  beganMs = Date.now();
  world = await startWorld({ overrides: { 'lease.ttl': '2s' } });
  const as = (instance: string): Overrides => ({ instance, dataDirectory: join(world.folder, instance) });
  const definitions = await loaded(DEFINITIONS);
  a = await world.startReady(as('a'), { setup: true, definitions });
  client = await world.client();
  const write = async (dataset: string, first: string): Promise<void> => {
    const h = headers();
    h.set('Visage-Last-Updated', `2026-01-0${dataset.length}T00:00:00Z`);
    const subject = `visage.in.${dataset}.${identityKey({ namespace: 'customerId', id: 'ada@example.com' })}`;
    const ack: { seq?: number } = (
      await client.nc.request(subject, JSON.stringify({ name: { first } }), { headers: h, timeout: 5_000 })
    ).json();
    expect(ack.seq).toBeGreaterThan(0);
  };
  await write('crm', 'Ada');
  await write('loyalty', 'A.');
  const atMs = Date.now() - 60_000;
  const orders = ['ada@example.com', 'ada@example.com', 'ada@example.com', ...CUSTOMERS];
  await publishAll(
    orders.map((id, n) => purchase(id, { _id: `e-${n}`, atMs: atMs - n, price: 60 })),
    { nc: client.nc },
  );
  b = await world.startReady(as('b'));
  await eventually('each has two shards', () =>
    [a, b].every(({ worker }) => worker.status().shards.filter(({ state }) => state === 'active').length === 2),
  );
  document = await documentOf(a.worker.ports.httpPort);
  check = new AnswerCheck(document);
});
afterAll(() => world.stop());

/** As a file has them. */
async function loaded(text: string): Promise<DefinitionsDocument> {
  const file = join(world.folder, 'definitions.yaml');
  await writeFile(file, text);
  return loadDefinitionsFile(file);
}

/** Asks a page of both workers; each answer must be as the document says. @returns that of the first */
async function read<T>(path: string, { status = 200, ...options }: AskOptions & { status?: number } = {}): Promise<T> {
  const method = options.method ?? 'GET';
  const route = routesOf(document).find(
    (one) => one.method === method && new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, '[^/?]*')}(\\?.*)?$`).test(path),
  )!;
  const texts: string[] = [];
  for (const { worker } of [a, b]) {
    const answer = await ask(worker.ports.httpPort, path, options);
    expect([answer.status, check.mistake(route, answer)], `${method} ${path}: ${answer.text}`).toEqual([status, undefined]);
    expect(answer.requestId).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    texts.push(answer.text);
  }
  return JSON.parse(texts[0]!) as T;
}

describe('answers are as the document says', () => {
  test.each([
    [ADA, 200],
    [`${ADA}?policy=graph&fields=spend,name`, 200],
    [`${ADA}?policy=none`, 422],
    [`${ADA}?after=x`, 422],
    [`${ADA}?after=99999999&timeout=50ms`, 504],
    ['/profiles/customerId/nobody', 404],
    ['/profiles/customer%20Id/ada', 422],
    [`${ADA}/events`, 200],
    [`${ADA}/events?limit=2&order=desc`, 200],
    [`${ADA}/events?property=nonsense`, 422],
    [`${ADA}/explain/spend`, 200],
    [`${ADA}/explain/month?limit=1`, 200],
    [`${ADA}/explain/last`, 200],
    [`${ADA}/explain/channels`, 200],
    [`${ADA}/explain/vip`, 200],
    [`${ADA}/explain/name`, 200],
    [`${ADA}/explain/name.first?policy=graph`, 200],
    [`${ADA}/explain/computed.nothing`, 404],
    ['/profiles/customerId/c-1/explain/name.first', 200],
    ['/schemas/union/individual', 200],
    ['/schemas/union/nothing', 404],
    ['/definitions', 200],
    ['/definitions?secret=1', 422],
    ['/shards', 200],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/metrics', 200],
    ['/openapi.json', 200],
  ])('%s', async (path, status) => {
    if (path === '/metrics') {
      for (const { worker } of [a, b]) {
        const answer = await ask(worker.ports.httpPort, path);
        expect(check.mistake({ method: 'GET', path, operation: document.paths[path]!['get']! }, answer)).toBeUndefined();
      }
    } else await read(path, { status });
  });
});

test('a request id is kept where it can do no harm, else made, and is the same in header and problem', async () => {
  const port = a.worker.ports.httpPort;
  const ids = await Promise.all(
    ['mine-1.A_z', 'a b', 'x'.repeat(65), 'ada@example.com', ''].map(
      async (id) => problemOf(await ask(port, '/profiles/customerId/nobody', { headers: { 'x-request-id': id } })).requestId,
    ),
  );
  expect(ids[0]).toBe('mine-1.A_z');
  expect(new Set(ids).size).toBe(5);
  for (const id of ids.slice(1)) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
  for (const path of ['/nothing', '/profiles/customerId/%zz', `/profiles/customerId/${'x'.repeat(20_000)}`])
    expect(problemOf(await ask(port, path)).requestId).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
});

test('a lookup is answered by the owners of its shards, in order, each as alone; what is unknown fails nothing', async () => {
  const ids = ['nobody', ...CUSTOMERS, 'ada@example.com', '', 'c-1'];
  const identities = ids.map((id) => ({ namespace: 'customerId', id }));
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ identities }) };
  const { profiles } = await read<{ profiles: { id: string; profile?: ProfileView; error?: { code: string } }[] }>(
    '/profiles/lookup',
    asked,
  );
  expect(profiles.map(({ id }) => id)).toEqual(ids);
  expect(profiles.flatMap(({ id, error }) => (error === undefined ? [] : [[id, error.code]]))).toEqual([
    ['nobody', 'not_found'],
    ['', 'bad_identity'],
  ]);
  const shards = new Set(profiles.flatMap(({ profile }) => profile?.shard ?? []));
  expect(shards.size).toBe(4);
  for (const { id, profile } of profiles.filter((item) => item.profile !== undefined)) {
    const alone = (await client.profile({ namespace: 'customerId', id }))!;
    expect({ ...profile, sequence: 0, time: '' }).toEqual({ ...alone, sequence: 0, time: '' });
  }
  const masked = { ...asked, body: JSON.stringify({ identities, fields: ['spend'], policy: 'graph' }) };
  const few = await read<{ profiles: { profile?: ProfileView }[] }>('/profiles/lookup', masked);
  expect(few.profiles.at(-1)!.profile).toMatchObject({ computed: { spend: { value: 60 } }, attributes: {}, policy: 'graph' });
});

test('the shards have owners, the definitions a hash and the time since when they are live', async () => {
  const { shards, workers } = await read<WorkerStatus>('/shards');
  expect(shards.map(({ shard, state }) => [shard, state])).toEqual([0, 1, 2, 3].map((shard) => [shard, 'active']));
  expect(shards.map((shard) => shard['owner']).sort()).toEqual(['a', 'a', 'b', 'b']);
  expect(workers?.map(({ instance, shards: has }) => [instance, has]).sort()).toEqual([
    ['a', 2],
    ['b', 2],
  ]);
  const first = await read<DefinitionsAnswer>('/definitions');
  expect(first.hash).toBe((await loaded(DEFINITIONS)).hash);
  expect(Date.parse(first.since!)).toBeGreaterThanOrEqual(beganMs - 1_000);
  expect(first.definitions).toMatchObject({
    namespaces: { customerId: { type: 'person' } },
    mergePolicies: { default: { default: true } },
    computedAttributes: { spend: { function: 'sum', window: { sliding: '30d' } }, vip: { audience: true } },
  });
  // what the page shows is itself a definitions file
  expect((await loaded(JSON.stringify(first.definitions))).hash).toBe(first.hash);
  const more = DEFINITIONS.replace(
    'computedAttributes:',
    'computedAttributes:\n  all: { class: individual, function: count, window: lifetime }',
  );
  await applyDefinitions(client, world.settings(), await loaded(more));
  const second = await read<DefinitionsAnswer>('/definitions');
  expect(second.definitions).toMatchObject({ computedAttributes: { all: { function: 'count' } } });
  expect(Date.parse(second.since!)).toBeGreaterThan(Date.parse(first.since!));
});
