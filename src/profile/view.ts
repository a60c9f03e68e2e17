// The profile as it is read and exported. Shapes only.
import type { Identity } from '../message/identity.ts';

/** What was given up to stay within `exactEvents`. `tiled`: the value is that of a window whose start is off by at most `hop`.
 *  `sampled` (countDistinct): estimated from this share of the values, with this standard error relative to the value. */
export type Precision =
  | { readonly mode: 'tiled'; readonly hop: string }
  | { readonly mode: 'sampled'; readonly share: number; readonly standardError: number };

/** A computed value as read. An absent value has no entry. `timestamp`: when the value of mostRecent or earliest happened.
 *  `nextChangeAt`: when something that it rests on leaves its window, if nothing else happens. `since`: it counts what came after this
 *  instant, and its window reaches further back. `precision` is absent when the value is exact. */
export type ComputedValue = {
  value: unknown;
  timestamp?: string;
  nextChangeAt?: string;
  since?: string;
  precision?: Precision;
};

/** `time`: the shard time at which every value in here was evaluated; `sequence`: everything up to there is in it. */
export type ProfileView = {
  profile: Identity;
  identities: (Identity & { primary: boolean })[];
  /** What records say, merged by `policy`. */
  attributes: Readonly<Record<string, unknown>>;
  computed: Record<string, ComputedValue>;
  /** The audiences that it is in, by name. */
  audiences: string[];
  /** The merge policy. */
  policy: string;
  /** Only where the policy asks for the graph, which is not followed: what was followed instead. */
  stitching?: 'none';
  version: number;
  shard: number;
  sequence: number;
  time: string;
};
