// What one shard's fold needs to know about erasures, over all lives of the shard.
// SE1: an identity that is being erased is known by name only in memory, and only until it is.
// SE2: who is erased is looked for among all keys, except where nobody can be found: in a state that is built from the log's first message
//      on, by an erasure that is done, so that the log has nothing of it.
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
  private readonly isDone: (hash: string) => Promise<boolean>;
  private readonly known = new Map<string, IdentityKey>();
  private recorded = new Map<number, Recorded>();
  private fromNothing = false;
  hasHoles = false;

  /** @param isDone is the last erasure of this hash done? */
  constructor(hashOf: EraseHash, clock: Clock, isDone: (hash: string) => Promise<boolean>) {
    this.hashOf = hashOf;
    this.clock = clock;
    this.isDone = isDone;
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
    if (this.known.has(hash)) return;
    if (this.fromNothing && (await this.isDone(hash).catch(() => false))) return;
    await this.find(hash, keys());
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

  /** A reader of the log begins after a sequence: this is what the log says of what it lacks. */
  logBegins(erased: readonly ErasedMessage[], after: number): void {
    this.fromNothing = after === 0;
    this.recorded = new Map(
      erased.map(({ erase, changeCount, changeDigest, version }) => [erase, { changeCount, changeDigest, version }]),
    );
    this.hasHoles = erased.some(({ holes }) => holes.length > 0);
  }

  recordedAt(sequence: number): Recorded | undefined {
    return this.recorded.get(sequence);
  }
}
