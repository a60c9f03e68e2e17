// Who an erasure means: the identity whose keyed hash it names.
// KH1: each identity is hashed once, and only when the first erasure asks.
import type { IdentityKey } from '../message/identity.ts';

/** The keyed hash of an identity, 64 hex digits. */
export type HashOf = (key: IdentityKey) => string;

export class KeyedHashes {
  readonly #hashOf: HashOf;
  readonly #hashes = new Map<IdentityKey, string>();
  readonly #keys = new Map<string, IdentityKey>();

  constructor(hashOf: HashOf) {
    this.#hashOf = hashOf;
  }

  of(key: IdentityKey): string {
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const hash = this.#hashOf(key);
    this.#hashes.set(key, hash);
    this.#keys.set(hash, key);
    return hash;
  }

  /** @param among everybody whom it could mean */
  keyOf(hash: string, among: Iterable<IdentityKey>): IdentityKey | undefined {
    const known = this.#keys.get(hash);
    if (known !== undefined) return known;
    for (const key of among) this.of(key);
    return this.#keys.get(hash);
  }
}
