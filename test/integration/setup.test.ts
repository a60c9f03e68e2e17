// `setup`: makes what is missing, compares what is there, refuses with each difference named.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { topologyOf } from '../../src/message/subject.ts';
import type { SetupReport } from '../../src/stream/setup.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { setupRoot } from '../../src/worker/setup_root.ts';
import type { Connection } from '../../src/nats/connection.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rejectionOf } from '../support/eventually.ts';
import { DEFINITIONS, startWorld, type Overrides, type World } from '../support/world.ts';

let world: World;
let nc: Connection;

beforeAll(async () => {
  world = await startWorld();
  nc = await world.connect();
});
afterAll(() => world.stop());

function run(overrides: Overrides, definitions = world.document): Promise<SetupReport> {
  const settings = world.settings(overrides);
  return setupRoot(nc, topologyOf(settings.root), settings, definitions);
}

function definitionsWith(from: string, to: string): typeof world.document {
  const file = join(world.folder, 'other.yaml');
  writeFileSync(file, DEFINITIONS.replaceAll('SHORT', '3s').replace(from, to));
  return loadDefinitionsFile(file);
}

const ALL = (root: string): string[] => {
  const { logStream, changesStream, deadStream, leasesBucket, metaBucket, snapshotsBucket } = topologyOf(root);
  return [logStream, changesStream, deadStream, leasesBucket, metaBucket, snapshotsBucket].sort();
};

test('makes everything once; a second run keeps everything and adds no message', async () => {
  const first = await run({ root: 'once' });
  expect([...first.made].sort()).toEqual(ALL('once'));
  expect([first.kept, first.differences]).toEqual([[], []]);
  const jsm = await jetstreamManagerOf(nc);
  const before = (await jsm.streams.info('ONCE_LOG')).state.last_seq;
  expect(before).toBe(4); // definitions, one per shard
  const second = await run({ root: 'once' });
  expect([...second.kept].sort()).toEqual(ALL('once'));
  expect([second.made, second.differences]).toEqual([[], []]);
  expect((await jsm.streams.info('ONCE_LOG')).state.last_seq).toBe(before);
});

test('the streams are as the protocol says', async () => {
  await run({ root: 'as' });
  const jsm = await jetstreamManagerOf(nc);
  const log = (await jsm.streams.info('AS_LOG')).config;
  expect(log).toMatchObject({
    subjects: ['as.in.*.*.*', 'as.log.*.ctl.>'],
    retention: 'limits',
    discard: 'new',
    max_age: 0,
    max_bytes: 1024 ** 3,
    allow_direct: true,
    duplicate_window: 120e9,
  });
  expect(log.subject_transform).toEqual({
    src: 'as.in.*.*.*',
    dest: 'as.log.{{partition(4,2,3)}}.in.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}',
  });
  expect((await jsm.streams.info('AS_CHANGES')).config).toMatchObject({
    subjects: ['as.changes.*'],
    max_age: 7 * 86_400e9,
    max_bytes: -1,
    max_msgs: -1,
  });
  expect((await jsm.streams.info('AS_DEAD')).config.subjects).toEqual(
    expect.arrayContaining(['as.in.*', 'as.in.*.*', 'as.in.*.*.*.>']),
  );
  expect((await jsm.streams.info('KV_as_leases')).config).toMatchObject({ max_msgs_per_subject: 1, max_age: 10e9 });
});

test('names a max_age that was changed', async () => {
  await run({ root: 'aged' });
  const error = await rejectionOf(run({ root: 'aged', 'changes.maxAge': '3d' }));
  expect(error.code).toBe('setup_differs');
  expect(error.message).toBe("root 'aged' is set up differently; nothing was changed:\n  AGED_CHANGES.max_age: is 7d, wanted 3d");
});

test('says in one line that the number of partitions is for life', async () => {
  await run({ root: 'parts', partitions: 8 });
  const error = await rejectionOf(run({ root: 'parts', partitions: 16 }));
  expect(error.code).toBe('setup_differs');
  const lines = error.message.split('\n').slice(1);
  expect(lines).toEqual(['  partitions: is 8, wanted 16 (it is for life)']);
});

test('names max_bytes on the change stream, which could push out a last commit', async () => {
  await run({ root: 'bytes' });
  const jsm = await jetstreamManagerOf(nc);
  await jsm.streams.update('BYTES_CHANGES', { max_bytes: 1024 ** 2 });
  const error = await rejectionOf(run({ root: 'bytes' }));
  expect(error.message).toContain('BYTES_CHANGES.max_bytes: is 1048576, wanted -1');
});

