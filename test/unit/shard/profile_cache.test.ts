import { describe, expect, it } from 'vitest';
import { estimateBytes } from '../../../src/aggregate/identity_state.ts';
import { ProfileCache } from '../../../src/shard/profile_cache.ts';
import { MemoryStore } from '../../../src/store/memory_store.ts';
import { EVERYTHING, FoldRun, LogWriter, metaOf } from './fold_run.ts';

function runWith(cacheMaxBytes: number): { run: FoldRun; buy: (id: string, _id: string, price: number) => void } {
  const run = new FoldRun(EVERYTHING, cacheMaxBytes);
  const log = new LogWriter();
  run.apply(log.definitions(EVERYTHING, 1000));
  return {
    run,
    buy: (id, _id, price) =>
      void run.apply(log.event(id, { _id, timestamp: '1970-01-01T00:00:01Z', eventType: 'buy', price }, 1000)),
  };
}

describe('the cache', () => {
  it('writes a checkpoint as of its start: what changes meanwhile is encoded first (copy on write)', async () => {
    const { run, buy } = runWith(Infinity);
    for (let i = 0; i < 5; i++) buy(`c${i}`, 'a', 10);
    run.beginCheckpoint();
    run.encodeSlice(2);
    const before = [run.fold.recorder.count, run.fold.applied];
    for (let i = 0; i < 5; i++) buy(`c${i}`, 'b', 1);
    buy('new', 'a', 7);
    await run.commitCheckpoint();
    const sum = (id: string) => run.view(`customerId.${id}`)?.computed['sumAll']?.value;
    expect([0, 1, 2, 3, 4].map((i) => sum(`c${i}`))).toEqual([11, 11, 11, 11, 11]);
    expect(run.cache.dirtyCount).toBe(6);
    run.restart();
    expect([run.fold.recorder.count, run.fold.applied]).toEqual(before);
    expect([0, 1, 2, 3, 4].map((i) => sum(`c${i}`))).toEqual([10, 10, 10, 10, 10]);
    expect(sum('new')).toBeUndefined();
  });

  it('names what the store does not have yet, also while it is being written', async () => {
    const { run, buy } = runWith(Infinity);
    const unsaved = (): string[] => Array.from(run.cache.unsaved(), ({ key }) => key).sort();
    buy('a', 'a', 1);
    buy('b', 'a', 1);
    run.beginCheckpoint();
    run.encodeSlice(2);
    buy('b', 'b', 1);
    buy('c', 'a', 1);
    expect([...new Set(unsaved())]).toEqual(['customerId.a', 'customerId.b', 'customerId.c']);
    await run.commitCheckpoint();
    expect(unsaved()).toEqual(['customerId.b', 'customerId.c']);
  });

  it('never evicts what the store does not have: dirty, or in a checkpoint that is not committed', async () => {
    const { run, buy } = runWith(0);
    for (let i = 0; i < 50; i++) buy(`c${i}`, 'a', i);
    run.cache.evict();
    expect(run.cache.size).toBe(50);
    run.beginCheckpoint();
    run.cache.evict();
    expect(run.cache.size).toBe(50);
    run.encodeSlice(20);
    run.cache.evict();
    expect(run.cache.size).toBe(50);
    buy('c1', 'b', 1);
    await run.commitCheckpoint();
    run.cache.evict();
    run.cache.evict();
    expect([run.cache.size, run.cache.dirtyCount]).toEqual([1, 1]);
    expect(run.cache.isResident('customerId.c1')).toBe(true);
    expect(run.view('customerId.c7')?.computed['sumAll']?.value).toBe(7);
    expect(run.view('customerId.c1')?.computed['sumAll']?.value).toBe(2);
  });

  it('keeps its count of bytes: empty is zero', async () => {
    const { run, buy } = runWith(0);
    for (let n = 0; n < 3; n++) {
      for (let i = 0; i < 40; i++) buy(`c${i}`, `e${n}`, i);
      await run.checkpoint();
      for (let i = 0; i < 40; i += 3) run.view(`customerId.c${i}`);
    }
    run.cache.evict();
    run.cache.evict();
    expect([run.cache.size, run.cache.bytes]).toEqual([0, 0]);
  });

  it('keeps its budget, and what is touched again and again', async () => {
    const { run, buy } = runWith(Infinity);
    for (let i = 0; i < 100; i++) buy(`c${i}`, 'a', i);
    await run.checkpoint();
    const cache = new ProfileCache(new MemoryStore(run.disk), 60_000);
    let missed = 0;
    for (let i = 0; i < 1000; i++) {
      if (!cache.isResident('customerId.c3')) missed++;
      cache.get('customerId.c3', EVERYTHING);
      cache.get(`customerId.c${(i * 37) % 100}`, EVERYTHING);
      cache.evict();
      expect(cache.bytes).toBeLessThanOrEqual(60_000);
    }
    expect([cache.size > 10, cache.size < 90]).toEqual([true, true]);
    expect(missed).toBeLessThan(100); // others miss two times in three
  });

  it('counts a new profile as it is after its first event, not as it was made', () => {
    const { run, buy } = runWith(Infinity);
    buy('a', 'a', 1);
    const state = run.cache.get('customerId.a', EVERYTHING)!;
    expect(run.cache.bytes).toBe(estimateBytes(state));
    expect(state.parts.length).toBeGreaterThan(5);
  });

  it('refuses two checkpoints at once, and one that was not wholly encoded', () => {
    const { run, buy } = runWith(Infinity);
    buy('a', 'a', 1);
    run.cache.freeze();
    expect(() => run.cache.takeEncoded()).toThrow(/encoded once/);
    expect(() => run.cache.freeze()).toThrow(/one checkpoint at a time/);
    expect(metaOf(run.fold).profiles).toBe(1);
  });
});
