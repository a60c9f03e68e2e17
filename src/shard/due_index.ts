// Which profiles change by themselves, and when: one entry per profile, ordered by (due, key).
// The store holds an entry for every profile that rests; here is a heap of the earliest ones.
// DI1: every true entry at or before `horizon` is in the heap; entries after it are in the store, or their profile is unsaved.
// DI2: an entry is a hint: it counts only if the profile's own due still says the same. So nothing is ever searched to be removed.
// DI3: the heap is bounded: past HEAP_MAX the far half is forgotten and the horizon moves nearer.
import { assert } from '../base/assert.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { DueEntry } from '../ports/profile_store.ts';

const LOAD = 4_096;
const HEAP_MAX = 65_536;
const FIRST: DueEntry = { dueMs: -1, key: '' };
const NEVER: DueEntry = { dueMs: Infinity, key: '' };

export interface DueSource {
  /** Entries of the store in (due, key) order, strictly after `after`. */
  scan(after: DueEntry, limit: number): readonly DueEntry[];
  /** Dues of profiles whose state the store does not have yet. */
  unsaved(): Iterable<DueEntry>;
}

export class DueIndex {
  private readonly source: DueSource;
  private heap: DueEntry[] = [];
  private horizon: DueEntry = FIRST;

  constructor(source: DueSource) {
    this.source = source;
  }

  get size(): number {
    return this.heap.length;
  }

  /** Tells the index that a profile's due is now this. Cost: O(log n). */
  push(dueMs: number, key: IdentityKey): void {
    if (dueMs === Infinity) return;
    const entry = { dueMs, key };
    if (compare(entry, this.horizon) > 0) return;
    this.insert(entry);
    if (this.heap.length > HEAP_MAX) this.shrink();
  }

  /** The earliest entry at or before `nowMs`, taken out; undefined when there is none. */
  popDue(nowMs: number): DueEntry | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first !== undefined) {
        if (first.dueMs > nowMs) return undefined;
        this.removeFirst();
        return first;
      }
      if (this.horizon.dueMs > nowMs) return undefined;
      this.load();
    }
  }

  /** When the earliest entry is due; Infinity when there is none. May name an entry that no longer counts (DI2). */
  earliest(): number {
    while (this.heap.length === 0 && this.horizon.dueMs !== Infinity) this.load();
    return this.heap.length === 0 ? Infinity : this.heap[0]!.dueMs;
  }

  private load(): void {
    const from = this.horizon;
    const stored = this.source.scan(from, LOAD);
    assert(stored.length <= LOAD, 'the store gave more due entries than asked for');
    const to = stored.length < LOAD ? NEVER : stored[stored.length - 1]!;
    this.horizon = to;
    for (const entry of stored) this.insert(entry);
    for (const entry of this.source.unsaved()) {
      if (entry.dueMs !== Infinity && compare(entry, from) > 0 && compare(entry, to) <= 0) {
        this.insert({ dueMs: entry.dueMs, key: entry.key }); // a copy: the entry is the living profile
      }
    }
    if (this.heap.length > HEAP_MAX) this.shrink();
  }

  private shrink(): void {
    const sorted = this.heap.sort(compare); // a sorted array is a heap
    this.heap = sorted.slice(0, HEAP_MAX / 2);
    this.horizon = this.heap[this.heap.length - 1]!;
  }

  private insert(entry: DueEntry): void {
    const heap = this.heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (compare(heap[parent]!, entry) <= 0) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  private removeFirst(): void {
    const heap = this.heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) < 0) child++;
      if (compare(last, heap[child]!) <= 0) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function compare(a: DueEntry, b: DueEntry): number {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
