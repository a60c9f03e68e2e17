// When something of an identity changes by itself, without any message.
import { latest } from './attribute_value.ts';
import type { IdentityState } from './identity_state.ts';
import type { Plan } from './plan.ts';
import { leavesAt } from './window.ts';

/** The first instant after the state's last advance at which a window loses something; Infinity: none ever does.
 *  Cost: O(parts + mostRecent and exists attributes with a finite window) */
export function stateDueMs(state: IdentityState, plan: Plan): number {
  let dueMs = partsDueMs(state);
  for (const attribute of plan.finiteLatest) {
    const part = latest(state, attribute);
    if (part !== undefined) dueMs = Math.min(dueMs, leavesAt(attribute.window, part.recentMs));
  }
  return dueMs;
}

/** Of the parts alone: until then nothing in them changes, whatever the time. */
export function partsDueMs({ parts }: IdentityState): number {
  let dueMs = Infinity;
  for (const part of parts) if (part.dueMs < dueMs) dueMs = part.dueMs;
  return dueMs;
}
