// Change events of a profile over HTTP: at any worker, as they happen; and going on at another worker without a gap.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { ask, problemOf } from '../support/ask.ts';
import type { ChangeEvent } from '../support/change_listener.ts';
import { openEvents, type EventSource, type Told } from '../support/event_source.ts';
import { eventually, within } from '../support/eventually.ts';
import { parseMetrics } from '../support/metrics_text.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { shardsOf } from '../support/shards_of.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const BASE = { partitions: 4, 'lease.ttl': '2s' };

let world: World;
let client: Client;
let workers: StartedWorker[];
const open: EventSource[] = [];

beforeAll(async () => {
  world = await startWorld({ shortWindow: '1h' });
  await world.setup(BASE);
  client = await world.client(BASE);
  workers = [await world.startReady(as('a')), await world.startReady(as('b'))];
  await eventually('the shards are shared', () =>
    workers.every(({ worker }) => worker.status().shards.filter(({ state }) => state === 'active').length === 2),
  );
});
afterAll(async () => {
  for (const source of open) source.close();
  await world.stop();
});

function as(instance: string): Overrides {
  return { ...BASE, instance, dataDirectory: join(world.folder, `data-${instance}`) };
}

const pathOf = (id: string, query = ''): string => `/profiles/customerId/${encodeURIComponent(id)}/changes${query}`;
const portOf = (n: number): number => workers[n]!.worker.ports.httpPort!;
async function follow(id: string, { at = 0, from = '', query = '' } = {}): Promise<EventSource> {
  const source = await openEvents(portOf(at), pathOf(id, query), { lastId: from });
  open.push(source);
  return source;
}

let ids = 0;
const buy = (id: string, more: { price?: number; channel?: string } = {}): Promise<number> =>
  publishAll([purchase(id, { _id: `e-${++ids}`, atMs: Date.now() - 1_000, ...more })], { nc: client.nc });
/** Buys one after the other, each in the stream before the next: no two of them are folded into one change event. */
async function buyOneByOne(id: string, times: number, more: { channel?: string } = {}): Promise<void> {
  for (let n = 0; n < times; n++) {
    const version = await buy(id, more);
    await eventually('it is in the stream', async () => (await inStream(id)).some(({ data }) => data.version === version));
  }
}
const changesOf = (told: readonly Told[]): ChangeEvent[] =>
  told.filter(({ event }) => event === 'change').map(({ data }) => data as ChangeEvent);
const isVersion =
  (version: number) =>
  ({ event, data }: Told): boolean =>
    event === 'change' && (data as ChangeEvent).data.version === version;

/** All change events of the profile, as the stream has them. */
async function inStream(id: string): Promise<ChangeEvent[]> {
  const found: ChangeEvent[] = [];
  for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' }))
    found.push(...(JSON.parse(Buffer.from(body).toString()) as ChangeEvent[]).filter(({ data }) => data.profile.id === id));
  return found;
}

test('first its version, then each change as the stream has it; nothing of anybody else', async () => {
  await buyOneByOne('ada', 2);
  const before = await client.profile({ namespace: 'customerId', id: 'ada' });
  const source = await follow('ada');
  expect([
    source.status,
    source.headers['content-type'],
    source.headers['cache-control'],
    source.headers['x-accel-buffering'],
  ]).toEqual([200, 'text/event-stream; charset=utf-8', 'no-store', 'no']);
  const ready = await source.first('ready', () => true);
  expect(ready).toMatchObject({ event: 'ready', data: { version: before?.version } });
  await buy('adam');
  const last = await buy('ada', { price: 4.5 });
  await source.first('the last purchase', isVersion(last));
  const all = await inStream('ada');
  expect(changesOf(source.told)).toEqual(all.filter(({ data }) => data.version > before!.version));
  expect(changesOf(source.told)[0]?.data.previousVersion).toBe(before?.version);
  source.close();
});

