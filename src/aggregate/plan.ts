// What the fold computes: definitions, checked and compiled. Data plus two compiled functions per measure.
// P1: every order in a plan is by name, never by the order in a file: the same definitions give the same plan.
import type { Admission, EventBody } from '../message/decode.ts';

export type AttributeFunction = 'count' | 'sum' | 'min' | 'max' | 'mostRecent';

export type Window = { readonly kind: 'sliding'; readonly ms: number } | { readonly kind: 'lifetime' };

/** What the min attributes of a measure ask of it, or its max attributes. */
export type ExtremePlan = {
  /** Lengths of their sliding windows, ascending. */
  readonly windows: readonly number[];
  /** Does any of them look at all time? */
  readonly lifetime: boolean;
};

/** One stream of values taken from events: event types × filter × value. Attributes that agree on it share its state. */
export type Measure = {
  /** Position in `Plan.measures`. */
  readonly index: number;
  /** A 32-bit hash of `text`: how stored state names its measure. Unique within a plan. */
  readonly id: number;
  /** Canonical text of (event types, filter, value). */
  readonly text: string;
  /** Does the event pass the filter? A missing key, a wrong type or an evaluation error is no match. Never throws. */
  readonly matches: (event: EventBody) => boolean;
  /** The value, or undefined when the event has none (also on an evaluation error). Always undefined for a measure without value. Never throws. */
  readonly valueOf: (event: EventBody) => unknown;
  readonly hasValue: boolean;
  /** Lengths of the sliding windows that attributes count or sum over, ascending. Slot i of the accumulators is windows[i]. */
  readonly windows: readonly number[];
  /** Do attributes count or sum over all time? Its slot comes after those of `windows`. */
  readonly lifetime: boolean;
  /** Does any attribute sum? Then only finite numbers enter the ring; else every matching event does. */
  readonly sums: boolean;
  /** For min and for max; null when no attribute wants it. They need neither ring nor slots. */
  readonly low: ExtremePlan | null;
  readonly high: ExtremePlan | null;
  /** Do min and max compare timestamps (texts in RFC 3339)? Else they compare finite numbers. Anything else is no match. */
  readonly timestamps: boolean;
  /** Does any attribute want the latest value? */
  readonly recent: boolean;
  /** Attributes on this measure (indexes into Plan.attributes). */
  readonly attributes: readonly number[];
};

export type Attribute = {
  /** Position in `Plan.attributes`, which is sorted by name. */
  readonly index: number;
  readonly name: string;
  /** `computed.<name>`: how change events call it. */
  readonly path: string;
  readonly function: AttributeFunction;
  readonly window: Window;
  /** Index into Plan.measures. */
  readonly measure: number;
  /** Which accumulator slot of the measure it reads (count, sum); -1 for the other functions. */
  readonly slot: number;
  /** A min or max of timestamps: held as milliseconds, read as RFC 3339 in UTC. */
  readonly timestamps: boolean;
};

export type Plan = {
  /** Content hash of the definitions document. */
  readonly hash: string;
  readonly admission: Admission;
  /** Names of the datasets, sorted; `DatasetRule.index` points here. */
  readonly datasets: readonly string[];
  readonly measures: readonly Measure[];
  readonly attributes: readonly Attribute[];
  /** The mostRecent attributes with a sliding window: their expiry is not in a part's ring. */
  readonly slidingLatest: readonly Attribute[];
  /** Measures that look at this event type (those without event types look at every one, and are included). */
  readonly byEventType: ReadonlyMap<string, readonly number[]>;
  /** Measures that look at events of any other type. */
  readonly anyEventType: readonly number[];
};
