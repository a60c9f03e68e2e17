// A copy of a store at work: one checkpoint, whole, without the free pages; whatever goes on meanwhile.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import { seededRandom } from '../../src/base/random.ts';
import { inspectStore } from '../../src/store/copy_store.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { contentOf, live, metaAt, PLAN } from '../unit/store/random_state.ts';
import { rejectionOf } from '../support/eventually.ts';

const PROFILES = 600;
const PAGE_BYTES = 4_096;
/** 254 pages and more that were freed. */
const LIST_OF_FREED_PAGES_HAS_PAGES_OF_ITS_OWN = 4 * 254 * PAGE_BYTES;
/** In a page that begins the file. */
const FREE_ROOT_AT = 88;
const TXN_AT = 152;
const NOW = 1_770_000_000_000;

let folder: string;
let source: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'visage-copy.'));
  source = join(folder, 'source');
});
afterEach(() => rmSync(folder, { recursive: true }));

const random = seededRandom(7);
const nameOf = (n: number): string => `n.${n}`;

function made(): IdentityState[] {
  return Array.from({ length: PROFILES }, (_, n) => {
    const state = new IdentityState(nameOf(n));
    state.evaluatedMs = NOW;
    return state;
  });
}

async function save(store: LmdbStore, applied: number, states: readonly IdentityState[]): Promise<void> {
  const checkpoint = await store.beginCheckpoint();
  for (const state of states) checkpoint.put([store.encode(state, PLAN)]);
  await checkpoint.commit(metaAt(applied, states.length));
}

/** Everything that a store holds, as data. */
async function contentIn(place: string): Promise<{ meta: unknown; profiles: unknown[]; dues: unknown }> {
  const store = LmdbStore.open(place);
  const profiles = Array.from({ length: PROFILES }, (_, n) => {
    const state = store.get(nameOf(n), PLAN);
    return state === undefined ? null : contentOf(state);
  });
  const found = { meta: store.readMeta(), profiles, dues: store.scanDue({ dueMs: -1, key: '' }, 2 * PROFILES) };
  await store.close();
  return found;
}

it('is exactly one checkpoint, each time, while the next ones are written', async () => {
  const store = LmdbStore.open(source);
  const states = made();
  const asOf = new Map<number, unknown[]>();
  let applied = 0;
  const next = async (): Promise<void> => {
    for (const state of states) if (random.below(3) > 0) live(state, random, 1 + random.below(4));
    asOf.set(++applied, states.map(contentOf));
    await save(store, applied, states);
  };
  await next();
  const found: { place: string; applied: number; bytes: number; sourceBytes: number }[] = [];
  for (let n = 0; n < 6; n++) {
    const place = join(folder, `copy-${n}`);
    const earliest = applied;
    let isCopied = false;
    const copying = store.copyTo(place).finally(() => (isCopied = true));
    do await next();
    while (!isCopied);
    const copy = (await copying)!;
    expect(copy.meta).toEqual(metaAt(copy.meta.applied, PROFILES));
    expect(copy.meta.applied).toBeGreaterThanOrEqual(earliest);
    expect(copy.bytes).toBe(statSync(copy.file).size);
    found.push({ place, applied: copy.meta.applied, bytes: copy.bytes, sourceBytes: store.stats().fileBytes });
  }
  expect(applied).toBeGreaterThan(6);
  await store.close();
  for (const { place, applied: at, bytes, sourceBytes } of found) {
    const { meta, profiles, dues } = await contentIn(place);
    expect(meta).toEqual(metaAt(at, PROFILES));
    expect(profiles).toEqual(asOf.get(at));
    expect(dues).toHaveLength((profiles as { dueMs: number }[]).filter(({ dueMs }) => dueMs !== Infinity).length);
    expect(bytes).toBeLessThanOrEqual(sourceBytes);
  }
});

it('has no free pages: half of the profiles gone, it is about half as large', async () => {
  const store = LmdbStore.open(source);
  const states = made();
  for (const state of states) live(state, random, 12);
  await save(store, 1, states);
  const whole = (await store.copyTo(join(folder, 'whole')))!;
  const removed = states.slice(0, PROFILES / 2).map((before) => new IdentityState(before.key));
  const checkpoint = await store.beginCheckpoint();
  for (const gone of removed) {
    const known = store.get(gone.key, PLAN)!;
    known.dropParts(() => true);
    known.dropFragments(() => true);
    checkpoint.put([store.encode(known, PLAN)]);
  }
  await checkpoint.commit(metaAt(2, PROFILES / 2));
  const half = (await store.copyTo(join(folder, 'half')))!;
  expect(half.bytes).toBeLessThan(0.85 * whole.bytes);
  expect(store.stats().fileBytes).toBeGreaterThanOrEqual(whole.bytes);
  await store.close();
});

it('is gone on with, also where its first checkpoint changes every page: LMDB ended the process there', async () => {
  const store = LmdbStore.open(source);
  const states = made();
  for (const state of states) live(state, random, 40);
  await save(store, 1, states);
  await store.copyTo(join(folder, 'copy'));
  const before = store.stats().fileBytes;
  await store.close();
  const copy = LmdbStore.open(join(folder, 'copy'));
  expect(copy.readMeta()!.applied).toBe(1);
  for (let applied = 2; applied < 6; applied++) {
    for (const state of states) live(state, random, 1);
    await save(copy, applied, states);
  }
  await copy.close();
  expect(before).toBeGreaterThan(LIST_OF_FREED_PAGES_HAS_PAGES_OF_ITS_OWN);
  expect((await contentIn(join(folder, 'copy'))).profiles).toEqual(states.map(contentOf));
});

