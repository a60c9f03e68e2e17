// The keyed hash by which log, state and change stream name an erased identity.
// EK1: one secret per root, made once, never changed: what was erased yesterday must be known by the same name tomorrow.
// EK2: whoever can read the bucket can test a guess; whoever cannot, can't.
import { createHmac, randomBytes } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';

const KEY = 'erase.secret';
const BYTES = 32;

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

/** Cost of a hash: about 2 µs. */
function hashWith(hex: string): EraseHash {
  const secret = Buffer.from(hex, 'hex');
  if (secret.length !== BYTES)
    throw new VisageError('bad_secret', `${KEY} in the meta bucket is not ${BYTES} bytes in hex: restore the bucket`);
  return (key) => createHmac('sha256', secret).update(key).digest('hex');
}
