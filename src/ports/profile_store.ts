// Where a shard's profiles and its position in the log rest between runs. LMDB in the product, memory in tests and simulation.
// PS1: profiles and meta change in one transaction (I2): after a crash either all of a checkpoint is there or none of it.
// PS2: `encode` reads the state at the moment of the call: what is written later is what was then.
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { EpochMs } from '../base/time.ts';
import type { ClockMode, FoldSettings } from '../message/control.ts';
import type { IdentityKey } from '../message/identity.ts';

/** Where a commit ends: after the first `ordinal` changes of the message at `sequence`; ALL_CHANGES when after all of them. */
export type Position = { readonly sequence: number; readonly ordinal: number };
export const ALL_CHANGES = -1;

/** From this message on, at this shard time, a later revision of the definitions is in force. */
export type RevisionStart = { readonly revision: number; readonly sequence: number; readonly timeMs: EpochMs };

/** What the dataset has said up to `sequence` is deleted, of every profile; what is as of `timeMs` or before stays dead. */
export type DatasetDelete = { readonly dataset: string; readonly sequence: number; readonly timeMs: EpochMs };

/** `version`: at which the erased identity's chain of change events ended; 0: it had none. */
export type EraseMark = {
  readonly sequence: number;
  readonly changeCount: number;
  readonly changeDigest: number;
  readonly version: number;
};

/** What the log position means and what it was checked against. Written with the profiles, in the same transaction. */
export type ShardMeta = {
  readonly formatVersion: number;
  readonly shard: number;
  readonly partitions: number;
  readonly clock: ClockMode;
  readonly foldVersion: number;
  readonly definitionsHash: string | null;
  readonly settings: FoldSettings;
  /** Everything up to here is in the state. 0: nothing yet. */
  readonly applied: number;
  /** The log has nothing for this shard between `applied` and here. */
  readonly readThrough: number;
  /** Now of every window: the greatest log time applied, or under the event clock the greatest timestamp. */
  readonly shardTimeMs: number;
  /** Greatest log time applied. */
  readonly logTimeMs: number;
  /** Hash of the message at `applied`; '' when nothing was applied. */
  readonly fingerprint: string;
  readonly logCreated: string;
  readonly changesCreated: string;
  readonly epoch: number;
  /** The last acknowledged commit when this was written: its stream sequence, its position. */
  readonly commitStreamSequence: number;
  readonly commitPosition: Position;
  /** Visible changes, counted per message and profile since the beginning, and a rolling digest of them. */
  readonly changeCount: number;
  readonly changeDigest: number;
  /** How many profiles there are to see. */
  readonly profiles: number;
  /** Of the definitions' later revisions, in order. */
  readonly revisions: readonly RevisionStart[];
  /** In order of sequence: of each dataset the last. */
  readonly datasetDeletes: readonly DatasetDelete[];
  /** Of erasures whose messages may still be in the log: what a replay without those messages cannot know. */
  readonly eraseMarks: readonly EraseMark[];
  /** How many erased identities have their tombstone in the state. */
  readonly erasures: number;
  /** The last profile that was brought up to the latest revision and the latest delete, while that goes on. */
  readonly sweptTo: IdentityKey | null;
  /** Which life of the derived state this is; 1 is the first. */
  readonly generation: number;
  /** The sequence at which it began; 0 for the first. */
  readonly generationFrom: number;
  /** The sequence of the next generation's message, when everything before it is in this state. */
  readonly endedBy: number | null;
};

/** Ready to be written: the store's own form. `bytes` counts what it will take. */
export interface EncodedProfile {
  readonly key: IdentityKey;
  readonly bytes: number;
}

export type DueEntry = { readonly dueMs: number; readonly key: IdentityKey };

export interface Checkpoint {
  /** Puts ready profiles. Call it in slices; sorted keys share pages. */
  put(profiles: readonly EncodedProfile[]): void;
  /** Writes meta last and commits everything as one transaction; resolves when it is committed. */
  commit(meta: ShardMeta): Promise<void>;
}

/** A consistent look at everything as of the last checkpoint, for exports. Close it: it keeps old pages alive. */
export interface StoreSnapshot {
  readonly meta: ShardMeta;
  /** Up to `limit` states with keys greater than `after`, in key order; also those in which there is nothing to see. */
  page(after: IdentityKey, limit: number, plan: Plan): readonly IdentityState[];
  close(): void;
}

/** `profileBytes`: pages that hold profiles and chunks; `mapBytes`: address space reserved. */
export type StoreStats = { readonly fileBytes: number; readonly profileBytes: number; readonly mapBytes: number };

export interface ProfileStore {
  /** Undefined when the store is new. */
  readMeta(): ShardMeta | undefined;
  /** Reads and decodes one profile; undefined when there is none. Synchronous: the page is in memory after `prefetch`. */
  get(key: IdentityKey, plan: Plan): IdentityState | undefined;
  /** Brings the pages of these keys into memory, off the event loop. */
  prefetch(keys: readonly IdentityKey[]): Promise<void>;
  /** Keys greater than `after` in order, as of the last commit. */
  keysAfter(after: IdentityKey, limit: number): readonly IdentityKey[];
  encode(state: IdentityState, plan: Plan): EncodedProfile;
  beginCheckpoint(): Promise<Checkpoint>;
  /** Due entries in (due, key) order, strictly after `after`, as of the last commit: while a checkpoint is being written, the
   *  entries of its profiles are the old ones. */
  scanDue(after: DueEntry, limit: number): readonly DueEntry[];
  snapshot(): StoreSnapshot;
  stats(): StoreStats;
  /** Whatever is asked of it afterwards is a defect, and throws. */
  close(): Promise<void>;
}
