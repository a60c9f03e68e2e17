// A shop with two datasets of events and two of records: definitions, and a load of all that can be done to its customers, from a seed.
// RL1: the same options give the same messages. RL2: after `everyone` every customer has something of both datasets of events, and of one of records.
import type { Random } from '../../src/base/random.ts';
import { formatTime } from '../../src/base/time.ts';
import type { Producer, SendOptions } from '../../src/producer/producer.ts';

/** Every function whose value must be exact when some of what it was made of is gone. SHORT: a window that runs out during a test. */
export const SHOP = {
  version: 1,
  namespaces: { customerId: { type: 'person', priority: 1, unique: true } },
  schemas: {
    purchase: {
      class: 'individual',
      behavior: 'event',
      jsonSchema: {
        type: 'object',
        required: ['price'],
        properties: { price: { type: 'number', minimum: 0 }, channel: { type: 'string' } },
      },
    },
    customer: {
      class: 'individual',
      behavior: 'record',
      jsonSchema: {
        type: 'object',
        properties: {
          city: { type: 'string' },
          age: { type: 'integer', minimum: 0 },
          tags: { type: 'array', items: { type: 'string' } },
          name: { type: 'object', properties: { first: { type: 'string' }, last: { type: 'string' } } },
        },
      },
    },
  },
  datasets: {
    orders: { schema: 'purchase', profile: true },
    returns: { schema: 'purchase', profile: true },
    crm: { schema: 'customer', profile: true },
    loyalty: { schema: 'customer', profile: true },
  },
  mergePolicies: {
    newest: { class: 'individual', attributes: 'timestampOrdered', stitching: 'none', default: true },
    loyaltyFirst: { class: 'individual', attributes: { dataSetPrecedence: ['loyalty', 'crm'] }, stitching: 'none' },
  },
  computedAttributes: {
    spend: { class: 'individual', function: 'sum', value: 'event.price', window: 'lifetime' },
    spendShort: { class: 'individual', function: 'sum', value: 'event.price', window: { sliding: '2s' } },
    orders30d: { class: 'individual', function: 'count', window: { sliding: '30d' } },
    cheapest: { class: 'individual', function: 'min', value: 'event.price', window: 'lifetime' },
    dearest: { class: 'individual', function: 'max', value: 'event.price', window: 'lifetime' },
    mean: { class: 'individual', function: 'average', value: 'event.price', window: 'lifetime' },
    firstPrice: { class: 'individual', function: 'earliest', value: 'event.price', window: 'lifetime' },
    lastPrice: { class: 'individual', function: 'mostRecent', value: 'event.price', window: 'lifetime' },
    prices: { class: 'individual', function: 'list', value: 'event.price', limit: 4, window: 'lifetime' },
    channels: { class: 'individual', function: 'countDistinct', value: 'event.channel', window: 'lifetime' },
    bought: { class: 'individual', function: 'exists', window: { sliding: '30d' } },
    fromOslo: {
      class: 'individual',
      function: 'expression',
      expression: 'profile.city == "Oslo" && spend > 50.0',
      audience: true,
    },
  },
} as const;

export type ShopMessage = {
  readonly dataset: string;
  readonly id: string;
  readonly body: object | null;
  readonly options: Omit<SendOptions, 'identity'>;
};

const EVENTS = ['orders', 'returns'] as const;
const RECORDS = ['crm', 'loyalty'] as const;
const CITIES = ['Oslo', 'Rome', 'Bonn', 'Kyiv'];
const CHANNELS = ['web', 'store', 'app', 'phone', 'mail'];
const LATE_MS_MAX = 3_600_000;

/** @param tag begins every `_id`, one of its own per call */
export function* everyone(random: Random, customers: number, tag: string): Generator<ShopMessage, void, undefined> {
  for (let n = 0; n < customers; n++) {
    const id = `c-${n}`;
    for (const dataset of EVENTS) yield { dataset, id, body: purchase(random, `${tag}-${n}`), options: {} };
    yield { dataset: RECORDS[n % 2]!, id, body: customer(random), options: {} };
  }
}

/** Purchases (some late, some twice), creates, merges and deletes of records (some stale), deletes of profiles, and a few that are refused. */
export function* someOfAll(
  random: Random,
  customers: number,
  count: number,
  tag: string,
): Generator<ShopMessage, void, undefined> {
  let last: ShopMessage | undefined;
  for (let n = 0; n < count; n++) {
    const id = `c-${random.below(customers)}`;
    const dataset = RECORDS[random.below(2)]!;
    const kind = random.below(100);
    const lastUpdated = formatTime(Date.now() - random.below(2_000));
    if (kind < 5 && last !== undefined) yield last;
    else if (kind < 45)
      yield (last = { dataset: EVENTS[random.below(2)]!, id, body: purchase(random, `${tag}-${n}`), options: {} });
    else if (kind < 60) yield { dataset, id, body: customer(random), options: {} };
    else if (kind < 85)
      yield { dataset, id, body: part(random), options: { operation: 'merge', ...(kind < 70 ? { lastUpdated } : {}) } };
    else if (kind < 93)
      yield { dataset, id, body: null, options: { operation: 'delete', ...(kind < 88 ? { lastUpdated } : {}) } };
    else if (kind < 97) yield { dataset: '_profile', id, body: null, options: { operation: 'delete' } };
    else yield { dataset, id, body: { city: 7, age: -1 }, options: {} };
  }
}

function purchase(random: Random, _id: string): object {
  const lateMs = random.below(10) === 0 ? random.below(LATE_MS_MAX) : random.below(20);
  return {
    _id,
    timestamp: formatTime(Date.now() - lateMs),
    eventType: 'buy',
    price: (random.below(10_000) + 1) / 100,
    channel: CHANNELS[random.below(CHANNELS.length)]!,
  };
}

function customer(random: Random): object {
  return {
    city: CITIES[random.below(CITIES.length)]!,
    age: random.below(90),
    name: { first: 'Ada', last: `L${random.below(3)}` },
    tags: ['a'],
  };
}

function part(random: Random): object {
  const parts = [
    { city: CITIES[random.below(CITIES.length)]! },
    { age: random.below(90) },
    { name: { last: null } },
    { tags: { $append: [`t${random.below(4)}`] } },
    { tags: { $remove: ['a', 't1'] }, city: null },
  ];
  return parts[random.below(parts.length)]!;
}

/** Sends all of it; a message that the log has not stored in the end is an error. */
export async function sendShop(producer: Producer, messages: Iterable<ShopMessage>): Promise<void> {
  let failure: unknown;
  for (const { dataset, id, body, options } of messages) {
    await producer.ready();
    producer
      .send(dataset, body, { ...options, identity: { namespace: 'customerId', id } })
      .catch((error: unknown) => void (failure ??= error));
  }
  await producer.flush();
  if (failure !== undefined) throw new Error('a message was not stored', { cause: failure });
}
