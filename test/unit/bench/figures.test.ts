import { expect, test } from 'vitest';
import { percentile, ratio, slope, spread } from '../../../bench/figures.ts';

test('a percentile is the smallest value that enough of them do not exceed', () => {
  const values = Array.from({ length: 1_000 }, (_, i) => i + 1);
  expect([0.5, 0.99, 0.999, 1].map((p) => percentile(values, p))).toEqual([500, 990, 999, 1_000]);
  expect(percentile([7], 0.999)).toBe(7);
});

test('a slope is what a straight line has, and nothing for a single point', () => {
  expect(slope([0, 1, 2, 5].map((x) => [x, 3 * x + 10]))).toBeCloseTo(3, 12);
  expect(
    slope([
      [1, 1],
      [2, 5],
      [3, 1],
    ]),
  ).toBeCloseTo(0, 12);
  expect(slope([[4, 9]])).toBe(0);
  expect(slope([])).toBe(0);
});

test('ratios are taken round by round', () => {
  expect(ratio([10, 20, 30], [10, 10, 10])).toEqual(spread([1, 2, 3]));
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, rounds: 3 });
});
