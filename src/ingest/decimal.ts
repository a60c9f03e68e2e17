// Exact decimal arithmetic for map files. Boundary: numbers in text, a double out.
// DE1: +, - and × are exact: 6 × 2.55 is 15.30. Only `toDouble` rounds, once, to the nearest double.
// DE2: what one row can cost is bounded: a text of more than 400 characters or an exponent beyond ±400 is no number.

/** `units` / 10^`scale`. `units` is a number as long as it is a safe integer: BigInt costs ten times as much. */
export type Decimal = { readonly units: number | bigint; readonly scale: number };

const PATTERN = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,4}))?$/;
const TEXT_MAX = 400;
const EXPONENT_MAX = 400;
/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const EXACT_SCALE_MAX = POWERS.length - 1;
const SAFE_DIGITS = 15;

/** A number as people and programs write it: `-12.50`, `.5`, `1E+05`; blanks around it are free. Undefined: it is none. */
export function parseDecimal(text: string): Decimal | undefined {
  const trimmed = text.trim();
  const m = trimmed.length > TEXT_MAX ? null : PATTERN.exec(trimmed);
  if (m === null) return undefined;
  const fraction = m[3] ?? m[4] ?? '';
  const digits = (m[2] ?? '') + fraction;
  const magnitude = digits.length <= SAFE_DIGITS ? Number(digits) : BigInt(digits);
  const units = m[1] === '-' ? negated(magnitude) : magnitude;
  const exponent = Number(m[5] ?? 0);
  if (exponent === 0) return { units: narrow(units), scale: fraction.length };
  if (Math.abs(exponent) > EXPONENT_MAX) return undefined;
  const scale = fraction.length - exponent;
  return scale >= 0 ? { units: narrow(units), scale } : { units: narrow(BigInt(units) * 10n ** BigInt(-scale)), scale: 0 };
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  const x = scaled(a, scale);
  const y = scaled(b, scale);
  if (typeof x === 'number' && typeof y === 'number') {
    const sum = x + y;
    if (Number.isSafeInteger(sum)) return { units: sum, scale };
  }
  return { units: narrow(BigInt(x) + BigInt(y)), scale };
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, negate(b));
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  const scale = a.scale + b.scale;
  if (typeof a.units === 'number' && typeof b.units === 'number') {
    const product = a.units * b.units;
    if (Number.isSafeInteger(product)) return { units: product + 0, scale };
  }
  return { units: narrow(BigInt(a.units) * BigInt(b.units)), scale };
}

export function negate(a: Decimal): Decimal {
  return { units: negated(a.units), scale: a.scale };
}

/** The nearest double; ±Infinity beyond a double's range. */
export function toDouble(a: Decimal): number {
  // numerator and denominator are exact doubles: IEEE division rounds the quotient correctly
  if (typeof a.units === 'number' && a.scale <= EXACT_SCALE_MAX) return a.units / POWERS[a.scale]!;
  return Number(decimalText(a));
}

/** The whole number in plain digits: `17850.0` → `17850`. Undefined: it is not whole. */
export function wholeText(a: Decimal): string | undefined {
  const one = 10n ** BigInt(a.scale);
  const units = BigInt(a.units);
  return units % one === 0n ? String(units / one) : undefined;
}

export function decimalText(a: Decimal): string {
  const negative = a.units < 0;
  const digits = String(negative ? negated(a.units) : a.units).padStart(a.scale + 1, '0');
  const point = digits.length - a.scale;
  return `${negative ? '-' : ''}${digits.slice(0, point)}${a.scale === 0 ? '' : `.${digits.slice(point)}`}`;
}

function scaled(a: Decimal, scale: number): number | bigint {
  const steps = scale - a.scale;
  if (steps === 0) return a.units;
  if (typeof a.units === 'number' && steps <= SAFE_DIGITS) {
    const units = a.units * POWERS[steps]!;
    if (Number.isSafeInteger(units)) return units;
  }
  return BigInt(a.units) * 10n ** BigInt(steps);
}

function negated(units: number | bigint): number | bigint {
  return typeof units === 'number' ? 0 - units : -units; // 0 - 0 is 0, never -0
}

function narrow(units: number | bigint): number | bigint {
  if (typeof units === 'number') return units;
  return units <= Number.MAX_SAFE_INTEGER && units >= Number.MIN_SAFE_INTEGER ? Number(units) : units;
}
