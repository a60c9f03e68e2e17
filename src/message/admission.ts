// What definitions say about who may send what, and how payloads are checked: compiled, as the fold asks it.
import type { DurationMs } from '../base/time.ts';
import type { Violation } from './refusal.ts';

export type EventBody = Readonly<Record<string, unknown>>;

/** What the definitions say about who may send what. `namespaces`: their priorities, 1 is the highest. */
export type Admission = {
  readonly datasets: ReadonlyMap<string, DatasetRule>;
  readonly namespaces: ReadonlyMap<string, number>;
};

/** Every violation of a dataset's schema; null when there is none. Never throws. Pointers are JSON pointers into the payload. */
export type PayloadCheck = (payload: EventBody) => readonly Violation[] | null;

/** `index` orders the datasets by revision, then name; `profile: false` datasets are stored and checked but touch no profile. */
export type DatasetRule = {
  readonly name: string;
  readonly index: number;
  readonly profile: boolean;
  readonly behavior: 'event' | 'record';
  /** Null: the schema demands nothing. */
  readonly check: PayloadCheck | null;
  readonly identities: readonly IdentityDescriptor[];
  /** Events older than this, as of the shard's time, are not shown by look-ups; null: they never age. */
  readonly timeToLiveMs: DurationMs | null;
};

/** Where payloads of a schema hold an identity, beside `identityMap` and the subject. */
export type IdentityDescriptor = { readonly path: readonly string[]; readonly namespace: string };
