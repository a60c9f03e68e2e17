// The profile as readers see it: what records say under a merge policy, and what was computed from events.
// PV1: every value in a view is as of its `time`: the shard's time, or just before the first change that is due but not yet applied.
import { formatDuration, formatTime } from '../base/time.ts';
import { allValues, earliest, latest } from '../aggregate/attribute_value.ts';
import { mergedRecord } from '../aggregate/merged_record.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { nextChanges, precisionOf } from '../aggregate/next_change.ts';
import type { Attribute, Plan } from '../aggregate/plan.ts';
import { windowStart } from '../aggregate/window.ts';
import { parseIdentityKey } from '../message/identity.ts';
import type { RevisionStart } from '../ports/profile_store.ts';
import type { ComputedValue, ProfileView } from '../profile/view.ts';
import type { MergePolicy } from '../record/merge_policy.ts';

export type ViewPoint = {
  readonly shard: number;
  readonly sequence: number;
  readonly shardTimeMs: number;
  readonly revisions: readonly RevisionStart[];
  readonly generationFrom: number;
};

/** @param policy what `attributes` are merged by; computed values do not depend on it  Cost: O(attributes), and JSON.parse of the records */
export function profileView(state: IdentityState, plan: Plan, at: ViewPoint, policy: MergePolicy): ProfileView {
  const identity = parseIdentityKey(state.key);
  const timeMs = Math.min(at.shardTimeMs, state.dueMs - 1);
  const values = allValues(state, plan);
  return {
    profile: identity,
    identities: [{ ...identity, primary: true }],
    attributes: mergedRecord(state, plan, policy),
    computed: computedValues(state, plan, values, at.revisions, timeMs),
    audiences: audiencesOf(plan, values),
    policy: policy.name,
    ...(policy.stitching === 'graph' ? { stitching: 'none' } : {}),
    version: Math.max(state.version, at.generationFrom),
    shard: at.shard,
    sequence: at.sequence,
    time: formatTime(timeMs),
  };
}

function audiencesOf(plan: Plan, values: readonly unknown[]): string[] {
  const names: string[] = [];
  for (const { audience, index, name } of plan.attributes) if (audience && values[index] === true) names.push(name);
  return names;
}

function computedValues(
  state: IdentityState,
  plan: Plan,
  values: readonly unknown[],
  revisions: readonly RevisionStart[],
  timeMs: number,
): Record<string, ComputedValue> {
  const next = nextChanges(state, plan);
  const computed: Record<string, ComputedValue> = {};
  for (const attribute of plan.attributes) {
    const value = values[attribute.index];
    if (value === undefined) continue;
    const entry: ComputedValue = { value };
    const happenedMs = whenHappened(state, attribute);
    if (happenedMs !== undefined) entry.timestamp = formatTime(happenedMs);
    if (next[attribute.index] !== Infinity) entry.nextChangeAt = formatTime(next[attribute.index]!);
    const since = sinceOf(attribute, revisions, timeMs);
    if (since !== undefined) entry.since = since;
    const inexact = precisionOf(state, attribute);
    if (inexact !== undefined)
      entry.precision = inexact.mode === 'tiled' ? { mode: 'tiled', hop: formatDuration(inexact.hopMs) } : inexact;
    computed[attribute.name] = entry;
  }
  return computed;
}

function whenHappened(state: IdentityState, attribute: Attribute): number | undefined {
  if (attribute.function === 'mostRecent') return latest(state, attribute)!.recentMs;
  return attribute.function === 'earliest' ? earliest(state, attribute)!.atMs : undefined;
}

/** An attribute that was added later has not seen what was before, as long as its window reaches back there. */
function sinceOf(attribute: Attribute, revisions: readonly RevisionStart[], timeMs: number): string | undefined {
  if (attribute.expression !== null) return undefined;
  if (revisions.length === 0) return undefined;
  const start = revisions.find(({ revision }) => revision === attribute.revision);
  return start !== undefined && windowStart(attribute.window, timeMs) < start.timeMs ? formatTime(start.timeMs) : undefined;
}
