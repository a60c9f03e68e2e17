// Who an erase message means, as the worker would find out: a hash that is keyed with nothing, but keeps its form.
import { hash64 } from '../base/fnv1a.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ErasureSource } from '../ports/erasures.ts';
import type { Life } from './life.ts';

/** 64 hex digits; the same for ever. */
export function simulatedHash(key: IdentityKey): string {
  const words = new Uint32Array(2);
  let text = '';
  for (let n = 0; n < 4; n++) {
    hash64(`${n} ${key}`, words);
    for (const word of words) text += word.toString(16).padStart(8, '0');
  }
  return text;
}

/** The port as one life has it: it forgets with its process. No message is ever removed from the simulated log. */
export function erasuresOf(life: Life): ErasureSource {
  const known = new Map<string, IdentityKey>();
  return {
    hashOf: simulatedHash,
    keyOf: (hash) => known.get(hash),
    recordedAt: () => undefined,
    hasHoles: false,
    resolve: (hash, keys) =>
      life.call('erasures.resolve', () => {
        for (const key of keys()) if (simulatedHash(key) === hash) known.set(hash, key);
      }),
  };
}
