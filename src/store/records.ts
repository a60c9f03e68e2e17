// How a profile lies in the store: one head record, records of their own for the chunks of its long lists, one due entry.
// RC1: a list is inside the head while it has one chunk of at most INLINE_ROWS rows; else each of its chunks is a record.
// RC2: state names its measure and dataset by hash, never by position: definitions can be extended later.
import { fnv1a32 } from '../base/fnv1a.ts';
import type { Measure, Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { EncodedProfile } from '../ports/profile_store.ts';

/** First byte of every record. */
export const RECORD_FORMAT = 1;
export const INLINE_ROWS = 64;

/** Flags of a head record. */
export const HEAD_DUE = 1;
export const HEAD_SEEN = 2;
/** Of a later revision of the definitions than the first. */
export const HEAD_REVISION = 4;

/** What records say. */
export const HEAD_FRAGMENTS = 8;
/** The datasets whose events counted, where the parts do not tell. */
export const HEAD_EVENT_DATASETS = 16;
export const HEAD_TOMBSTONE = 32;
export const HEAD_CLEARED = 64;
/** There is no profile to see. */
export const HEAD_INVISIBLE = 128;

/** What a fragment has: neither is a tombstone. */
export const FRAGMENT_INLINE = 1;
/** Its text is a record of its own. */
export const FRAGMENT_APART = 2;
/** Longer texts are records of their own. */
export const FRAGMENT_INLINE_MAX = 240;

/** How the text of a fragment's record is encoded. */
export const TEXT_ASCII = 1;
export const TEXT_UTF8 = 2;

/** Flags of a part. */
export const PART_RING = 1;
export const PART_WIDE = 2;
export const PART_RECENT = 4;
export const PART_DUE = 8;
export const PART_EXTREMES = 16;
export const PART_TILES = 32;
export const PART_KEEPERS = 64;

/** What a part's extremes have. */
export const EXTREMES_LOW = 1;
export const EXTREMES_HIGH = 2;
export const EXTREMES_LIFETIME_LOW = 4;
export const EXTREMES_LIFETIME_HIGH = 8;
export const EXTREMES_SPANS_LOW = 16;
export const EXTREMES_SPANS_HIGH = 32;

/** What a part's keepers have. */
export const KEEPERS_EARLIEST = 1;
export const KEEPERS_LIST = 2;
export const KEEPERS_DISTINCT = 4;
export const KEEPERS_FIRST = 8;
/** A sample of distinct values from fold version 6 on. */
export const KEEPERS_UNKEPT_LEAVES = 16;

/** What a latest value is. */
export const VALUE_FALSE = 1;
export const VALUE_TRUE = 2;
export const VALUE_NUMBER = 3;
export const VALUE_ASCII = 4;
export const VALUE_UTF8 = 5;
/** A text with half a surrogate pair: UTF-8 would change it. */
export const VALUE_UTF16 = 6;
export const VALUE_ARRAY = 7;

/** The key of a chunk's record: identity key, NUL, list, chunk id. Characters 0–255, one byte each. No identity key holds a NUL,
 *  so a profile's chunks are together, and none collides with another's. */
export type ChunkKey = string;

export type ChunkRecord = { readonly key: ChunkKey; readonly bytes: Buffer };

/** A profile ready to be written. */
export type ProfileRecords = EncodedProfile & {
  /** Without a byte: the profile is removed. */
  readonly head: Buffer;
  readonly chunks: readonly ChunkRecord[];
  /** Chunk records that are no longer part of the profile. */
  readonly removed: readonly ChunkKey[];
  /** The due entry that the index has, and the one that it must have; Infinity: none. */
  readonly dueBeforeMs: number;
  readonly dueMs: number;
};

export const SEEN_LIST = '';

/** The names that were asked for last, by the low bits of both numbers: a plan has few, and every part has one. */
const NAMES_KEPT = 256;
const keptNames = Array.from({ length: NAMES_KEPT }, () => ({ measureId: -1, datasetHash: -1, name: '' }));

/** The list of a part's ring. */
export function ringList(measureId: number, datasetHash: number): string {
  const kept = keptNames[(measureId ^ datasetHash) & (NAMES_KEPT - 1)]!;
  if (kept.measureId !== measureId || kept.datasetHash !== datasetHash) {
    kept.measureId = measureId;
    kept.datasetHash = datasetHash;
    kept.name = fourBytes(measureId) + fourBytes(datasetHash);
  }
  return kept.name;
}

/** The other lists of a part: one character longer than its ring's, so that no key of one is a key of the other. */
export type PartList = 'low' | 'high' | 'earliest' | 'list' | 'distinct';

const LETTER: Readonly<Record<PartList, string>> = { low: 'l', high: 'h', earliest: 'e', list: 'n', distinct: 'd' };

export function partList(measureId: number, datasetHash: number, kind: PartList): string {
  return ringList(measureId, datasetHash) + LETTER[kind];
}

/** The record of a fragment's text: a list of one chunk, its name as long as no other's. */
export function fragmentKey(key: IdentityKey, datasetHash: number): ChunkKey {
  return `${key}\0f${fourBytes(datasetHash)}${fourBytes(0)}`;
}

export function chunkKey(key: IdentityKey, list: string, chunk: number): ChunkKey {
  return `${key}\0${list}${fourBytes(chunk)}`;
}

/** Four characters that sort as the number does. */
export function fourBytes(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** How a plan's measures and datasets are named in records. */
export type PlanNames = {
  readonly plan: Plan;
  /** By position in the plan. */
  readonly datasetHashes: readonly number[];
  readonly measureOf: ReadonlyMap<number, Measure>;
  readonly datasetOf: ReadonlyMap<number, number>;
};

let last: PlanNames | undefined;

/** A plan's names, worked out once per plan. */
export function namesOf(plan: Plan): PlanNames {
  if (last?.plan === plan) return last;
  const datasetHashes = plan.datasets.map((name) => fnv1a32(name));
  last = {
    plan,
    datasetHashes,
    measureOf: new Map(plan.measures.map((measure) => [measure.id, measure])),
    datasetOf: new Map(datasetHashes.map((hash, index) => [hash, index])),
  };
  return last;
}
