// Explanations through a real server and worker: what is listed adds up to the value, over NATS, HTTP and the command line; what is
// refused and how; a log that has lost its beginning.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { formatTime } from '../../src/base/time.ts';
import type { Explanation } from '../../src/profile/explanation.ts';
import { parseDefinitionsDocument } from '../../src/definitions/load_definitions.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { visage } from '../e2e/program.ts';
import { ask, problemOf } from '../support/ask.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const CUSTOMERS = Array.from({ length: 12 }, (_, n) => `person-${n}@example.com`);
const CHANNELS = ['web', 'app', 'shop'];

let world: World;
let started: StartedWorker;
let client: Client;
let config = '';
let last = 0;

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: world.document });
  client = await world.client();
  config = join(world.folder, 'worker.yaml');
  const { servers } = world.settings().nats;
  await writeFile(config, JSON.stringify({ nats: { servers }, partitions: 4, log: { maxBytes: '1GB' } }));
  last = await publishAll([...randomEvents(7, Date.now())], { nc: client.nc, inFlight: 1 });
}, 60_000);
afterAll(() => world.stop());

/** In the window, before it, at the same instant, again under the same id, refused, of another type. */
function* randomEvents(seed: number, nowMs: number): Generator<Sendable> {
  const random = seededRandom(seed);
  for (let n = 0; n < 400; n++) {
    const id = CUSTOMERS[random.below(CUSTOMERS.length)]!;
    const dataset = random.below(4) === 0 ? 'refunds' : 'orders';
    const event = purchase(id, {
      _id: `e-${random.below(60)}`,
      atMs: nowMs - 60_000 - random.below(45) * DAY_MS,
      price: random.below(30_000) / 100 - 10,
      channel: CHANNELS[random.below(3)]!,
      dataset,
    });
    const kind = random.below(20);
    if (kind === 0) yield { ...event, body: '{"_id":"broken"}' };
    else if (kind === 1) yield { ...event, body: String(event.body).replace('commerce.purchases', 'page.view') };
    else yield event;
  }
}

async function explained(id: string, field: string, more: { limit?: number; after?: number } = {}): Promise<Explanation> {
  const found = await client.explain({ namespace: 'customerId', id, field, after: last, ...more });
  expect(found).toBeDefined();
  return found!;
}

const path = (id: string, field: string, query = ''): string =>
  `/profiles/customerId/${encodeURIComponent(id)}/explain/${field}${query}`;

const cents = (events: Explanation['events']): number =>
  events.reduce((sum, { value }) => sum + Math.round((value as number) * 100), 0);

