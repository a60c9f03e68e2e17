import { describe, expect, it } from 'vitest';
import { LogFixture, ADA, DAY_MS, LIFETIME, at, order, planOf, sliding } from './log_fixture.ts';
import { AssertionFailed } from '../../../src/base/assert.ts';
import { VisageError } from '../../../src/base/errors.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import type { EventBody } from '../../../src/message/admission.ts';
import { identityKey } from '../../../src/message/identity.ts';

const WEEK = sliding(7 * DAY_MS);
const week = planOf([
  { name: 'channel', function: 'mostRecent', window: WEEK },
  { name: 'orders', function: 'count', window: WEEK },
  { name: 'spend', function: 'sum', window: WEEK },
]);
const lifetime = planOf([
  { name: 'channel', function: 'mostRecent', window: LIFETIME },
  { name: 'orders', function: 'count', window: LIFETIME },
  { name: 'spend', function: 'sum', window: LIFETIME },
]);

describe('W5 of the reference page', () => {
  const plan = planOf(
    [
      { name: 'last', function: 'mostRecent', window: WEEK },
      { name: 'orders', function: 'count', window: WEEK },
      { name: 'spend', function: 'sum', window: WEEK },
    ],
    {
      matches: (body) => {
        const commerce = body['commerce'] as { purchases: { value: number } };
        return commerce.purchases.value > 1 || (order(body)['priceTotal'] as number) >= 10;
      },
    },
  );
  const now = '2026-03-14T12:00:00.000Z';
  const log = new LogFixture({
    ...plan,
    measures: plan.measures.map((m) => ({ ...m, valueOf: (body) => order(body)['priceTotal'] })),
  });
  const events = [
    { _id: 'e1', timestamp: '2026-03-10T00:00:00Z', priceTotal: 25, purchases: 1 },
    { _id: 'e2', timestamp: '2026-03-12T00:00:00Z', priceTotal: 10, purchases: 0 },
    { _id: 'e3', timestamp: '2026-03-13T09:00:00Z', priceTotal: 9.99, purchases: 1 },
    { _id: 'e4', timestamp: '2026-03-13T12:00:00Z', priceTotal: 9.99, purchases: 2 },
    { _id: 'e1', timestamp: '2026-03-10T00:00:00Z', priceTotal: 25, purchases: 1 },
    { _id: 'e5', timestamp: '2026-03-06T11:59:59Z', priceTotal: 100, purchases: 1 },
    { _id: 'e6', timestamp: '2026-03-07T12:00:00Z', priceTotal: 40, purchases: 1 },
  ];
  for (const event of events) log.buy(event, now);

  it('is 84.99 of 4 orders', () => {
    expect(log.at(now)).toEqual({
      last: {
        value: 9.99,
        timestamp: '2026-03-13T12:00:00.000Z',
        nextChangeAt: '2026-03-20T12:00:00.001Z',
      },
      orders: { value: 4, nextChangeAt: '2026-03-14T12:00:00.001Z' },
      spend: { value: 84.99, nextChangeAt: '2026-03-14T12:00:00.001Z' },
    });
  });

  it('counts the duplicate once and e5 as a counted event outside of the window', () => {
    expect([log.oracle.events, log.oracle.duplicates, log.oracle.refused.size]).toEqual([6, 1, 0]);
  });

  it('loses e6 a millisecond later', () => {
    expect([log.valueAt('spend', '2026-03-14T12:00:00.001Z'), log.valueAt('orders', '2026-03-14T12:00:00.001Z')]).toEqual([
      44.99, 3,
    ]);
  });

  it('is empty in the end: 0, 0 and absent', () => {
    expect(log.at('2027-01-01T00:00:00Z')).toEqual({ orders: { value: 0 }, spend: { value: 0 } });
  });
});

