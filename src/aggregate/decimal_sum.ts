// Decimal-exact sums. A number in JSON is a decimal; adding doubles drifts (25 + 10 + 9.99 + 40 is not 84.99).
// DS1: a value with at most 15 significant digits and at most 9 decimals is held as (whole, nanos): two integers, exact in a double.
// DS2: any other finite double goes to the wide lane: a BigInt at scale 10^-340, exact for every double's shortest decimal.
// DS3: what was added can be taken out again: an emptied sum is exactly 0.
// DS4: a sum is read as the double nearest to the exact decimal; beyond the range of a double it reads ±Number.MAX_VALUE.

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const FAST_DIGITS = 1e15; // below: decimal and double name each other uniquely
const WHOLE_SPILL = 4e15; // above: one more addition could leave 2^53
const WIDE_SCALE = 340n;
const WIDE_ONE = 10n ** WIDE_SCALE;
const WIDE_NANO = 10n ** (WIDE_SCALE - 9n);
/** Digits that a mean is taken to beyond the scale of the wide lane. */
const MEAN_SCALE = 40n;
const MEAN_DIGITS = 10n ** MEAN_SCALE;

/** Result of the last successful `decompose`: whole, nanos. One scratch pair: no allocation per event. */
export const parts = new Float64Array(2);

/** Splits a value into `parts`; false when it needs the wide lane. Cost: about 10 ns for prices. */
export function decompose(value: number): boolean {
  // money first: what has fewer decimals gives the same parts
  const cents = Math.round(value * 100);
  if (cents < FAST_DIGITS && cents > -FAST_DIGITS && cents / 100 === value) {
    const whole = Math.trunc(cents / 100);
    parts[0] = whole;
    parts[1] = (cents - whole * 100) * 1e7;
    return true;
  }
  for (let scale = 0; scale <= 9; scale++) {
    const power = POWERS[scale]!;
    const m = Math.round(value * power);
    if (!(m < FAST_DIGITS && m > -FAST_DIGITS)) return false;
    if (m / power === value) {
      const whole = Math.trunc(m / power);
      parts[0] = whole;
      parts[1] = (m - whole * power) * POWERS[9 - scale]!;
      return true;
    }
  }
  return false;
}

/** Adds (sign 1) or takes out (sign -1) a value at `acc[at]` (whole) and `acc[at + 1]` (nanos).
 *  @returns what has to be added to the wide lane, or null in the usual case */
export function addDecimal(acc: number[], at: number, value: number, sign: 1 | -1): bigint | null {
  return decompose(value) ? addParts(acc, at, sign) : BigInt(sign) * toWide(value);
}

/** As `addDecimal`, with the value that `decompose` put into `parts` last. */
export function addParts(acc: number[], at: number, sign: 1 | -1): bigint | null {
  let whole = acc[at]! + sign * parts[0]!;
  let nanos = acc[at + 1]! + sign * parts[1]!;
  if (nanos >= 1e9 || nanos <= -1e9) {
    const carry = Math.trunc(nanos / 1e9);
    whole += carry;
    nanos -= carry * 1e9;
  }
  let spill: bigint | null = null;
  if (whole >= WHOLE_SPILL || whole <= -WHOLE_SPILL) {
    spill = BigInt(whole) * WIDE_ONE;
    whole = 0;
  }
  acc[at] = whole;
  acc[at + 1] = nanos;
  return spill;
}

/** The double nearest to whole + nanos·10⁻⁹. `whole` and `nanos` are integers below 2^53. */
export function readDecimal(whole: number, nanos: number): number {
  if (nanos === 0) return whole + 0;
  const carry = Math.trunc(nanos / 1e9);
  let w = whole + carry;
  let n = nanos - carry * 1e9;
  if (w > 0 && n < 0) {
    w -= 1;
    n += 1e9;
  } else if (w < 0 && n > 0) {
    w += 1;
    n -= 1e9;
  }
  let scale = 1e9;
  const cents = n / 1e7;
  if (Math.floor(cents) === cents) {
    n = cents; // money: two decimals. Not `%`: of doubles it is a call
    scale = 100;
  } else {
    while (n % 10 === 0) {
      n /= 10;
      scale /= 10;
    }
  }
  const numerator = w * scale + n;
  // numerator and scale are exact integers, so the one division rounds correctly
  if (numerator < Number.MAX_SAFE_INTEGER && numerator > -Number.MAX_SAFE_INTEGER) return numerator / scale + 0;
  return readWide(whole, nanos, 0n);
}

/** The double nearest to (whole + nanos·10⁻⁹ + wide) ÷ rows. `rows` is a positive integer. */
export function readMean(whole: number, nanos: number, wide: bigint, rows: number): number {
  if (wide === 0n) {
    let scale = 1e9;
    let n = nanos;
    for (; scale > 1 && n % 10 === 0; scale /= 10) n /= 10;
    const numerator = whole * scale + n;
    const denominator = scale * rows;
    // both are exact integers, so the one division rounds correctly
    if (Math.abs(numerator) < Number.MAX_SAFE_INTEGER && denominator < Number.MAX_SAFE_INTEGER)
      return numerator / denominator + 0;
  }
  const total = BigInt(whole) * WIDE_ONE + BigInt(nanos) * WIDE_NANO + wide;
  const size = (total < 0n ? -total : total) * MEAN_DIGITS;
  const quotient = size / BigInt(rows);
  // a remainder is more than half of nothing: one more digit keeps the rounding on its side
  const sticky = size % BigInt(rows) === 0n ? '0' : '1';
  const value = Number(`${total < 0n ? '-' : ''}${quotient}${sticky}e-${WIDE_SCALE + MEAN_SCALE + 1n}`);
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)) + 0;
}

/** As `readDecimal`, with the wide lane. */
export function readWide(whole: number, nanos: number, wide: bigint): number {
  const total = BigInt(whole) * WIDE_ONE + BigInt(nanos) * WIDE_NANO + wide;
  if (total === 0n) return 0;
  const digits = (total < 0n ? -total : total).toString();
  const value = Number(`${total < 0n ? '-' : ''}${digits}e-${WIDE_SCALE}`);
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)) + 0; // an underflow from below is 0, not -0
}

/** A finite value at the scale of the wide lane. */
export function toWide(value: number): bigint {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value))!;
  const fraction = m[3] ?? '';
  const exponent = Number(m[4] ?? 0) - fraction.length;
  const scaled = BigInt(m[2]! + fraction) * 10n ** (WIDE_SCALE + BigInt(exponent));
  return m[1] === '-' ? -scaled : scaled;
}
