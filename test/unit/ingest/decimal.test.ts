import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add,
  decimalText,
  multiply,
  negate,
  parseDecimal,
  subtract,
  toDouble,
  wholeText,
  type Decimal,
} from '../../../src/ingest/decimal.ts';

function of(text: string): Decimal {
  const value = parseDecimal(text);
  if (value === undefined) throw new Error(`'${text}' is no number`);
  return value;
}

/** Brute force: a rational with a power of ten below. */
function rational(text: string): { n: bigint; d: bigint } {
  const m = /^(-?)(\d*)\.?(\d*)$/.exec(text)!;
  const n = BigInt(`${m[2]}${m[3]}` || '0');
  return { n: m[1] === '-' ? -n : n, d: 10n ** BigInt(m[3]!.length) };
}

const isEqual = (a: Decimal, b: { n: bigint; d: bigint }): boolean => BigInt(a.units) * b.d === b.n * 10n ** BigInt(a.scale);

const decimalString = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 24n }), fc.integer({ min: 0, max: 24 }))
  .map(([negative, units, scale]) => {
    const digits = units.toString().padStart(scale + 1, '0');
    const at = digits.length - scale;
    return `${negative ? '-' : ''}${digits.slice(0, at)}${scale === 0 ? '' : `.${digits.slice(at)}`}`;
  });

describe('decimals', () => {
  test('6 × 2.55 is 15.3, and 0.1 + 0.2 is 0.3', () => {
    expect(toDouble(multiply(of('6'), of('2.55')))).toBe(15.3);
    expect(toDouble(add(of('0.1'), of('0.2')))).toBe(0.3);
    expect(decimalText(multiply(of('6'), of('2.55')))).toBe('15.30');
  });

  test.each(['12', '-12.50', '.5', '+7', '1.', ' 3.4 ', '1e5', '1E+05', '2.5e-3', '-0', '9007199254740993'])(
    '%j is read as JavaScript reads it',
    (text) => {
      expect(toDouble(of(text)) + 0).toBe(Number(text) + 0);
    },
  );

  test.each(['', ' ', '-', '.', 'e5', '1,000', '1 000', '0x10', 'NaN', 'Infinity', '1e999', '--1', '1.2.3', '9'.repeat(500)])(
    '%j is none',
    (text) => {
      expect(parseDecimal(text)).toBeUndefined();
    },
  );

  test('whole numbers: 17850.0 is 17850, 17850.5 is none', () => {
    expect(['17850.0', '-3', '1e3', '0.000', '12345678901234567890.0'].map((text) => wholeText(of(text)))).toEqual([
      '17850',
      '-3',
      '1000',
      '0',
      '12345678901234567890',
    ]);
    expect(wholeText(of('17850.5'))).toBeUndefined();
  });

  test('every operation is exact, small or large', () => {
    fc.assert(
      fc.property(decimalString, decimalString, (a, b) => {
        const [x, y] = [of(a), of(b)];
        const [p, q] = [rational(a), rational(b)];
        expect(isEqual(add(x, y), { n: p.n * q.d + q.n * p.d, d: p.d * q.d })).toBe(true);
        expect(isEqual(subtract(x, y), { n: p.n * q.d - q.n * p.d, d: p.d * q.d })).toBe(true);
        expect(isEqual(multiply(x, y), { n: p.n * q.n, d: p.d * q.d })).toBe(true);
        expect(isEqual(negate(x), { n: -p.n, d: p.d })).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('the double is the nearest one, and never -0', () => {
    fc.assert(
      fc.property(decimalString, (text) => {
        expect(toDouble(of(text))).toBe(Number(text) + 0);
      }),
      { numRuns: 500 },
    );
  });
});
