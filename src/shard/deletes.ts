// What deletes do to a state. The fold decides when, and compares what was visible before with what is after.
// DE1: what is dropped is remembered until the store has dropped its records too (`IdentityState.dropped`).
import { IdentityState, type Tombstone } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import { partsDueMs, stateDueMs } from '../aggregate/state_due.ts';
import type { EpochMs } from '../base/time.ts';
import type { DatasetDelete } from '../ports/profile_store.ts';

/** Everything goes but what later writes must be measured by: remembered ids, and tombstones of records that hold beyond this one. */
export function deleteProfile(state: IdentityState, tombstone: Tombstone): void {
  state.dropParts(() => true);
  state.eventDatasets = [];
  state.dropFragments((fragment) => !fragment.outlives(tombstone.timeMs));
  state.tombstone = tombstone;
}

/** As if it had never been: what is left in memory waits for the store to remove its record. */
export function eraseState(state: IdentityState): void {
  state.dropParts(() => true);
  state.dropFragments(() => true);
  state.eventDatasets = [];
  state.seen.clear();
  state.tombstone = null;
  state.dueMs = Infinity;
  state.version = 0;
  state.removed = true;
}

/** Takes out what these datasets said before they were deleted. `announce` is told of those that had said something, before anything goes.
 *  @returns had any of them? */
export function clearDatasets(
  state: IdentityState,
  deletes: readonly DatasetDelete[],
  plan: Plan,
  announce: (datasets: readonly string[]) => void,
): boolean {
  const gone = new Map<number, DatasetDelete>();
  for (const each of deletes) {
    const rule = plan.admission.datasets.get(each.dataset);
    if (rule !== undefined && says(state, rule.index)) gone.set(rule.index, each);
  }
  if (gone.size === 0) return false;
  announce([...gone.values()].map(({ dataset }) => dataset));
  state.dropParts(({ dataset }) => gone.has(dataset));
  state.eventDatasets = state.eventDatasets.filter((dataset) => !gone.has(dataset));
  state.dropFragments((fragment) => {
    const by = gone.get(fragment.dataset);
    return by !== undefined && !fragment.outlives(by.timeMs);
  });
  return true;
}

function says(state: IdentityState, dataset: number): boolean {
  return state.eventDatasets.includes(dataset) || state.fragmentOf(dataset) !== undefined;
}

/** A state as readers see it at `nowMs`: what is deleted of a dataset is not there, whether the sweep has come by or not. Shares everything
 *  with it, and is not to be changed. */
export function asCleared(state: IdentityState, deletes: readonly DatasetDelete[], plan: Plan, nowMs: EpochMs): IdentityState {
  const since = deletes.filter(({ sequence }) => sequence > state.clearedTo);
  if (since.length === 0) return state;
  const shown = Object.assign(new IdentityState(state.key), { ...state, merged: null, dropped: null });
  if (!clearDatasets(shown, since, plan, () => undefined)) return state;
  shown.visible = isVisible(shown);
  // up to here the parts that are left hold whatever the time; a latest value that is seen only now may have left its window before
  shown.evaluatedMs = Math.min(nowMs, partsDueMs(shown) - 1);
  shown.dueMs = stateDueMs(shown, plan);
  return shown;
}

/** Is there a profile to see: an event that counts, a record that is there? */
export function isVisible({ eventDatasets, fragments }: IdentityState): boolean {
  return eventDatasets.length > 0 || fragments.some(({ text }) => text !== null);
}
