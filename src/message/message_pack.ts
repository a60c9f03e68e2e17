// MessagePack, as far as it says what JSON says: maps with texts as keys, arrays, texts, numbers, true, false, nil. Read here, by hand: what a
// body means is part of the fold, and no release of a library may change it.
// MP1: nothing in here throws for any bytes, and no bytes make it allocate more than a little more than they are.
// MP2: what JSON has no word for (binary data, extension types, times among them, whole numbers that a double does not hold) is refused
//      with its place: it is never made into something else.
// MP3: keys are as JSON.parse has them: of two that are the same the last counts, and `__proto__` is an own key, for others to refuse.
// Source: the MessagePack specification, github.com/msgpack/msgpack/blob/master/spec.md
import type { EventBody } from './admission.ts';
import { placeIn } from './json_pointer.ts';
import type { RefusalReason } from './refusal.ts';
import { Unreadable } from './unreadable.ts';

export const CONTENT_TYPE_HEADER = 'Content-Type';
export const MESSAGE_PACK = 'application/msgpack';

const TYPES: ReadonlySet<string> = new Set([MESSAGE_PACK, 'application/x-msgpack', 'application/vnd.msgpack']);
/** The most that a setting allows (`limits.depth`). */
const DEPTH_MAX = 100;
const TWO_32 = 2 ** 32;
/** Up to here a text is put together here; past it the decoder is faster. */
const SHORT_TEXT = 24;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Does a header's value say MessagePack? */
export function isMessagePack(contentType: string): boolean {
  return TYPES.has(contentType.split(';', 1)[0]!.trim().toLowerCase());
}

/** Does it begin as a map? No JSON does: that begins with white space or a character of ASCII. */
export function beginsAsMap(bytes: Uint8Array): boolean {
  const first = bytes[0]!;
  return first >= 0x80 && (first <= 0x8f || first === 0xde || first === 0xdf);
}

/** The map that the bytes are, and nothing behind it. @param depth maps and arrays inside of each other  @throws never */
export function unpackMap(bytes: Uint8Array, depth: number = DEPTH_MAX): EventBody | Unreadable {
  return new Unpacker(bytes, null).whole(depth);
}

/** Every text in it, keys too, as far as it can be read. @throws never */
export function textsIn(bytes: Uint8Array): ReadonlySet<string> {
  const texts = new Set<string>();
  new Unpacker(bytes, texts).whole(DEPTH_MAX);
  return texts;
}

/** Ends the reading; inside of this file only. */
class Stop extends Error {
  readonly reason: RefusalReason;
  private readonly steps: string[] = [];

  constructor(message: string, reason: RefusalReason = 'malformed') {
    super(message);
    this.reason = reason;
  }

  /** It happened below this key. */
  below(key: string): this {
    this.steps.push(key);
    return this;
  }

  get pointer(): string {
    return this.steps.reverse().reduce(placeIn, '');
  }
}

class Unpacker {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly texts: Set<string> | null;
  private at = 0;

  constructor(bytes: Uint8Array, texts: Set<string> | null) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.texts = texts;
  }

  whole(depth: number): EventBody | Unreadable {
    try {
      if (!beginsAsMap(this.bytes)) return new Unreadable('the body is not a MessagePack map');
      const value = this.value(depth);
      if (this.at < this.bytes.length) return new Unreadable('there is more behind the map that the body is');
      return value as EventBody;
    } catch (error) {
      if (error instanceof Stop) return new Unreadable(error.message, error.reason, error.pointer);
      throw error;
    }
  }

  private value(depth: number): unknown {
    const type = this.uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.map(type & 0x0f, depth);
    if (type < 0xa0) return this.array(type & 0x0f, depth);
    if (type < 0xc0) return this.text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.view.getFloat32(this.take(4));
      case 0xcb:
        return this.view.getFloat64(this.take(8));
      case 0xcc:
        return this.uint(1);
      case 0xcd:
        return this.uint(2);
      case 0xce:
        return this.uint(4);
      case 0xcf:
        return this.long(this.uint(4));
      case 0xd0:
        return this.view.getInt8(this.take(1));
      case 0xd1:
        return this.view.getInt16(this.take(2));
      case 0xd2:
        return this.view.getInt32(this.take(4));
      case 0xd3:
        return this.long(this.view.getInt32(this.take(4)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.uint(1 << (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.array(this.uint(2 << (type - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.uint(2 << (type - 0xde)), depth);
      case 0xc4:
      case 0xc5:
      case 0xc6:
        throw new Stop('binary data has no place in a body: send it as text');
      case 0xc1:
        throw new Stop('this is not MessagePack');
      default:
        throw new Stop('an extension type has no place in a body: send a time as RFC 3339, anything else as text');
    }
  }

  private map(size: number, depth: number): unknown {
    this.checkSize(size * 2, depth);
    const map: Record<string, unknown> = {};
    let key: string | undefined;
    try {
      for (let i = 0; i < size; i++) {
        key = undefined;
        key = this.key();
        const value = this.value(depth - 1);
        if (key === '__proto__') Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
        else map[key] = value;
      }
    } catch (error) {
      throw error instanceof Stop && key !== undefined ? error.below(key) : error;
    }
    return map;
  }

  private array(size: number, depth: number): unknown {
    this.checkSize(size, depth);
    const array: unknown[] = [];
    try {
      while (array.length < size) array.push(this.value(depth - 1));
    } catch (error) {
      throw error instanceof Stop ? error.below(String(array.length)) : error;
    }
    return array;
  }

  /** Each value takes a byte: what says that it has more of them than there are bytes is not believed. */
  private checkSize(values: number, depth: number): void {
    if (depth <= 0) throw new Stop('the body is nested too deeply', 'too_large');
    if (values > this.bytes.length - this.at) throw cut();
  }

  private key(): string {
    const type = this.uint(1);
    if (type >= 0xa0 && type < 0xc0) return this.text(type & 0x1f);
    if (type >= 0xd9 && type <= 0xdb) return this.text(this.uint(1 << (type - 0xd9)));
    throw new Stop('a key of a map is not a text');
  }

  private text(length: number): string {
    const { bytes } = this;
    const start = this.take(length);
    const end = this.at;
    let text: string | undefined = '';
    if (length <= SHORT_TEXT) {
      for (let i = start; i < end; i++) {
        const byte = bytes[i]!;
        if (byte >= 0x80) {
          text = undefined;
          break;
        }
        text += String.fromCharCode(byte);
      }
    } else text = undefined;
    text ??= decoded(bytes.subarray(start, end));
    this.texts?.add(text);
    return text;
  }

  private long(high: number): number {
    const value = high * TWO_32 + this.uint(4);
    if (!Number.isSafeInteger(value))
      throw new Stop('the whole number is beyond what a double holds: send it as text', 'not_finite');
    return value;
  }

  private uint(size: number): number {
    const at = this.take(size);
    if (size === 1) return this.bytes[at]!;
    return size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  /** @returns where they begin */
  private take(size: number): number {
    const { at } = this;
    if (size > this.bytes.length - at) throw cut();
    this.at = at + size;
    return at;
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Stop('a text is not valid UTF-8');
  }
}

function cut(): Stop {
  return new Stop('the body ends inside of a value');
}
