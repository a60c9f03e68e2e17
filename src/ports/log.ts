// The shard's log, as its owner uses it: read in order, append control messages, look at its state.
import type { GenerationMessage } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';

/** Messages in sequence order. `pending`: how many more the server has for this shard, as of the last one. */
export type LogBatch = { readonly messages: readonly LogMessage[]; readonly pending: number };

/** Delivers every message of one shard after a sequence, in order, each once, whatever happens to connections. */
export interface LogReader {
  /** The next batch (never empty); null after `close`. Asking again gives credit for more: not asking is back-pressure. */
  next(): Promise<LogBatch | null>;
  /** A sequence up to which the log has nothing more for this shard than was handed out by `next`, or undefined when not known. */
  readThrough(): Promise<number | undefined>;
  close(): Promise<void>;
}

export type StreamState = { readonly created: string; readonly firstSequence: number; readonly lastSequence: number };

/** A generation message, where it stands and when it was stored. */
export type GenerationStart = GenerationMessage & { readonly sequence: number; readonly stampMs: number };

export interface ShardLog {
  open(afterSequence: number): Promise<LogReader>;
  /** Appends a control message; resolves with its sequence.
   *  @param after the sequence of the last message of this kind (0: there is none): refused when another came between
   *  @throws VisageError `append_failed` (retry): it may be in the log or not · `conflict` (retry) */
  append(kind: string, body: Uint8Array, after?: number): Promise<number>;
  state(): Promise<StreamState>;
  /** The last sequence that the log has for this shard; 0 when it has none. */
  lastForShard(): Promise<number>;
  /** The generation messages that the log has, in order; none in the usual case: the first generation has no message. */
  generations(): Promise<readonly GenerationStart[]>;
  /** Fingerprint of the message at a sequence; undefined when it is not there (any more). */
  fingerprintAt(sequence: number): Promise<string | undefined>;
}
