import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogFixture, DAY_MS, LIFETIME, at, calendar, order, planOf, sliding } from './log_fixture.ts';
import { formatTime } from '../../../src/base/time.ts';
import { canLeaveAt, isInside, outsideFrom, startOf, type OracleWindow } from '../../../src/oracle/window.ts';

const UNITS = ['day', 'week', 'month'] as const;
const start = (window: OracleWindow, time: string): string => formatTime(startOf(window, at(time)));
const leaves = (window: OracleWindow, time: string): string => formatTime(outsideFrom(window, at(time)));

describe('W1 of the reference page: from Monday, October 9th 2023', () => {
  it.each([
    ['day', '2023-10-09', '2023-10-10'],
    ['week', '2023-10-08', '2023-10-15'],
    ['month', '2023-10-01', '2023-11-01'],
  ] as const)('the %s began on %s and ends on %s', (unit, began, ends) => {
    for (const time of ['2023-10-09T00:00:00.000Z', '2023-10-09T23:59:59.999Z']) {
      expect(start(calendar(unit), time)).toBe(`${began}T00:00:00.000Z`);
      expect(leaves(calendar(unit), time)).toBe(`${ends}T00:00:00.000Z`);
    }
  });
});

describe('W2 of the reference page: two weeks', () => {
  it.each([
    ['2023-10-14T23:59:59.999Z', '2023-10-01'],
    ['2023-10-15T00:00:00.000Z', '2023-10-08'],
    ['2023-10-21T23:59:59.999Z', '2023-10-08'],
    ['2023-10-22T00:00:00.000Z', '2023-10-15'],
  ])('at %s they reach back to %s', (now, began) => {
    expect(start(calendar('week', 2), now)).toBe(`${began}T00:00:00.000Z`);
    expect(isInside(calendar('week', 2), at(`${began}T00:00:00Z`), at(now))).toBe(true);
    expect(isInside(calendar('week', 2), at(`${began}T00:00:00Z`) - 1, at(now))).toBe(false);
    expect(isInside(calendar('week', 2), at(now), at(now))).toBe(true);
    expect(isInside(calendar('week', 2), at(now) + 1, at(now))).toBe(false);
  });

  it('what happened on October 1st leaves when the 15th begins', () => {
    expect(leaves(calendar('week', 2), '2023-10-01T00:00:00Z')).toBe('2023-10-15T00:00:00.000Z');
    expect(leaves(calendar('week', 2), '2023-10-08T00:00:00Z')).toBe('2023-10-22T00:00:00.000Z');
  });
});

describe('W5 of the reference page', () => {
  const WEEK = sliding(7 * DAY_MS);
  const plan = planOf(
    [
      { name: 'last', function: 'mostRecent', window: WEEK, field: 'priceTotal' },
      { name: 'least', function: 'min', window: WEEK },
      { name: 'mean', function: 'average', window: WEEK },
      { name: 'month', function: 'sum', window: calendar('month') },
      { name: 'most', function: 'max', window: WEEK },
      { name: 'orders', function: 'count', window: WEEK },
      { name: 'spend', function: 'sum', window: WEEK },
      { name: 'week', function: 'sum', window: calendar('week') },
    ],
    {
      matches: (body) => {
        const commerce = body['commerce'] as { purchases: { value: number } };
        return commerce.purchases.value > 1 || (order(body)['priceTotal'] as number) >= 10;
      },
    },
  );
  const log = new LogFixture(plan);
  const buy = (_id: string, timestamp: string, priceTotal: number, purchases: number) =>
    log.buy({ _id, timestamp, priceTotal, purchases }, '2026-03-14T12:00:00Z');
  buy('e1', '2026-03-10T00:00:00Z', 25, 1);
  buy('e2', '2026-03-12T00:00:00Z', 10, 0);
  buy('e3', '2026-03-13T09:00:00Z', 9.99, 1);
  buy('e4', '2026-03-13T12:00:00Z', 9.99, 2);
  buy('e1', '2026-03-10T00:00:00Z', 25, 1);
  buy('e5', '2026-03-06T11:59:59Z', 100, 1);
  buy('e6', '2026-03-07T12:00:00Z', 40, 1);

  it('is 84.99 of 4 orders, 9.99 to 40, the last e4; of the calendar week that began on the 8th 44.99, of March 184.99', () => {
    const values = log.at('2026-03-14T12:00:00Z')!;
    expect(Object.fromEntries(Object.entries(values).map(([name, { value }]) => [name, value]))).toEqual({
      last: 9.99,
      least: 9.99,
      mean: 84.99 / 4,
      month: 184.99,
      most: 40,
      orders: 4,
      spend: 84.99,
      week: 44.99,
    });
    expect(values['last']!.timestamp).toBe('2026-03-13T12:00:00.000Z');
    expect([values['week']!.nextChangeAt, values['month']!.nextChangeAt]).toEqual([
      '2026-03-15T00:00:00.000Z',
      '2026-04-01T00:00:00.000Z',
    ]);
  });

  it('is empty when the week is over', () => {
    expect(log.valueAt('week', '2026-03-14T23:59:59.999Z')).toBe(44.99);
    expect(log.at('2026-03-15T00:00:00.000Z')!['week']).toEqual({ value: 0 });
  });
});

describe('windows', () => {
  it('know leap days, and years before 100', () => {
    expect(leaves(calendar('day'), '2024-02-28T12:00:00Z')).toBe('2024-02-29T00:00:00.000Z');
    expect(start(calendar('month', 12), '2024-02-29T12:00:00Z')).toBe('2023-03-01T00:00:00.000Z');
    expect(leaves(calendar('month', 2), '2023-12-31T23:59:59.999Z')).toBe('2024-02-01T00:00:00.000Z');
    expect(start(calendar('week'), '0001-01-05T00:00:00Z')).toBe('0000-12-31T00:00:00.000Z');
    expect(start(calendar('month'), '1969-12-31T23:59:59.999Z')).toBe('1969-12-01T00:00:00.000Z');
  });

  it('lose what is in them at the instant that outsideFrom names, not before and for good', () => {
    const window = fc.oneof(
      fc.constant(LIFETIME),
      fc.integer({ min: 1, max: 100 * DAY_MS }).map(sliding),
      fc.tuple(fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 40 })).map(([unit, count]) => calendar(unit, count)),
    );
    const ms = fc.integer({ min: at('1901-01-01T00:00:00Z'), max: at('2101-01-01T00:00:00Z') });
    fc.assert(
      fc.property(window, ms, fc.nat(400 * DAY_MS), fc.nat(DAY_MS), (of, atMs, laterMs, slackMs) => {
        expect(isInside(of, atMs, atMs)).toBe(true);
        const outMs = outsideFrom(of, atMs);
        if (of.kind === 'lifetime') {
          expect([outMs, isInside(of, atMs, atMs + laterMs)]).toEqual([Infinity, true]);
          return;
        }
        expect([isInside(of, atMs, outMs - 1), isInside(of, atMs, outMs)]).toEqual([true, false]);
        expect(isInside(of, atMs, atMs + laterMs)).toBe(atMs + laterMs < outMs);
        expect(startOf(of, outMs)).toBeGreaterThan(atMs);
        expect(canLeaveAt(of, outMs, atMs, 0)).toBe(true);
        expect(canLeaveAt(of, outMs + 1, atMs, 0)).toBe(false);
        expect(canLeaveAt(of, outsideFrom(of, atMs + slackMs), atMs, slackMs)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
