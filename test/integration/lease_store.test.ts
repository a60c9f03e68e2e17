// What every lease store owes the ownership of shards, on a bucket of NATS and on the memory twin.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { topologyOf } from '../../src/message/subject.ts';
import type { LeaseStore } from '../../src/ports/leases.ts';
import { openLeaseStore } from '../../src/stream/lease_store.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { eventually, rejectionOf } from '../support/eventually.ts';
import { MemoryLeases } from '../support/memory_leases.ts';
import { standStill } from '../support/stand_still.ts';
import { startWorld, type World } from '../support/world.ts';

const TTL_MS = { nats: 1_000, memory: 200 };
/** By the store's own clock, up to 2 s late. */
const LATE_MS = 2_000;

/** Two workers at one place. */
type Place = { readonly a: LeaseStore; readonly b: LeaseStore };

let world: World;

beforeAll(async () => {
  world = await startWorld({ overrides: { 'lease.ttl': `${TTL_MS.nats}ms` } });
  await world.setup();
});
afterAll(() => world.stop());

const PLACES: Readonly<Record<keyof typeof TTL_MS, () => Promise<Place>>> = {
  nats: async () => {
    const [a, b] = [await world.connect(), await world.connect()];
    const topology = topologyOf('visage');
    return { a: await openLeaseStore(a, topology), b: await openLeaseStore(b, topology) };
  },
  memory: () => {
    const leases = new MemoryLeases(TTL_MS.memory, () => performance.now());
    return Promise.resolve({ a: leases.port(), b: leases.port() });
  },
};

