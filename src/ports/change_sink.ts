// Where change events and refused messages go.
// CS1: a commit is one message, atomic, and is accepted only if the previous commit of the shard is the one named (the fence).
import type { LogMessage } from '../message/log_message.ts';
import type { Violation } from '../message/refusal.ts';
import type { StreamState } from './log.ts';
import type { Position } from './profile_store.ts';

/** What a commit says about itself: the recovery cursor. */
export type CommitHeader = {
  readonly epoch: number;
  readonly owner: string;
  readonly position: Position;
  /** Visible changes since the beginning, up to `position`, and their rolling digest. */
  readonly changeCount: number;
  readonly changeDigest: number;
  readonly definitionsHash: string | null;
  readonly foldVersion: number;
  /** Of the state; 1 is the first. */
  readonly generation: number;
  readonly logCreated: string;
  /** Fingerprint of the log message at `position`; '' when the position is 0. */
  readonly fingerprint: string;
};

export type LastCommit = { readonly streamSequence: number; readonly header: CommitHeader };

/** committed: it is in the stream. fenced: another owner wrote there; stop. unavailable: not written, as far as the leader knows; try again. */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly streamSequence: number }
  | { readonly kind: 'fenced'; readonly by: string }
  | { readonly kind: 'unavailable'; readonly why: string };

export interface ChangeSink {
  /** The shard's last commit, read through the leader; undefined when there is none. */
  last(): Promise<LastCommit | undefined>;
  state(): Promise<StreamState>;
  /** Publishes one commit. Never throws for a failure of the server or the network: it finds out what happened. */
  publish(header: CommitHeader, body: Uint8Array, previous: LastCommit | undefined): Promise<CommitOutcome>;
}

/** A refused message with its reasons. */
export type DeadLetterRecord = {
  readonly reason: string;
  readonly errors: readonly Violation[];
  readonly dataset: string;
  readonly timeMs: number;
  readonly message: LogMessage;
};

export interface DeadLetterSink {
  /** Stores it; resolves when it is stored (at least once, with a stable id). Retries by itself until `close`. */
  send(letter: DeadLetterRecord): Promise<void>;
  close(): void;
}
