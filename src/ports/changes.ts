// One profile's change events as they happen. The API rooms see this, never a stream.
// CH1: in the order of the stream, each once; from a position on nothing is missing and nothing comes again, or it is said to be lost.
import type { Identity } from '../message/identity.ts';

/** `from`: a position that was handed out before, at any worker; without it only what comes from now on. */
export type ChangesQuery = Identity & { readonly from?: string };

/** Why nothing can go on from a position: the stream may have lost what came next, or it is not the stream that the position is of. */
export type LostWhy = 'aged_out' | 'other_stream';

/** Is called in order, and must not throw. */
export interface ChangeListener {
  /** A change event as JSON, and the position behind it. */
  change(event: string, position: string): void;
  /** What was asked for is not there: it goes on from now, and this is where now is. */
  lost(why: LostWhy, position: string): void;
  /** Nothing more comes: the worker stops, or the stream was made again. */
  end(): void;
  /** Resolves when it takes more. What was missed is read only as fast as this; what happens now does not wait. */
  drained(): Promise<void>;
}

export interface ChangeSubscription {
  /** Everything up to here was looked at, and handed over if it is this profile's; undefined while what was missed is read. */
  readonly position: string | undefined;
  close(): void;
}

export interface ChangeFeed {
  /** @throws VisageError `bad_identity`, `bad_query` (usage): the position is none · `shard_not_ready`, `stopped`, `unavailable` (retry) */
  subscribe(query: ChangesQuery, listener: ChangeListener): Promise<ChangeSubscription>;
}
