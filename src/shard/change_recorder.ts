// Notices what became visible: values before and after a message, profile by profile.
// CR1: a profile is compared at most once per message, after everything that the message does to it.
// CR2: `count` and `digest` run over all changes since the beginning: two replays that agree on them emitted the same changes.
// CR3: a `silent` recorder counts and digests the same changes, and makes none: a replay repeats what was emitted long ago.
// CR4: an expression is evaluated only when an attribute that it names has changed, or a record that it reads, before and after.
// CR5: `open` comes first for each profile, then whatever takes values before, then the change itself, then `compare`.
import { fnv1a32, mix32 } from '../base/fnv1a.ts';
import { allValues, attributeValue, sameValue } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { mergedRecord } from '../aggregate/merged_record.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { Decoded } from '../message/decode.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { JsonObject } from '../record/json.ts';
import { leafChanges, type LeafChange } from '../record/leaf_changes.ts';
import type { Cause, Change } from './effects.ts';
import { ExpressionChanges, type Found } from './expression_changes.ts';

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const NO_CHANGES: readonly Change[] = [];
const NO_RECORD: JsonObject = Object.freeze({});
/** What every leaf's path begins with. */
const ATTRIBUTES = 'attributes';

/** What caused a change, beside definitions, deletes of datasets and expiry. */
export type CausedBy = Decoded | { readonly kind: 'erasure'; readonly name: IdentityKey };

export class ChangeRecorder {
  count: number;
  digest: number;
  /** Changes are counted, not made: nobody will see them. */
  silent = false;
  private sequence = 0;
  private timeMs = 0;
  private plan: Plan | null = null;
  private expressions: ExpressionChanges | null = null;
  private values: unknown[] = [];
  private taken: Uint8Array = new Uint8Array(0);
  private list: number[] = [];
  private all: readonly number[] = [];
  /** Was there a profile to see before the message? */
  private existed = false;
  private expiring = false;
  private activating = false;
  private cleared: readonly string[] | null = null;
  /** The profile's revision before the message. */
  private revisionBefore = Infinity;
  /** What records said before, once somebody has asked. */
  private recordBefore: JsonObject | null = null;
  /** Every value before, of a profile that may vanish. */
  private vanishing: readonly unknown[] | null = null;
  private changes: Change[] | null = null;
  /** For a silent recorder: what it compares is nobody's. */
  private readonly scratch: { attributes: number[]; before: unknown[]; after: unknown[] } = {
    attributes: [],
    before: [],
    after: [],
  };

  private readonly generationFrom: number;

  /** @param generationFrom the sequence at which the state's generation began: every chain of change events begins there anew */
  constructor(count: number, digest: number, generationFrom = 0) {
    this.count = count;
    this.digest = digest;
    this.generationFrom = generationFrom;
  }

  usePlan(plan: Plan): void {
    this.plan = plan;
    this.expressions = plan.expressions.length === 0 ? null : new ExpressionChanges(plan);
    this.values = plan.attributes.map(() => undefined);
    this.taken = new Uint8Array(plan.attributes.length);
    this.all = plan.attributes.filter(({ expression }) => expression === null).map(({ index }) => index);
  }

  begin(sequence: number, timeMs: number): void {
    this.sequence = sequence;
    this.timeMs = timeMs;
    this.changes = null;
  }

  /** A profile comes next. @param existed was there one to see? */
  open(existed: boolean): void {
    this.existed = existed;
  }

  /** Takes the values of these attributes, those that were not taken yet. */
  snapshot(state: IdentityState, attributes: readonly number[]): void {
    for (let i = 0; i < attributes.length; i++) {
      const index = attributes[i]!;
      if (this.taken[index] === 1) continue;
      this.taken[index] = 1;
      this.list.push(index);
      this.values[index] = attributeValue(state, this.plan!.attributes[index]!);
    }
  }

  /** Takes all values: something in the profile expires. */
  snapshotAll(state: IdentityState): void {
    this.expiring = true;
    this.snapshot(state, this.all);
  }

  /** Takes all values, and gives the profile the attributes of later revisions. */
  bringUp(state: IdentityState): void {
    this.snapshot(state, this.all);
    this.activating = true;
    this.revisionBefore = state.revision;
    state.revision = this.plan!.revision;
  }

  /** Takes what records say: a record changes. */
  snapshotRecord(state: IdentityState): void {
    this.recordBefore ??= mergedRecord(state, this.plan!, this.plan!.policy);
  }

  /** Takes everything: afterwards there may be no profile to see any more. */
  mayVanish(state: IdentityState): void {
    this.snapshotRecord(state);
    this.vanishing ??= allValues(state, this.plan!);
    this.snapshot(state, this.all);
  }

  /** These datasets were deleted, and are taken out of the profile now. */
  clearing(state: IdentityState, datasets: readonly string[]): void {
    this.mayVanish(state);
    this.cleared = datasets;
  }

  /** Compares what was taken with what is. `by`: what caused it, beside what was said before. */
  compare(state: IdentityState, by: CausedBy | null): void {
    if (this.existed && state.visible) this.changed(state, by);
    else if (state.visible) this.appeared(state, by);
    else if (this.existed) this.vanished(state, by);
    if (this.list.length > 0) this.forgetTaken();
    this.expiring = false;
    this.activating = false;
    this.cleared = null;
    this.revisionBefore = Infinity;
    this.recordBefore = null;
    this.vanishing = null;
  }