it('is made with the free pages where one of them is in no list', async () => {
  let store = LmdbStore.open(source);
  const states = made();
  for (let applied = 1; applied < 4; applied++) {
    for (const state of states) live(state, random, 5);
    await save(store, applied, states);
  }
  await store.close();
  forgetFreePage(join(source, 'data.mdb'));
  store = LmdbStore.open(source);
  const copy = (await store.copyTo(join(folder, 'copy')))!;
  expect(copy.bytes).toBe(store.stats().fileBytes);
  await store.close();
  expect(await contentIn(join(folder, 'copy'))).toEqual(await contentIn(source));
  expect((await contentIn(join(folder, 'copy'))).profiles).toEqual(states.map(contentOf));
});

/** As a crash may leave it. Boundary: the layout of lmdb-js 3.5.6, see page_walk.ts. */
function forgetFreePage(path: string): void {
  const file = readFileSync(path);
  const u64 = (at: number): number => Number(file.readBigUInt64LE(at));
  const meta = u64(PAGE_BYTES + TXN_AT) > u64(TXN_AT) ? PAGE_BYTES : 0;
  const page = u64(meta + FREE_ROOT_AT) * PAGE_BYTES;
  const node = page + 24 + file.readUInt16LE(page + 24);
  const value = node + 8 + file.readUInt16LE(node + 6);
  const list = (file.readUInt16LE(node + 4) & 1) === 0 ? value : u64(value) * PAGE_BYTES + 24;
  const count = file.readBigUInt64LE(list);
  expect(count).toBeGreaterThan(2n);
  file.writeBigUInt64LE(count - 1n, list);
  writeFileSync(path, file);
}

it('takes the place of what is in its folder', async () => {
  const store = LmdbStore.open(source);
  await save(store, 1, made());
  const place = join(folder, 'copy');
  await store.copyTo(place);
  writeFileSync(join(place, 'old'), 'x');
  await save(store, 2, made());
  expect((await store.copyTo(place))!.meta.applied).toBe(2);
  expect(existsSync(join(place, 'old'))).toBe(false);
  await store.close();
});

it('closing the store waits for every copy that is being made', async () => {
  const store = LmdbStore.open(source);
  const states = made();
  for (const state of states) live(state, random, 20);
  await save(store, 1, states);
  writeFileSync(join(folder, 'file'), 'x');
  const ended: string[] = [];
  const copies = ['a', 'b', 'file/c'].map((name) => store.copyTo(join(folder, name)).finally(() => ended.push(name)));
  const outcomes = Promise.allSettled(copies);
  await store.close();
  expect(ended.sort()).toEqual(['a', 'b', 'file/c']); // the last one fails at once
  expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
});

it('of a store with nothing in it is none', async () => {
  const store = LmdbStore.open(source);
  expect(await store.copyTo(join(folder, 'copy'))).toBeUndefined();
  await save(store, 1, made());
  expect((await store.copyTo(join(folder, 'copy')))!.meta.applied).toBe(1);
  await store.close();
});

it('a folder that cannot be written is said to be so, and the store goes on', async () => {
  const store = LmdbStore.open(source);
  await save(store, 1, made());
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  const error = await rejectionOf(store.copyTo(join(file, 'copy')));
  expect(error).toMatchObject({ code: 'store_unreadable', kind: 'stop_shard' });
  expect(error.message).toContain(join(file, 'copy'));
  if (process.getuid?.() !== 0) {
    const closed = mkdtempSync(join(folder, 'closed.'));
    chmodSync(closed, 0o500);
    expect(await rejectionOf(store.copyTo(join(closed, 'copy')))).toMatchObject({ code: 'store_unreadable' });
  }
  await save(store, 2, made());
  expect((await store.copyTo(join(folder, 'copy')))!.meta.applied).toBe(2);
  await store.close();
});

it('cut short anywhere it is refused, and left as it is', async () => {
  const store = LmdbStore.open(source);
  const states = made();
  for (const state of states) live(state, random, 8);
  await save(store, 1, states);
  const { bytes } = (await store.copyTo(join(folder, 'copy')))!;
  await store.close();
  for (const left of [bytes - 4_096, Math.floor(bytes / 2), 8_192, 4_100, 100]) {
    const place = mkdtempSync(join(folder, 'short.'));
    rmSync(place, { recursive: true });
    const whole = LmdbStore.open(join(folder, 'copy'));
    const { file } = (await whole.copyTo(place))!;
    await whole.close();
    truncateSync(file, left);
    expect(await rejectionOf(inspectStore(place))).toMatchObject({ code: 'store_unreadable', kind: 'stop_shard' });
    expect(statSync(file).size).toBe(left);
  }
  const empty = mkdtempSync(join(folder, 'empty.'));
  expect(await inspectStore(empty)).toBeUndefined();
});
