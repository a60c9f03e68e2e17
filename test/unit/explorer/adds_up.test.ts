// What the page reckons from a list of events, by itself.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimalSum, reckon } from '../../../src/explorer/adds_up.js';
import type { ExplainedEvent, Explanation } from '../../../src/profile/explanation.ts';

const at = '2026-03-10T09:00:00.000Z';

function explanation(
  name: string,
  values: readonly unknown[],
  rest: Partial<Explanation> = {},
  decides: readonly number[] = [],
): Explanation {
  const events = values.map((value, n): ExplainedEvent => ({
    _id: `e-${n}`,
    dataset: 'orders',
    timestamp: at,
    sequence: n + 1,
    ...(value === undefined ? {} : { value }),
    ...(decides.includes(n) ? { decides: true as const } : {}),
  }));
  const about = { profile: { namespace: 'customerId', id: 'ada' }, field: 'x', version: 1, shard: 0, sequence: 9, time: at };
  return { ...about, function: name, counted: events.length, events, ...rest };
}

test.each<[string, readonly unknown[], unknown, (readonly number[])?]>([
  ['sum', [0.1, 0.2], 0.3],
  ['sum', [25, 9.99, -0.01, 1e-7], 34.9800001],
  ['sum', [], 0],
  ['sum', [], undefined],
  ['sum', [1e21, 1, -1e21], 1],
  ['count', [undefined, undefined], 2],
  ['count', [], 0],
  ['average', [1, 2, 2], 5 / 3],
  ['average', [], undefined],
  ['min', [3, 1, 2], 1],
  ['max', [3, 1, 2], 3],
  ['max', ['2026-03-10T09:00:00Z', '2026-03-10T11:00:00+01:00', '2026-03-10T10:30:00Z'], '2026-03-10T10:30:00.000Z'],
  ['mostRecent', ['web', 'app'], 'web', [0]],
  ['earliest', ['web', 'app'], 'app', [1]],
  ['list', [3, 2, 1], [3, 2], [0, 1]],
  ['countDistinct', ['a', 'b', 'a', 1, '1'], 4],
  ['exists', [undefined], true],
  ['exists', [], false],
])('%s of %j is %j', (name, values, value, decides = []) => {
  const said = explanation(name, values, value === undefined ? {} : { value }, decides);
  expect(reckon(said).verdict).toBe('same');
});

test('another value is not the same', () => {
  expect(reckon(explanation('sum', [1, 2], { value: 3.0001 }))).toEqual({ verdict: 'other', text: 'added up', result: 3 });
  expect(reckon(explanation('exists', [], { value: true })).verdict).toBe('other');
  expect(reckon(explanation('sum', [1], {})).verdict).toBe('other');
});

test.each<Partial<Explanation>>([
  { truncated: true },
  { agedOut: 2 },
  { missing: 'the log begins later' },
  { precision: { mode: 'tiled', hop: '1h' } },
])('nothing is claimed where the list is not the whole of it: %j', (rest) => {
  expect(reckon(explanation('count', [undefined], { value: 9, ...rest })).verdict).toBe('unknown');
});

test('a sum of cents is exact', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1e9, max: 1e9 })), (cents) => {
      expect(decimalSum(cents.map((each) => each / 100))).toBe(cents.reduce((sum, each) => sum + each, 0) / 100);
    }),
  );
});
