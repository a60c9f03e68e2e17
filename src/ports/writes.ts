// What a worker takes in: messages, deletes, erasures. The API rooms see this, never the log.
import type { VisageError } from '../base/errors.ts';
import type { RecordOperation } from '../message/decode.ts';
import type { Identity } from '../message/identity.ts';
import type { EraseAccepted, EraseQuery } from './erase_service.ts';

export type Batch = {
  readonly dataset: string;
  /** The messages as JSON texts, each a payload or an envelope around one; null: none is needed, for the delete of a record. */
  readonly texts: readonly (string | null)[];
  /** Of records whose message does not say. */
  readonly operation?: RecordOperation;
  /** RFC 3339. */
  readonly lastUpdated?: string;
  /** Who they are about; without it each message says. */
  readonly identity?: Identity;
  /** Headers of the trace that they belong to; see message/trace.ts. */
  readonly trace?: Readonly<Record<string, string>>;
};

export type Stored = { readonly shard: number; readonly sequence: number };
/** What became of one message. A `retry` error that is not `unknown` is sure: it is not in the log. */
export type Written = Stored | { readonly error: VisageError };

/** How a message ends: in the log · its own fault · to be sent again later · the server's trouble. */
export const WRITE_OUTCOMES = ['stored', 'refused', 'busy', 'unavailable'] as const;
export type WriteOutcome = (typeof WRITE_OUTCOMES)[number];

/** Where a dataset's delete is in a shard's log; `time`: RFC 3339, when it was stored. */
export type DatasetDeleted = Stored & { readonly time: string };

export interface WriteService {
  /** One result for each message, in order; resolves when each is in the log, or given up.
   *  @throws VisageError when none was tried: `unknown_dataset`, `unknown_namespace`, `blocked_id`, `bad_operation`, `bad_header`, `bad_identity`
   *  (usage) · `no_definitions`, `unavailable`, `shard_not_ready`, `stopped` (retry) */
  write(batch: Batch): Promise<readonly Written[]>;
  /** @throws VisageError as `write`, and as a message of it fails */
  deleteProfile(identity: Identity): Promise<Stored>;
  /** Of every shard. Repeating it is harmless. @throws VisageError `unknown_dataset` (usage) · `append_failed`, `unavailable`, `stopped` (retry):
   *  some shards may be told */
  deleteDataset(dataset: string): Promise<readonly DatasetDeleted[]>;
  /** @throws VisageError, see EraseService */
  erase(query: EraseQuery): Promise<EraseAccepted>;
  /** Is it a dataset of the live definitions, as far as is known here? */
  isDataset(name: string): boolean;
  /** How an identity is called where its id must not stand; undefined: it is none, or the worker is starting. */
  pseudonymOf(identity: Identity): { readonly shard: number; readonly hash: string } | undefined;
}