describe('windows', () => {
  it('have both ends inside', () => {
    const log = new LogFixture(week);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 1, channel: 'web' });
    expect(log.valueAt('orders', '2026-02-28T23:59:59.999Z')).toBe(0);
    expect(log.valueAt('orders', '2026-03-01T00:00:00.000Z')).toBe(1);
    expect(log.valueAt('orders', '2026-03-08T00:00:00.000Z')).toBe(1);
    expect(log.valueAt('channel', '2026-03-08T00:00:00.000Z')).toBe('web');
    expect(log.at('2026-03-08T00:00:00.001Z')).toEqual({ orders: { value: 0 }, spend: { value: 0 } });
  });

  it('do not count an event that comes too late for them; lifetime does', () => {
    for (const [plan, value] of [[week, 0] as const, [lifetime, 1] as const]) {
      const log = new LogFixture(plan);
      log.buy({ _id: 'a', timestamp: '2026-01-01T00:00:00Z', priceTotal: 1 }, '2026-03-01T00:00:00Z');
      expect(log.valueAt('orders', '2026-03-01T00:00:00Z')).toBe(value);
    }
  });

  it('place an event that is ahead of the log at the log time', () => {
    const log = new LogFixture(week);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:05:00.000Z', channel: 'web' }, '2026-03-01T00:00:00Z');
    expect(log.at('2026-03-01T00:00:00Z')?.['channel']?.timestamp).toBe('2026-03-01T00:00:00.000Z');
    log.buy({ _id: 'b', timestamp: '2026-03-01T00:05:00.001Z' }, '2026-03-01T00:00:00Z');
    expect([...log.oracle.refused]).toEqual([[3, 'future']]);
  });

  it('never end by themselves for lifetime', () => {
    const log = new LogFixture(lifetime);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 1.5, channel: 'web' });
    const expected = {
      channel: { value: 'web', timestamp: '2026-03-01T00:00:00.000Z' },
      orders: { value: 1 },
      spend: { value: 1.5 },
    };
    expect(log.at('2126-03-01T00:00:00Z')).toEqual(expected);
  });
});

describe('functions', () => {
  it('sum passes over what is no number, count does not', () => {
    const log = new LogFixture(week);
    const values = ['12', null, true, undefined, [1], 0.1, 0.2, -5];
    values.forEach((priceTotal, i) => log.buy({ _id: `${i}`, timestamp: `2026-03-01T00:00:0${i}Z`, priceTotal }));
    const result = log.at('2026-03-01T00:00:07Z');
    expect([result?.['orders']?.value, result?.['spend']?.value]).toEqual([8, -4.7]);
    // the first event that the count rests on, and the first that the sum rests on
    expect(result?.['orders']?.nextChangeAt).toBe('2026-03-08T00:00:00.001Z');
    expect(result?.['spend']?.nextChangeAt).toBe('2026-03-08T00:00:05.001Z');
  });

  it('min and max: of numbers, until the last event that has the value leaves', () => {
    const both = planOf([
      { name: 'least', function: 'min', window: WEEK },
      { name: 'most', function: 'max', window: WEEK },
      { name: 'mostEver', function: 'max', window: LIFETIME },
    ]);
    const log = new LogFixture(both);
    const values = [-0, 7, '9', null, 7, 3, undefined];
    values.forEach((priceTotal, i) => log.buy({ _id: `${i}`, timestamp: `2026-03-01T00:00:0${i}Z`, priceTotal }));
    expect(log.at('2026-03-01T00:00:06Z')).toEqual({
      least: { value: 0, nextChangeAt: '2026-03-08T00:00:00.001Z' },
      most: { value: 7, nextChangeAt: '2026-03-08T00:00:04.001Z' },
      mostEver: { value: 7 },
    });
    expect(log.valueAt('most', '2026-03-08T00:00:04.000Z')).toBe(7);
    expect(log.valueAt('most', '2026-03-08T00:00:04.001Z')).toBe(3);
    expect(log.at('2026-03-08T00:00:05.001Z')).toEqual({ mostEver: { value: 7 } });
  });

  it('min and max: of timestamps, as instants', () => {
    const both = planOf([
      { name: 'first', function: 'min', window: LIFETIME, timestamps: true },
      { name: 'last', function: 'max', window: LIFETIME, timestamps: true },
    ]);
    const log = new LogFixture(both);
    const channels = [
      5,
      'web',
      '2026-02-30T00:00:00Z',
      '0000-01-01T00:00:00+01:00',
      '2026-01-01T01:00:00+02:00',
      '2026-01-01T00:00:00Z',
    ];
    channels.forEach((channel, i) => log.buy({ _id: `${i}`, timestamp: `2026-03-01T00:00:0${i}Z`, channel }));
    expect(log.at('2026-03-01T00:00:06Z')).toEqual({
      first: { value: '2025-12-31T23:00:00.000Z' },
      last: { value: '2026-01-01T00:00:00.000Z' },
    });
  });

  it('pass over what an expression makes infinite', () => {
    const inverse = week.measures.map((measure) => ({
      ...measure,
      valueOf: (body: EventBody) => 1 / (order(body)['priceTotal'] as number),
    }));
    const log = new LogFixture({ ...week, measures: inverse });
    [4, 0, -0].forEach((priceTotal, i) => log.buy({ _id: `${i}`, timestamp: `2026-03-01T00:00:0${i}Z`, priceTotal }));
    const result = log.at('2026-03-01T00:00:02Z');
    expect([result?.['orders']?.value, result?.['spend']?.value, result?.['channel']?.value]).toEqual([3, 0.25, 0.25]);
  });

  it('looks at the declared event types only, whatever the filter says', () => {
    const log = new LogFixture(week);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 1, eventType: 'web.webpagedetails.pageViews' });
    expect(log.at('2026-03-01T00:00:00Z')).toEqual({ orders: { value: 0 }, spend: { value: 0 } });
    const any = new LogFixture(planOf(week.attributes, { eventTypes: [] }));
    any.raw('{"_id":"a","timestamp":"2026-03-01T00:00:00Z"}', '2026-03-01T00:00:00Z');
    expect(any.valueAt('orders', '2026-03-01T00:00:00Z')).toBe(1);
  });

  it('mostRecent: the greatest timestamp, then the higher sequence; what cannot be shown is passed over', () => {
    const log = new LogFixture(week);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:05Z', channel: 'first' }, '2026-03-01T01:00:00Z');
    const tie = log.buy({ _id: 'b', timestamp: '2026-03-01T00:00:05Z', channel: ['x', 1, true] }, '2026-03-01T01:00:00Z');
    log.buy({ _id: 'c', timestamp: '2026-03-01T00:00:04Z', channel: 'late' }, '2026-03-01T01:00:00Z');
    const hidden = [{ a: 1 }, null, [['nested']], [null], undefined];
    hidden.forEach((channel, i) => log.buy({ _id: `h${i}`, timestamp: '2026-03-01T00:00:09Z', channel }, '2026-03-01T01:00:00Z'));
    expect(log.at('2026-03-01T01:00:00Z')?.['channel']).toMatchObject({
      value: ['x', 1, true],
      timestamp: '2026-03-01T00:00:05.000Z',
    });
    expect(log.valueAt('channel', '2026-03-01T01:00:00Z', tie - 1)).toBe('first');
  });
});