describe('what is listed', () => {
  test.each(CUSTOMERS)('adds up to the values of %s', async (id) => {
    for (const field of ['spend30d', 'spendLifetime']) {
      const { value, counted, events } = await explained(id, field, { limit: 10_000 });
      expect(events).toHaveLength(counted);
      expect(cents(events)).toBe(Math.round((value as number) * 100));
    }
    for (const field of ['orders30d', 'bigOrders30d']) {
      const { value, counted, events } = await explained(id, field, { limit: 10_000 });
      expect([counted, events.length]).toEqual([value, value]);
      expect(events.every((event) => !('value' in event))).toBe(true);
    }
    const { value, timestamp, events } = await explained(id, 'lastChannel');
    expect(events.filter((event) => event.decides === true)).toEqual([events[0]]);
    expect([events[0]!.value, events[0]!.timestamp]).toEqual([value, timestamp]);
  });

  test('is in order, inside of the window, and leaves when the profile says', async () => {
    const { range, events, nextChangeAt } = await explained(CUSTOMERS[0]!, 'spend30d');
    if (range?.kind !== 'sliding') throw new Error('no sliding window');
    const times = events.map((event) => event.timestamp);
    expect(times).toEqual([...times].sort().reverse());
    expect(times.every((time) => time >= range.from && time <= range.to)).toBe(true);
    expect(events.at(-1)!.leavesAt).toBe(nextChangeAt);
  });

  test('is as the profile is', async () => {
    const id = CUSTOMERS[1]!;
    const view = await client.profile({ namespace: 'customerId', id, after: last });
    const found = await explained(id, 'computed.spend30d');
    const { version, shard, profile, computed } = view!;
    expect(found).toMatchObject({
      field: 'spend30d',
      function: 'sum',
      window: '30d',
      version,
      shard,
      profile,
      ...computed['spend30d'],
    });
    expect(found).not.toHaveProperty('missing');
  });

  test('has what was just written', async () => {
    for (let n = 0; n < 10; n++) {
      const after = await publishAll([purchase('own-write', { _id: `w-${n}`, atMs: Date.now() - 60_000 })], { nc: client.nc });
      const found = await explained('own-write', 'orders30d', { after });
      expect([found.counted, found.value, found.events[0]!._id]).toEqual([n + 1, n + 1, `w-${n}`]);
    }
  });

  test('is cut short at the limit, and says so', async () => {
    const all = await explained(CUSTOMERS[2]!, 'spendLifetime');
    const { counted, events, truncated } = await explained(CUSTOMERS[2]!, 'spendLifetime', { limit: 3 });
    expect([counted, truncated]).toEqual([all.counted, true]);
    expect(events).toEqual(all.events.slice(0, 3));
  });

  test('fits what the server carries; over HTTP all of it is there', async () => {
    const atMs = Date.now() - DAY_MS;
    const long = Array.from({ length: 300 }, (_, n) =>
      purchase('long', { _id: `l-${n}`, atMs: atMs + n, channel: `${n}${'é'.repeat(3_000)}` }),
    );
    const after = await publishAll(long, { nc: client.nc });
    const cut = await explained('long', 'lastChannel', { after, limit: 10_000 });
    expect(cut.events.length).toBeLessThan(200);
    expect(cut).toMatchObject({ counted: 300, truncated: true });
    expect(cut.events[0]).toMatchObject({ _id: 'l-299', decides: true });
    const answer = await ask(started.worker.ports.httpPort, path('long', 'lastChannel', '?limit=10000'));
    expect((JSON.parse(answer.text) as Explanation).events).toHaveLength(300);
  });
});

describe('over HTTP', () => {
  const get = (of: string) => ask(started.worker.ports.httpPort, of);

  test('it is the same JSON', async () => {
    const answer = await get(path(CUSTOMERS[3]!, 'computed.spendLifetime', `?after=${last}&timeout=5s&limit=5`));
    expect(answer).toMatchObject({ status: 200, type: 'application/json; charset=utf-8', cache: 'no-store' });
    const asked = await explained(CUSTOMERS[3]!, 'spendLifetime', { limit: 5 });
    expect({ ...(JSON.parse(answer.text) as Explanation), sequence: 0, time: '', range: 0 }).toEqual({
      ...asked,
      sequence: 0,
      time: '',
      range: 0,
    });
  });

  test.each<[string, string, number, string]>([
    ['an unknown profile', path('nobody', 'spend30d'), 404, 'not_found'],
    ['an unknown field', path(CUSTOMERS[0]!, 'spend3d'), 404, 'no_such_field'],
    ['a field of Object', path(CUSTOMERS[0]!, 'constructor'), 404, 'no_such_field'],
    ['a limit of none', path(CUSTOMERS[0]!, 'spend30d', '?limit=0'), 422, 'bad_query'],
    ['a limit too large', path(CUSTOMERS[0]!, 'spend30d', '?limit=10001'), 422, 'bad_query'],
    ['a limit that is none', path(CUSTOMERS[0]!, 'spend30d', '?limit=secret'), 422, 'bad_query'],
    ['an unknown parameter', path(CUSTOMERS[0]!, 'spend30d', '?secret=1'), 422, 'bad_query'],
    ['a sequence that does not come', path(CUSTOMERS[0]!, 'spend30d', '?after=9999999&timeout=100ms'), 504, 'not_yet'],
    ['no time at all', path(CUSTOMERS[0]!, 'spend30d', '?timeout=0s'), 504, 'explain_timeout'],
    ['a namespace that is no name', '/profiles/secret%40x/mars/explain/spend30d', 422, 'bad_identity'],
    ['no field', path(CUSTOMERS[0]!, ''), 404, 'no_such_field'],
  ])('%s is refused', async (_, of, status, code) => {
    const answer = await get(of);
    expect(problemOf(answer)).toMatchObject({ status, code });
    expect(answer.text).not.toMatch(/secret|nobody|mars|spend3d/);
  });

  test('an unknown field names those that there are', async () => {
    const { detail } = problemOf(await get(path(CUSTOMERS[0]!, 'spend3d')));
    expect(detail).toMatch(/\(did you mean 'spend30d'\?\); known: bigOrders30d, lastChannel, .*, spendShort$/);
  });

  test('too many at once are told to come again', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, () => get(path(CUSTOMERS[4]!, 'spendLifetime'))));
    const good = answers.filter(({ status }) => status === 200);
    const busy = answers.filter(({ status }) => status === 503);
    expect(good.length).toBeGreaterThanOrEqual(18); // two at work, sixteen wait
    expect(good.length + busy.length).toBe(60);
    for (const answer of busy) expect(problemOf(answer).code).toBe('too_many_explains');
    expect((await get(path(CUSTOMERS[4]!, 'spendLifetime'))).status).toBe(200);
  });
});

