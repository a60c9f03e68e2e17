// Everything that is kept about one identity. Plain data; the fold changes it, the store writes it.
import type { IdentityKey } from '../message/identity.ts';
import { type Fragment } from '../record/fragment.ts';
import type { JsonObject } from '../record/json.ts';
import type { ChunkList } from './chunk_list.ts';
import { Part } from './part.ts';
import type { Measure } from './plan.ts';
import { SeenIds } from './seen_ids.ts';
import { TILE } from './tiles.ts';

/** Of a number by number, with the table's slack. */
const TABLE_ENTRY_BYTES = 40;
const EXACT_PARTS_MAX = 8;
const NO_PARTS = Object.freeze<Part[]>([]) as Part[];
const NO_FRAGMENTS = Object.freeze<Fragment[]>([]) as Fragment[];
const NO_DATASETS: readonly number[] = Object.freeze([]);

/** What was deleted of a profile: everything up to `sequence`; what is as of `timeMs` or before stays dead, whenever it arrives. */
export type Tombstone = { readonly sequence: number; readonly timeMs: number };

export class IdentityState {
  readonly key: IdentityKey;
  /** Sequence of the last message that visibly changed the profile; 0 before the first. */
  version = 0;
  /** The revision of the definitions up to which it has attributes; later ones are absent until it is brought up. */
  revision = 1;
  /** When something changes next without any message: the earliest due of its parts and latest values. Infinity: never. */
  dueMs = Infinity;
  /** Shard time up to which its windows were advanced. */
  evaluatedMs = 0;
  readonly seen = new SeenIds();
  /** Sorted by measure, then dataset. */
  parts: Part[] = NO_PARTS;
  /** What records say, by dataset (index), ascending; tombstones too. */
  fragments: Fragment[] = NO_FRAGMENTS;
  /** Datasets (indexes) with an event that counted and is not deleted, ascending. */
  eventDatasets: readonly number[] = NO_DATASETS;
  /** Of the whole profile; null: it was never deleted. */
  tombstone: Tombstone | null = null;
  /** The sequence up to which deletes of datasets were applied to it. */
  clearedTo = 0;
  /** Is there a profile to see? Not after it was deleted, and not where a dataset's tombstone is all there is. */
  visible = true;

  // What follows belongs to the cache and the checkpoint, and is not stored.
  /** Due as the store's index has it; Infinity when it has no entry. */
  storedDueMs = Infinity;
  /** It is no more: the store has to remove its record. */
  removed = false;
  /** Parts and fragments that were dropped, while the store has records of theirs. */
  dropped: (Part | Fragment)[] | null = null;
  /** The records merged by the default policy, once somebody has asked. */
  merged: JsonObject | null = null;
  /** Approximate memory, as of the last estimate. */
  bytes = 0;
  /** Touched since the clock hand passed. */
  referenced = true;
  dirty = false;
  /** In the checkpoint that is being written, and not encoded yet: must be encoded before it may change. */
  frozen = false;
  /** In the checkpoint that is being written: must stay in memory until it is committed. */
  writing = false;

  constructor(key: IdentityKey) {
    this.key = key;
  }

  /** Position of the first part of a measure; where it would be when there is none. O(1) in the usual case of one dataset. */
  firstPart(measure: number): number {
    const parts = this.parts;
    let at = measure < parts.length ? measure : parts.length;
    while (at < parts.length && parts[at]!.measure < measure) at++;
    while (at > 0 && parts[at - 1]!.measure >= measure) at--;
    return at;
  }

  /** The part of (dataset, measure), made when there is none. */
  partFor(measure: Measure, dataset: number): Part {
    const parts = this.parts;
    for (let at = this.firstPart(measure.index); at < parts.length && parts[at]!.measure === measure.index; at++) {
      if (parts[at]!.dataset === dataset) return parts[at]!;
    }
    const made = new Part(measure, dataset);
    this.addPart(made);
    return made;
  }

  fragmentOf(dataset: number): Fragment | undefined {
    const { fragments } = this;
    for (let i = 0; i < fragments.length; i++) if (fragments[i]!.dataset === dataset) return fragments[i];
    return undefined;
  }

  addFragment(fragment: Fragment): void {
    const { fragments } = this;
    const at = fragments.findIndex(({ dataset }) => dataset > fragment.dataset);
    if (fragments.length === 0) this.fragments = [fragment];
    else fragments.splice(at < 0 ? fragments.length : at, 0, fragment);
  }

