// The exact decimal sum of doubles, the slow and plain way: a BigInt coefficient and a power of ten.
// X1: every number stands for its shortest decimal text (`String(v)`), so 0.1 is one tenth; nothing is rounded before the end.

/** coefficient × 10^exponent. */
type Decimal = { readonly coefficient: bigint; readonly exponent: number };

const NOTHING: Decimal = { coefficient: 0n, exponent: 0 };

/** The sum of finite numbers, to the nearest double; one that is too large for a double is ±Number.MAX_VALUE. No numbers: 0. */
export function exactSum(values: readonly number[]): number {
  let total = NOTHING;
  for (const value of values) total = add(total, decimalOf(value));
  return rounded(total);
}

/** Their mean, to the nearest double; the numbers are finite and there is at least one. */
export function exactMean(values: readonly number[]): number {
  let total = NOTHING;
  for (const value of values) total = add(total, decimalOf(value));
  return meanOf(total, values.length);
}

/** Long division to 400 digits behind the point: beyond the middle between any two doubles that a quotient of such numbers can be near. */
function meanOf({ coefficient, exponent }: Decimal, count: number): number {
  const digits = coefficient * 10n ** BigInt(Math.max(0, exponent) + 800);
  const negative = digits < 0n;
  const size = negative ? -digits : digits;
  const quotient = size / BigInt(count);
  const more = size % BigInt(count) === 0n ? 0n : 1n;
  const nearest = rounded({ coefficient: quotient * 10n + more, exponent: Math.min(0, exponent) - 801 });
  return (negative ? -nearest : nearest) + 0;
}

/** A sum that is added to before it is rounded. */
export class ExactTotal {
  readonly #total: Decimal;

  constructor(total: Decimal = NOTHING) {
    this.#total = total;
  }

  /** @throws RangeError when the value is not finite */
  with(value: number): ExactTotal {
    return new ExactTotal(add(this.#total, decimalOf(value)));
  }

  plus(other: ExactTotal): ExactTotal {
    return new ExactTotal(add(this.#total, other.#total));
  }

  value(): number {
    return rounded(this.#total);
  }

  mean(count: number): number {
    return meanOf(this.#total, count);
  }
}

function rounded(total: Decimal): number {
  const nearest = Number(`${total.coefficient}e${total.exponent}`);
  if (nearest === Infinity) return Number.MAX_VALUE;
  if (nearest === -Infinity) return -Number.MAX_VALUE;
  return nearest + 0; // −0 (an underflow from below) is 0
}

/** `-1.25e-7` → −125 × 10^−9. */
function decimalOf(value: number): Decimal {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (m === null) throw new RangeError('an exact sum takes finite numbers only');
  const fraction = m[3] ?? '';
  const digits = BigInt(m[2]! + fraction);
  return { coefficient: m[1] === '-' ? -digits : digits, exponent: Number(m[4] ?? '0') - fraction.length };
}

function add(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return { coefficient: scaled(a, exponent) + scaled(b, exponent), exponent };
}

function scaled(d: Decimal, exponent: number): bigint {
  return d.exponent === exponent ? d.coefficient : d.coefficient * 10n ** BigInt(d.exponent - exponent);
}
