// Notices what became visible: values before and after a message, profile by profile.
// CR1: a profile is compared at most once per message, after everything that the message does to it.
// CR2: `count` and `digest` run over all changes since the beginning: two replays that agree on them emitted the same changes.
// CR3: a `silent` recorder counts and digests the same changes, and makes none: a replay repeats what was emitted long ago.
// CR4: an expression is evaluated only when an attribute that it names has changed, before and after.
import { fnv1a32, mix32 } from '../base/fnv1a.ts';
import { allValues, attributeValue, sameValue } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { EventMessage } from '../message/decode.ts';
import type { Cause, Change } from './effects.ts';
import { ExpressionChanges } from './expression_changes.ts';

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const NO_CHANGES: readonly Change[] = [];

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
  private expiring = false;
  private activating = false;
  /** The profile's revision before the message. */
  private revisionBefore = Infinity;
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

  /** A new profile: every attribute that is not absent is a change. */
  created(state: IdentityState, event: EventMessage): void {
    const values = allValues(state, this.plan!);
    const attributes: number[] = [];
    const before: unknown[] = [];
    const after: unknown[] = [];
    for (let index = 0; index < values.length; index++) {
      if (values[index] === undefined) continue;
      attributes.push(index);
      before.push(undefined);
      after.push(values[index]);
    }
    this.add(state, event, true, attributes, before, after);
  }

  /** Compares what was taken with what is. `event`: what caused it, beside expiry. */
  compare(state: IdentityState, event: EventMessage | null): void {
    const { list, values, taken } = this;
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
      const now = attributeValue(state, this.plan!.attributes[index]!);
      if (sameValue(values[index], now)) continue;
      attributes[n] = index;
      before[n] = values[index];
      after[n] = now;
      n++;
    }
    attributes.length = before.length = after.length = n;
    list.length = 0;
    this.expressions?.find(state, { attributes, before, after }, this.revisionBefore);
    if (attributes.length > 0) this.add(state, event, false, attributes, before, after);
    this.expiring = false;
    this.activating = false;
    this.revisionBefore = Infinity;
  }

  end(): readonly Change[] {
    return this.changes ?? NO_CHANGES;
  }

  private add(
    state: IdentityState,
    event: EventMessage | null,
    created: boolean,
    attributes: number[],
    before: unknown[],
    after: unknown[],
  ): void {
    let digest = mix32(this.digest ^ fnv1a32(state.key)) ^ this.sequence;
    for (let i = 0; i < attributes.length; i++) digest = addToDigest(digest, attributes[i]!, after[i]);
    const previousVersion = created ? 0 : Math.max(state.version, this.generationFrom);
    this.count++;
    this.digest = mix32(digest);
    state.version = this.sequence;
    if (this.silent) return;
    (this.changes ??= []).push({
      key: state.key,
      sequence: this.sequence,
      timeMs: this.timeMs,
      previousVersion,
      created,
      causes: this.causes(event),
      attributes,
      before,
      after,
      count: this.count,
      digest: this.digest,
    });
  }

  private causes(event: EventMessage | null): Cause[] {
    const causes: Cause[] = [];
    if (this.activating) causes.push({ kind: 'definitions', sequence: this.sequence });
    if (this.expiring) causes.push({ kind: 'expiry', sequence: this.sequence });
    if (event !== null) causes.push({ kind: 'event', dataset: event.dataset.name, _id: event.id, sequence: this.sequence });
    return causes;
  }
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