test('a profile that is not there yet', async () => {
  const source = await follow('é/ new@x.y');
  expect(await source.first('ready', () => true)).toMatchObject({ event: 'ready', data: { version: null } });
  const version = await buy('é/ new@x.y');
  expect((await source.first('it is made', isVersion(version))).data).toMatchObject({
    type: 'visage.profile.created',
    subject: 'customerId:é/ new@x.y',
    data: { previousVersion: 0 },
  });
  source.close();
});

test('any worker has the changes of any profile', async () => {
  for (const id of shardsOf(4).values()) {
    const sources = [await follow(id, { at: 0 }), await follow(id, { at: 1 })];
    for (const source of sources) await source.first('ready', ({ event }) => event === 'ready');
    const version = await buy(id);
    for (const source of sources) await source.first('the purchase', isVersion(version));
    for (const source of sources) source.close();
  }
});

describe('who comes again', () => {
  test('goes on behind the last event, at another worker, with the header or the parameter', async () => {
    const first = await follow('bob');
    await first.first('ready', () => true);
    await buyOneByOne('bob', 3);
    await eventually('three changes', () => changesOf(first.told).length === 3);
    first.close();
    await buyOneByOne('bob', 3);
    const all = await inStream('bob');
    const second = changesOf(first.told)[1]!;
    const position = first.told.find(({ data }) => data === second)!.id;
    const again = [
      await follow('bob', { at: 1, from: first.lastId() }),
      await follow('bob', { at: 1, query: `?from=${first.lastId()}` }),
      await follow('bob', { at: 0, from: position, query: '?from=0' }),
    ];
    const version = await buy('bob');
    for (const source of again) await source.first('the newest', isVersion(version));
    const now = await inStream('bob');
    expect(now).toHaveLength(all.length + 1);
    expect(again.map((source) => changesOf(source.told))).toEqual([now.slice(3), now.slice(3), now.slice(2)]);
    for (const source of again) source.close();
  });

  test('misses nothing and hears nothing twice, however often it comes and goes while much happens', async () => {
    const publishing = publishAll(
      Array.from({ length: 4_000 }, (_, n) =>
        purchase(n % 4 === 0 ? 'carl' : `x-${n % 50}`, { _id: `busy-${n}`, atMs: Date.now() - 1_000, price: 1 }),
      ),
      { nc: client.nc, perSecond: 1_000 },
    );
    const told: Told[] = [];
    let isDone = false;
    void publishing.finally(() => (isDone = true));
    let from = '';
    for (let n = 0; !isDone || n < 8; n++) {
      const source = await follow('carl', { at: n % 2, from });
      const wanted = 1 + (n % 7);
      await eventually('some changes', () => isDone || changesOf(source.told).length >= wanted);
      source.close();
      told.push(...source.told);
      from = source.lastId();
    }
    const last = await follow('carl', { from });
    const version = await buy('carl');
    await last.first('the newest', isVersion(version));
    const [first, ...rest] = [...changesOf(told), ...changesOf(last.told)];
    const all = await inStream('carl');
    expect(rest).toEqual(all.slice(all.findIndex(({ id }) => id === first!.id) + 1));
    expect(rest.length).toBeGreaterThan(50);
    expect(told.filter(({ event }) => event === 'reset')).toEqual([]);
    last.close();
  });

  test('gets all of it where it missed much more than may wait for one who is slow', async () => {
    const first = await buy('hot');
    const source = await follow('hot');
    const { id } = await source.first('a position', ({ event }) => event === 'ready');
    source.close();
    for (let n = 0; n < 60; n++) await buyOneByOne('hot', 1, { channel: `${n}`.padStart(9_000, '-') });
    const again = await follow('hot', { from: id });
    const all = (await inStream('hot')).filter(({ data }) => data.version > first);
    expect(JSON.stringify(all).length).toBeGreaterThan(1.5 * 1024 * 1024);
    await again.first('the last', isVersion(all.at(-1)!.data.version));
    expect(changesOf(again.told)).toEqual(all);
    again.close();
  });

  test('is told when what came next may be gone, or was of another stream, and goes on from now', async () => {
    const source = await follow('dora');
    await source.first('ready', () => true);
    const gone = await buy('dora');
    await source.first('the purchase', isVersion(gone));
    const position = source.told.find(isVersion(gone))!.id;
    const [, sequence, index] = position.split('-');
    source.close();
    const lost = {
      other_stream: [`00000000-${sequence}-${index}`, position.replace(/-\d+-/, '-99999999-')],
      aged_out: [position.replace(/-\d+-\d+$/, '-1-0')],
    };
    await (await jetstreamManagerOf(client.nc)).streams.purge('VISAGE_CHANGES', { seq: 3 });
    for (const [reason, positions] of Object.entries(lost)) {
      for (const from of positions) {
        const again = await follow('dora', { at: 1, from });
        expect((await again.first('reset', ({ event }) => event === 'reset')).data).toEqual({ reason });
        const version = await buy('dora');
        await again.first('the next one', isVersion(version));
        expect(changesOf(again.told)).toHaveLength(1);
        expect(again.lastId()).not.toBe(from);
        again.close();
      }
    }
  });
});

