// From the fragments of an identity to the sides of a merge.
import { merged, type MergePolicy, type MergeSource } from '../record/merge_policy.ts';
import type { JsonObject } from '../record/json.ts';
import type { IdentityState } from './identity_state.ts';
import type { Plan } from './plan.ts';

/** Every dataset that says something, tombstones left out. Cost: JSON.parse of each record */
export function mergeSources(state: IdentityState, plan: Plan): MergeSource[] {
  const sources: MergeSource[] = [];
  for (const fragment of state.fragments) {
    const record = fragment.record();
    if (record === undefined) continue;
    const { dataset, lastUpdatedMs, sequence } = fragment;
    sources.push({ dataset, name: plan.datasets[dataset]!, identity: state.key, lastUpdatedMs, sequence, record });
  }
  return sources;
}

/** What records say of an identity, under a policy: not to be changed. That of the default policy is kept until a record changes. */
export function mergedRecord(state: IdentityState, plan: Plan, policy: MergePolicy): JsonObject {
  if (policy !== plan.policy) return merged(mergeSources(state, plan), policy);
  return (state.merged ??= state.fragments.length === 0 ? NOTHING : merged(mergeSources(state, plan), policy));
}

const NOTHING: JsonObject = Object.freeze({});
