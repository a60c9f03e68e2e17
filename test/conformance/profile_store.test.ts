// What every store owes the shard, on LMDB and on its memory twin.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { DueEntry, ProfileStore } from '../../src/ports/profile_store.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { MemoryDisk, MemoryStore } from '../../src/store/memory_store.ts';
import { contentOf, largeState, live, metaAt, PLAN } from '../unit/store/random_state.ts';

const NOW = 1_770_000_000_000;
const FIRST: DueEntry = { dueMs: -1e15, key: '' };

/** A disk, and how to open the store on it. */
type Place = { open(): ProfileStore; remove(): void };

const PLACES: Readonly<Record<string, () => Place>> = {
  memory: () => {
    const disk = new MemoryDisk();
    return { open: () => new MemoryStore(disk), remove: () => undefined };
  },
  lmdb: () => {
    const folder = mkdtempSync(join(tmpdir(), 'visage-store.'));
    // a small map, so that it has to grow; always prefetching, so that it is tested
    return {
      open: () => LmdbStore.open(folder, { mapSizeBytes: 1024 ** 2, prefetchAboveBytes: 0 }),
      remove: () => rmSync(folder, { recursive: true }),
    };
  },
};

async function save(store: ProfileStore, applied: number, states: readonly IdentityState[]): Promise<void> {
  const checkpoint = await store.beginCheckpoint();
  for (const state of states) checkpoint.put([store.encode(state, PLAN)]);
  await checkpoint.commit(metaAt(applied, states.length));
}

function simple(key: string, version: number, dueMs = Infinity): IdentityState {
  const state = new IdentityState(key);
  state.version = version;
  state.evaluatedMs = NOW;
  state.dueMs = dueMs;
  return state;
}

