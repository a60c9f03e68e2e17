// What the fold asks the world to do. Data only; the shard's driver performs them, or suppresses them on replay.
import type { IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { RecordOperation } from '../message/decode.ts';
import type { Refusal } from '../message/refusal.ts';
import type { LeafChange } from '../record/leaf_changes.ts';

export type Cause =
  | { readonly kind: 'event'; readonly dataset: string; readonly _id: string; readonly sequence: number }
  | {
      readonly kind: 'record';
      readonly dataset: string;
      readonly operation: RecordOperation;
      readonly _id: string | null;
      readonly sequence: number;
    }
  /** The whole profile was deleted (`delete`) or erased, or a dataset was deleted. */
  | { readonly kind: 'delete' | 'erase'; readonly sequence: number }
  | { readonly kind: 'deleteDataset'; readonly dataset: string; readonly sequence: number }
  | { readonly kind: 'expiry'; readonly sequence: number }
  /** The profile got attributes that were added to the definitions. */
  | { readonly kind: 'definitions'; readonly sequence: number };

/** One visible change of one profile by one message. `attributes[i]` went from `before[i]` to `after[i]` (undefined: absent), and so did
 *  the leaves of what records say (null: none did). `existed`, `exists`: was there a profile before, is there one after?
 *  `count` and `digest` are the shard's running values after this change. Its arrays are its own: whoever takes it may keep and change them. */
export type Change = {
  readonly key: IdentityKey;
  readonly sequence: number;
  readonly timeMs: number;
  readonly previousVersion: number;
  readonly existed: boolean;
  readonly exists: boolean;
  readonly causes: Cause[];
  readonly attributes: number[];
  readonly before: unknown[];
  readonly after: unknown[];
  readonly leaves: readonly LeafChange[] | null;
  readonly count: number;
  readonly digest: number;
};

export type DeadLetter = Refusal & { readonly message: LogMessage; readonly timeMs: number; readonly dataset: string };

/** A message for a shard's log. */
export type Append = { readonly shard: number; readonly kind: 'tick' };

export type Effects = {
  readonly changes: readonly Change[];
  readonly deadLetters: readonly DeadLetter[];
  readonly appends: readonly Append[];
  /** The id of an export that asked for a checkpoint exactly here. */
  readonly cut: string | null;
  /** A message asks for this identity to be erased. */
  readonly erase: IdentityKey | null;
};