describe('on the command line', () => {
  test('JSON is the same, text is for people', async () => {
    const id = 'ada';
    const atMs = Date.now() - DAY_MS;
    const prices = [25, 10, 9.99, 40];
    const after = await publishAll(
      prices.map((price, n) => purchase(id, { _id: `a-${n}`, atMs: atMs + n, price })),
      { nc: client.nc, inFlight: 1 },
    );
    const all = ['explain', 'customerId', id, 'spend30d', '--after', String(after), '--config', config];
    const json = await visage([...all, '--json']);
    const asked = await explained(id, 'spend30d', { after });
    expect({ ...(JSON.parse(json.stdout) as Explanation), sequence: 0, time: '', range: 0 }).toEqual({
      ...asked,
      sequence: 0,
      time: '',
      range: 0,
    });
    const { stdout, code } = await visage(all);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('customerId:ada  spend30d 84.99');
    expect(lines[2]).toMatch(/^ {2}sum, window 30d: \S+Z to \S+Z, both included$/);
    expect(lines[3]).toMatch(/^ {2}changes at \S+Z if nothing else happens$/);
    expect(lines[5]).toMatch(/^ +event +dataset +time +value +sequence +leaves at$/);
    expect(lines[6]).toContain(`a-3    orders   ${formatTime(atMs + 3)}`);
    expect(lines.at(-1)).toBe('4 events, sum 84.99');
    const short = await visage([...all.slice(0, 3), 'lastChannel', '--limit', '1', '--config', config]);
    expect(short.stdout).toMatch(/\n\* {2}a-3 .*\n\* decides the value\n\n4 events, 1 of them listed, mostRecent "web"\n$/);
  });

  test('what is unknown or wrong is one line', async () => {
    const asks = (id: string, field: string, ...more: string[]) =>
      visage(['explain', 'customerId', id, field, ...more, '--config', config]);
    const [field, profile, limit] = await Promise.all([
      asks(CUSTOMERS[0]!, 'spent30d'),
      asks('nobody', 'spend30d'),
      asks(CUSTOMERS[0]!, 'spend30d', '--limit', '10001'),
    ]);
    expect(field.stderr).toMatch(/^error: there is no such computed field \(did you mean 'spend30d'\?\); known: .*\n$/);
    expect(profile.stderr).toBe('error: there is no profile customerId:nobody\n');
    expect(limit.stderr).toContain('It must be a whole number, 1 to 10000.');
    expect([field.code, profile.code, limit.code]).toEqual([1, 1, 2]);
  });
});

