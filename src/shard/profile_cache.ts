// The profiles in memory: a bounded cache over the store, and the set of those that the store does not have yet.
// PC1: a dirty profile, or one in a checkpoint that is being written, is never evicted.
// PC2: a profile in a checkpoint is encoded as of the checkpoint: before it may change again (copy on write).
// PC3: a profile that is not in here is in the store exactly as it was last seen, or does not exist.
import { assert } from '../base/assert.ts';
import { estimateBytes, IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { EncodedProfile, ProfileStore } from '../ports/profile_store.ts';

/** How many profiles one call looks at: when most are dirty, looking is all it could do. */
const EVICT_LOOKS_MAX = 4_096;
const KEYS_PAGE = 4_096;

export class ProfileCache {
  private readonly store: ProfileStore;
  /** May change at any time; kept to at the next eviction. */
  maxBytes: number;
  private readonly resident = new Map<IdentityKey, IdentityState>();
  private dirty: IdentityState[] = [];
  /** How many of `dirty` were estimated after their first change: a new profile is made empty. */
  private estimated = 0;
  private writing: IdentityState[] = [];
  private encoded: EncodedProfile[] = [];
  /** Was any encoded before its turn? Then `encoded` is not in key order. */
  private encodedEarly = false;
  private hand: Iterator<IdentityState> | null = null;
  bytes = 0;
  hits = 0;
  misses = 0;

  constructor(store: ProfileStore, maxBytes: number) {
    this.store = store;
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.resident.size;
  }

  get dirtyCount(): number {
    return this.dirty.length;
  }

  isResident(key: IdentityKey): boolean {
    return this.resident.has(key);
  }

  /** The profile to read or to change; undefined when there is none. A change must be announced with `willChange`. */
  get(key: IdentityKey, plan: Plan): IdentityState | undefined {
    const found = this.resident.get(key);
    if (found !== undefined) {
      found.referenced = true;
      this.hits++;
      return found.removed ? undefined : found;
    }
    this.misses++;
    const loaded = this.store.get(key, plan);
    if (loaded !== undefined) this.keep(loaded);
    return loaded;
  }

  /** The next keys of all states, stored or not, in order. Cost: O(changed profiles), and a read of the store */
  keysAfter(after: IdentityKey, limit: number): IdentityKey[] {
    const keys = new Set<IdentityKey>();
    let from = after;
    let end: IdentityKey | undefined;
    do {
      const stored = this.store.keysAfter(from, limit);
      for (const key of stored) if (this.resident.get(key)?.removed !== true) keys.add(key);
      // where the store gives a full page, what is past its end has no place in it
      end = stored.length < limit ? undefined : stored[limit - 1]!;
      from = end ?? from;
    } while (keys.size < limit && end !== undefined);
    for (const { key, removed } of this.unsaved()) if (!removed && key > after && (end === undefined || key < end)) keys.add(key);
    return [...keys].sort().slice(0, limit);
  }

  /** All keys, in order, read page by page. */
  *keys(): Iterable<IdentityKey> {
    for (let after = ''; ;) {
      const page = this.keysAfter(after, KEYS_PAGE);
      yield* page;
      if (page.length < KEYS_PAGE) return;
      after = page[page.length - 1]!;
    }
  }

  /** A new state. One that was removed comes back empty, with what the store has yet to remove. */
  create(key: IdentityKey, plan: Plan): IdentityState {
    const left = this.resident.get(key);
    if (left !== undefined) {
      assert(left.removed, 'a profile is made once');
      if (left.frozen) this.encodeEarly(left, plan); // as removed
      left.removed = false;
      return left;
    }
    const state = new IdentityState(key);
    this.keep(state);
    return state;
  }

  /** Must be called before a profile changes. */
  willChange(state: IdentityState, plan: Plan): void {
    if (state.frozen) this.encodeEarly(state, plan);
    if (state.dirty) return;
    state.dirty = true;
    this.dirty.push(state);
  }

  *unsaved(): Iterable<IdentityState> {
    for (const state of this.dirty) yield state;
    for (const state of this.writing) yield state;
  }

  /** Starts a checkpoint of everything dirty. @returns how many profiles it has */
  freeze(): number {
    assert(this.writing.length === 0, 'one checkpoint at a time');
    this.writing = this.dirty;
    this.dirty = [];
    this.estimated = 0;
    this.encoded = [];
    for (const state of this.writing) {
      state.dirty = false;
      state.frozen = true;
      state.writing = true;
    }
    this.encodedEarly = false;
    this.writing.sort(byKey); // sorted: neighbouring keys share LMDB pages
    return this.writing.length;
  }

  /** Encodes frozen profiles from `from` on, at most `count`. @returns where to go on, or -1 when all are done */
  encodeSlice(from: number, count: number, plan: Plan): number {
    const to = Math.min(from + count, this.writing.length);
    for (let i = from; i < to; i++) {
      const state = this.writing[i]!;
      if (state.frozen) this.encodeNow(state, plan);
    }
    return to === this.writing.length ? -1 : to;
  }

  /** Everything that the checkpoint has, in key order. */
  takeEncoded(): EncodedProfile[] {
    assert(this.encoded.length === this.writing.length, 'every frozen profile is encoded once');
    const all = this.encoded;
    this.encoded = [];
    return this.encodedEarly ? all.sort(byKey) : all;
  }

  /** The checkpoint is committed. */
  thaw(): void {
    for (const state of this.writing) state.writing = false;
    this.writing = [];
  }

  /** Drops clean profiles, least recently touched first (second chance), until the budget holds.
   *  Only between messages: the fold holds profiles while it applies one. */
  evict(): void {
    for (; this.estimated < this.dirty.length; this.estimated++) this.estimate(this.dirty[this.estimated]!);
    let looked = 0;
    const limit = Math.min(EVICT_LOOKS_MAX, this.resident.size * 2);
    while (this.bytes > this.maxBytes && looked++ < limit) {
      this.hand ??= this.resident.values();
      const next = this.hand.next();
      if (next.done === true) {
        this.hand = null;
        continue;
      }
      const state = next.value;
      if (state.dirty || state.writing) continue;
      if (state.referenced) {
        state.referenced = false;
        continue;
      }
      this.resident.delete(state.key);
      this.bytes -= state.bytes;
    }
  }

  private encodeEarly(state: IdentityState, plan: Plan): void {
    this.encodedEarly = true;
    this.encodeNow(state, plan);
  }

  private encodeNow(state: IdentityState, plan: Plan): void {
    this.encoded.push(this.store.encode(state, plan));
    state.frozen = false;
    state.merged = null; // parsed records take a multiple of their text: kept from one checkpoint to the next
    this.estimate(state);
  }

  private estimate(state: IdentityState): void {
    const bytes = estimateBytes(state);
    this.bytes += bytes - state.bytes;
    state.bytes = bytes;
  }

  private keep(state: IdentityState): void {
    state.bytes = estimateBytes(state);
    this.bytes += state.bytes;
    this.resident.set(state.key, state);
  }
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}
