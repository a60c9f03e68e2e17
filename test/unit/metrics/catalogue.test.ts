import { expect, test } from 'vitest';
import { CATALOGUE, TOPICS } from '../../../src/metrics/catalogue.ts';

/** Each of them takes few values: shards and their states, codes and reasons of closed lists, NATS or HTTP, what runs. Never an identity. */
const BOUNDED = ['shard', 'state', 'code', 'reason', 'outcome', 'door', 'version', 'node'];

test('no name is there twice, and every topic has some', () => {
  expect(new Set(CATALOGUE.map(({ name }) => name)).size).toBe(CATALOGUE.length);
  expect(TOPICS.every(({ metrics }) => metrics.length > 0)).toBe(true);
  expect(TOPICS.flatMap(({ metrics }) => metrics)).toEqual(CATALOGUE);
});

test.each(CATALOGUE)('$name is named, labelled and explained as the rules have it', ({ name, kind, labels, help, meaning }) => {
  expect(name).toMatch(/^visage_[a-z]+(_[a-z]+)*$/);
  expect(name.endsWith('_total')).toBe(kind === 'counter');
  // the format gives these endings to the lines of a histogram
  expect(name).not.toMatch(/_(bucket|sum|count)$/);
  if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
  for (const label of labels) expect(BOUNDED).toContain(label);
  for (const text of [help, meaning]) expect(text).toMatch(/^\S[^\n]*[^.\s]$/);
  expect(help).toMatch(/^[A-Z0-9]/);
});
