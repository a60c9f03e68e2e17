// Why a computed value is what it is, as it is read. Shapes only.
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
  /** Newest first. */
  readonly events: readonly ExplainedEvent[];
  /** Not all are listed. Those that decide are the last to be left out. */
  readonly truncated?: true;
  /** Of an expression: the attributes that it names, as the profile has them; `{}`: that one is absent. */
  readonly inputs?: Readonly<Record<string, Partial<ComputedValue>>>;
  /** Why the list may not have every event that counts, or have one that does not. */
  readonly missing?: string;
};