  private changed(state: IdentityState, by: CausedBy | null): void {
    const { list, values, taken } = this;
    const plan = this.plan!;
    // most of what was taken has changed: arrays of that size, cut, leave less garbage than arrays that grow
    const { scratch, silent } = this;
    if (silent) scratch.attributes.length = scratch.before.length = scratch.after.length = 0;
    const attributes = silent ? scratch.attributes : new Array<number>(list.length);
    const before = silent ? scratch.before : new Array<unknown>(list.length);
    const after = silent ? scratch.after : new Array<unknown>(list.length);
    let n = 0;
    for (let i = 0; i < list.length; i++) {
      const index = list[i]!;
      taken[index] = 0;
      const now = attributeValue(state, plan.attributes[index]!);
      if (sameValue(values[index], now)) continue;
      attributes[n] = index;
      before[n] = values[index];
      after[n] = now;
      n++;
    }
    attributes.length = before.length = after.length = n;
    list.length = 0;
    const leaves = this.recordBefore === null ? null : this.leavesOf(this.recordBefore, state);
    const found: Found = { attributes, before, after };
    this.expressions?.find(state, found, { revision: this.revisionBefore, record: leaves === null ? null : this.recordBefore });
    if (attributes.length > 0 || leaves !== null) this.add(state, by, found, leaves);
  }

  /** Everything that is not absent is a change. */
  private appeared(state: IdentityState, by: CausedBy | null): void {
    this.add(state, by, presentOnes(allValues(state, this.plan!), true), this.leavesOf(NO_RECORD, state));
  }

  private vanished(state: IdentityState, by: CausedBy | null): void {
    if (by !== null && by.kind === 'erasure') return this.add(state, by, { attributes: [], before: [], after: [] }, null);
    const leaves = leafChanges(this.recordBefore!, NO_RECORD, ATTRIBUTES);
    this.add(state, by, presentOnes(this.vanishing!, false), leaves.length === 0 ? null : leaves);
  }

  private leavesOf(before: JsonObject, state: IdentityState): readonly LeafChange[] | null {
    const leaves = leafChanges(before, mergedRecord(state, this.plan!, this.plan!.policy), ATTRIBUTES);
    return leaves.length === 0 ? null : leaves;
  }

  private forgetTaken(): void {
    for (const index of this.list) this.taken[index] = 0;
    this.list.length = 0;
  }

  end(): readonly Change[] {
    return this.changes ?? NO_CHANGES;
  }

  private add(state: IdentityState, by: CausedBy | null, found: Found, leaves: readonly LeafChange[] | null): void {
    const { attributes, after } = found;
    const key = by !== null && by.kind === 'erasure' ? by.name : state.key;
    let digest = mix32(this.digest ^ fnv1a32(key)) ^ this.sequence;
    for (let i = 0; i < attributes.length; i++) digest = addToDigest(digest, attributes[i]!, after[i]);
    if (leaves !== null) for (const leaf of leaves) digest = addToDigest(digest, fnv1a32(leaf.path), leaf.after);
    const { version } = state;
    const { existed, generationFrom } = this;
    // what a generation has not seen yet has no chain in it
    const previousVersion = existed ? Math.max(version, generationFrom) : version > generationFrom ? version : 0;
    this.count++;
    this.digest = mix32(digest);
    state.version = this.sequence;
    if (this.silent) return;
    (this.changes ??= []).push({
      key,
      sequence: this.sequence,
      timeMs: this.timeMs,
      previousVersion,
      existed,
      exists: state.visible,
      causes: this.causes(by),
      attributes,
      before: found.before,
      after,
      leaves,
      count: this.count,
      digest: this.digest,
    });
  }

  private causes(by: CausedBy | null): Cause[] {
    const { sequence } = this;
    const causes: Cause[] = [];
    if (this.activating) causes.push({ kind: 'definitions', sequence });
    for (const dataset of this.cleared ?? []) causes.push({ kind: 'deleteDataset', dataset, sequence });
    if (this.expiring) causes.push({ kind: 'expiry', sequence });
    if (by !== null) causes.push(causeOf(by, sequence));
    return causes;
  }
}

function causeOf(by: CausedBy, sequence: number): Cause {
  switch (by.kind) {
    case 'event':
      return { kind: 'event', dataset: by.dataset.name, _id: by.id, sequence };
    case 'record':
      return { kind: 'record', dataset: by.dataset.name, operation: by.operation, _id: by.id, sequence };
    case 'profile':
      return { kind: 'delete', sequence };
    case 'erasure':
      return { kind: 'erase', sequence };
  }
}

/** Those that are not absent. @param now are they there now, or were they before? */
function presentOnes(values: readonly unknown[], now: boolean): Found {
  const attributes: number[] = [];
  const present: unknown[] = [];
  for (let index = 0; index < values.length; index++) {
    if (values[index] === undefined) continue;
    attributes.push(index);
    present.push(values[index]);
  }
  const absent = present.map(() => undefined);
  return now ? { attributes, before: absent, after: present } : { attributes, before: present, after: absent };
}

function addToDigest(digest: number, attribute: number, after: unknown): number {
  return mix32(digest + attribute) ^ hashValue(after);
}

function hashValue(value: unknown): number {
  if (typeof value === 'number') {
    double[0] = value;
    return words[0]! ^ Math.imul(words[1]!, 0x9e3779b1);
  }
  if (typeof value === 'string') return fnv1a32(value);
  return value === undefined ? 1 : fnv1a32(JSON.stringify(value));
}
