// The one tree that a merge policy makes of fragments: their leaves are laid down one after the other, the strongest fragment's first.
// MF1: a leaf is laid down where nothing is yet; where a stronger fragment has something, at the place or above it, it is passed over.
// Source: design/semantics.md §5
import { isTree, leavesOf, type JsonValue, type Tree } from './json_tree.ts';

/** A policy as compiled definitions have it. `order`: indexes of datasets that take part, the strongest first; null: all do, the newest first. */
export type OraclePolicy = { readonly name: string; readonly isDefault: boolean; readonly order: readonly number[] | null };

/** What a dataset says of an identity. */
export type SaidRecord = {
  readonly dataset: string;
  readonly lastUpdatedMs: number;
  readonly sequence: number;
  readonly record: Tree;
};

/** @param datasets the names behind the policy's order */
export function mergeFragments(fragments: readonly SaidRecord[], policy: OraclePolicy, datasets: readonly string[]): Tree {
  const result: Record<string, JsonValue> = {};
  for (const { record } of strongestFirst(fragments, policy, datasets))
    for (const { path, value } of leavesOf(record)) layDown(result, path, value);
  return result;
}

function strongestFirst(fragments: readonly SaidRecord[], { order }: OraclePolicy, datasets: readonly string[]): SaidRecord[] {
  const newestFirst = [...fragments].sort(
    (a, b) => b.lastUpdatedMs - a.lastUpdatedMs || b.sequence - a.sequence || (a.dataset < b.dataset ? -1 : 1),
  );
  if (order === null) return newestFirst;
  return order.flatMap((index) => newestFirst.filter(({ dataset }) => dataset === datasets[index]));
}

function layDown(root: Record<string, JsonValue>, path: readonly string[], value: JsonValue): void {
  let at = root;
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(at, key)) at[key] = {};
    const below = at[key];
    if (!isTree(below)) return;
    at = below;
  }
  const last = path.at(-1)!;
  // an object is laid down as one of its own: members come into it, and the fragment's are not to be changed
  if (!Object.hasOwn(at, last)) at[last] = isTree(value) ? {} : value;
}
