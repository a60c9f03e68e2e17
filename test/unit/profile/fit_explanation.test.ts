// An explanation cut to what its carrier takes: never larger, never smaller than it must be, what decides to the last.
import { expect, test } from 'vitest';
import type { ExplainedEvent, Explanation } from '../../../src/profile/explanation.ts';
import { fitExplanation } from '../../../src/profile/fit_explanation.ts';

const event = (sequence: number, decides: boolean): ExplainedEvent => ({
  _id: `e-${sequence}`,
  dataset: 'orders',
  timestamp: '2026-03-10T09:00:00.000Z',
  value: 'é'.repeat(sequence % 7),
  sequence,
  ...(decides ? { decides: true } : {}),
});

const whole: Explanation = {
  profile: { namespace: 'customerId', id: 'c' },
  field: 'it',
  function: 'max',
  version: 1,
  shard: 0,
  sequence: 40,
  time: '2026-03-10T09:00:00.000Z',
  counted: 40,
  events: Array.from({ length: 40 }, (_, n) => event(40 - n, n === 30 || n === 35)),
};
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

test('what fits is returned as it is', () => {
  expect(fitExplanation(whole, bytesOf(whole))).toBe(whole);
});

test('else the oldest go first, and what decides last', () => {
  let before = Infinity;
  for (let bytesMax = bytesOf(whole) - 1; bytesMax > 450; bytesMax -= 97) {
    const cut = fitExplanation(whole, bytesMax);
    expect(bytesOf(cut)).toBeLessThanOrEqual(bytesMax);
    expect(cut).toMatchObject({ truncated: true, counted: 40 });
    expect(cut.events.filter(({ decides }) => decides === true).map(({ sequence }) => sequence)).toEqual([10, 5]);
    const others = cut.events.filter(({ decides }) => decides !== true);
    expect(others).toEqual(whole.events.filter(({ decides }) => decides !== true).slice(0, others.length));
    expect(cut.events.length).toBeLessThanOrEqual(before);
    before = cut.events.length;
  }
  expect(before).toBeLessThan(5);
  expect(fitExplanation(whole, 100).events).toEqual([]);
});
