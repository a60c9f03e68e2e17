// Hashes. F1: `fnv1a32` is the server's partition function: FNV-1a-32 over UTF-8 bytes (measured on three server versions).
// F2: none of these is cryptographic; none is used where an adversary gains from a collision.

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a-32 of the UTF-8 bytes of `text`, continued from `seed`. Cost: about 1 ns a byte for ASCII. */
export function fnv1a32(text: string, seed: number = OFFSET): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      h = Math.imul(h ^ c, PRIME);
      continue;
    }
    if (c < 0x800) {
      h = Math.imul(h ^ (0xc0 | (c >> 6)), PRIME);
    } else {
      if (c >= 0xd800 && c <= 0xdfff) {
        const low = c < 0xdc00 ? text.charCodeAt(i + 1) : 0;
        if (low >= 0xdc00 && low <= 0xdfff) {
          c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
          i++;
          h = Math.imul(h ^ (0xf0 | (c >> 18)), PRIME);
          h = Math.imul(h ^ (0x80 | ((c >> 12) & 0x3f)), PRIME);
        } else {
          c = 0xfffd; // a lone surrogate encodes as the replacement character, as TextEncoder does
          h = Math.imul(h ^ (0xe0 | (c >> 12)), PRIME);
        }
      } else {
        h = Math.imul(h ^ (0xe0 | (c >> 12)), PRIME);
      }
      h = Math.imul(h ^ (0x80 | ((c >> 6) & 0x3f)), PRIME);
    }
    h = Math.imul(h ^ (0x80 | (c & 0x3f)), PRIME);
  }
  return h >>> 0;
}

/** FNV-1a-32 over bytes, continued from `seed`. */
export function fnv1a32Bytes(bytes: Uint8Array, seed: number = OFFSET): number {
  let h = seed;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, PRIME);
  return h >>> 0;
}

/** Final avalanche of murmur3: spreads every input bit over the word. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 64-bit hash of `text` as two 32-bit words, written to `out[0]` (low) and `out[1]` (high). Two independent multiplicative
 *  lanes, avalanched across each other. Cost: about 2 ns a character, no allocation. */
export function hash64(text: string, out: Uint32Array): void {
  let a = 0xdeadbeef ^ text.length;
  let b = 0x41c6ce57 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  out[0] = a >>> 0;
  out[1] = b >>> 0;
}
