import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packedFirstMs, packedRowCount, packRows, unpackRows } from '../../../src/aggregate/packed_rows.ts';

const NOW = 1_770_000_000_000;

function expectSame(data: readonly number[], stride: number): string {
  const packed = packRows(data, stride);
  expect(packedRowCount(packed)).toBe(data.length / stride);
  expect(packedFirstMs(packed)).toBe(data[0]);
  expect(/^[\0-\xff]*$/.test(packed)).toBe(true); // one byte a character
  const rows = unpackRows(packed, stride);
  const isSame = rows.length === data.length && rows.every((number, i) => number === data[i]); // −0 may come back as 0
  if (!isSame) expect(rows).toEqual(data);
  return packed;
}

const time = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), // the years 0000 to 9999
  fc.constantFrom(0, -1, 127, 128, 2 ** 28, 2 ** 31, 2 ** 35, 2 ** 42, -(2 ** 42), NOW),
);
const decimal = (scale: number): fc.Arbitrary<number> =>
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 10 ** scale);
/** One kind of values a chunk, so that every form is chosen, or all mixed. */
const values: readonly fc.Arbitrary<number>[] = [
  ...[0, 1, 2, 4, 9].map(decimal),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    0,
    -0,
    1e300,
    -1e300,
    5e-324,
    1 / 3,
    0.1,
    12345678901234568,
    1234567890.1234567,
    2 ** 51,
    2 ** 51 - 1,
    -(2 ** 51),
  ),
  fc.constantFrom(2 ** 51 / 100, 0.01, 22_517_998_136_852.47, 22_517_998_136_852.48, 1e-9, 1e-10, 1e15, 1e15 + 0.5),
];
const chunk = fc
  .constantFrom(...values, fc.oneof(...values))
  .chain((value) => fc.array(fc.record({ time, value }), { minLength: 1, maxLength: 150, size: 'max' }))
  .map((rows) => rows.sort((a, b) => a.time - b.time));

describe('packed rows', () => {
  it('come back exactly, whatever the numbers', () => {
    fc.assert(
      fc.property(chunk, (rows) => {
        const full = rows.flatMap((row) => [row.time, row.value]);
        expectSame(full, 2);
        expectSame(
          rows.map((row) => row.time),
          1,
        );
        expectSame(full.slice(0, 2), 2); // after a larger one
      }),
      { numRuns: 1_000 },
    );
  });

  it('of one price each take a few bytes, of doubles no more than they are', () => {
    const rows = (value: (i: number) => number): number[] =>
      Array.from({ length: 128 }, (_, i) => [NOW + i * 60_000, value(i)]).flat();
    const bytesEach = (data: number[], stride = 2): number => expectSame(data, stride).length / 128;
    expect(bytesEach(rows((i) => i / 100))).toBeLessThan(5.2);
    expect(bytesEach(rows((i) => 1_000 + i + 0.99))).toBeLessThan(6.2);
    expect(bytesEach(rows((i) => 1 / (i + 3)))).toBeLessThan(11.2);
    expect(
      bytesEach(
        rows((i) => i).filter((_, i) => i % 2 === 0),
        1,
      ),
    ).toBeLessThan(3.2);
  });

  it('with a scale that one value needs and another cannot bear are doubles', () => {
    const rows = [0, 0.001, 1, 4_503_599_627_370.5];
    expect(expectSame(rows, 2).length).toBe(1 + 1 + 1 + 8 + 1 + 8);
    expect(expectSame([0, 0.001, 1, 4_503.5], 2).length).toBeLessThan(12);
  });
});
