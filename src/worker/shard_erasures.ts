// What one shard's fold needs to know about erasures, over all lives of the shard.
// SE1: an identity that is being erased is known by name only in memory, and only until it is.
import type { IdentityKey } from '../message/identity.ts';
import type { ErasedMessage } from '../message/control.ts';
import type { Clock } from '../ports/clock.ts';
import type { Erasures, ErasureSource } from '../ports/erasures.ts';
import type { EraseHash } from './erase_secret.ts';

const SLICE_MS = 4;
const SLICE_CHECK = 64;

type Recorded = NonNullable<ReturnType<Erasures['recordedAt']>>;

export class ShardErasures implements ErasureSource {
  readonly hashOf: EraseHash;
  private readonly clock: Clock;
  private readonly known = new Map<string, IdentityKey>();
  private recorded = new Map<number, Recorded>();

  constructor(hashOf: EraseHash, clock: Clock) {
    this.hashOf = hashOf;
    this.clock = clock;
  }

  /** Somebody has named the identity. @returns its hash */
  name(key: IdentityKey): string {
    const hash = this.hashOf(key);
    this.known.set(hash, key);
    return hash;
  }

  forget(hash: string): void {
    this.known.delete(hash);
  }

  keyOf(hash: string): IdentityKey | undefined {
    return this.known.get(hash);
  }

  async resolve(hash: string, keys: () => Iterable<IdentityKey>): Promise<void> {
    if (!this.known.has(hash)) await this.find(hash, keys());
  }

  /** The one of `keys` that the hash names. Cost: a keyed hash a key, in slices of 4 ms */
  async find(hash: string, keys: Iterable<IdentityKey>): Promise<IdentityKey | undefined> {
    let sliceMs = this.clock.monotonicMs();
    let looked = 0;
    for (const key of keys) {
      if (this.hashOf(key) === hash) {
        this.known.set(hash, key);
        return key;
      }
      if (++looked % SLICE_CHECK !== 0 || this.clock.monotonicMs() - sliceMs < SLICE_MS) continue;
      await this.clock.yieldNow();
      sliceMs = this.clock.monotonicMs();
    }
    return undefined;
  }

  /** A reader of the log has begun: this is what the log says of what it lacks. */
  logBegins(erased: readonly ErasedMessage[]): void {
    this.recorded = new Map(erased.map(({ erase, changeCount, changeDigest }) => [erase, { changeCount, changeDigest }]));
  }

  recordedAt(sequence: number): Recorded | undefined {
    return this.recorded.get(sequence);
  }
}