test('names every difference at once, and makes nothing when something differs', async () => {
  await run({ root: 'many' });
  const jsm = await jetstreamManagerOf(nc);
  await jsm.streams.update('MANY_CHANGES', { max_msgs: 10, max_age: 86_400e9 });
  await jsm.streams.delete('MANY_DEAD');
  const error = await rejectionOf(run({ root: 'many', 'log.maxBytes': '2GB' }));
  expect(error.message.split('\n').slice(1).sort()).toEqual([
    '  MANY_CHANGES.max_age: is 1d, wanted 7d',
    '  MANY_CHANGES.max_msgs: is 10, wanted -1',
    '  MANY_LOG.max_bytes: is 1073741824, wanted 2147483648',
  ]);
  expect(error.message).toContain('nothing was changed');
  expect((await rejectionOf(jsm.streams.info('MANY_DEAD'))).message).toMatch(/not found/);
});

test('a log that was lost is not made again with another number of partitions', async () => {
  await run({ root: 'lost', partitions: 4 });
  const jsm = await jetstreamManagerOf(nc);
  await jsm.streams.delete('LOST_LOG');
  expect((await rejectionOf(run({ root: 'lost', partitions: 8 }))).code).toBe('setup_differs');
  expect((await rejectionOf(jsm.streams.info('LOST_LOG'))).message).toMatch(/not found/);
  expect((await run({ root: 'lost', partitions: 4 })).made).toEqual(['LOST_LOG']);
});

test('refuses definitions that differ from the live ones, with the difference', async () => {
  await run({ root: 'defs' });
  const other = definitionsWith('function: count, window: { sliding: 30d }', 'function: count, window: { sliding: 31d }');
  const error = await rejectionOf(run({ root: 'defs' }, other));
  expect(error.code).toBe('definitions_differ');
  expect(error.message.split('\n').slice(1)).toEqual(['  computedAttributes.orders30d.window.sliding: live "30d", file "31d"']);
  const same = definitionsWith('version: 1', '# the same, said differently\nversion: 1');
  expect((await run({ root: 'defs' }, same)).differences).toEqual([]);
});

test('asks for log.maxBytes', async () => {
  const settings = { ...world.settings({ root: 'nobytes' }), log: { maxAgeMs: 0, maxBytes: null } };
  const error = await rejectionOf(setupRoot(nc, topologyOf('nobytes'), settings, world.document));
  expect(error.code).toBe('log_bytes_missing');
  expect(error.message).toContain('log.maxBytes');
});

test('refuses a log shorter than a window, names both; `worker --setup` refuses it as well', async () => {
  const overrides = { root: 'short', 'log.maxAge': '7d' };
  const error = await rejectionOf(run(overrides));
  expect(error.code).toBe('log_too_short');
  expect(error.message).toMatch(/log\.maxAge is 7d, but \w+30d looks back 30d/);
  const { worker } = world.start(overrides, { setup: true, definitions: world.document });
  expect((await rejectionOf(worker.ready)).code).toBe('log_too_short');
  expect((await run({ root: 'short', 'log.maxAge': '30d' })).made).toHaveLength(6);
});

test('two roots side by side: the same events in both, each on its own', async () => {
  const [a, b] = [
    { root: 'left', dataDirectory: join(world.folder, 'l') },
    { root: 'right', dataDirectory: join(world.folder, 'r') },
  ];
  await world.startReady(a, { setup: true, definitions: world.document });
  await world.startReady(b, { setup: true, definitions: world.document });
  const body = (price: number): string =>
    `{"_id":"e-1","timestamp":"2026-01-01T00:00:00Z","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":${price}}}}`;
  const published = [];
  for (const [root, price] of [
    ['left', 1],
    ['right', 2],
  ] as const) {
    const ack: { stream: string; seq: number } = (await nc.request(`${root}.in.orders.customerId.c-1`, body(price))).json();
    expect(ack.stream).toBe(`${root.toUpperCase()}_LOG`);
    published.push(ack.seq);
  }
  const [left, right] = [await world.client(a), await world.client(b)];
  const query = { namespace: 'customerId', id: 'c-1' };
  expect((await left.profile({ ...query, after: published[0]! }))?.computed['spendLifetime']?.value).toBe(1);
  expect((await right.profile({ ...query, after: published[1]! }))?.computed['spendLifetime']?.value).toBe(2);
});
