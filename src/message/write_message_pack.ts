// A value as MessagePack, saying exactly what JSON.stringify says of it: what has no word in JSON is left out, or nil, in the same places.
// WP1: reading it (message_pack.ts) gives what JSON.parse gives of the JSON.
import { VisageError } from '../base/errors.ts';

/** Nobody takes a body that is deeper; a circle is deeper than anything. */
const DEPTH_MAX = 200;
const KEPT_BYTES_MAX = 1024 * 1024;
const FIRST_BYTES = 4 * 1024;
/** Texts of at most this length are written here; longer ones by the encoder, which is faster by then. */
const SHORT_TEXT = 40;
const encoder = new TextEncoder();

/** One for all messages: each is copied out at its own length. */
let bytes = new Uint8Array(FIRST_BYTES);
let view = new DataView(bytes.buffer);
let at = 0;

/** @throws VisageError `malformed` (refuse): no object, a circle, a BigInt, half of a surrogate pair · what a toJSON throws */
export function packMap(value: object): Uint8Array {
  at = 0;
  const plain = plainOf(value, '');
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw malformed('it is not an object');
  write(plain, DEPTH_MAX);
  const packed = bytes.slice(0, at);
  if (bytes.length > KEPT_BYTES_MAX) use(new Uint8Array(FIRST_BYTES));
  return packed;
}

/** As JSON.stringify sees it; undefined: it has no word for it. */
function plainOf(value: unknown, key: string): unknown {
  let plain = value;
  if ((typeof plain === 'object' && plain !== null) || typeof plain === 'bigint') {
    const { toJSON } = plain as { readonly toJSON?: unknown };
    if (typeof toJSON === 'function') plain = toJSON.call(plain, key) as unknown;
  }
  if (plain instanceof Number || plain instanceof String || plain instanceof Boolean) return plain.valueOf();
  return typeof plain === 'function' || typeof plain === 'symbol' ? undefined : plain;
}

function write(plain: unknown, depth: number): void {
  switch (typeof plain) {
    case 'string':
      return writeText(plain);
    case 'number':
      return writeNumber(plain);
    case 'boolean':
      return byte(plain ? 0xc3 : 0xc2);
    case 'object':
      if (plain === null) return byte(0xc0);
      if (depth === 0) throw malformed('it is nested too deeply, or in a circle');
      return Array.isArray(plain) ? writeArray(plain, depth) : writeMap(plain as Record<string, unknown>, depth);
    default:
      throw malformed(`JSON has no word for a ${typeof plain}`);
  }
}

function writeMap(map: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(map);
  const sizeAt = at;
  writeSize(keys.length, 0x80, 15, 0xde);
  let written = 0;
  for (const key of keys) {
    const plain = plainOf(map[key], key);
    if (plain === undefined) continue;
    writeText(key);
    write(plain, depth - 1);
    written++;
  }
  if (written === keys.length) return;
  // few maps have keys without a value: the size is put right where it stands, in as many bytes as it was written in
  if (keys.length <= 15) bytes[sizeAt] = 0x80 | written;
  else if (keys.length < 0x10000) view.setUint16(sizeAt + 1, written);
  else view.setUint32(sizeAt + 1, written);
}

function writeArray(array: readonly unknown[], depth: number): void {
  writeSize(array.length, 0x90, 15, 0xdc);
  for (let i = 0; i < array.length; i++) write(plainOf(array[i], String(i)) ?? null, depth - 1);
}

/** @param small the type of up to `smallMax`, which has the size in it   @param type that with two bytes behind it; the next has four */
function writeSize(size: number, small: number, smallMax: number, type: number): void {
  if (size <= smallMax) return byte(small | size);
  if (size < 0x10000) {
    byte(type);
    const from = room(2);
    view.setUint16(from, size);
  } else {
    byte(type + 1);
    const from = room(4);
    view.setUint32(from, size);
  }
}

function writeNumber(value: number): void {
  if (!Number.isFinite(value)) return byte(0xc0); // as in JSON
  if (!Number.isSafeInteger(value)) {
    byte(0xcb);
    const from = room(8);
    return view.setFloat64(from, value);
  }
  if (value >= 0 ? value < 0x80 : value >= -32) return byte(value & 0xff);
  if (value >= -0x80000000 && value < 0x80000000) {
    byte(0xd2);
    const from = room(4);
    return view.setInt32(from, value);
  }
  byte(0xd3);
  const from = room(8);
  view.setBigInt64(from, BigInt(value));
}

function writeText(text: string): void {
  const { length } = text;
  if (length <= SHORT_TEXT && writeAscii(text)) return;
  if (!text.isWellFormed()) throw malformed('a text holds half of a surrogate pair');
  const encoded = encoder.encode(text);
  const size = encoded.length;
  if (size < 32) byte(0xa0 | size);
  else if (size < 0x100) {
    byte(0xd9);
    byte(size);
  } else writeSize(size, 0, -1, 0xda);
  const from = room(size);
  bytes.set(encoded, from);
}

/** @returns false, and nothing is written, when it is something else */
function writeAscii(text: string): boolean {
  const { length } = text;
  const start = at;
  if (length < 32) byte(0xa0 | length);
  else {
    byte(0xd9);
    byte(length);
  }
  const from = room(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      at = start;
      return false;
    }
    bytes[from + i] = code;
  }
  return true;
}

function byte(value: number): void {
  const from = room(1);
  bytes[from] = value;
}

/** Where so many bytes may be written. It may put larger ones in the place of `bytes` and `view`: they are looked up after it. */
function room(size: number): number {
  const from = at;
  at += size;
  if (at > bytes.length) {
    const larger = new Uint8Array(Math.max(at, bytes.length * 2));
    larger.set(bytes);
    use(larger);
  }
  return from;
}

function use(buffer: Uint8Array<ArrayBuffer>): void {
  bytes = buffer;
  view = new DataView(buffer.buffer);
}

function malformed(why: string): VisageError {
  return new VisageError('malformed', `the body cannot be written as MessagePack: ${why}`, { kind: 'refuse' });
}
