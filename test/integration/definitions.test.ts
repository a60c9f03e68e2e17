// Additions to live definitions while a worker runs: nothing restarts, nothing is lost, what is new says since when it counts.
import { setTimeout as delay } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { extendDefinitions } from '../../src/definitions/extend_definitions.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Sent } from '../../src/producer/delivery.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import { openDefinitionsLog } from '../../src/stream/definitions_log.ts';
import { applyDefinitions, type Applied } from '../../src/worker/apply_definitions.ts';
import type { Client } from '../../src/worker/client.ts';
import { liveDefinitions } from '../../src/worker/list_definitions.ts';
import { eventually, rejectionOf } from '../support/eventually.ts';
import { purchase } from '../support/purchase.ts';
import { DEFINITIONS, startWorld, type World } from '../support/world.ts';

const CUSTOMERS = 20;
const ORDERS = 'eventTypes: [commerce.purchases]';
const COUNT = `  ordersNew: { class: individual, ${ORDERS}, function: count, window: lifetime }\n`;
const RATIO = `  averageOrder: { class: individual, function: expression, expression: "orders30d == 0 ? 0.0 : spend30d / double(orders30d)" }\n`;
const AUDIENCE = `  bigSpender: { class: individual, function: expression, expression: averageOrder > 50.0, audience: true }\n`;

let world: World;
let producer: Producer;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '3s' });
  producer = await createProducer({ connection: await world.connect(), partitions: 4, namespaces: {} });
});
afterEach(() => world.stop());

async function file(...attributes: readonly string[]): Promise<DefinitionsDocument> {
  const path = join(world.folder, 'more.yaml');
  await writeFile(path, DEFINITIONS.replaceAll('SHORT', '3s') + attributes.join(''));
  return loadDefinitionsFile(path);
}

let sent = 0;
async function buy(id: string, price = 10): Promise<Sent & { readonly id: string }> {
  const event = purchase(id, { _id: `e-${++sent}`, atMs: Date.now() - 1_000, price });
  return { ...(await producer.send(event.dataset, event.body, { identity: event })), id };
}

async function start(): Promise<Client> {
  await world.startReady({}, { setup: true, definitions: world.document });
  return world.client();
}

const apply = (client: Client, document: DefinitionsDocument): Promise<Applied> =>
  applyDefinitions(client, world.settings(), document);

test('an attribute is added under load: no restart, no lost event; it counts from there on and says since when', async () => {
  const client = await start();
  for (let n = 0; n < 100; n++) await buy(`c-${n % CUSTOMERS}`);
  const quiet = await buy('quiet', 80);
  const before = await client.status();

  const orders: (Sent & { readonly id: string })[] = [];
  let loading = true;
  const load = (async (): Promise<void> => {
    for (let n = 0; loading; n++) orders.push(await buy(`c-${n % CUSTOMERS}`));
  })();
  await delay(500);
  const applied = await apply(client, await file(COUNT, RATIO, AUDIENCE));
  await delay(500);
  loading = false;
  await load;

  expect(applied).toMatchObject({
    revision: 2,
    added: ['computed attribute averageOrder', 'computed attribute bigSpender', 'computed attribute ordersNew'],
    told: [0, 1, 2, 3],
    inForce: [0, 1, 2, 3],
    waiting: [],
  });
  const after = await client.status();
  const lives = (status: typeof before): unknown => [
    status.startedAt,
    ...status.shards.map(({ owner, epoch }) => [owner, epoch]),
  ];
  expect(lives(after)).toEqual(lives(before));

  const log = await openDefinitionsLog(client.nc, client.topology);
  const control = await Promise.all([0, 1, 2, 3].map((shard) => log.last(shard)));
  for (let n = 0; n < CUSTOMERS; n++) {
    const id = `c-${n}`;
    const mine = orders.filter((order) => order.id === id);
    const { shard, sequence } = mine.at(-1)!;
    const view = await client.profile({ namespace: 'customerId', id, after: sequence });
    const later = mine.filter((order) => order.sequence > control[shard]!.sequence).length;
    expect(view!.computed['orders30d']!.value).toBe(mine.length + 100 / CUSTOMERS);
    expect(view!.computed['ordersNew']).toMatchObject({ value: later, since: formatTime(control[shard]!.stampMs) });
    expect(view!.computed['orders30d']).not.toHaveProperty('since');
    expect(view!.computed['averageOrder']!.value).toBe(10);
    expect(view!.audiences).toEqual([]);
  }
  // nothing came for this one since
  const idle = await eventually('the profile that was there before has what was added', async () => {
    const view = await client.profile({ namespace: 'customerId', id: 'quiet', after: quiet.sequence });
    return view?.computed['averageOrder'] !== undefined && view;
  });
  expect(idle.computed['averageOrder']!.value).toBe(80);
  expect(idle.computed['ordersNew']!.value).toBe(0);
  expect(idle.audiences).toEqual(['bigSpender']);
});

