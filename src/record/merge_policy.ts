// The one profile that a merge policy makes of what many datasets say.
// ME1: per leaf (text, number, boolean, null, array) the source of highest rank; objects merge key by key, one without members too: it is
//      shown as it is where no source has any. Where some sources have an object and others a leaf at one place, the source of highest rank
//      there decides which it is.
// ME2: a function of the set of sources: commutative, associative (sets are joined, never results) and idempotent, in any order.
// Source: design/semantics.md §5
import type { EpochMs } from '../base/time.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';

export type MergePolicy = {
  readonly name: string;
  readonly isDefault: boolean;
  /** What the definitions ask for. Until there is a graph, every read follows only the identity asked for. */
  readonly stitching: 'none' | 'graph';
  /** Null: timestampOrdered. Else the datasets (indexes into `Plan.datasets`) that take part, the first before the others. */
  readonly order: readonly number[] | null;
};

/** One side of a merge. `dataset` is an index into `Plan.datasets`, `name` its name; `identity` is what the fragment is about. */
export type MergeSource = {
  readonly dataset: number;
  readonly name: string;
  readonly identity: string;
  readonly lastUpdatedMs: EpochMs;
  readonly sequence: number;
  readonly record: JsonObject;
};

/** Those that take part, the strongest first: by the policy's order; then by lastUpdated, sequence, dataset name, identity. */
export function ranked(sources: readonly MergeSource[], policy: MergePolicy): MergeSource[] {
  const { order } = policy;
  if (order === null) return [...sources].sort(newestFirst);
  return sources
    .filter(({ dataset }) => order.includes(dataset))
    .sort((a, b) => order.indexOf(a.dataset) - order.indexOf(b.dataset) || newestFirst(a, b));
}

function newestFirst(a: MergeSource, b: MergeSource): number {
  if (a.lastUpdatedMs !== b.lastUpdatedMs) return b.lastUpdatedMs - a.lastUpdatedMs;
  if (a.sequence !== b.sequence) return b.sequence - a.sequence;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.identity < b.identity ? -1 : a.identity > b.identity ? 1 : 0;
}

/** Folds sources into one tree. @param sources 0..50, any order, not changed  @returns a new tree, or a source's own record where it is
 *  the only one: not to be changed  @throws never  Cost: O(total leaves) */
export function merged(sources: readonly MergeSource[], policy: MergePolicy): JsonObject {
  const strongest = ranked(sources, policy);
  if (strongest.length === 0) return {};
  if (strongest.length === 1) return strongest[0]!.record;
  return mergedObjects(strongest.map(({ record }) => record));
}

/** @param objects the strongest first */
function mergedObjects(objects: readonly JsonObject[]): JsonObject {
  const result: Record<string, Json> = {};
  let shared: Map<string, JsonObject[]> | null = null;
  for (const object of objects) {
    for (const key of Object.keys(object)) {
      const value = object[key]!;
      if (!Object.hasOwn(result, key)) {
        result[key] = value;
        continue;
      }
      const stronger = result[key];
      if (!isJsonObject(value) || !isJsonObject(stronger)) continue;
      const list = (shared ??= new Map<string, JsonObject[]>()).get(key);
      if (list === undefined) shared.set(key, [stronger, value]);
      else list.push(value);
    }
  }
  if (shared !== null) for (const [key, list] of shared) result[key] = mergedObjects(list);
  return result;
}

export type LeafSource = { readonly source: MergeSource; readonly value: Json };

/** Who says what about the place at `path`, the strongest first: the first is the one that is shown. Sources that take part but are silent
 *  there are not named. Of an object: each source that has it, with its own version of it. Nobody where nothing is shown: a stronger source
 *  has a leaf on the way. */
export function sourcesAt(sources: readonly MergeSource[], policy: MergePolicy, path: readonly string[]): LeafSource[] {
  let there: LeafSource[] = ranked(sources, policy).map((source) => ({ source, value: source.record }));
  for (const key of path) {
    if (there.length > 0 && !isJsonObject(there[0]!.value)) return [];
    const next: LeafSource[] = [];
    for (const { source, value } of there) {
      if (isJsonObject(value) && Object.hasOwn(value, key)) next.push({ source, value: value[key]! });
    }
    there = next;
  }
  return there;
}
