// Identity and its canonical text. Boundary: strings only; no definitions, no I/O.
// ID1: an identity has exactly one encoding: every byte outside [A-Za-z0-9_~-] is percent-encoded with upper-case hex.
//      Two encodings of one id would hash to two shards, so a text that is not canonical is refused, never repaired.
// ID2: Unicode is not normalised: `é` and `e` + accent are two ids.
import { fnv1a32 } from '../base/fnv1a.ts';
import { VisageError } from '../base/errors.ts';

/** A pair (namespace, id); both case-sensitive. */
export type Identity = { readonly namespace: string; readonly id: string };

/** `namespace.encodedId`: how an identity is named in subjects, in the cache and in LMDB keys. ASCII. */
export type IdentityKey = string;

const PLAIN = /^[A-Za-z0-9_~-]+$/;
const CANONICAL = /^(?:[A-Za-z0-9_~-]|%[0-9A-F]{2})+$/;
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Percent-encodes an id for a subject token. Cost: O(bytes).
 *  @throws VisageError `bad_identity` when the id is empty or holds a lone surrogate */
export function encodeId(id: string): string {
  if (PLAIN.test(id)) return id;
  if (id === '') throw new VisageError('bad_identity', 'an id must not be empty', { kind: 'usage' });
  if (!id.isWellFormed())
    throw new VisageError('bad_identity', 'an id must be valid Unicode (it holds half of a surrogate pair)', { kind: 'usage' });
  let out = '';
  for (const byte of encoder.encode(id)) {
    const c = String.fromCharCode(byte);
    out += byte < 0x80 && PLAIN.test(c) ? c : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The id behind a subject token, or undefined when the token is not the canonical encoding of any id (ID1). */
export function decodeId(token: string): string | undefined {
  if (PLAIN.test(token)) return token;
  if (!CANONICAL.test(token)) return undefined;
  const bytes = new Uint8Array(token.length);
  let n = 0;
  for (let i = 0; i < token.length; i++) {
    const c = token.charCodeAt(i);
    if (c === 37) {
      bytes[n] = parseInt(token.slice(i + 1, i + 3), 16);
      if (PLAIN.test(String.fromCharCode(bytes[n]!))) return undefined; // encoded although it need not be
      i += 2;
    } else {
      bytes[n] = c;
    }
    n++;
  }
  try {
    return decoder.decode(bytes.subarray(0, n));
  } catch {
    return undefined;
  }
}

let last = { namespace: '', id: '', key: '' };

/** Cost: nothing for the same one as last: whoever is asked about it asks again.  @throws VisageError `bad_identity` */
export function identityKey(identity: Identity): IdentityKey {
  if (identity.id === last.id && identity.namespace === last.namespace && last.key !== '') return last.key;
  if (!NAME.test(identity.namespace)) {
    throw new VisageError('bad_identity', `'${identity.namespace}' is not a namespace; names match [A-Za-z][A-Za-z0-9_-]*`, {
      kind: 'usage',
    });
  }
  const key = `${identity.namespace}.${encodeId(identity.id)}`;
  last = { namespace: identity.namespace, id: identity.id, key };
  return key;
}

/** Can it be named at all? */
export function isIdentity({ namespace, id }: Identity): boolean {
  return NAME.test(namespace) && id !== '' && id.isWellFormed();
}

/** The identity behind a key that `identityKey` or an admitted subject made. */
export function parseIdentityKey(key: IdentityKey): Identity {
  const dot = key.indexOf('.');
  return { namespace: key.slice(0, dot), id: decodeId(key.slice(dot + 1)) ?? '' };
}

/** The key under which the tombstone of an erased identity is kept: no identity's key begins so. `hash`: its keyed hash. */
export function erasedKey(hash: string): IdentityKey {
  return `~erased.${hash}`;
}

export function isErasedKey(key: IdentityKey): boolean {
  return key.charCodeAt(0) === 126;
}

/** How a profile is named in change events and on the command line: `customerId:17850`. */
export function identityName(identity: Identity): string {
  return `${identity.namespace}:${identity.id}`;
}

/** The shard of an identity: the server's own function, FNV-1a-32 over the two subject tokens without separator, mod P. */
export function partitionOf(key: IdentityKey, partitions: number): number {
  const dot = key.indexOf('.');
  return fnv1a32(key.slice(dot + 1), fnv1a32(key.slice(0, dot))) % partitions;
}

/** Raw length in UTF-8 bytes of the id behind a canonical token, without decoding it. */
export function rawIdBytes(token: string): number {
  let escapes = 0;
  for (let i = 0; i < token.length; i++) if (token.charCodeAt(i) === 37) escapes++;
  return token.length - 2 * escapes;
}