describe('duplicates', () => {
  const HOUR = { dedupeHorizonMs: 3_600_000 };
  const buy = (log: LogFixture, _id: string, stamp: string, dataset?: string, id?: string) =>
    log.buy({ _id, timestamp: '2026-03-01T00:00:00Z', priceTotal: 1 }, stamp, dataset, id);

  it('are remembered for the horizon, its end included; a duplicate does not refresh', () => {
    const log = new LogFixture(lifetime, HOUR);
    buy(log, 'a', '2026-03-01T00:00:00.000Z');
    buy(log, 'a', '2026-03-01T00:30:00.000Z');
    buy(log, 'a', '2026-03-01T01:00:00.000Z');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([1, 2]);
    buy(log, 'a', '2026-03-01T01:00:00.001Z');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([2, 2]);
    buy(log, 'a', '2026-03-01T02:00:00.001Z'); // of its second arrival
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([2, 3]);
  });

  it('are of one dataset and one identity', () => {
    const log = new LogFixture(lifetime, HOUR);
    buy(log, 'a', '2026-03-01T00:00:00Z', 'orders');
    buy(log, 'a', '2026-03-01T00:00:00Z', 'returns');
    buy(log, 'a', '2026-03-01T00:00:00Z', 'orders', 'bob');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([3, 0]);
    expect(log.valueAt('orders', '2026-03-01T00:00:00Z')).toBe(2);
  });

  it('the cap is over all datasets, oldest arrival out first, after adding', () => {
    const log = new LogFixture(lifetime, { ...HOUR, dedupeIds: 2 });
    buy(log, 'a', '2026-03-01T00:00:00Z');
    buy(log, 'b', '2026-03-01T00:00:01Z', 'returns');
    buy(log, 'a', '2026-03-01T00:00:02Z'); // remembered, not refreshed
    expect(log.oracle.duplicates).toBe(1);
    buy(log, 'c', '2026-03-01T00:00:03Z'); // a is out
    buy(log, 'b', '2026-03-01T00:00:04Z', 'returns');
    expect(log.oracle.duplicates).toBe(2);
    buy(log, 'a', '2026-03-01T00:00:05Z'); // counts again; b is out
    buy(log, 'b', '2026-03-01T00:00:06Z', 'returns');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([5, 2]);
  });

  it('of a forgotten id come as the youngest', () => {
    const log = new LogFixture(lifetime, { ...HOUR, dedupeIds: 2 });
    buy(log, 'a', '2026-03-01T00:00:00Z');
    buy(log, 'b', '2026-03-01T00:30:00Z');
    buy(log, 'a', '2026-03-01T01:00:01Z'); // anew: order is b, a
    buy(log, 'c', '2026-03-01T01:00:02Z'); // b is out
    buy(log, 'a', '2026-03-01T01:00:03Z');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([4, 1]);
  });

  it('are judged by the settings in force', () => {
    const log = new LogFixture(lifetime, HOUR);
    buy(log, 'a', '2026-03-01T00:00:00Z');
    log.definitions('2026-03-01T00:10:00Z', { dedupeHorizonMs: 60_000 });
    buy(log, 'a', '2026-03-01T00:10:00Z');
    expect([log.oracle.events, log.oracle.duplicates]).toEqual([2, 0]);
  });
});