describe('of every function', () => {
  const FUNCTIONS = `
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase:
    class: individual
    behavior: event
    jsonSchema: { type: object, properties: { commerce: { type: object, properties: { order: { type: object, properties: { priceTotal: { type: number }, channel: { type: string } } } } } } }
datasets: { orders: { schema: purchase, profile: true }, refunds: { schema: purchase, profile: true } }
computedAttributes:
  lowest: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: min, window: { sliding: 30d } }
  highest: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: max, window: lifetime }
  average: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: average, window: { calendar: month, count: 2 } }
  first: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: earliest, window: { sliding: 30d } }
  last: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: list, limit: 3, window: { calendar: week, count: 4 } }
  channels: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: countDistinct, window: { sliding: 20d } }
  bought: { class: individual, eventTypes: [commerce.purchases], function: exists, window: { sliding: 1d } }
  spread: { class: individual, function: expression, expression: highest - lowest }
`;
  let all: Client;
  let end = 0;

  beforeAll(async () => {
    const root = { root: 'every', instance: 'every', dataDirectory: join(world.folder, 'every') };
    await world.startReady(root, { setup: true, definitions: parseDefinitionsDocument(FUNCTIONS) });
    all = await world.client(root);
    end = await publishAll([...randomEvents(11, Date.now())], { nc: all.nc, root: 'every', inFlight: 1 });
  });

  test.each(CUSTOMERS)('the events of %s that decide make the value', async (id) => {
    const of = async (field: string): Promise<Explanation & { decide: unknown[]; all: unknown[] }> => {
      const found = (await all.explain({ namespace: 'customerId', id, field, after: end, limit: 10_000 }))!;
      const decide = found.events.filter((event) => event.decides === true).map((event) => event.value);
      return { ...found, decide, all: found.events.map((event) => event.value) };
    };
    for (const [field, pick] of [
      ['lowest', Math.min],
      ['highest', Math.max],
    ] as const) {
      const found = await of(field);
      expect(found.value).toBe(pick(...(found.all as number[])));
      expect(new Set(found.decide)).toEqual(new Set([found.value]));
    }
    const average = await of('average');
    expect(average.value as number).toBeCloseTo(cents(average.events) / 100 / average.counted, 9);
    const first = await of('first');
    expect([first.decide, first.events.at(-1)!.decides, first.events.at(-1)!.timestamp]).toEqual([
      [first.value],
      true,
      first.timestamp,
    ]);
    const last = await of('last');
    expect(last.decide).toEqual(last.value);
    const channels = await of('channels');
    expect([channels.decide.length, new Set(channels.all).size]).toEqual([channels.value, channels.value]);
    const bought = await of('bought');
    expect(bought.counted > 0).toBe(bought.value);
    const { computed } = (await all.profile({ namespace: 'customerId', id, after: end }))!;
    const { lowest, highest } = computed;
    expect(await of('spread')).toMatchObject({ ...computed['spread'], counted: 0, inputs: { lowest, highest } });
  });

  test('a window that leaves next is that of the event that leaves first', async () => {
    for (const id of CUSTOMERS) {
      for (const field of ['lowest', 'average', 'first', 'last', 'channels', 'bought']) {
        const { events, nextChangeAt, function: name } = (await all.explain({ namespace: 'customerId', id, field, after: end }))!;
        const deciding = events.filter((event) => name === 'average' || event.decides === true).map((event) => event.leavesAt!);
        deciding.sort();
        // the extreme changes when the last event that holds it leaves
        expect(nextChangeAt).toBe(name === 'min' ? deciding.at(-1) : deciding[0]);
      }
    }
  });
});

test('a log that has lost its beginning: values stay, and what cannot be listed is said', async () => {
  const id = CUSTOMERS[5]!;
  const before = await explained(id, 'spendLifetime');
  const jsm = await jetstreamManagerOf(client.nc);
  await jsm.streams.purge(client.topology.logStream, { keep: 1 });
  const lifetime = await explained(id, 'spendLifetime');
  expect(lifetime).toMatchObject({ value: before.value, counted: 0, events: [] });
  expect(lifetime.missing).toMatch(
    /^the log begins at sequence \d+ \(\S+Z\); events before are gone: values stay, they cannot be listed$/,
  );
  const after = await publishAll([purchase(id, { _id: 'after', atMs: Date.now() - 60_000, price: 7 })], { nc: client.nc });
  const more = await explained(id, 'spendLifetime', { after });
  expect(more.events.map((event) => [event._id, event.value])).toEqual([['after', 7]]);
  expect(Math.round((more.value as number) * 100)).toBe(Math.round((before.value as number) * 100) + 700);
  // nothing that is gone reaches into the last three seconds for long; the shard's time moves with its messages
  const short = async (): Promise<string | undefined> => {
    const moved = await publishAll([purchase(id, { _id: `t-${Date.now()}`, atMs: Date.now() - 60_000 })], { nc: client.nc });
    return (await explained(id, 'spendShort', { after: moved })).missing;
  };
  await expect.poll(short, { timeout: 10_000, interval: 200 }).toBeUndefined();
});

test('nothing of all that is in the log', () => {
  const all = started.log.join('');
  for (const word of ['person-', 'nobody', 'secret', 'own-write', 'spend3d', 'ada']) expect(all).not.toContain(word);
  expect(started.log.filter((line) => (JSON.parse(line) as { level: number }).level > 30)).toEqual([]);
});
