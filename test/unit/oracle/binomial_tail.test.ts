import { expect, it } from 'vitest';
import { binomialTail } from '../../../src/oracle/binomial_tail.ts';

/** Of all outcomes of `tries` tosses of a coin that are no nearer to the middle. */
function counted(hits: number, tries: number): number {
  let outcomes = 0;
  for (let tosses = 0; tosses < 2 ** tries; tosses++) {
    const heads = tosses.toString(2).replaceAll('0', '').length;
    if (hits >= tries / 2 ? heads >= hits : heads <= hits) outcomes++;
  }
  return outcomes / 2 ** tries;
}

it('is the share of the outcomes', () => {
  for (let tries = 0; tries <= 9; tries++)
    for (let hits = 0; hits <= tries; hits++) expect(binomialTail(hits, tries, 1 / 2)).toBeCloseTo(counted(hits, tries), 12);
});

it.each([
  [0, 0, 0.125, 1],
  [9, 21, 0.125, 5.2894e-4],
  [21, 21, 0.125, 2 ** -63],
  [0, 21, 0.125, 0.875 ** 21],
  [0, 1_000, 0.5, 2 ** -1_000],
  [1_000, 1_000, 0.5, 2 ** -1_000],
  [-1, 5, 0.5, 0],
  [6, 5, 0.5, 0],
  [NaN, 5, 0.5, 0],
])('%d of %d with %d each: %d', (hits, tries, chance, tail) => {
  expect(Math.abs(binomialTail(hits, tries, chance) - tail)).toBeLessThanOrEqual(tail / 1_000);
});

it('of very many stays a number: the middle is about one half', () => {
  expect(binomialTail(50_000, 100_000, 0.5)).toBeCloseTo(0.5, 2);
  expect(binomialTail(0, 100_000, 0.5)).toBe(0);
});
