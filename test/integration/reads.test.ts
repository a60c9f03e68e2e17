// Reads of records and events through a real server and worker: policies, field masks, lists of events and their pages, why a field is what
// it is, the union schema; over NATS, HTTP and the command line.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { parseDefinitionsDocument } from '../../src/definitions/load_definitions.ts';
import { identityKey } from '../../src/message/identity.ts';
import type { EventsPage } from '../../src/profile/events_page.ts';
import type { FieldExplanation } from '../../src/profile/explanation.ts';
import type { UnionSchema } from '../../src/profile/union_schema.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { visage } from '../e2e/program.ts';
import { ask, problemOf } from '../support/ask.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const DEFINITIONS = `
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object, properties: { commerce: { type: object } } } }
  customer:
    class: individual
    behavior: record
    jsonSchema:
      type: object
      additionalProperties: false
      properties:
        _id: { type: string }
        identityMap: { type: object }
        extSourceSystemAudit: { type: object }
        person: { type: object, additionalProperties: false, properties: { firstName: { type: string }, lastName: { type: string } } }
        tier: { type: string }
        emails: { type: object }
datasets:
  orders: { schema: purchase, profile: true }
  refunds: { schema: purchase, profile: true, timeToLive: 10d }
  gifts: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
mergePolicies:
  default: { class: individual, attributes: timestampOrdered, stitching: none, default: true }
  crmFirst: { class: individual, attributes: { dataSetPrecedence: [crm] }, stitching: none }
  graph: { class: individual, attributes: timestampOrdered, stitching: graph }
computedAttributes:
  spend: { class: individual, value: event.commerce.order.priceTotal, function: sum, window: lifetime }
  orders: { class: individual, function: count, window: lifetime }
  vip: { class: individual, function: expression, expression: "spend > 100.0", audience: true }
