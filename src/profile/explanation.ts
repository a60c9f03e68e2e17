// Why a value is what it is, as it is read. Shapes only.
import type { Identity } from '../message/identity.ts';
import type { ComputedValue, Precision } from './view.ts';

/** The window as of the view's time: both ends inside. */
export type ExplainedWindow =
  | { readonly kind: 'sliding'; readonly length: string; readonly from: string; readonly to: string }
  | { readonly kind: 'calendar'; readonly unit: string; readonly count: number; readonly from: string; readonly to: string }
  | { readonly kind: 'lifetime'; readonly to: string };

/** An event that counts. `timestamp`: its effective time, by which windows go. `value`: what the attribute takes from it; none for
 *  count and exists. `leavesAt`: the first instant at which it counts no more. `decides`: the value is this event's; without it the
 *  value would be another, or last shorter. */
export type ExplainedEvent = {
  readonly _id: string;
  readonly dataset: string;
  readonly timestamp: string;
  readonly value?: unknown;
  readonly sequence: number;
  readonly leavesAt?: string;
  readonly decides?: true;
};

/** `value` to `precision`, `version` to `time` are the profile's own, see `ProfileView`; an absent value has no key. */
export type Explanation = {
  readonly profile: Identity;
  readonly field: string;
  readonly function: string;
  /** `30d`, `lifetime`, `calendar month, 1`; with `range` absent for an expression, which has none. */
  readonly window?: string;
  readonly range?: ExplainedWindow;
  readonly value?: unknown;
  readonly timestamp?: string;
  readonly nextChangeAt?: string;
  readonly since?: string;
  readonly precision?: Precision;
  readonly version: number;
  readonly shard: number;
  readonly sequence: number;
  readonly time: string;
  /** How many events the value is made from: all of them, also those that are not listed. */
  readonly counted: number;
  /** How many of those are not listed because they are past their dataset's time to live: the value keeps what it has counted. */
  readonly agedOut?: number;
  /** Newest first. */
  readonly events: readonly ExplainedEvent[];
  /** Not all are listed. Those that decide are the last to be left out. */
  readonly truncated?: true;
  /** Of an expression: the attributes that it names, as the profile has them; `{}`: that one is absent. */
  readonly inputs?: Readonly<Record<string, Partial<ComputedValue>>>;
  /** Why the list may not have every event that counts, or have one that does not. */
  readonly missing?: string;
};

/** What one dataset says about a place in the profile. */
export type FieldSource = {
  readonly dataset: string;
  readonly identity: Identity;
  readonly lastUpdated: string;
  readonly sequence: number;
  readonly value: unknown;
};

/** A place in the profile and who says what about it. `value`: what is shown; absent with `winner` when nothing is. `losers`: the strongest
 *  first; `why` in words. `notTakingPart`: datasets that say something there and that the policy leaves out. */
export type ExplainedField = {
  /** `attributes.person.name.firstName` */
  readonly field: string;
  readonly value?: unknown;
  readonly winner?: FieldSource;
  readonly losers: readonly (FieldSource & { readonly why: string })[];
  readonly notTakingPart: readonly string[];
};

/** Why a field of the records is what it is. Of an object: its leaves, each by itself, in `fields`. */
export type FieldExplanation = {
  readonly profile: Identity;
  readonly policy: string;
  readonly stitching?: 'none';
  /** The policy in words. */
  readonly rule: string;
  readonly version: number;
  readonly shard: number;
  readonly sequence: number;
  readonly time: string;
} & (ExplainedField | { readonly field: string; readonly fields: readonly ExplainedField[]; readonly truncated?: true });
