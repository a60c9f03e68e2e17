// The profile as it is read and exported. Shapes only.
import type { Identity } from '../message/identity.ts';

/** A computed value as read: `timestamp` for mostRecent; `nextChangeAt` when it will change by itself. An absent value has no entry. */
export type ComputedValue = { value: unknown; timestamp?: string; nextChangeAt?: string };

/** `time`: the shard time at which every value in here was evaluated; `sequence`: everything up to there is in it. */
export type ProfileView = {
  profile: Identity;
  identities: (Identity & { primary: boolean })[];
  computed: Record<string, ComputedValue>;
  version: number;
  shard: number;
  sequence: number;
  time: string;
};
