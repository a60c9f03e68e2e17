// The way back from bytes to numbers and texts. BR1: bytes that end too early or run on are an error, never a value.
import { VisageError } from '../base/errors.ts';
import { NUMBER_RAW, POWERS } from './byte_layout.ts';

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

export class ByteReader {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;

  /** Reads from these bytes from now on, without a copy: don't keep the reader's position past the bytes' life. */
  open(bytes: Buffer, size: number): void {
    this.bytes = bytes;
    this.at = 0;
    this.end = size;
  }

  /** Everything must have been read. */
  finish(): void {
    if (this.at !== this.end) throw damaged();
  }

  byte(): number {
    if (this.at >= this.end) throw damaged();
    return this.bytes[this.at++]!;
  }

  u32(): number {
    const { bytes, at } = this;
    this.at = at + 4;
    if (at + 4 > this.end) throw damaged();
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  uint(): number {
    const bytes = this.bytes;
    let at = this.at;
    let b = bytes[at++]!;
    let value = b & 0x7f;
    if (b >= 0x80) {
      b = bytes[at++]!;
      value |= (b & 0x7f) << 7;
      if (b >= 0x80) {
        b = bytes[at++]!;
        value |= (b & 0x7f) << 14;
        if (b >= 0x80) {
          b = bytes[at++]!;
          value |= (b & 0x7f) << 21;
          for (let power = 0x10000000; b >= 0x80; power *= 0x80) {
            b = at < this.end ? bytes[at++]! : 0;
            value += (b & 0x7f) * power;
          }
        }
      }
    }
    this.at = at;
    if (at > this.end || value > Number.MAX_SAFE_INTEGER) throw damaged();
    return value;
  }

  int(): number {
    const b = this.byte();
    let size = (b >> 1) & 0x3f;
    if (b >= 0x80) size += this.uint() * 64;
    return (b & 1) === 1 ? -size : size;
  }

  number(): number {
    const b = this.byte();
    if (b === NUMBER_RAW) {
      if (this.at + 8 > this.end) throw damaged();
      for (let i = 0; i < 8; i++) floatBytes[i] = this.bytes[this.at++]!;
      return float[0]!;
    }
    const scale = b & 7;
    if (scale >= POWERS.length) throw damaged();
    let size = (b >> 4) & 7;
    if (b >= 0x80) size += this.uint() * 8;
    if ((b & 8) !== 0) size = -size;
    return scale === 0 ? size : size / POWERS[scale]!;
  }

  text(encoding: 'latin1' | 'utf8' | 'utf16le'): string {
    const size = this.uint();
    const from = this.at;
    if (from + size > this.end) throw damaged();
    this.at = from + size;
    return this.bytes.toString(encoding, from, from + size);
  }

  /** How many rows or items follow; each takes at least `bytesEach`. */
  count(bytesEach: number): number {
    const count = this.uint();
    if (count * bytesEach > this.end - this.at) throw damaged();
    return count;
  }
}

export function damaged(): VisageError {
  return new VisageError(
    'store_damaged',
    'a stored profile cannot be read: its bytes are damaged. Remove the shard folder; the shard is rebuilt from the log or a snapshot',
    { kind: 'stop_shard' },
  );
}