test('a restart, with the extended file, comes back to the same values', async () => {
  const client = await start();
  await buy('ada', 60);
  const extended = await file(COUNT, AUDIENCE, RATIO);
  await apply(client, extended);
  const { sequence } = await buy('ada', 80);
  const before = await client.profile({ namespace: 'customerId', id: 'ada', after: sequence });
  expect(before).toMatchObject({ computed: { ordersNew: { value: 1 }, averageOrder: { value: 70 } }, audiences: ['bigSpender'] });
  await world.stopWorkers();
  await world.startReady({}, { setup: true, definitions: extended });
  const again = await client.profile({ namespace: 'customerId', id: 'ada' });
  expect(again!.computed['ordersNew']).toEqual(before!.computed['ordersNew']);
  expect(again!.audiences).toEqual(before!.audiences);
});

test('applying it again is harmless, finishes what a crash has left, and a changed file is refused', async () => {
  const client = await start();
  const extended = await file(COUNT);
  // the crash: the document is live, no log names it
  const live = (await client.meta.liveDefinitions())!;
  const extension = extendDefinitions(world.document, extended);
  if (extension.kind !== 'extended') throw new Error(extension.kind);
  await client.meta.replaceDefinitions(live, extension.document.hash, extension.document.canonical);
  expect(await apply(client, extended)).toMatchObject({ added: [], told: [0, 1, 2, 3], inForce: [0, 1, 2, 3] });
  expect(await apply(client, extended)).toMatchObject({ added: [], told: [], inForce: [0, 1, 2, 3] });

  const refused = await rejectionOf(apply(client, world.document));
  expect(refused.code).toBe('definitions_differ');
  expect(refused.message).toContain('computedAttributes.ordersNew: live');
  const { since, document } = await liveDefinitions(client);
  expect(document.hash).toBe(extension.document.hash);
  expect([...since.keys()]).toEqual([1, 2]);
  expect(since.get(2)).toMatchObject({ exact: true, shards: 4 });
  expect(since.get(2)!.earliestMs).toBeGreaterThan(since.get(1)!.latestMs);
});

test('two at once: one wins, the other is told', async () => {
  const client = await start();
  const [one, other] = [await file(COUNT), await file(RATIO)];
  const results = await Promise.allSettled([apply(client, one), apply(client, other)]);
  const failures = results.filter((result) => result.status === 'rejected');
  expect(failures).toHaveLength(1);
  expect(['conflict', 'definitions_differ']).toContain((failures[0]!.reason as { code: string }).code);
  const both = await file(COUNT, RATIO);
  expect(await apply(client, both)).toMatchObject({ revision: 3, inForce: [0, 1, 2, 3] });
});

test('without a worker it stands too, and a start with the old file says what to do', async () => {
  await world.setup();
  const client = await world.client();
  const extended = await file(COUNT);
  const early = await rejectionOf(world.setup({}, extended));
  expect(early.message).toContain("run 'visage definitions apply FILE'");
  expect(early.message).toContain('computed attribute ordersNew');
  expect(await apply(client, extended)).toMatchObject({ told: [0, 1, 2, 3], inForce: [], waiting: [] });
  const late = await rejectionOf(world.setup());
  expect(late.message).toContain('start the workers with --rebuild');
  await world.setup({}, extended);
  await world.startReady();
  expect((await client.status()).shards.every(({ state }) => state === 'active')).toBe(true);
});