`;
const DAY_MS = 86_400_000;
const ADA = 'ada@example.com';
const WHO = { namespace: 'customerId', id: ADA };
const PRICES = [25, 10, 9.99, 40, 60];

let world: World;
let started: StartedWorker;
let client: Client;
let config = '';
let last = 0;
let beganMs = 0;

/** A write to a record, or with `_profile` a message about the profile. @returns its sequence */
async function write(dataset: string, id: string, body: object, more: Record<string, string> = {}): Promise<number> {
  const h = headers();
  for (const [name, value] of Object.entries(more)) h.set(name, value);
  const subject = `visage.in.${dataset}.${identityKey({ namespace: 'customerId', id })}`;
  const ack: { seq?: number } = (await client.nc.request(subject, JSON.stringify(body), { timeout: 5_000, headers: h })).json();
  if (ack.seq === undefined) throw new Error('it was not stored');
  return ack.seq;
}

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: parseDefinitionsDocument(DEFINITIONS) });
  client = await world.client();
  config = join(world.folder, 'worker.yaml');
  const { servers } = world.settings().nats;
  await writeFile(config, JSON.stringify({ nats: { servers }, partitions: 4, log: { maxBytes: '1GB' } }));
  beganMs = Date.now() - DAY_MS;
  await write(
    'crm',
    ADA,
    { person: { firstName: 'Ada', lastName: 'Lovelace' }, tier: 'silver' },
    { 'Visage-Last-Updated': formatTime(beganMs) },
  );
  await write('loyalty', ADA, { person: { firstName: 'A.' }, tier: 'gold', emails: { 'a,b@x.y': { ok: true } } });
  const refund = purchase(ADA, { _id: 'old', atMs: Date.now() - 11 * DAY_MS, price: 1, dataset: 'refunds' });
  const events = PRICES.map((price, n) =>
    purchase(ADA, { _id: `e-${n}`, atMs: beganMs + n, price, channel: n < 3 ? 'web' : 'app' }),
  );
  await publishAll([refund, ...events, events[0]!], { nc: client.nc, inFlight: 1 });
  last = await publishAll([{ ...events[1]!, body: '{"_id":"refused"}' }], { nc: client.nc });
}, 60_000);
afterAll(() => world.stop());

const path = (id: string, page = ''): string => `/profiles/customerId/${encodeURIComponent(id)}${page}`;
const get = (of: string) => ask(started.worker.ports.httpPort, of);
const json = async <T>(of: string): Promise<T> => {
  const answer = await get(of);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return JSON.parse(answer.text) as T;
};
const idsOf = (page: EventsPage | undefined): string[] => page!.events.map(({ _id }) => _id);
/** What changes from one moment to the next. */
const still = <T extends object>(answer: T): T => ({ ...answer, sequence: 0, time: '' });

describe('policies', () => {
  test('merge what records say; the rest is the same', async () => {
    const view = await client.profile({ ...WHO, after: last });
    expect(view).toMatchObject({
      policy: 'default',
      attributes: { person: { firstName: 'A.', lastName: 'Lovelace' }, tier: 'gold', emails: { 'a,b@x.y': { ok: true } } },
      computed: { spend: { value: 145.99 }, orders: { value: 6 } },
      audiences: ['vip'],
    });
    const crm = await client.profile({ ...WHO, policy: 'crmFirst' });
    expect(crm).toMatchObject({
      policy: 'crmFirst',
      attributes: { person: { firstName: 'Ada', lastName: 'Lovelace' }, tier: 'silver' },
    });
    expect(crm!.attributes).not.toHaveProperty('emails');
    expect(crm!.computed).toEqual(view!.computed);
    expect(still(await json<ProfileView>(path(ADA, '?policy=crmFirst')))).toEqual(still(crm!));
    expect(view).not.toHaveProperty('stitching');
    expect(await client.profile({ ...WHO, policy: 'graph' })).toMatchObject({ stitching: 'none', attributes: view!.attributes });
  });

  test('that are unknown are refused, the known ones named', async () => {
    for (const page of ['?policy=secret', '/explain/tier?policy=secret']) {
      const answer = await get(path(ADA, page));
      expect(problemOf(answer)).toMatchObject({ status: 422, code: 'no_such_policy' });
      expect(answer.text).not.toContain('secret');
      for (const name of ['default', 'crmFirst', 'graph']) expect(problemOf(answer).detail).toContain(name);
    }
    await expect(client.profile({ ...WHO, policy: 'secret' })).rejects.toMatchObject({ code: 'no_such_policy' });
  });
});

describe('fields', () => {
  test('only what is asked for, the same over HTTP and NATS', async () => {
    const fields = ['spend', 'person.firstName', 'emails["a,b@x.y"]'];
    const view = (await client.profile({ ...WHO, fields, after: last }))!;
    expect(view).toMatchObject({ policy: 'default', version: expect.any(Number) as number });
    expect(view.attributes).toEqual({ person: { firstName: 'A.' }, emails: { 'a,b@x.y': { ok: true } } });
    expect(view.computed).toEqual({ spend: { value: 145.99 } });
    expect(view.audiences).toEqual([]);
    const query = `?fields=${encodeURIComponent(fields.join(','))}`;
    expect(still(await json<ProfileView>(path(ADA, query)))).toEqual(still(view));
    expect((await client.profile({ ...WHO, fields: ['audiences'] }))!.audiences).toEqual(['vip']);
  });

  test('that closed schemas do not have are refused; what an open object may have is absent', async () => {
    for (const field of ['spent', 'computed.tier', 'person.middleName', 'a..b'])
      expect(problemOf(await get(path(ADA, `?fields=orders,${field}`)))).toMatchObject({ status: 422, code: 'bad_query' });
    expect((await client.profile({ ...WHO, fields: ['emails.other'] }))!.attributes).toEqual({});
  });
});

describe('events', () => {
  test('those that count, in order, with their payload; not the refused, the repeated, the records, or what is past its time to live', async () => {
    const page = (await client.events({ ...WHO, after: last }))!;
    expect(idsOf(page)).toEqual(['e-0', 'e-1', 'e-2', 'e-3', 'e-4']);
    expect(page).toMatchObject({ profile: WHO, next: null, sequence: last });
    expect(page).not.toHaveProperty('missing');
    expect(page.events[0]).toMatchObject({
      dataset: 'orders',
      timestamp: formatTime(beganMs),
      eventType: 'commerce.purchases',
      event: { _id: 'e-0', commerce: { order: { priceTotal: 25, channel: 'web' } } },
    });
    expect(still(await json<EventsPage>(path(ADA, '/events')))).toEqual(still(page));
    // explain says of the one that is past its time to live that it counts
    expect(await client.explain({ ...WHO, field: 'orders' })).toMatchObject({ value: 6, counted: 6, agedOut: 1 });
  });

  test('by range, type and properties, backwards', async () => {
    const ids = async (query: string): Promise<string[]> => idsOf(await json<EventsPage>(path(ADA, `/events?${query}`)));
    expect(await ids(`start=${formatTime(beganMs + 1)}&end=${formatTime(beganMs + 3)}`)).toEqual(['e-1', 'e-2']);
    expect(await ids(`start=${encodeURIComponent(formatTime(beganMs + 1).replace('Z', '+00:00'))}&order=desc`)).toEqual([
      'e-4',
      'e-3',
      'e-2',
      'e-1',
    ]);
    expect(await ids('type=page.view')).toEqual([]);
    expect(await ids('type=page.view&type=commerce.purchases&limit=2')).toEqual(['e-0', 'e-1']);
    const properties = ['commerce.order.priceTotal >= 10', 'commerce.order.channel = web', 'commerce.order.priceTotal != 25'];
    expect(await ids(properties.map((each) => `property=${encodeURIComponent(each)}`).join('&'))).toEqual(['e-1']);
  });

  test('page after page the same list, whatever comes meanwhile; what is deleted meanwhile is gone', async () => {
    const id = 'pages';
    const send = (_id: string, atMs: number) => publishAll([purchase(id, { _id, atMs })], { nc: client.nc });
    for (let n = 0; n < 5; n++) await send(`p-${n}`, beganMs + 10 * n);
    const after = await send('p-5', beganMs + 50);
    const first = (await client.events({ namespace: 'customerId', id, limit: 2, after }))!;
    expect(idsOf(first)).toEqual(['p-0', 'p-1']);
    const later = await send('between', beganMs + 25);
    const second = (await client.events({ namespace: 'customerId', id, limit: 2, page: first.next!, after: later }))!;
    expect(idsOf(second)).toEqual(['p-2', 'p-3']);
    expect([second.sequence, first.sequence]).toEqual([after, after]);
    expect(idsOf(await client.events({ namespace: 'customerId', id, limit: 9, page: second.next! }))).toEqual(['p-4', 'p-5']);
    expect(idsOf(await client.events({ namespace: 'customerId', id, after: later }))).toContain('between');
    for (const more of ['&order=desc', '&type=x']) {
      const problem = problemOf(await get(path(id, `/events?page=${first.next}${more}`)));
      expect(problem).toMatchObject({ status: 422, code: 'bad_query' });
    }
    expect(problemOf(await get(path(ADA, `/events?page=${first.next}`)))).toMatchObject({ status: 422, code: 'bad_query' });

    const deleted = await write('_profile', id, {}, { 'Visage-Operation': 'delete' });
    expect(await client.events({ namespace: 'customerId', id, page: first.next!, after: deleted })).toBeUndefined();
    const again = await send('anew', Date.now());
    expect(idsOf(await client.events({ namespace: 'customerId', id, page: first.next!, after: again }))).toEqual([]);
    expect(idsOf(await client.events({ namespace: 'customerId', id, after: again }))).toEqual(['anew']);
    expect(await client.explain({ namespace: 'customerId', id, field: 'orders', after: again })).toMatchObject({
      value: 1,
      counted: 1,
    });
  });

  test('of a deleted dataset are gone, from lists, explanations and values alike', async () => {
    const id = 'dataset';
    const old = ['orders', 'gifts'].map((dataset) => purchase(id, { _id: dataset, atMs: Date.now() - 1_000, price: 5, dataset }));
    await publishAll(old, { nc: client.nc, inFlight: 1 });
    const shard = (await client.profile({ namespace: 'customerId', id, after: await write('crm', id, { tier: 'x' }) }))!.shard;
    const subject = `visage.log.${shard}.ctl.deleteDataset`;
    const ack: { seq: number } = (
      await client.nc.request(subject, JSON.stringify({ kind: 'deleteDataset', dataset: 'gifts' }))
    ).json();
    const after = ack.seq;
    const asked = { namespace: 'customerId', id, after };
    expect(idsOf(await client.events(asked))).toEqual(['orders']);
    expect(await client.explain({ ...asked, field: 'orders' })).toMatchObject({
      value: 1,
      counted: 1,
      events: [{ _id: 'orders' }],
    });
  });

  test('that do not fit one answer come page by page', async () => {
    const id = 'long';
    const events = Array.from({ length: 300 }, (_, n) =>
      purchase(id, { _id: `l-${n}`, atMs: beganMs + n, channel: `${n}${'é'.repeat(3_000)}` }),
    );
    const after = await publishAll(events, { nc: client.nc });
    const seen: string[] = [];
    for (let page: string | undefined; seen.length < 300;) {
      const found = (await client.events({
        namespace: 'customerId',
        id,
        limit: 1_000,
        after,
        ...(page === undefined ? {} : { page }),
      }))!;
      expect(found.events.length).toBeGreaterThan(50);
      seen.push(...idsOf(found));
      if (found.next === null) break;
      page = found.next;
    }
    expect(seen).toEqual(events.map((_, n) => `l-${n}`));
    expect((await json<EventsPage>(path(id, '/events?limit=1000'))).events).toHaveLength(300);
  });

  test.each<[string, string, number, string]>([
    ['an unknown profile', path('nobody', '/events'), 404, 'not_found'],
    ['a start that is none', path(ADA, '/events?start=secret'), 422, 'bad_query'],
    ['an order that is none', path(ADA, '/events?order=secret'), 422, 'bad_query'],
    ['a property that is none', path(ADA, '/events?property=secret'), 422, 'bad_query'],
    ['four properties', path(ADA, '/events?property=a%3D1&property=b%3D1&property=c%3D1&property=d%3D1'), 422, 'bad_query'],
    ['a limit too large', path(ADA, '/events?limit=1001'), 422, 'bad_query'],
    ['a page that is none', path(ADA, '/events?page=secret'), 422, 'bad_query'],
    ['no time at all', path(ADA, '/events?timeout=0s'), 504, 'events_timeout'],
    ['a sequence that does not come', path(ADA, '/events?after=9999999&timeout=100ms'), 504, 'not_yet'],
    ['an unknown class', '/schemas/union/secret', 404, 'no_such_class'],
  ])('%s is refused', async (_, of, status, code) => {
    const answer = await get(of);
    expect(problemOf(answer)).toMatchObject({ status, code });
    expect(answer.text).not.toMatch(/secret|nobody|example\.com/);
  });
});

describe('why a field is what it is', () => {
  test('a leaf: who wins, who loses and why; the same over HTTP', async () => {
    const found = (await client.why({ ...WHO, field: 'person.firstName', after: last })) as FieldExplanation;
    expect(found).toMatchObject({
      field: 'attributes.person.firstName',
      policy: 'default',
      rule: 'timestampOrdered: the newest lastUpdated wins',
      value: 'A.',
      winner: { dataset: 'loyalty', value: 'A.' },
      losers: [{ dataset: 'crm', value: 'Ada', lastUpdated: formatTime(beganMs), why: 'older: its lastUpdated is earlier' }],
      notTakingPart: [],
    });
    const http = await json<FieldExplanation>(path(ADA, '/explain/attributes.person.firstName'));
    expect(still(http)).toEqual(still(found));
    expect(await json(path(ADA, '/explain/person.firstName?policy=crmFirst'))).toMatchObject({
      rule: 'dataSetPrecedence: crm',
      value: 'Ada',
      losers: [],
      notTakingPart: ['loyalty'],
    });
  });

  test('an object, leaf by leaf', async () => {
    const found = await json<{ fields: { field: string }[] }>(path(ADA, '/explain/person'));
    expect(found.fields.map(({ field }) => field)).toEqual(['attributes.person.firstName', 'attributes.person.lastName']);
  });

  test('a field that nobody has said, and one that there is not', async () => {
    expect(await client.why({ namespace: 'customerId', id: 'long', field: 'tier' })).toMatchObject({
      losers: [],
      notTakingPart: [],
    });
    const problem = problemOf(await get(path(ADA, '/explain/person.firstNam')));
    expect(problem).toMatchObject({ status: 404, code: 'no_such_field' });
    expect(problem.detail).toContain("(did you mean 'person.firstName'?); known computed: orders, spend, vip");
  });
});

test('the union schema of the live definitions', async () => {
  const union = await json<UnionSchema>('/schemas/union/individual');
  expect(union.class).toBe('individual');
  expect(union.fields.find((field) => field.path === 'person.firstName')).toMatchObject({
    type: 'string',
    schemas: ['customer'],
    datasets: ['crm', 'loyalty'],
  });
});

describe('on the command line', () => {
  const run = (...words: string[]) => visage([...words, '--config', config]);

  test('get, with policy and fields', async () => {
    const crm = await run('get', 'customerId', ADA, '--policy', 'crmFirst');
    expect(crm.stdout).toMatch(
      /\n {2}person\.firstName +"Ada"\n {2}person\.lastName +"Lovelace"\n {2}tier +"silver"\n {2}merged by policy crmFirst\n/,
    );
    const some = await run('get', 'customerId', ADA, '--fields', 'spend,person.firstName', '--json');
    expect(JSON.parse(some.stdout)).toMatchObject({
      attributes: { person: { firstName: 'A.' } },
      computed: { spend: { value: 145.99 } },
    });
    const field = await run('get', 'customerId', ADA, '--fields', 'spent');
    expect(field.code).toBe(2);
    expect(field.stderr).toMatch(/^error: .*did you mean 'spend'.*\n$/);
  });

  test('events', async () => {
    const words = ['events', 'customerId', ADA, '--type', 'commerce.purchases', '--property', 'commerce.order.priceTotal > 9.99'];
    const page = await run(...words, '--order', 'desc', '--limit', '2');
    const lines = page.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^customerId:ada@example\.com {2}shard \d, sequence \d+, /);
    expect(lines[2]).toMatch(/^time +type +event +dataset +sequence +payload$/);
    expect(lines.slice(3, 5).map((line) => line.split(/ +/)[2])).toEqual(['e-4', 'e-3']);
    const token = /^more: --page (\S+)$/.exec(lines.at(-1)!)![1]!;
    const next = await run(...words, '--order', 'desc', '--page', token, '--json');
    expect(idsOf(JSON.parse(next.stdout) as EventsPage)).toEqual(['e-1', 'e-0']);
    const wrong = await Promise.all([run('events', 'customerId', ADA, '--page', token), run('events', 'customerId', 'nobody')]);
    expect(wrong.map(({ code }) => code)).toEqual([2, 1]);
  });

  test('explain of a record field', async () => {
    const { stdout } = await run('explain', 'customerId', ADA, 'tier');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('customerId:ada@example.com  attributes.tier');
    expect(lines[2]).toBe('  policy default, timestampOrdered: the newest lastUpdated wins');
    expect(lines[4]).toBe('attributes.tier "gold"');
    expect(lines[6]).toMatch(/^\* +loyalty +"gold" .* wins$/);
    expect(lines[7]).toMatch(/^ +crm +"silver" .* older: its lastUpdated is earlier$/);
  });
});

test('a log that has lost its beginning: what cannot be listed is said', async () => {
  await (await jetstreamManagerOf(client.nc)).streams.purge(client.topology.logStream, { keep: 1 });
  const page = (await client.events(WHO))!;
  expect(page.events).toEqual([]);
  expect(page.missing).toMatch(/^the log begins at sequence \d+ \(\S+Z\); events before are gone and cannot be listed$/);
  const start = formatTime(Date.now() + 10 * 60_000);
  expect(await client.events({ ...WHO, start })).not.toHaveProperty('missing');
  expect(await client.profile(WHO)).toMatchObject({ computed: { orders: { value: 6 } } });
});

test('nothing of all that is in the log', () => {
  const all = started.log.join('');
  for (const word of ['example.com', 'nobody', 'secret', 'Lovelace', 'firstName']) expect(all).not.toContain(word);
  const loud = started.log.map((line) => JSON.parse(line) as { level: number; msg: string }).filter(({ level }) => level > 30);
  expect(loud.map(({ msg }) => msg)).toEqual([expect.stringMatching(/^stitching 'graph' of merge policy graph: /)]); // once
});
