// What changes for everybody who looks, when one generation of the state takes the place of another: one change event a profile.
// GD1: profiles come in key order, attributes in the order of their names: the n-th change event is the same whenever it is asked for.
// GD2: a profile whose visible values are the same has no change event.
import { allValues, sameValue } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { mergedRecord } from '../aggregate/merged_record.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { StoreSnapshot } from '../ports/profile_store.ts';
import type { JsonObject } from '../record/json.ts';
import { leafChanges } from '../record/leaf_changes.ts';
import type { PendingEvent } from './commit_builder.ts';
import type { ToEncode } from './commit_encoder.ts';

const PAGE_PROFILES = 256;

/** A look at a generation's state; `plan` is null when it never had definitions, and then it has no profiles. */
export type GenerationView = { readonly snapshot: StoreSnapshot; readonly plan: Plan | null };

export type NamedAttributes = NonNullable<ToEncode['plan']>['attributes'];

/** The attributes of both, by name. */
export function namesOfBoth(before: Plan | null, after: Plan | null): NamedAttributes {
  const all = new Map(
    [...(before?.attributes ?? []), ...(after?.attributes ?? [])].map((attribute) => [attribute.name, attribute]),
  );
  return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Null for a profile that has no change event: so that whoever goes through them can take a breath.
 *  @param at the sequence of the generation's message, and the time that its change events have */
export function* generationDiff(
  before: GenerationView,
  after: GenerationView,
  names: NamedAttributes,
  at: { readonly sequence: number; readonly timeMs: number },
): Generator<PendingEvent | null, void, undefined> {
  const old = profilesOf(before);
  const now = profilesOf(after);
  let a = old.next();
  let b = now.next();
  for (let ordinal = 1; a.done !== true || b.done !== true;) {
    const was = a.done === true ? undefined : a.value;
    const is = b.done === true ? undefined : b.value;
    const isOldFirst = is === undefined || (was !== undefined && was.key <= is.key);
    const isNewFirst = was === undefined || (is !== undefined && is.key <= was.key);
    const key = isOldFirst ? was!.key : is.key;
    const event = difference(
      key,
      isOldFirst ? visibleOf(was!, before.plan!) : undefined,
      isNewFirst ? visibleOf(is!, after.plan!) : undefined,
      names,
      at,
    );
    yield event === undefined ? null : { ...event, ordinal: ordinal++ };
    if (isOldFirst) a = old.next();
    if (isNewFirst) b = now.next();
  }
}

function* profilesOf({ snapshot, plan }: GenerationView): Generator<IdentityState, void, undefined> {
  if (plan === null) return;
  for (let after: IdentityKey = ''; ;) {
    const page = snapshot.page(after, PAGE_PROFILES, plan);
    for (const state of page) if (state.visible) yield state;
    if (page.length < PAGE_PROFILES) return;
    after = page[page.length - 1]!.key;
  }
}

type Visible = {
  readonly values: ReadonlyMap<string, unknown>;
  readonly record: JsonObject;
  readonly audiences: readonly string[];
};

function visibleOf(state: IdentityState, plan: Plan): Visible {
  const values = allValues(state, plan);
  return {
    values: new Map(plan.attributes.map(({ name, index }) => [name, values[index]])),
    record: mergedRecord(state, plan, plan.policy),
    audiences: plan.attributes.filter(({ audience, index }) => audience && values[index] === true).map(({ name }) => name),
  };
}

function difference(
  key: IdentityKey,
  was: Visible | undefined,
  is: Visible | undefined,
  names: NamedAttributes,
  at: { readonly sequence: number; readonly timeMs: number },
): PendingEvent | undefined {
  const attributes: number[] = [];
  const before: unknown[] = [];
  const after: unknown[] = [];
  for (const [index, { name }] of names.entries()) {
    const old = was?.values.get(name);
    const now = is?.values.get(name);
    if (sameValue(old, now)) continue;
    attributes.push(index);
    before.push(old);
    after.push(now);
  }
  const entered = is?.audiences.filter((name) => was?.audiences.includes(name) !== true) ?? [];
  const exited = was?.audiences.filter((name) => is?.audiences.includes(name) !== true) ?? [];
  const leaves = leafChanges(was?.record ?? {}, is?.record ?? {}, 'attributes');
  const isSame = attributes.length === 0 && leaves.length === 0 && entered.length === 0 && exited.length === 0;
  if (isSame && was !== undefined && is !== undefined) return undefined;
  return {
    key,
    previousVersion: 0,
    existed: was !== undefined,
    exists: is !== undefined,
    version: at.sequence,
    ordinal: 0,
    timeMs: at.timeMs,
    causes: [{ kind: 'definitions', sequence: at.sequence }],
    causeCount: 1,
    trace: null,
    attributes,
    before,
    after,
    leaves: leaves.length === 0 ? null : new Map(leaves.map((leaf) => [leaf.path, leaf])),
    bytes: 0, // whoever encodes it measures it
    audiences: { entered, exited },
  };
}
