import { describe, expect, it } from 'vitest';
import { LogFixture, DAY_MS, LIFETIME, calendar, over, planOf, sliding, type AttributeText } from './log_fixture.ts';

const DAY = sliding(DAY_MS);

/** Purchases a second apart, from midnight on, in the order given. */
function shop(
  attributes: readonly AttributeText[],
  purchases: readonly { priceTotal?: unknown; channel?: unknown; s?: number }[],
) {
  const log = new LogFixture(planOf(attributes));
  purchases.forEach(({ s, ...fields }, i) => {
    const second = String(s ?? i).padStart(2, '0');
    log.buy({ _id: `${i}`, timestamp: `2026-03-01T00:00:${second}.000Z`, ...fields }, '2026-03-01T00:01:00Z');
  });
  return log;
}

describe('average', () => {
  const attributes = [{ name: 'mean', function: 'average', window: DAY } as const];

  it('is the exact sum over the number of finite numbers; absent when there is none', () => {
    const log = shop(attributes, [{ priceTotal: '12' }, { priceTotal: 0.1 }, { priceTotal: 0.2 }, { priceTotal: null }, {}]);
    expect(log.at('2026-03-01T00:01:00Z')).toEqual({ mean: { value: 0.15, nextChangeAt: '2026-03-02T00:00:01.001Z' } });
    expect(log.valueAt('mean', '2026-03-02T00:00:01.001Z')).toBe(0.2);
    expect(log.at('2026-03-02T00:00:02.001Z')).toEqual({});
    expect(shop(attributes, [{ priceTotal: 'none' }]).at('2026-03-01T00:01:00Z')).toEqual({});
  });

  it('of what is too large for a double, and of −0', () => {
    const large = shop(attributes, [{ priceTotal: 1.7e308 }, { priceTotal: 1.7e308 }]);
    expect(large.valueAt('mean', '2026-03-01T00:01:00Z')).toBe(1.7e308);
    expect(shop(attributes, [{ priceTotal: -0 }]).valueAt('mean', '2026-03-01T00:01:00Z')).toBe(0);
  });
});

describe('earliest', () => {
  it('is the lowest time, then the lower sequence; then the second', () => {
    const log = shop(
      [{ name: 'first', function: 'earliest', window: DAY }],
      [
        { channel: 'late', s: 9 },
        { channel: 'a', s: 2 },
        { channel: 'b', s: 2 },
        { channel: { no: 1 }, s: 1 },
        { channel: ['c'], s: 5 },
      ],
    );
    expect(log.at('2026-03-01T00:01:00Z')).toEqual({
      first: { value: 'a', timestamp: '2026-03-01T00:00:02.000Z', nextChangeAt: '2026-03-02T00:00:02.001Z' },
    });
    expect(log.valueAt('first', '2026-03-02T00:00:02.001Z')).toEqual(['c']);
    expect(log.at('2026-03-02T00:00:09.001Z')).toEqual({});
  });
});

describe('list', () => {
  it('is the last so many that can be shown, newest first, then the higher sequence', () => {
    const log = shop(
      [{ name: 'last', function: 'list', limit: 3, window: DAY }],
      [
        { channel: 'old', s: 1 },
        { channel: 'x', s: 7 },
        { channel: 'y', s: 7 },
        { channel: null, s: 9 },
        { channel: false, s: 4 },
      ],
    );
    const at = (time: string) => log.at(time)!['last'];
    expect(at('2026-03-01T00:01:00Z')).toEqual({ value: ['y', 'x', false], nextChangeAt: '2026-03-02T00:00:04.001Z' });
    expect(at('2026-03-02T00:00:04.001Z')).toEqual({ value: ['y', 'x'], nextChangeAt: '2026-03-02T00:00:07.001Z' });
    expect(at('2026-03-02T00:00:07.001Z')).toEqual({ value: [] });
  });
});

describe('countDistinct', () => {
  it('tells types apart, −0 from nothing, and passes over arrays, null and what is missing', () => {
    const channels = ['1', 1, 0, -0, true, 'true', ['1'], null, undefined, '1'];
    const log = shop(
      [
        { name: 'ever', function: 'countDistinct', window: LIFETIME },
        { name: 'kinds', function: 'countDistinct', window: DAY },
      ],
      channels.map((channel) => ({ channel })),
    );
    expect(log.at('2026-03-01T00:01:00Z')).toEqual({
      ever: { value: 5 },
      kinds: { value: 5, nextChangeAt: '2026-03-02T00:00:01.001Z' }, // 1 is the first that has no later event
    });
    expect(log.at('2026-03-02T00:00:01.001Z')!['kinds']).toEqual({ value: 4, nextChangeAt: '2026-03-02T00:00:03.001Z' });
    expect(log.at('2026-03-02T00:00:09.001Z')!['kinds']).toEqual({ value: 0 });
  });
});

describe('exists', () => {
  it('is true while any event matches, with or without a value', () => {
    const log = shop([{ name: 'any', function: 'exists', window: calendar('day', 2) }], [{}, {}]);
    expect(log.at('2026-03-01T00:01:00Z')).toEqual({ any: { value: true, nextChangeAt: '2026-03-03T00:00:00.000Z' } });
    expect(log.at('2026-03-03T00:00:00.000Z')).toEqual({ any: { value: false } });
  });
});

describe('expression', () => {
  const spend = { name: 'spend', function: 'sum', window: DAY } as const;
  const last = { name: 'last', function: 'mostRecent', window: sliding(2 * DAY_MS) } as const;

  it('is made of values, absent ones too, also of expressions; changes with the first of its inputs', () => {
    const log = shop(
      [
        over('half', [1], (sum) => (sum === 0 ? undefined : (sum as number) / 2)),
        spend,
        last,
        over('text', [0, 2], (half, shown) => `${String(half)} ${String(shown)}`),
      ],
      [{ priceTotal: 5, channel: 'web' }],
    );
    const at = (time: string) => log.at(time)!;
    expect(at('2026-03-01T00:01:00Z')['half']).toEqual({ value: 2.5, nextChangeAt: '2026-03-02T00:00:00.001Z' });
    expect(at('2026-03-01T00:01:00Z')['text']).toEqual({ value: '2.5 web', nextChangeAt: '2026-03-02T00:00:00.001Z' });
    expect(at('2026-03-02T00:00:00.001Z')).not.toHaveProperty('half');
    expect(at('2026-03-02T00:00:00.001Z')['text']).toEqual({ value: 'undefined web', nextChangeAt: '2026-03-03T00:00:00.001Z' });
    expect(at('2026-03-03T00:00:00.001Z')['text']).toEqual({ value: 'undefined undefined' });
  });

  it('knows whose it is', () => {
    const who: AttributeText = {
      name: 'who',
      function: 'expression',
      window: LIFETIME,
      expression: { inputs: [], evaluate: ({ identity }) => identity().id },
    };
    expect(shop([who], [{}]).at('2026-03-01T00:01:00Z')).toEqual({ who: { value: 'ada' } });
  });
});