describe('the log', () => {
  it('time is the greatest stamp; ticks and refused messages move it, a clock that goes back does not', () => {
    const log = new LogFixture(week);
    log.tick('2026-03-01T00:00:10Z');
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:09Z', channel: 'web' }, '2026-03-01T00:00:05Z');
    expect(log.oracle.shardTimeMs).toBe(at('2026-03-01T00:00:10Z'));
    // effective: its timestamp, because the log time is :10, not :05
    expect(log.at('2026-03-01T00:00:10Z')?.['channel']?.timestamp).toBe('2026-03-01T00:00:09.000Z');
    const broken = log.raw('{', '2026-03-01T00:00:20Z');
    expect(log.oracle.shardTimeMs).toBe(at('2026-03-01T00:00:20Z'));
    expect(log.oracle.refused.get(broken)).toBe('malformed');
    expect([1, 2, 3, 4, 99].map((sequence) => log.oracle.shardTimeAt(sequence))).toEqual(
      [
        '2020-01-01T00:00:00Z',
        '2026-03-01T00:00:10Z',
        '2026-03-01T00:00:10Z',
        '2026-03-01T00:00:20Z',
        '2026-03-01T00:00:20Z',
      ].map(at),
    );
    expect(log.oracle.shardTimeAt(0)).toBe(0);
    log.control('cut', new TextEncoder().encode('{"id":"x"}'), '2026-03-01T00:00:30Z');
    expect(log.oracle.shardTimeMs).toBe(at('2026-03-01T00:00:30Z'));
  });

  it('answers as of a sequence', () => {
    const log = new LogFixture(lifetime);
    const none = log.tick('2026-03-01T00:00:00Z');
    const one = log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 1 });
    const two = log.buy({ _id: 'b', timestamp: '2026-03-01T00:00:00Z', priceTotal: 2 });
    expect([none, one, two].map((sequence) => log.valueAt('spend', '2026-03-01T00:00:00Z', sequence))).toEqual([undefined, 1, 3]);
    expect([log.oracle.keys(none), log.oracle.keys(one), log.oracle.keys()]).toEqual([[], [ADA], [ADA]]);
    expect(log.oracle.profileAt(identityKey({ namespace: 'customerId', id: 'nobody' }), 0)).toBeUndefined();
  });

  it('a profile begins with its first event, also one that no attribute looks at; not with refused ones or other datasets', () => {
    const log = new LogFixture(week);
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z' }, '2026-03-01T00:00:00Z', 'audit');
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z' }, '2026-03-01T00:00:00Z', 'audit');
    log.buy({ _id: '', timestamp: '2026-03-01T00:00:00Z' });
    expect([log.oracle.keys(), log.oracle.events, log.oracle.duplicates, log.oracle.refused.size]).toEqual([[], 0, 0, 1]);
    log.raw('{"_id":"a","timestamp":"2026-03-01T00:00:00Z"}', '2026-03-01T00:00:00Z');
    expect(log.at('2026-03-01T00:00:00Z')).toEqual({ orders: { value: 0 }, spend: { value: 0 } });
  });

  it('without definitions everything is refused', () => {
    const oracle = new ShardOracle({ root: 'visage', shard: 0, partitions: 1, planOf: () => week });
    const body = new TextEncoder().encode('{"_id":"a","timestamp":"2026-03-01T00:00:00Z"}');
    oracle.feed({
      sequence: 5,
      stampMs: at('2026-03-01T00:00:00Z'),
      subject: 'visage.log.0.in.orders.customerId.ada',
      body,
      headers: null,
    });
    expect([...oracle.refused, oracle.keys()]).toEqual([[5, 'no_definitions'], []]);
  });

  it('does not go on over what it cannot understand', () => {
    const log = new LogFixture(week);
    expect(() => log.control('erase', new Uint8Array(), '2026-03-01T00:00:00Z')).toThrow(VisageError);
    const message = { stampMs: 0, subject: 'visage.log.0.ctl.tick', body: new Uint8Array(), headers: null };
    expect(() => log.oracle.feed({ ...message, sequence: log.sequence })).toThrow(AssertionFailed);
    expect(() => log.oracle.feed({ ...message, sequence: 99, subject: 'visage.log.1.ctl.tick' })).toThrow(AssertionFailed);
  });
});
