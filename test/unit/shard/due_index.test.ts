import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { DueEntry } from '../../../src/ports/profile_store.ts';
import { DueIndex } from '../../../src/shard/due_index.ts';

const compare = (a: DueEntry, b: DueEntry): number => a.dueMs - b.dueMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
const HEAP_MAX = 65_536;

/** The truth: every profile's due, split over a store and an unsaved set, as checkpoints move them. */
class Truth {
  readonly due = new Map<string, number>();
  readonly dirty = new Set<string>();
  stored: DueEntry[] = [];
  scans = 0;
  readonly index = new DueIndex({
    scan: (after, limit) => {
      this.scans++;
      let low = 0;
      for (let high = this.stored.length; low < high;) {
        const mid = (low + high) >> 1;
        if (compare(this.stored[mid]!, after) > 0) high = mid;
        else low = mid + 1;
      }
      return this.stored.slice(low, low + limit);
    },
    unsaved: () => Array.from(this.dirty, (key) => ({ key, dueMs: this.due.get(key)! })),
  });

  set(key: string, dueMs: number): void {
    this.due.set(key, dueMs);
    this.dirty.add(key);
    this.index.push(dueMs, key);
  }

  checkpoint(): void {
    this.stored = [...this.due]
      .filter(([, dueMs]) => dueMs !== Infinity)
      .map(([key, dueMs]) => ({ key, dueMs }))
      .sort(compare);
    this.dirty.clear();
  }

  /** What the fold does: takes what still counts, at most `limit`. */
  take(nowMs: number, limit: number, next: (key: string) => number): DueEntry[] {
    const taken: DueEntry[] = [];
    while (taken.length < limit) {
      const entry = this.index.popDue(nowMs);
      if (entry === undefined) break;
      if (this.due.get(entry.key) !== entry.dueMs) continue;
      taken.push(entry);
      this.set(entry.key, next(entry.key));
    }
    return taken;
  }

  expected(nowMs: number, limit: number): DueEntry[] {
    return [...this.due]
      .map(([key, dueMs]) => ({ key, dueMs }))
      .filter(({ dueMs }) => dueMs <= nowMs)
      .sort(compare)
      .slice(0, limit);
  }
}

describe('the due index', () => {
  it('gives what is due in (due, key) order, with checkpoints, moves and restarts at random', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const truth = new Truth();
      let now = 0;
      for (let n = 0; n < 150; n++) {
        for (let i = random.below(8); i > 0; i--)
          truth.set(`k${random.below(60)}`, random.below(10) === 0 ? Infinity : now + 1 + random.below(100));
        if (random.below(10) === 0) truth.checkpoint();
        now += random.below(12);
        const limit = 1 + random.below(20);
        const expected = truth.expected(now, limit);
        expect(truth.index.earliest()).toBeLessThanOrEqual(Math.min(Infinity, ...truth.due.values()));
        expect(truth.take(now, limit, () => (random.below(3) === 0 ? Infinity : now + 1 + random.below(50)))).toEqual(expected);
      }
    }
  });

  it('loads from the store page by page, and nothing before it is needed', () => {
    const truth = new Truth();
    for (let i = 0; i < 10_000; i++) truth.due.set(`k${i}`, 1000 + i);
    truth.checkpoint();
    expect(truth.index.size).toBe(0);
    expect(truth.index.earliest()).toBe(1000);
    expect([truth.scans, truth.index.size]).toEqual([1, 4096]);
    truth.set('far', 50_000); // past the horizon: not held
    expect(truth.index.size).toBe(4096);
    truth.set('near', 1500);
    expect(truth.index.size).toBe(4097);
    expect(truth.take(20_000, Infinity, () => Infinity).map(({ dueMs }) => dueMs)).toEqual([
      ...Array.from({ length: 501 }, (_, i) => 1000 + i),
      1500,
      ...Array.from({ length: 9499 }, (_, i) => 1501 + i),
    ]);
    expect(truth.index.earliest()).toBe(50_000);
    expect(truth.take(50_000, 9, () => Infinity)).toEqual([{ dueMs: 50_000, key: 'far' }]);
    expect(truth.index.earliest()).toBe(Infinity);
  });

  it('is bounded: past 65,536 entries the far half is forgotten, and comes back from the store or the unsaved profiles', () => {
    const truth = new Truth();
    expect(truth.index.earliest()).toBe(Infinity); // nothing stored: the horizon is open
    const total = 90_000;
    for (let i = 0; i < total; i++) {
      const n = (i * 7919) % total;
      truth.set(`k${n}`, 10 + Math.floor(n / 3));
      if (truth.index.size > HEAP_MAX) throw new Error('the heap grew past its bound');
      if (i === 40_000) truth.checkpoint();
    }
    const expected = truth.expected(Infinity, Infinity);
    let n = 0;
    for (;;) {
      const entry = truth.index.popDue(1e9);
      if (entry === undefined) break;
      if (truth.index.size > HEAP_MAX) throw new Error('the heap grew past its bound');
      if (truth.due.get(entry.key) !== entry.dueMs) continue;
      if (n < total && (entry.key !== expected[n]!.key || entry.dueMs !== expected[n]!.dueMs))
        expect([n, entry]).toEqual([n, expected[n]]);
      truth.due.set(entry.key, Infinity);
      n++;
    }
    expect(n).toBe(total);
  });

  it('ignores what never changes, and copies what it is shown', () => {
    const living = { key: 'a', dueMs: 5 };
    const index = new DueIndex({ scan: () => [], unsaved: () => [living] });
    index.push(Infinity, 'b');
    expect(index.earliest()).toBe(5);
    living.dueMs = 9;
    expect(index.popDue(5)).toEqual({ key: 'a', dueMs: 5 });
    expect(index.popDue(1e9)).toBeUndefined();
  });
});
