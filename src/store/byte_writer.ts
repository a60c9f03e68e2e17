// Numbers and texts to bytes, into a buffer that is used again and again. Boundary: knows nothing of profiles.
// BW1: every number comes back as the same double, -0 and NaN included (`number`); `int` and `uint` take safe integers only.
// BW2: `reserve` first: the other methods don't look at the end of the buffer.
import { assert } from '../base/assert.ts';
import { NUMBER_RAW, POWERS, VARINT_MAX_BYTES } from './byte_layout.ts';

const TWO_28 = 0x10000000;
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(8_192);
  at = 0;

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(2 * (this.at + count));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }

  /** What was written since `start`, as a copy of its own. */
  take(start = 0): Buffer {
    const size = this.at - start;
    const out = Buffer.allocUnsafe(size);
    out.set(this.bytes.subarray(start, this.at));
    this.at = start;
    return out;
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** Four bytes, little end first. */
  u32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.at = at + 4;
  }

  /** 0 … 2^53 - 1 in 1 to 8 bytes: seven bits each, low ones first. */
  uint(value: number): void {
    const bytes = this.bytes;
    let at = this.at;
    let rest = value >>> 0;
    if (rest !== value) {
      assert(value > 0 && Number.isSafeInteger(value), 'only integers from 0 to 2^53 are stored this way');
      const high = Math.floor(value / TWO_28);
      const low = value - high * TWO_28;
      bytes[at++] = (low & 0x7f) | 0x80;
      bytes[at++] = ((low >>> 7) & 0x7f) | 0x80;
      bytes[at++] = ((low >>> 14) & 0x7f) | 0x80;
      bytes[at++] = (low >>> 21) | 0x80;
      rest = high;
    }
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at] = rest;
    this.at = at + 1;
  }

  /** A safe integer: one byte from -63 to 63. */
  int(value: number): void {
    const sign = value < 0 ? 1 : 0;
    const size = sign === 1 ? -value : value;
    if (size < 64) {
      assert(size >>> 0 === size, 'only integers are stored this way');
      this.bytes[this.at++] = (size << 1) | sign;
      return;
    }
    const rest = Math.floor(size / 64);
    const low = size - rest * 64;
    assert(low >>> 0 === low && size <= Number.MAX_SAFE_INTEGER, 'only integers are stored this way');
    this.bytes[this.at++] = 0x80 | (low << 1) | sign;
    this.uint(rest);
  }

  /** Any double: decimals with up to four places as an integer and a scale, everything else as it is. */
  number(value: number): void {
    if (value !== 0 || Object.is(value, 0)) {
      for (let scale = 0; scale < POWERS.length; scale++) {
        const power = POWERS[scale]!;
        const m = Math.round(value * power);
        if (!(m <= Number.MAX_SAFE_INTEGER && m >= -Number.MAX_SAFE_INTEGER)) break;
        if (m / power !== value) continue;
        const size = m < 0 ? -m : m;
        const head = scale | (m < 0 ? 8 : 0);
        const rest = Math.floor(size / 8);
        this.bytes[this.at++] = head | ((size - rest * 8) << 4) | (rest > 0 ? 0x80 : 0);
        if (rest > 0) this.uint(rest);
        return;
      }
    }
    this.bytes[this.at++] = NUMBER_RAW;
    float[0] = value;
    for (let i = 0; i < 8; i++) this.bytes[this.at++] = floatBytes[i]!;
  }

  /** ASCII text after its length. @returns false, and nothing is written, when it is not ASCII */
  ascii(text: string): boolean {
    this.reserve(text.length + VARINT_MAX_BYTES);
    const before = this.at;
    this.uint(text.length);
    const bytes = this.bytes;
    let at = this.at;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c >= 0x80) {
        this.at = before;
        return false;
      }
      bytes[at++] = c;
    }
    this.at = at;
    return true;
  }

  /** Text after its length in bytes. */
  text(text: string, encoding: 'utf8' | 'utf16le'): void {
    const size = Buffer.byteLength(text, encoding);
    this.reserve(size + VARINT_MAX_BYTES);
    this.uint(size);
    this.at += this.bytes.write(text, this.at, encoding);
  }
}