describe.each(Object.keys(PLACES))('%s', (name) => {
  let place: Place;
  let store: ProfileStore;

  const reopen = async (): Promise<void> => {
    await store.close();
    store = place.open();
  };

  beforeEach(() => {
    place = PLACES[name]!();
    store = place.open();
  });

  afterEach(async () => {
    await store.close();
    place.remove();
  });

  it('is empty at first', async () => {
    expect(store.readMeta()).toBeUndefined();
    expect(store.get('customerId.nobody', PLAN)).toBeUndefined();
    expect(store.scanDue(FIRST, 10)).toEqual([]);
    expect(() => store.snapshot()).toThrow('nothing was stored yet');
    await store.prefetch(['customerId.nobody']);
    await reopen();
    expect(store.readMeta()).toBeUndefined();
  });

  it('gives back every profile as it was, however often it changes', async () => {
    const random = seededRandom(11);
    const states = new Map<string, IdentityState>();
    for (let i = 0; i < 60; i++) {
      const state = simple(`customerId.${i}`, 0);
      state.evaluatedMs = i % 5 === 0 ? -900_000_000_000 : NOW;
      states.set(state.key, state);
    }
    for (let round = 1; round <= 25; round++) {
      const touched = [...states.values()].filter(() => random.below(3) === 0);
      for (const state of touched) live(state, random, random.below(40), state.key.endsWith('7') ? 4 : 5_000);
      await save(store, round, touched);
      for (const state of touched) {
        const loaded = store.get(state.key, PLAN)!;
        expect(contentOf(loaded)).toEqual(contentOf(state));
        expect(loaded.storedDueMs).toBe(loaded.dueMs);
        if (random.below(2) === 0) states.set(state.key, loaded); // as after an eviction
      }
      if (round % 8 === 0) await reopen();
      expect(store.readMeta()).toEqual(metaAt(round, touched.length));
      const stored = [...states.values()].filter((state) => store.get(state.key, PLAN) !== undefined);
      const dues = stored.filter((state) => state.dueMs !== Infinity).map(({ dueMs, key }) => ({ dueMs, key }));
      dues.sort((a, b) => a.dueMs - b.dueMs || (a.key < b.key ? -1 : 1));
      expect(store.scanDue(FIRST, 1_000)).toEqual(dues);
    }
    expect(store.stats().fileBytes).toBeGreaterThan(0);
    expect(store.stats().profileBytes).toBeGreaterThan(0);
  });

  it('keeps profiles with thousands of rows', async () => {
    const random = seededRandom(12);
    const large = [0, 1].map((i) => largeState(`customerId.large${i}`, random, NOW, { seen: 5_000, ring: 3_000 }));
    await save(store, 1, large);
    await reopen();
    for (const state of large) expect(contentOf(store.get(state.key, PLAN)!)).toEqual(contentOf(state));
    for (let round = 2; round < 12; round++) {
      const state = store.get(large[0]!.key, PLAN)!;
      live(state, random, 300); // time jumps: rows leave, lists move back into the head
      await save(store, round, [state]);
      expect(contentOf(store.get(state.key, PLAN)!)).toEqual(contentOf(state));
      large[0] = state;
    }
    await reopen();
    for (const state of large) expect(contentOf(store.get(state.key, PLAN)!)).toEqual(contentOf(state));
  });

  it('takes keys as long as identities can be', async () => {
    const key = `customerId.${'%C3'.repeat(512)}`;
    const state = largeState(key, seededRandom(1), NOW, { seen: 300, ring: 300 });
    await save(store, 1, [state]);
    await store.prefetch([key, 'customerId.nobody', ...Array.from({ length: 50 }, (_, i) => `${key.slice(0, -4)}${i}`)]);
    expect(contentOf(store.get(key, PLAN)!)).toEqual(contentOf(state));
    expect(store.scanDue(FIRST, 10)).toEqual([{ dueMs: state.dueMs, key }]);
    expect(store.get(key.slice(0, -3), PLAN)).toBeUndefined();
  });

  it('orders what is due by time, then key, and forgets what moved', async () => {
    const a = simple('n.a', 1, NOW);
    const b = simple('n.b', 1, NOW);
    const c = simple('n.c', 1, 5);
    const d = simple('n.d', 1);
    const e = simple('n.e', 1, -5);
    await save(store, 1, [e, d, c, b, a]);
    const all = store.scanDue(FIRST, 10);
    expect(all.map(({ key }) => key)).toEqual(['n.e', 'n.c', 'n.a', 'n.b']);
    expect(store.scanDue(all[1]!, 1)).toEqual([{ dueMs: NOW, key: 'n.a' }]);
    expect(store.scanDue({ dueMs: NOW, key: 'n.a' }, 9)).toEqual([{ dueMs: NOW, key: 'n.b' }]);
    expect(store.scanDue({ dueMs: NOW, key: '' }, 9).length).toBe(2);
    expect(store.scanDue(FIRST, 0)).toEqual([]);
    a.dueMs = Infinity;
    b.dueMs = 4;
    d.dueMs = 6;
    await save(store, 2, [a, b, c, d]);
    expect(store.scanDue({ dueMs: -1, key: '' }, 10).map(({ key }) => key)).toEqual(['n.b', 'n.c', 'n.d']);
    const loaded = store.get('n.d', PLAN)!;
    loaded.dueMs = 7;
    await save(store, 3, [loaded]);
    expect(store.scanDue({ dueMs: 4, key: 'n.b' }, 10)).toEqual([
      { dueMs: 5, key: 'n.c' },
      { dueMs: 7, key: 'n.d' },
    ]);
  });

  it('lists keys in order, strictly after one, as of the last commit', async () => {
    const keys = ['a.1', 'a.10', 'a.1%2E', 'a.2', 'a.~', 'b.0', 'b.ü'.replace('ü', '%C3%BC')];
    expect(store.keysAfter('', 5)).toEqual([]);
    await save(
      store,
      1,
      [...keys].reverse().map((key) => largeState(key, seededRandom(4), NOW, { seen: 200, ring: 0 })),
    );
    const sorted = [...keys].sort();
    expect(store.keysAfter('', 100)).toEqual(sorted);
    for (const [i, key] of sorted.entries()) {
      expect(store.keysAfter(key, 100)).toEqual(sorted.slice(i + 1));
      expect(store.keysAfter(`${key}!`, 2)).toEqual(sorted.filter((other) => other > `${key}!`).slice(0, 2));
    }
    expect(store.keysAfter('a.2', 0)).toEqual([]);
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put([store.encode(simple('a.3', 1), PLAN)]);
    expect(store.keysAfter('a.2', 1)).toEqual(['a.~']);
    await checkpoint.commit(metaAt(2));
    expect(store.keysAfter('a.2', 1)).toEqual(['a.3']);
  });

  it('writes a profile as it was when it was encoded', async () => {
    const state = largeState('n.a', seededRandom(2), NOW, { seen: 200, ring: 200 });
    const content = contentOf(state);
    const checkpoint = await store.beginCheckpoint();
    const encoded = store.encode(state, PLAN);
    live(state, seededRandom(3), 100);
    const changed = contentOf(state);
    checkpoint.put([encoded]);
    await checkpoint.commit(metaAt(1));
    expect(contentOf(store.get('n.a', PLAN)!)).toEqual(content);
    await save(store, 2, [state]);
    expect(contentOf(store.get('n.a', PLAN)!)).toEqual(changed);
  });

  it('shows nothing of a checkpoint before it is committed, and nothing ever when it is not', async () => {
    await save(store, 1, [simple('n.a', 1, 10)]);
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put(Array.from({ length: 5_000 }, (_, i) => store.encode(simple(`n.b${i}`, 2, 20), PLAN)));
    checkpoint.put([store.encode(simple('n.a', 2, 20), PLAN)]);
    const committed = checkpoint.commit(metaAt(2));
    const seen = (): unknown => [store.readMeta()!.applied, store.get('n.a', PLAN)!.version, store.get('n.b0', PLAN)?.version];
    expect([
      [1, 1, undefined],
      [2, 2, 2],
    ]).toContainEqual(seen()); // all of it or nothing
    await committed;
    expect(seen()).toEqual([2, 2, 2]);
    const dropped = await store.beginCheckpoint();
    dropped.put([store.encode(simple('n.a', 3), PLAN)]);
    await reopen();
    expect([store.readMeta()!.applied, store.get('n.a', PLAN)!.version]).toEqual([2, 2]);
  });

  it('closes only when a checkpoint under way is committed', async () => {
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put([store.encode(simple('n.a', 1), PLAN)]);
    const committed = checkpoint.commit(metaAt(1));
    await Promise.all([committed, reopen()]);
    expect([store.readMeta()!.applied, store.get('n.a', PLAN)!.version]).toEqual([1, 1]);
  });

  it('is asked nothing after it was closed', async () => {
    await save(store, 1, [simple('a', 1, NOW)]);
    const closed = store;
    await reopen();
    expect(() => closed.readMeta()).toThrow('the store is open');
    expect(() => closed.get('a', PLAN)).toThrow('the store is open');
    expect(() => closed.keysAfter('', 10)).toThrow('the store is open');
    expect(() => closed.scanDue(FIRST, 10)).toThrow('the store is open');
    expect(() => closed.snapshot()).toThrow('the store is open');
    expect(() => closed.stats()).toThrow('the store is open');
    await expect(save(closed, 2, [simple('b', 1)])).rejects.toThrow('the store is open');
    await closed.close(); // again: nothing happens
    expect(store.scanDue(FIRST, 10)).toEqual([{ dueMs: NOW, key: 'a' }]);
  });

  it('holds still for a snapshot while checkpoints go on', async () => {
    const random = seededRandom(21);
    const states = Array.from({ length: 250 }, (_, i) =>
      i % 50 === 7 ? largeState(`n.${i}`, random, NOW, { seen: 400, ring: 300 }) : simple(`n.${i}`, i % 100 === 3 ? 0 : 1),
    );
    states.push(simple('n.1%2E', 1), simple('n.1~', 1), simple('o.1', 1)); // keys that begin with another's
    const sorted = [...states].sort((x, y) => (x.key < y.key ? -1 : 1));
    await save(store, 1, states);
    const first = store.snapshot();
    const before = sorted.map(contentOf);
    const pages: unknown[] = [];
    for (let after = '', round = 2; ; round++) {
      const page = first.page(after, 20, PLAN);
      pages.push(...page.map(contentOf));
      if (page.length < 20) break;
      after = page[page.length - 1]!.key;
      for (const state of states) if (random.below(2) === 0) live(state, random, 4);
      states.push(simple(`n.new${round}`, 1));
      await save(store, round, states);
      if (round === 4) store.snapshot().close();
    }
    expect(first.meta.applied).toBe(1);
    expect(pages).toEqual(before);
    const second = store.snapshot();
    expect(first.page('', 3, PLAN).map(contentOf)).toEqual(before.slice(0, 3));
    first.close();
    first.close();
    await save(store, 99, [simple('n.0', 100)]);
    expect(second.meta.applied).toBeGreaterThan(1);
    expect(second.page('', 1_000, PLAN).length).toBe(states.length);
    expect(second.page('n.new2', 1, PLAN).map(({ key }) => key)).toEqual(['n.new3']);
    expect(second.page('z', 10, PLAN)).toEqual([]);
    // left open: close() of the store ends it
  });
});
