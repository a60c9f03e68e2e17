// JSON as bytes, piece by piece, into a buffer that is used again and again: no text is put together only to be taken apart.
// JB1: `plain` and `raw` are written as they are: whoever calls knows that they are printable ASCII without quotes and backslashes, or JSON.
// JB2: what is taken is a copy.
const START_BYTES = 64 * 1024;
/** Of one number as JSON. */
const NUMBER_BYTES = 25;
/** Up to here a loop is faster than `set`. */
const LOOP_MAX = 96;
const [ZERO, MINUS, QUOTE, DOT] = [48, 45, 34, 46];
const HUNDRED = 100;

/** A text as bytes, to be written again and again. */
export function piece(text: string): Uint8Array {
  return Buffer.from(text);
}

export class JsonBytes {
  private bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  private at = 0;

  /** What was written since the last time. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.at));
    this.at = 0;
    return taken;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  raw(piece: Uint8Array): void {
    const { length } = piece;
    this.reserve(length);
    const { bytes, at } = this;
    if (length > LOOP_MAX) bytes.set(piece, at);
    else for (let i = 0; i < length; i++) bytes[at + i] = piece[i]!;
    this.at = at + length;
  }

  plain(text: string, from = 0, to = text.length): void {
    this.reserve(to - from);
    const { bytes } = this;
    let { at } = this;
    for (let i = from; i < to; i++) bytes[at++] = text.charCodeAt(i);
    this.at = at;
  }

  /** Any text that is JSON already. */
  text(json: string): void {
    this.reserve(3 * json.length);
    this.at += this.bytes.write(json, this.at);
  }

  /** A text as a string of JSON. */
  quoted(text: string): void {
    this.reserve(text.length + 2);
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = QUOTE;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c < 0x20 || c > 0x7e || c === QUOTE || c === 0x5c) return this.text(JSON.stringify(text));
      bytes[at++] = c;
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  value(value: unknown): void {
    if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') this.quoted(value);
    else this.text(JSON.stringify(value));
  }

  /** A finite number, as JSON writes it. Prices take a way of their own: two small integers are much faster than a double. */
  number(value: number): void {
    this.reserve(NUMBER_BYTES);
    if ((value | 0) === value) return this.integer(value | 0);
    const cents = Math.round(value * HUNDRED);
    if (!(cents > 0 && cents < 2 ** 31 && cents / HUNDRED === value)) return this.plain(String(value));
    const whole = (cents / HUNDRED) | 0;
    const rest = cents - whole * HUNDRED;
    this.integer(whole);
    const tens = (rest / 10) | 0;
    const ones = rest - tens * 10;
    this.bytes[this.at++] = DOT;
    this.bytes[this.at++] = ZERO + tens;
    if (ones > 0) this.bytes[this.at++] = ZERO + ones;
  }

  /** Of 32 bits. Its room is reserved. */
  private integer(value: number): void {
    const { bytes } = this;
    let rest = value;
    if (rest < 0) {
      bytes[this.at++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let power = 10; digits < 10 && rest >= power; power *= 10) digits++;
    for (let at = this.at + digits - 1; at >= this.at; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.at += digits;
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(2 * (this.at + count));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }
}
