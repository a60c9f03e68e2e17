// The profile as readers see it.
// PV1: every value in a view is as of its `time`: the shard's time, or just before the first change that is due but not yet applied.
import { formatTime } from '../base/time.ts';
import { attributeValue, latest, nextChange } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import { parseIdentityKey } from '../message/identity.ts';
import type { ComputedValue, ProfileView } from '../profile/view.ts';

export type ViewPoint = { readonly shard: number; readonly sequence: number; readonly shardTimeMs: number };

export function profileView(state: IdentityState, plan: Plan, at: ViewPoint): ProfileView {
  const identity = parseIdentityKey(state.key);
  const computed: Record<string, ComputedValue> = {};
  for (const attribute of plan.attributes) {
    const value = attributeValue(state, attribute);
    if (value === undefined) continue;
    const entry: ComputedValue = { value };
    if (attribute.function === 'mostRecent') entry.timestamp = formatTime(latest(state, attribute)!.recentMs);
    const next = nextChange(state, attribute, plan);
    if (next !== Infinity) entry.nextChangeAt = formatTime(next);
    computed[attribute.name] = entry;
  }
  return {
    profile: identity,
    identities: [{ ...identity, primary: true }],
    computed,
    version: state.version,
    shard: at.shard,
    sequence: at.sequence,
    time: formatTime(Math.min(at.shardTimeMs, state.dueMs - 1)),
  };
}
