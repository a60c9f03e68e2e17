// What the fold needs to know about erasures: which identity an erase message means, and what a replay without the erased messages lacks.
// ER1: the log, the state and the change stream name an erased identity only by its keyed hash.
import type { IdentityKey } from '../message/identity.ts';
import type { EraseMark } from './profile_store.ts';

/** How a driver has an erase message's identity looked for. */
export interface ErasureSource extends Erasures {
  /** Afterwards `keyOf` knows. @param keys all that the state has, read only when they are needed  Cost: a keyed hash a key at worst */
  resolve(hash: string, keys: () => Iterable<IdentityKey>): Promise<void>;
}

export interface Erasures {
  /** The identity's keyed hash, 64 hex digits: HMAC-SHA-256 of its key under the root's secret. The same for ever. */
  hashOf(key: IdentityKey): string;
  /** The identity in the state that an erase message means; undefined: there is none. The driver has looked for it before the message is
   *  applied. */
  keyOf(hash: string): IdentityKey | undefined;
  /** What the log says of the erasure at this sequence, where messages before it were removed since; undefined: none were. The shard's
   *  running values are those after the erasure, before anything else that its message lets happen. */
  recordedAt(sequence: number): Omit<EraseMark, 'sequence'> | undefined;
  /** Were messages removed from the log that is read? */
  readonly hasHoles: boolean;
}
