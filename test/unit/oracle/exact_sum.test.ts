import { describe, expect, it } from 'vitest';
import { exactSum } from '../../../src/oracle/exact_sum.ts';

describe('the exact sum', () => {
  it.each<[string, number[], number]>([
    ['W5 of the reference page', [25, 10, 9.99, 40], 84.99],
    ['nothing', [], 0],
    ['0.1 + 0.2 is 0.3', [0.1, 0.2], 0.3],
    ['0.1 and its negative leave no dust', [0.1, 0.2, -0.3], 0],
    ['2^53 + 1 + 1 (doubles would lose both)', [9007199254740992, 1, 1], 9007199254740994],
    ['large numbers cancel and the small one stays', [1e300, 0.01, -1e300], 0.01],
    ['exponents on both sides', [1e21, 1e-7, -1e21], 1e-7],
    ['the smallest double', [5e-324, 5e-324], 1e-323],
    ['an underflow (−1e-324) is 0, not −0', [4.4e-323, -4e-323, -5e-324], 0],
    ['too large', [Number.MAX_VALUE, Number.MAX_VALUE], Number.MAX_VALUE],
    ['too small', [-Number.MAX_VALUE, -Number.MAX_VALUE], -Number.MAX_VALUE],
    ['too large on the way only', [Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE], Number.MAX_VALUE],
    ['−0', [-0], 0],
  ])('%s', (_name, values, sum) => {
    expect(exactSum(values)).toBe(sum);
  });

  it('agrees with cents in integers, in any order', () => {
    const cents = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 100_003);
    const total = cents.reduce((sum, c) => sum + c, 0);
    const prices = cents.map((c) => c / 100);
    expect(exactSum(prices)).toBe(total / 100);
    expect(exactSum(prices.toReversed())).toBe(total / 100);
  });
});