  dropParts(goes: (part: Part) => boolean): void {
    const gone = this.parts.filter(goes);
    if (gone.length === 0) return;
    this.parts = this.parts.filter((part) => !goes(part));
    this.dropped = [...(this.dropped ?? []), ...gone];
  }

  dropFragments(goes: (fragment: Fragment) => boolean): void {
    const gone = this.fragments.filter(goes);
    if (gone.length === 0) return;
    this.fragments = this.fragments.filter((fragment) => !goes(fragment));
    this.dropped = [...(this.dropped ?? []), ...gone];
    this.merged = null;
  }

  /** Remembers that an event of the dataset counted. */
  addEventDataset(dataset: number): void {
    const { eventDatasets } = this;
    for (let i = 0; i < eventDatasets.length; i++) if (eventDatasets[i] === dataset) return;
    this.eventDatasets = sharedList([...eventDatasets, dataset].sort((a, b) => a - b));
  }

  addPart(part: Part): void {
    const { parts } = this;
    let at = this.firstPart(part.measure);
    while (at < parts.length && parts[at]!.measure === part.measure && parts[at]!.dataset < part.dataset) at++;
    // most profiles have a few parts for life: a push onto a short array would take seventeen slots more
    if (parts.length === 0) this.parts = [part];
    else if (at === parts.length && at < EXACT_PARTS_MAX) this.parts = [...parts, part];
    else if (at === parts.length) parts.push(part);
    else parts.splice(at, 0, part);
  }
}

/** The same lists again and again: most profiles have the events of the same few datasets. */
function sharedList(datasets: readonly number[]): readonly number[] {
  const text = datasets.join();
  const known = LISTS.get(text);
  if (known !== undefined) return known;
  if (LISTS.size < LISTS_MAX) LISTS.set(text, datasets);
  return datasets;
}

const LISTS = new Map<string, readonly number[]>();
const LISTS_MAX = 1_024;
/** A parsed record against its text. */
const PARSED_FACTOR = 4;

/** Approximate heap bytes: objects, unboxed doubles with their growth slack, strings. */
export function estimateBytes(state: IdentityState): number {
  let bytes = 360 + state.key.length + listBytes(state.seen.size, 3);
  for (const part of state.parts) {
    bytes += 256 + part.acc.length * 8;
    if (part.ring !== null) bytes += ringBytes(part.ring);
    if (part.tiles !== null) bytes += 100 + part.tiles.count * TILE * 8;
    if (part.extremes !== null) {
      const { low, high } = part.extremes;
      bytes +=
        80 + optionalBytes(low) + optionalBytes(high) + ((low?.spans?.size ?? 0) + (high?.spans?.size ?? 0)) * TABLE_ENTRY_BYTES;
    }
    if (part.keepers !== null) {
      const { earliest, list, distinct } = part.keepers;
      bytes += 100 + optionalBytes(earliest) + optionalBytes(list) + optionalBytes(distinct);
      if (distinct !== null) bytes += distinct.size * TABLE_ENTRY_BYTES;
    }
    bytes += valueBytes(part.recentValue);
  }
  for (const { text } of state.fragments) {
    const length = text?.length ?? 0;
    bytes += 120 + length * (state.merged === null ? 1 : PARSED_FACTOR);
  }
  return bytes;
}

/** Chunks that rest packed take a byte a character. */
function ringBytes(ring: ChunkList): number {
  if (ring.chunks.length <= 1) return listBytes(ring.size, ring.stride);
  let bytes = 180;
  for (const chunk of ring.chunks) bytes += 100 + (chunk.packed === null ? chunk.data.length * 12 : chunk.packed.length);
  return bytes;
}

function optionalBytes(list: ChunkList | null): number {
  if (list === null) return 0;
  let bytes = listBytes(list.size, list.stride);
  for (const { values } of list.chunks) if (values !== null) for (const value of values) bytes += 8 + valueBytes(value);
  return bytes;
}

function valueBytes(value: unknown): number {
  if (value === undefined) return 0;
  return typeof value === 'string' ? 16 + value.length : 64;
}

function listBytes(rows: number, stride: number): number {
  return 180 + (rows + (rows >> 1)) * stride * 8;
}
