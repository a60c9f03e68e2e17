// Which expressions changed, given which attributes over events did, and what records said before.
// EC1: values before are those of the changed attributes before, and the present ones of all others.
// EC2: an expression of a later revision than the profile had is new: it was absent before.
import { attributeValue, sameValue } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { mergedRecord } from '../aggregate/merged_record.ts';
import type { ExpressionInputs, Plan } from '../aggregate/plan.ts';
import { parseIdentityKey } from '../message/identity.ts';
import type { JsonObject } from '../record/json.ts';

/** `attributes[i]` went from `before[i]` to `after[i]`. */
export type Found = { readonly attributes: number[]; readonly before: unknown[]; readonly after: unknown[] };

/** Of the profile before the message: its revision (Infinity: as it is), what records said (null: what they say). */
export type Before = { readonly revision: number; readonly record: JsonObject | null };

const NOT_CHANGED = -1;

export class ExpressionChanges {
  private readonly plan: Plan;
  /** Where in `found` an attribute stands. */
  private readonly at: Int32Array;
  /** Present values of attributes that did not change, looked up once a comparison. */
  private readonly present: unknown[];
  private readonly looked: Uint8Array;
  private readonly inputsAfter: ExpressionInputs;
  private readonly inputsBefore: ExpressionInputs;
  private state!: IdentityState;
  private found!: Found;
  private before!: Before;

  constructor(plan: Plan) {
    this.plan = plan;
    this.at = new Int32Array(plan.attributes.length).fill(NOT_CHANGED);
    this.present = new Array<unknown>(plan.attributes.length).fill(undefined);
    this.looked = new Uint8Array(plan.attributes.length);
    const identity = (): ReturnType<typeof parseIdentityKey> => parseIdentityKey(this.state.key);
    const record = (): JsonObject => mergedRecord(this.state, plan, plan.policy);
    this.inputsAfter = { valueOf: (index) => this.valueAfter(index), identity, record };
    this.inputsBefore = {
      valueOf: (index) => this.valueBefore(index),
      identity,
      record: () => this.before.record ?? record(),
    };
  }

  /** Adds the expressions that changed to `found`. Cost: O(changes), and two evaluations an expression that names one of them */
  find(state: IdentityState, found: Found, before: Before): void {
    if (found.attributes.length === 0 && before.record === null && before.revision >= state.revision) return;
    this.state = state;
    this.found = found;
    this.before = before;
    for (let i = 0; i < found.attributes.length; i++) this.at[found.attributes[i]!] = i;
    for (const index of this.plan.expressions) {
      const { expression, revision } = this.plan.attributes[index]!;
      if (revision > state.revision) continue;
      const isNew = revision > before.revision;
      const isTouched = before.record !== null && expression!.readsRecord;
      if (!isNew && !isTouched && !expression!.inputs.some((input) => this.at[input] !== NOT_CHANGED)) continue;
      const after = expression!.evaluate(this.inputsAfter);
      const was = isNew ? undefined : expression!.evaluate(this.inputsBefore);
      if (sameValue(was, after)) continue;
      this.at[index] = found.attributes.length;
      found.attributes.push(index);
      found.before.push(was);
      found.after.push(after);
    }
    for (const index of found.attributes) this.at[index] = NOT_CHANGED;
    this.looked.fill(0);
  }

  private valueAfter(index: number): unknown {
    const at = this.at[index]!;
    return at === NOT_CHANGED ? this.valueNow(index) : this.found.after[at];
  }

  private valueBefore(index: number): unknown {
    const at = this.at[index]!;
    return at === NOT_CHANGED ? this.valueNow(index) : this.found.before[at];
  }

  private valueNow(index: number): unknown {
    if (this.looked[index] === 1) return this.present[index];
    const attribute = this.plan.attributes[index]!;
    let value: unknown;
    if (attribute.expression === null) value = attributeValue(this.state, attribute);
    else if (attribute.revision <= this.state.revision) value = attribute.expression.evaluate(this.inputsAfter);
    this.looked[index] = 1;
    this.present[index] = value;
    return value;
  }
}
