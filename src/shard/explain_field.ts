// Why a field of a profile's records is what it is: who says what about it, who wins under the policy, and why the others do not.
// EF1: the winner is whose value the merge shows: where a leaf stands above the place, nobody at the place wins.
// EF2: of an object each leaf is explained by itself, at most LEAVES_MAX of them.
// Source: design/semantics.md §5
import { valueAt } from '../base/value_at.ts';
import { formatTime } from '../base/time.ts';
import { parseIdentityKey } from '../message/identity.ts';
import type { ExplainedField, FieldExplanation, FieldSource } from '../profile/explanation.ts';
import type { ProfileView } from '../profile/view.ts';
import { isJsonObject, type JsonObject } from '../record/json.ts';
import { leafChanges, parsePath, pathText } from '../record/leaf_changes.ts';
import { ranked, sourcesAt, type LeafSource, type MergePolicy, type MergeSource } from '../record/merge_policy.ts';

const LEAVES_MAX = 100;
const ROOT = 'attributes';

export type ExplainFieldOptions = {
  /** The profile under `policy`. */
  readonly view: ProfileView;
  readonly sources: readonly MergeSource[];
  readonly policy: MergePolicy;
  /** Names, as `Plan.datasets` has them. */
  readonly datasets: readonly string[];
  /** `[]`: everything. */
  readonly path: readonly string[];
};

/** Does anybody say anything at the path, or above it? */
export function isSaid(sources: readonly MergeSource[], path: readonly string[]): boolean {
  return sources.some(({ record }) => path.length === 0 || valueAt(record, path) !== undefined);
}

/** Cost: O(sources × leaves) */
export function explainField(options: ExplainFieldOptions): FieldExplanation {
  const { view, policy, datasets, path } = options;
  const { profile, version, shard, sequence, time } = view;
  const named = { policy: policy.name, ...(view.stitching === undefined ? {} : { stitching: view.stitching }) };
  const about = { ...named, rule: ruleOf(policy, datasets), version, shard, sequence, time };
  const shown = path.length === 0 ? (view.attributes as JsonObject) : valueAt(view.attributes as JsonObject, path);
  if (!isJsonObject(shown) || Object.keys(shown).length === 0) return { profile, ...explainedAt(path, options), ...about };
  const leaves = leavesOf(shown, path);
  const fields = leaves.slice(0, LEAVES_MAX).map((leaf) => explainedAt(leaf, options));
  return { profile, field: fieldText(path), fields, ...(leaves.length > LEAVES_MAX ? { truncated: true } : {}), ...about };
}

function leavesOf(value: JsonObject, path: readonly string[]): string[][] {
  return leafChanges({}, value, pathText(path)).map((leaf) => parsePath(leaf.path)!);
}

function fieldText(path: readonly string[]): string {
  return pathText([ROOT, ...path]);
}

function explainedAt(path: readonly string[], { view, sources, policy, datasets }: ExplainFieldOptions): ExplainedField {
  const field = fieldText(path);
  if (path.length === 0) return { field, losers: [], notTakingPart: [] };
  const takingPart = ranked(sources, policy);
  const silent = sources.filter((source) => !takingPart.includes(source) && valueAt(source.record, path) !== undefined);
  const notTakingPart = silent.map(({ name }) => name).sort();
  const value = valueAt(view.attributes as JsonObject, path);
  if (value === undefined) {
    const above = leafAbove(path, sources, policy);
    const why = `${above?.source.name ?? 'another dataset'} has a value above, at ${fieldText(above?.path ?? [])}, and no object`;
    const losers = takingPart.flatMap((source) => {
      const said = valueAt(source.record, path);
      return said === undefined ? [] : [{ ...sourceOf({ source, value: said }), why }];
    });
    return { field, losers, notTakingPart };
  }
  const [winner, ...others] = sourcesAt(sources, policy, path) as [LeafSource, ...LeafSource[]];
  const losers = others.map((each) => ({ ...sourceOf(each), why: whyNot(winner.source, each.source, policy, datasets) }));
  return { field, value, winner: sourceOf(winner), losers, notTakingPart };
}

/** The strongest at the nearest place above that is no object. */
function leafAbove(
  path: readonly string[],
  sources: readonly MergeSource[],
  policy: MergePolicy,
): { readonly source: MergeSource; readonly path: readonly string[] } | undefined {
  for (let length = path.length - 1; length > 0; length--) {
    const above = path.slice(0, length);
    const [strongest] = sourcesAt(sources, policy, above);
    if (strongest !== undefined && !isJsonObject(strongest.value)) return { source: strongest.source, path: above };
  }
  return undefined;
}

function sourceOf({ source, value }: LeafSource): FieldSource {
  const { name, identity, lastUpdatedMs, sequence } = source;
  return { dataset: name, identity: parseIdentityKey(identity), lastUpdated: formatTime(lastUpdatedMs), sequence, value };
}

function ruleOf({ order }: MergePolicy, datasets: readonly string[]): string {
  if (order === null) return 'timestampOrdered: the newest lastUpdated wins';
  return `dataSetPrecedence: ${order.map((dataset) => datasets[dataset]).join(' before ')}`;
}

/** The first difference between the two in the policy's own order. */
function whyNot(winner: MergeSource, loser: MergeSource, { order }: MergePolicy, datasets: readonly string[]): string {
  if (order !== null && winner.dataset !== loser.dataset)
    return `later in the order: ${datasets[winner.dataset]} comes before ${datasets[loser.dataset]}`;
  if (loser.lastUpdatedMs < winner.lastUpdatedMs) return 'older: its lastUpdated is earlier';
  if (loser.sequence < winner.sequence) return 'same lastUpdated, lower sequence';
  if (loser.name !== winner.name) return 'same lastUpdated and sequence, later name';
  return 'same lastUpdated, sequence and dataset, later identity';
}
