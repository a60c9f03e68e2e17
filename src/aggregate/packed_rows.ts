// Rows of (time) or (time, value) as a text of one byte a character: what rests in a long ring takes a third of its doubles.
// PR1: unpacking gives exactly the rows that were packed (a value of −0 as 0). PR2: the first time and the number of rows are in
//      front: looking for a time needs no unpacking.
// Layout: rows, first time, form of the values, then for each row the time since the one before and its value. Numbers are varints;
// values are integers of a common decimal scale, or doubles where there is none.

const NO_VALUES = 0;
/** Forms 1 to 10: integers of scale 0 to 9. */
const DOUBLES = 11;
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const INTEGER_MAX = 2 ** 51; // twice that, plus a sign, is still exact
const ROW_BYTES_MAX = 18;

let bytes = new Uint8Array(4_096);
let at = 0;
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** @param data rows of `stride` (1: times; 2: times and finite values), in time order, at least one. Cost: about 10 ns a number */
export function packRows(data: readonly number[], stride: number): string {
  const rows = data.length / stride;
  const room = 32 + rows * ROW_BYTES_MAX;
  if (bytes.length < room) bytes = new Uint8Array(room);
  at = 0;
  const form = stride === 1 ? NO_VALUES : formOf(data);
  putCount(rows);
  putSigned(data[0]!);
  bytes[at++] = form;
  const power = POWERS[form - 1]!;
  for (let i = 0; i < data.length; i += stride) {
    if (i > 0) putCount(data[i]! - data[i - stride]!);
    if (form === NO_VALUES) continue;
    if (form === DOUBLES) putDouble(data[i + 1]!);
    else putSigned(Math.round(data[i + 1]! * power));
  }
  return String.fromCharCode.apply(null, bytes.subarray(0, at) as unknown as number[]);
}

export function packedRowCount(packed: string): number {
  at = 0;
  return getCount(packed);
}

export function packedFirstMs(packed: string): number {
  at = 0;
  getCount(packed);
  return getSigned(packed);
}

/** The rows again, as a new array. Cost: about 5 ns a number */
export function unpackRows(packed: string, stride: number): number[] {
  at = 0;
  const rows = getCount(packed);
  let timeMs = getSigned(packed);
  const form = packed.charCodeAt(at++);
  const power = POWERS[form - 1]!;
  const data = new Array<number>(rows * stride);
  data[0] = 0.5; // unboxed doubles from the start
  for (let i = 0; i < data.length; i += stride) {
    if (i > 0) timeMs += getCount(packed);
    data[i] = timeMs;
    if (form === NO_VALUES) continue;
    data[i + 1] = form === DOUBLES ? getDouble(packed) : getSigned(packed) / power;
  }
  return data;
}

/** The smallest decimal scale at which every value is an integer; DOUBLES when there is none. */
function formOf(data: readonly number[]): number {
  let scale = 0;
  for (let i = 1; i < data.length; i += 2) {
    const value = data[i]!;
    for (; scale <= 9; scale++) {
      const power = POWERS[scale]!;
      const integer = Math.round(value * power);
      if (integer < INTEGER_MAX && integer > -INTEGER_MAX && integer / power === value) break;
    }
    if (scale > 9) return DOUBLES;
  }
  // a scale that one value needs may be too much for another
  const power = POWERS[scale]!;
  for (let i = 1; i < data.length; i += 2) {
    const integer = Math.round(data[i]! * power);
    if (!(integer < INTEGER_MAX && integer > -INTEGER_MAX && integer / power === data[i]!)) return DOUBLES;
  }
  return scale + 1;
}

function putCount(value: number): void {
  let rest = value;
  while (rest >= 2 ** 31) {
    bytes[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
}

function putSigned(value: number): void {
  putCount(value < 0 ? -2 * value - 1 : 2 * value);
}

function putDouble(value: number): void {
  double[0] = value;
  bytes.set(doubleBytes, at);
  at += 8;
}

function getCount(packed: string): number {
  let byte = packed.charCodeAt(at++);
  if (byte < 128) return byte;
  let value = byte & 127;
  let shift = 7;
  do {
    byte = packed.charCodeAt(at++);
    // beyond 28 bits an integer operation would lose the rest
    if (shift < 28) value |= (byte & 127) << shift;
    else value += (byte & 127) * 2 ** shift;
    shift += 7;
  } while (byte >= 128);
  return value;
}

function getSigned(packed: string): number {
  const value = getCount(packed);
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

function getDouble(packed: string): number {
  for (let i = 0; i < 8; i++) doubleBytes[i] = packed.charCodeAt(at++);
  return double[0]!;
}