test.each<[string, string, number, string]>([
  ['a position that is none', pathOf('ada', '?from=secret'), 422, 'bad_query'],
  ['two positions', pathOf('ada', '?from=00000000-1-0&from=00000000-2-0'), 422, 'bad_query'],
  ['an unknown parameter', pathOf('ada', '?secret=1'), 422, 'bad_query'],
  ['a namespace that is no name', '/profiles/secret%40person/mars/changes', 422, 'bad_identity'],
  ['an empty id', '/profiles/customerId//changes', 422, 'bad_identity'],
])('%s is refused', async (_, path, status, code) => {
  const answer = await ask(portOf(0), path);
  expect(problemOf(answer)).toMatchObject({ status, code });
  expect(answer.text).not.toContain('secret');
});

test('one reader a shard, however many look on; none when they are gone', async () => {
  const jsm = await jetstreamManagerOf(client.nc);
  const readers = async (): Promise<number> => (await jsm.streams.info('VISAGE_CHANGES')).state.consumer_count;
  const streams = async (): Promise<number | undefined> => {
    const families = parseMetrics((await ask(portOf(0), '/metrics')).text);
    return families.get('visage_live_streams')?.samples.get('visage_live_streams');
  };
  await eventually('nobody looks on', async () => (await streams()) === 0);
  await eventually('what others have left is gone', async () => (await readers()) === 0);
  const [one, two] = [...shardsOf(4).values()];
  const sources: EventSource[] = [];
  for (let n = 0; n < 40; n++) sources.push(await follow(n % 2 === 0 ? one! : two!));
  expect([await readers(), await streams()]).toEqual([2, 40]);
  for (const source of sources.slice(1)) source.close();
  await eventually('one is left', async () => (await streams()) === 1 && (await readers()) === 1);
  const version = await buy(one!);
  await sources[0]!.first('the purchase', isVersion(version));
  sources[0]!.close();
  await eventually('nobody is left', async () => (await streams()) === 0 && (await readers()) === 0);
});

test('a worker that stops ends them in order; they go on at another one, and it holds nothing up', async () => {
  const source = await follow('eve', { at: 1 });
  await source.first('ready', () => true);
  await buyOneByOne('eve', 2);
  await eventually('two changes', () => changesOf(source.told).length === 2);
  const stopping = workers[1]!.worker.stop();
  const beganMs = performance.now();
  expect(await within('the answer is over', 25_000, source.over)).toBe('ended');
  const overMs = performance.now();
  expect(source.retryMs()).toBeGreaterThan(0);
  await stopping;
  expect(performance.now() - overMs).toBeLessThan(Math.max(2_000, overMs - beganMs));
  await buyOneByOne('eve', 1);
  const again = await follow('eve', { at: 0, from: source.lastId() });
  const version = await buy('eve');
  await again.first('the newest', isVersion(version));
  expect([...changesOf(source.told), ...changesOf(again.told)]).toEqual(await inStream('eve'));
});

test('nothing of all that is in the log', () => {
  const all = workers.flatMap(({ log }) => log).join('');
  for (const word of ['secret', 'carl', 'dora', 'ada', 'mars', 'x.y']) expect(all).not.toContain(word);
});
