// Keys of the due index: eight bytes that sort as the due does, then the identity key; one character a byte.
import type { IdentityKey } from '../message/identity.ts';
import type { DueEntry } from '../ports/profile_store.ts';
import { fourBytes } from './records.ts';

const bytes = new DataView(new ArrayBuffer(8));
const SIGN = 0x80000000;

/** Doubles sort as their bits do, once the sign is turned around and negative ones are turned over. */
export function dueKey(dueMs: number, key: IdentityKey): string {
  bytes.setFloat64(0, dueMs);
  let high = bytes.getUint32(0);
  let low = bytes.getUint32(4);
  if (high >= SIGN) {
    high = ~high;
    low = ~low;
  } else {
    high |= SIGN;
  }
  return fourBytes(high) + fourBytes(low) + key;
}

export function parseDueKey(text: string): DueEntry {
  let high = fromFourBytes(text, 0);
  let low = fromFourBytes(text, 4);
  if (high >= SIGN) {
    high ^= SIGN;
  } else {
    high = ~high;
    low = ~low;
  }
  bytes.setUint32(0, high);
  bytes.setUint32(4, low);
  return { dueMs: bytes.getFloat64(0), key: text.slice(8) };
}

function fromFourBytes(text: string, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) value = value * 256 + text.charCodeAt(i);
  return value;
}
