// Notices what became visible: values before and after a message, profile by profile.
// CR1: a profile is compared at most once per message, after everything that the message does to it.
// CR2: `count` and `digest` run over all changes since the beginning: two replays that agree on them emitted the same changes.
// CR3: a `silent` recorder counts and digests the same changes, and makes none: a replay repeats what was emitted long ago.
import { fnv1a32, mix32 } from '../base/fnv1a.ts';
import { sameValue } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Attribute, Plan } from '../aggregate/plan.ts';
import type { EventMessage } from '../message/decode.ts';
import type { Cause, Change } from './effects.ts';

type ValueOf = (state: IdentityState, attribute: Attribute) => unknown;

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
  private valueOf: ValueOf = () => undefined;
  private values: unknown[] = [];
  private taken: Uint8Array = new Uint8Array(0);
  private list: number[] = [];
  private all: readonly number[] = [];
  private expiring = false;
  private changes: Change[] | null = null;

  constructor(count: number, digest: number) {
    this.count = count;
    this.digest = digest;
  }

  usePlan(plan: Plan, valueOf: ValueOf): void {
    this.plan = plan;
    this.valueOf = valueOf;
    this.values = plan.attributes.map(() => undefined);
    this.taken = new Uint8Array(plan.attributes.length);
    this.all = plan.attributes.map((attribute) => attribute.index);
  }

  begin(sequence: number, timeMs: number, plan: Plan | null): void {
    this.sequence = sequence;
    this.timeMs = timeMs;
    this.plan = plan;
    this.changes = null;
  }

  /** Takes the values of these attributes, those that were not taken yet. */
  snapshot(state: IdentityState, attributes: readonly number[]): void {
    for (let i = 0; i < attributes.length; i++) {
      const index = attributes[i]!;
      if (this.taken[index] === 1) continue;
      this.taken[index] = 1;
      this.list.push(index);
      this.values[index] = this.valueOf(state, this.plan!.attributes[index]!);
    }
  }

  /** Takes all values: something in the profile expires. */
  snapshotAll(state: IdentityState): void {
    this.expiring = true;
    this.snapshot(state, this.all);
  }

  /** A new profile: every attribute that is not absent is a change. */
  created(state: IdentityState, event: EventMessage): void {
    if (this.silent) return this.digestCreated(state);
    const attributes: number[] = [];
    const after: unknown[] = [];
    for (const attribute of this.plan!.attributes) {
      const value = this.valueOf(state, attribute);
      if (value === undefined) continue;
      attributes.push(attribute.index);
      after.push(value);
    }
    this.add(state, event, true, attributes, new Array<unknown>(attributes.length).fill(undefined), after);
  }

  /** Compares what was taken with what is. `event`: what caused it, beside expiry. */
  compare(state: IdentityState, event: EventMessage | null): void {
    const { list, values, taken } = this;
    if (this.silent) return this.digestCompared(state);
    // most of what was taken has changed: arrays of that size, cut, leave less garbage than arrays that grow
    const attributes = new Array<number>(list.length);
    const before = new Array<unknown>(list.length);
    const after = new Array<unknown>(list.length);
    let n = 0;
    for (let i = 0; i < list.length; i++) {
      const index = list[i]!;
      taken[index] = 0;
      const now = this.valueOf(state, this.plan!.attributes[index]!);
      if (sameValue(values[index], now)) continue;
      attributes[n] = index;
      before[n] = values[index];
      after[n] = now;
      n++;
    }
    attributes.length = before.length = after.length = n;
    list.length = 0;
    if (n > 0) this.add(state, event, false, attributes, before, after);
    this.expiring = false;
  }

  end(): readonly Change[] {
    return this.changes ?? NO_CHANGES;
  }

  private digestCreated(state: IdentityState): void {
    let digest = this.beginDigest(state);
    for (const attribute of this.plan!.attributes) {
      const value = this.valueOf(state, attribute);
      if (value !== undefined) digest = addToDigest(digest, attribute.index, value);
    }
    this.endDigest(state, digest);
  }

  private digestCompared(state: IdentityState): void {
    const { list, values, taken } = this;
    let digest = this.beginDigest(state);
    let changed = false;
    for (let i = 0; i < list.length; i++) {
      const index = list[i]!;
      taken[index] = 0;
      const now = this.valueOf(state, this.plan!.attributes[index]!);
      if (sameValue(values[index], now)) continue;
      changed = true;
      digest = addToDigest(digest, index, now);
    }
    list.length = 0;
    if (changed) this.endDigest(state, digest);
    this.expiring = false;
  }

  private beginDigest(state: IdentityState): number {
    return mix32(this.digest ^ fnv1a32(state.key)) ^ this.sequence;
  }

  private endDigest(state: IdentityState, digest: number): void {
    this.count++;
    this.digest = mix32(digest);
    state.version = this.sequence;
  }

  private add(
    state: IdentityState,
    event: EventMessage | null,
    created: boolean,
    attributes: number[],
    before: unknown[],
    after: unknown[],
  ): void {
    const causes: Cause[] = [];
    if (this.expiring) causes.push({ kind: 'expiry', sequence: this.sequence });
    if (event !== null) causes.push({ kind: 'event', dataset: event.dataset.name, _id: event.id, sequence: this.sequence });
    let digest = this.beginDigest(state);
    for (let i = 0; i < attributes.length; i++) digest = addToDigest(digest, attributes[i]!, after[i]);
    const previousVersion = state.version;
    this.endDigest(state, digest);
    (this.changes ??= []).push({
      key: state.key,
      sequence: this.sequence,
      timeMs: this.timeMs,
      previousVersion,
      created,
      causes,
      attributes,
      before,
      after,
      count: this.count,
      digest: this.digest,
    });
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
