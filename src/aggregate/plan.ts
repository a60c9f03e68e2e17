// What the fold computes: definitions, checked and compiled. Data plus compiled functions.
// P1: every order in a plan is by revision, then by name, never by the order in a file: the same definitions give the same plan,
//     and additions never move what was there.
import type { Identity } from '../message/identity.ts';
import type { Admission, EventBody } from '../message/admission.ts';
import type { JsonObject } from '../record/json.ts';
import type { MergePolicy } from '../record/merge_policy.ts';
import type { Window, WindowSet } from './window.ts';

/** The functions over events; `expression` is over other attributes. */
export type EventFunction =
  'count' | 'sum' | 'min' | 'max' | 'average' | 'mostRecent' | 'earliest' | 'list' | 'countDistinct' | 'exists';
export type AttributeFunction = EventFunction | 'expression';

/** One stream of values taken from events: event types × filter × value (of one revision). Attributes that agree on it share its state. */
export type Measure = {
  /** Position in `Plan.measures`. */
  readonly index: number;
  /** A 32-bit hash of `text`: how stored state names its measure. Unique within a plan. */
  readonly id: number;
  /** Canonical text of (event types, filter, value), and of the revision when it is not the first. */
  readonly text: string;
  /** Since which revision of the definitions it takes values in. */
  readonly revision: number;
  /** Does the event pass the filter? A missing key, a wrong type or an evaluation error is no match. Never throws. */
  readonly matches: (event: EventBody) => boolean;
  /** The value, or undefined when the event has none (also on an evaluation error). Always undefined for a measure without value. Never throws. */
  readonly valueOf: (event: EventBody) => unknown;
  readonly hasValue: boolean;
  /** Lengths of the sliding windows that attributes count, sum or average over, ascending. Slot i of the accumulators is windows[i]. */
  readonly windows: readonly number[];
  /** Calendar windows of the same functions; their slots come after those of `windows`. */
  readonly calendars: WindowSet['calendars'];
  /** Do attributes count, sum or average over all time? Its slot comes last. */
  readonly lifetime: boolean;
  /** Does any attribute sum or average? Then only finite numbers enter the ring; else every matching event does. */
  readonly sums: boolean;
  /** For min and for max; null when no attribute wants it. They need neither ring nor slots. */
  readonly low: WindowSet | null;
  readonly high: WindowSet | null;
  /** Do min and max compare timestamps (texts in RFC 3339)? Else they compare finite numbers. Anything else is no match. */
  readonly timestamps: boolean;
  /** Does any attribute want the latest value (or, of a measure without value, to know that there is one: exists)? */
  readonly recent: boolean;
  /** For earliest and for countDistinct; null when no attribute wants it. */
  readonly earliest: WindowSet | null;
  readonly distinct: WindowSet | null;
  /** How many latest values the longest list wants; 0: none does. */
  readonly listLimit: number;
  /** The windows of the list attributes; null when there are none. */
  readonly list: WindowSet | null;
  /** Attributes on this measure (indexes into Plan.attributes), expressions not included. */
  readonly attributes: readonly number[];
};

export type Attribute = {
  /** Position in `Plan.attributes`, which is sorted by revision, then name. */
  readonly index: number;
  readonly name: string;
  /** `computed.<name>`: how change events call it. */
  readonly path: string;
  readonly function: AttributeFunction;
  /** `lifetime` for an expression, which has none. */
  readonly window: Window;
  /** Index into Plan.measures; -1 for an expression. */
  readonly measure: number;
  /** Which accumulator slot of the measure it reads (count, sum, average); -1 for the other functions. */
  readonly slot: number;
  /** A min or max of timestamps: held as milliseconds, read as RFC 3339 in UTC. */
  readonly timestamps: boolean;
  /** How many values a list has at most; 0 for the other functions. */
  readonly limit: number;
  /** Of the definitions, 1 for the first: it counts what comes after that revision became live, and says so. */
  readonly revision: number;
  /** A boolean that people enter and leave. */
  readonly audience: boolean;
  /** Null for every function but `expression`. */
  readonly expression: Expression | null;
};

/** What an expression asks for: the value of another attribute (undefined when it is absent), the profile's identity, and what records say
 *  of it, merged by the default policy. */
export type ExpressionInputs = {
  readonly valueOf: (attribute: number) => unknown;
  readonly identity: () => Identity;
  readonly record: () => JsonObject;
};

export type Expression = {
  /** As the definitions have it: what it computes goes by this. */
  readonly text: string;
  /** The attributes that it names (indexes into Plan.attributes), ascending. */
  readonly inputs: readonly number[];
  /** Does it read fields of the profile that records say? */
  readonly readsRecord: boolean;
  /** The value; undefined when it has none: an input that it cannot do without is absent, a division by zero, any error. A number
   *  is finite; integers come as numbers. A function of the inputs alone. Never throws. */
  readonly evaluate: (inputs: ExpressionInputs) => unknown;
};

export type Plan = {
  /** Content hash of the definitions document. */
  readonly hash: string;
  /** The greatest revision of anything in it; 1 when nothing was added since the first. */
  readonly revision: number;
  readonly admission: Admission;
  /** By name; exactly one is the default. */
  readonly policies: readonly MergePolicy[];
  /** The default one: change events and expressions go by it. */
  readonly policy: MergePolicy;
  /** Names of the datasets, by revision, then name; `DatasetRule.index` points here. */
  readonly datasets: readonly string[];
  readonly measures: readonly Measure[];
  readonly attributes: readonly Attribute[];
  /** The expressions (indexes into `attributes`), each after those that it names. */
  readonly expressions: readonly number[];
  /** The mostRecent and exists attributes with a finite window: their expiry is not in a part's due. */
  readonly finiteLatest: readonly Attribute[];
  /** Measures that look at this event type (those without event types look at every one, and are included). */
  readonly byEventType: ReadonlyMap<string, readonly number[]>;
  /** Measures that look at events of any other type. */
  readonly anyEventType: readonly number[];
};

/** Is everything of `before` in `after`, as it was and where it was? Then state made under `before` is state under `after`. */
export function extendsPlan(before: Plan, after: Plan): boolean {
  return (
    after.revision >= before.revision &&
    JSON.stringify(before.policy) === JSON.stringify(after.policy) &&
    before.datasets.every((name, i) => after.datasets[i] === name && isSameRule(before, after, name)) &&
    before.measures.every((measure, i) => asData(measure) === asData(after.measures[i])) &&
    before.attributes.every((attribute, i) => asData(attribute) === asData(after.attributes[i]))
  );
}

function isSameRule(before: Plan, after: Plan, dataset: string): boolean {
  const rule = before.admission.datasets.get(dataset);
  const other = after.admission.datasets.get(dataset);
  return rule?.profile === other?.profile && rule?.behavior === other?.behavior;
}

/** All that a measure keeps and an attribute reads; compiled functions are left out. */
function asData(of: Measure | Attribute | undefined): string | undefined {
  return JSON.stringify(of);
}