describe.each(['nats', 'memory'] as const)('%s', (name) => {
  const ttlMs = TTL_MS[name];
  const goneMs = ttlMs + LATE_MS;
  let a: LeaseStore;
  let b: LeaseStore;
  let keys = 0;
  let key = '';

  beforeEach(async () => {
    ({ a, b } = await PLACES[name]());
    key = `shard.${name}-${++keys}`;
  });

  const at = async (store: LeaseStore, wanted = key): Promise<unknown> =>
    (await store.list()).find((entry) => entry.key === wanted);

  async function made(value: string): Promise<number> {
    const outcome = await a.put(key, value, 0);
    if (!outcome.done) throw new Error('somebody has it');
    return outcome.revision;
  }

  async function ranOut(): Promise<void> {
    const startMs = performance.now();
    await eventually('it runs out', async () => (await at(b)) === undefined, { timeoutMs: goneMs + 500 });
    expect(performance.now() - startMs).toBeLessThan(goneMs);
  }

  it('says how long an entry lives', () => {
    expect([a.ttlMs, b.ttlMs]).toEqual([ttlMs, ttlMs]);
  });

  it('makes, renews, and shows what there is', async () => {
    const first = await made('one');
    expect(first).toBeGreaterThan(0);
    expect(await at(b)).toEqual({ key, value: 'one', revision: first });
    const renewed = await a.put(key, 'two ü', first);
    expect(renewed).toMatchObject({ done: true });
    expect((renewed as { revision: number }).revision).toBeGreaterThan(first);
    expect(await at(b)).toEqual({ key, value: 'two ü', revision: (renewed as { revision: number }).revision });
  });

  it('says what is there now to whoever comes second, or with a revision that is over', async () => {
    const revision = await made('hers');
    const now = { key, value: 'hers', revision };
    expect(await b.put(key, 'his', 0)).toEqual({ done: false, now });
    expect(await b.put(key, 'his', revision + 1_000)).toEqual({ done: false, now });
    const renewed = await a.put(key, 'hers', revision);
    expect(await a.put(key, 'old', revision)).toEqual({
      done: false,
      now: { key, value: 'hers', revision: (renewed as never)['revision'] },
    });
    expect(await at(a)).toMatchObject({ value: 'hers' });
  });

  it('one of many that try at once succeeds', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? a : b).put(key, `w${n}`, 0)));
    const [winner, ...more] = outcomes.flatMap((outcome, n) => (outcome.done ? [{ n, revision: outcome.revision }] : []));
    expect(more).toEqual([]);
    expect(await at(a)).toEqual({ key, value: `w${winner!.n}`, revision: winner!.revision });
  });

  it('lets an entry run out that nobody renews; one that is renewed stays, and still runs out then', async () => {
    let revision = await made('renewed');
    const other = `${key}-other`;
    await a.put(other, 'left alone', 0);
    await eventually(
      'the other runs out while this one is renewed',
      async () => {
        const outcome = await a.put(key, 'renewed', revision);
        if (outcome.done) revision = outcome.revision;
        expect(await at(b)).toEqual({ key, value: 'renewed', revision });
        return (await at(b, other)) === undefined;
      },
      { timeoutMs: goneMs, everyMs: ttlMs / 4 },
    );
    await ranOut();
    // who comes late hears that it is gone
    expect(await a.put(key, 'renewed', revision)).toEqual({ done: false, now: undefined });
  });

  it('makes an entry again where one ran out, and where one was taken away', async () => {
    const first = await made('one');
    await ranOut();
    const second = await made('two');
    expect(second).toBeGreaterThan(first);
    await a.remove(key, second);
    expect(await at(b)).toBeUndefined();
    expect(await b.put(key, 'x', second)).toEqual({ done: false, now: undefined });
    const third = await made('three');
    expect(await at(b)).toEqual({ key, value: 'three', revision: third });
    await ranOut(); // it has no longer a life than any other
    await made('four');
  });

  it('removes nothing at a revision that is over, and nothing that is not there', async () => {
    const first = await made('one');
    const second = await a.put(key, 'one', first);
    await b.remove(key, first);
    expect(await at(b)).toMatchObject({ value: 'one', revision: (second as { revision: number }).revision });
    await b.remove(`${key}-nobody`, 0);
    await b.remove(`${key}-nobody`, 7);
    expect(await at(b, `${key}-nobody`)).toBeUndefined();
    expect(await a.put(`${key}-nobody`, 'x', 0)).toMatchObject({ done: true });
  });

  it('lists everything, however much', async () => {
    const all = Array.from({ length: 300 }, (_, n) => `${key}-${n}`);
    await Promise.all(all.map((each) => a.put(each, each, 0)));
    const found = (await b.list()).filter((entry) => entry.key.startsWith(`${key}-`));
    expect(found.map((entry) => entry.key).sort()).toEqual([...all].sort());
    expect(found.every((entry) => entry.value === entry.key)).toBe(true);
  });

  it('passes hints on to everybody who listens, until they end it', async () => {
    const heard = { a: 0, b: 0 };
    const end = a.onHint(() => heard.a++);
    b.onHint(() => heard.b++);
    await b.list(); // both have reached the server
    await a.list();
    b.hint();
    await eventually('both hear it', () => heard.a === 1 && heard.b === 1);
    end();
    a.hint();
    await eventually('one hears it', () => heard.b === 2);
    expect(heard.a).toBe(1);
  });
});

it('nats: looking leaves nothing behind on the connection', async () => {
  const nc = await world.connect();
  const store = await openLeaseStore(nc, topologyOf('visage'));
  const left = (): number => (nc as unknown as { protocol: { subscriptions: { size(): number } } }).protocol.subscriptions.size();
  await store.list();
  const before = left();
  for (let n = 0; n < 20; n++) await store.list();
  expect(left()).toBe(before);
});

it('nats: a server that does not answer is a failure to try again', async () => {
  const { a } = await PLACES.nats();
  await standStill(world.server);
  try {
    const questions = [a.list(), a.put('shard.9', 'x', 0), a.remove('shard.9', 1)];
    for (const error of await Promise.all(questions.map((question) => rejectionOf(question))))
      expect(error).toMatchObject({ code: 'unavailable', kind: 'retry' });
  } finally {
    world.server.kill('SIGCONT');
  }
});

it('nats: no bucket is said to be so', async () => {
  const nc = await world.connect();
  expect(await rejectionOf(openLeaseStore(nc, topologyOf('nosuch')))).toMatchObject({ code: 'not_set_up' });
  await (await jetstreamManagerOf(nc)).streams.delete('KV_visage_leases');
  expect(await rejectionOf(openLeaseStore(nc, topologyOf('visage')))).toMatchObject({ code: 'not_set_up' });
});
