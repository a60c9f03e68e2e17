// The keyed hash by which log, state and change stream name an erased identity.
// EK1: one secret per root, made once, never changed: what was erased yesterday must be known by the same name tomorrow.
// EK2: whoever can read the bucket can test a guess; whoever cannot, can't.
import { createHmac, hash, randomBytes } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';

const KEY = 'erase.secret';
const BYTES = 32;
const BLOCK_BYTES = 64;
const INNER = 0x36;
const OUTER = 0x5c;
const KEY_BYTES_MAX = 8 * 1024;

export type EraseHash = (key: IdentityKey) => string;

/** Makes the secret where there is none. @throws VisageError `unavailable` (retry), `bad_secret` */
export async function openEraseHash(meta: MetaBucket): Promise<EraseHash> {
  return hashWith(await meta.createOrGet(KEY, randomBytes(BYTES).toString('hex')));
}

/** For those who only read; undefined: the root has no secret yet, so nobody was ever erased. @throws as `openEraseHash` */
export async function knownEraseHash(meta: MetaBucket): Promise<EraseHash | undefined> {
  const secret = await meta.get(KEY);
  return secret === undefined ? undefined : hashWith(secret);
}

/** HMAC-SHA-256 of the key's bytes, in hex. Cost: 1.5 µs; `createHmac` takes nine times as long, and there may be millions. */
function hashWith(hex: string): EraseHash {
  const secret = Buffer.from(hex, 'hex');
  if (secret.length !== BYTES)
    throw new VisageError('bad_secret', `${KEY} in the meta bucket is not ${BYTES} bytes in hex: restore the bucket`);
  // by its definition (RFC 2104): sha256(outer ‖ sha256(inner ‖ key))
  const inner = Buffer.alloc(BLOCK_BYTES + KEY_BYTES_MAX);
  const outer = Buffer.alloc(BLOCK_BYTES + BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) {
    inner[i] = INNER ^ (secret[i] ?? 0);
    outer[i] = OUTER ^ (secret[i] ?? 0);
  }
  return (key) => {
    if (key.length > KEY_BYTES_MAX / 3) return createHmac('sha256', secret).update(key).digest('hex');
    const bytes = inner.write(key, BLOCK_BYTES);
    hash('sha256', inner.subarray(0, BLOCK_BYTES + bytes), 'buffer').copy(outer, BLOCK_BYTES);
    return hash('sha256', outer, 'hex');
  };
}
