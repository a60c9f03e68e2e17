import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributeValue } from '../../../src/aggregate/attribute_value.ts';
import { addDecimal, decompose, parts, readDecimal, readWide } from '../../../src/aggregate/decimal_sum.ts';
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import { exactSum } from '../../../src/oracle/exact_sum.ts';
import { attributeOf } from './plan_parts.ts';

/** One sum as a part keeps it. */
class Sum {
  acc = [0, 0];
  wide = 0n;
  add(value: number, sign: 1 | -1): void {
    this.wide += addDecimal(this.acc, 0, value, sign) ?? 0n;
  }
  read(): number {
    return this.wide === 0n ? readDecimal(this.acc[0]!, this.acc[1]!) : readWide(this.acc[0]!, this.acc[1]!, this.wide);
  }
}

const price = fc.integer({ min: -1e9, max: 1e9 }).map((cents) => cents / 100);
const special = fc.constantFrom(
  0,
  -0,
  0.1,
  0.2,
  0.3,
  1e-9,
  -1e-9,
  1e-10,
  5e-324,
  -5e-324,
  1e-323,
  1.04e-322,
  1e-322,
  2.2250738585072014e-308,
  1e308,
  -1e308,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  999999999999999,
  1e15,
  1e15 + 2,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 + 2,
  4e15,
  3999999999999999.5,
  123456.789012345,
  0.999999999,
  1 / 3,
  1e21,
  123456789.12345679,
);
const number = fc.oneof(
  price,
  special,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
);

describe('decimal sums', () => {
  it('are what people expect', () => {
    const sum = new Sum();
    for (const value of [25, 10, 9.99, 40]) sum.add(value, 1);
    expect(sum.read()).toBe(84.99);
    for (const value of [40, 25, 9.99, 10]) sum.add(value, -1);
    expect(Object.is(sum.read(), 0)).toBe(true);
  });

  it('are exact, and exactly 0 when emptied, in whatever order values come and go', () => {
    fc.assert(
      fc.property(
        fc.array(number, { maxLength: 40 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (values, choices) => {
          const sum = new Sum();
          const held: number[] = [];
          const pick = (): number => choices.next().value!;
          for (const value of values) {
            sum.add(value, 1);
            held.push(value);
            if (pick() < 0.3) sum.add(held.splice(Math.floor(pick() * held.length), 1)[0]!, -1);
            const read = sum.read();
            if (read !== exactSum(held) || Object.is(read, -0)) expect([read, held]).toEqual([exactSum(held), held]);
          }
          while (held.length > 0) sum.add(held.splice(Math.floor(pick() * held.length), 1)[0]!, -1);
          expect(Object.is(sum.read(), 0)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('never read -0', () => {
    const sum = new Sum();
    for (const value of [1.04e-322, -1e-322, -5e-324]) sum.add(value, 1); // −10⁻³²⁴, less than a double can say
    expect(Object.is(sum.read(), 0)).toBe(true);
    for (const value of [-0, 0]) {
      const zero = new Sum();
      zero.add(value, 1);
      expect(Object.is(zero.read(), 0)).toBe(true);
    }
  });

  it('beyond the range of a double read the greatest one, and come back', () => {
    const sum = new Sum();
    for (let i = 0; i < 3; i++) sum.add(Number.MAX_VALUE, 1);
    expect(sum.read()).toBe(Number.MAX_VALUE);
    for (let i = 0; i < 2; i++) sum.add(Number.MAX_VALUE, -1);
    sum.add(Number.MAX_VALUE, -1);
    expect(sum.read()).toBe(0);
    sum.add(-Number.MAX_VALUE, 1);
    sum.add(-Number.MAX_VALUE, 1);
    expect(sum.read()).toBe(-Number.MAX_VALUE);
  });

  it('keep integers in doubles exact over millions of large values', () => {
    const sum = new Sum();
    for (let i = 0; i < 20_000; i++) sum.add(999_999_999_999_999, 1);
    expect(sum.read()).toBe(Number(999_999_999_999_999n * 20_000n));
    for (let i = 0; i < 20_000; i++) sum.add(999_999_999_999_999, -1);
    expect(sum.read()).toBe(0);
  });

  it('decompose tells the truth: whole + nanos·10⁻⁹ is the shortest decimal of the value', () => {
    fc.assert(
      fc.property(number, (value) => {
        if (!decompose(value)) return;
        const [whole, nanos] = [parts[0]!, parts[1]!];
        expect(Number.isSafeInteger(whole) && Number.isSafeInteger(nanos) && Math.abs(nanos) < 1e9).toBe(true);
        const total = BigInt(whole) * 10n ** 9n + BigInt(nanos);
        expect(Number(`${total}e-9`) + 0).toBe(value + 0);
        const m = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value))!;
        const scale = Number(m[3] ?? 0) - (m[2] ?? '').length + 9;
        expect(scale).toBeGreaterThanOrEqual(0);
        expect(total).toBe(BigInt(m[1]! + (m[2] ?? '')) * 10n ** BigInt(scale));
      }),
      { numRuns: 3000 },
    );
  });

  it('add up over parts, whatever their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(number, { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (datasets, reversed) => {
          const state = new IdentityState('a.b');
          for (const [dataset, values] of datasets.entries()) {
            const sum = new Sum();
            for (const value of values) sum.add(value, 1);
            const wide = sum.wide === 0n ? null : new Map([[0, sum.wide]]);
            state.addPart({
              measure: 0,
              dataset,
              ring: null,
              acc: [values.length, ...sum.acc],
              wide,
              recentMs: -Infinity,
              recentSequence: 0,
              recentValue: undefined,
              extremes: null,
              tiles: null,
              keepers: null,
              dueMs: Infinity,
            });
          }
          if (reversed) state.parts.reverse();
          const attribute = attributeOf({ function: 'sum', slot: 0 });
          expect(attributeValue(state, attribute)).toBe(exactSum(datasets.flat()));
        },
      ),
      { numRuns: 1500 },
    );
  });
});
