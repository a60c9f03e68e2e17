import { describe, expect, it } from 'vitest';
import { LogFixture, DAY_MS, planOf, sliding } from './log_fixture.ts';
import { compareExport, compareProfile, type ExportedProfile } from '../../../src/oracle/compare.ts';
import type { ProfileView } from '../../../src/profile/view.ts';

const plan = planOf([
  { name: 'channel', function: 'mostRecent', window: sliding(DAY_MS) },
  { name: 'spend', function: 'sum', window: sliding(DAY_MS) },
]);

function shop(): LogFixture {
  const log = new LogFixture(plan);
  log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 25, channel: 'web' });
  log.buy({ _id: 'b', timestamp: '2026-03-01T06:00:00Z', priceTotal: 9.99 });
  return log;
}

const right: ProfileView = {
  profile: { namespace: 'customerId', id: 'ada' },
  identities: [{ namespace: 'customerId', id: 'ada', primary: true }],
  attributes: {},
  policy: 'default',
  computed: {
    channel: { value: 'web', timestamp: '2026-03-01T00:00:00.000Z', nextChangeAt: '2026-03-02T00:00:00.001Z' },
    spend: { value: 34.99, nextChangeAt: '2026-03-02T00:00:00.001Z' },
  },
  audiences: [],
  version: 3,
  shard: 0,
  sequence: 3,
  time: '2026-03-01T06:00:00.000Z',
};

const paths = (view: ExportedProfile): string[] => compareProfile(view, shop().oracle).map((difference) => difference.path);

describe('one profile', () => {
  it('agrees', () => {
    expect(compareProfile(right, shop().oracle)).toEqual([]);
  });

  it('names each difference, with both values', () => {
    const { spend, channel } = right.computed;
    expect(
      compareProfile({ ...right, computed: { channel: channel!, spend: { ...spend!, value: 34.990000001 } } }, shop().oracle),
    ).toEqual([
      {
        profileHash: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
        profile: 'customerId:ada',
        path: 'computed.spend.value',
        exported: 34.990000001,
        expected: 34.99,
      },
    ]);
    expect(paths({ ...right, computed: { spend: spend! } })).toEqual([
      'computed.channel.value',
      'computed.channel.timestamp',
      'computed.channel.nextChangeAt',
    ]);
    expect(paths({ ...right, computed: { ...right.computed, more: { value: 1 } } })).toEqual(['computed.more.value']);
    expect(paths({ ...right, computed: { channel: channel!, spend: { value: 34.99 } } })).toEqual([
      'computed.spend.nextChangeAt',
    ]);
    expect(paths({ ...right, shard: 1, identities: [] })).toEqual(['shard', 'identities']);
    expect(paths({ ...right, profile: { namespace: 'customerId', id: 'bob' } })).toEqual(['profile']);
  });

  it('a time that stood still is a difference, although the values agree with it', () => {
    const log = shop();
    log.tick('2026-03-02T12:00:00Z');
    expect(compareProfile({ ...right, sequence: 4 }, log.oracle).map((difference) => difference.path)).toEqual(['time']);
    const moved = { ...right, computed: { spend: { value: 0 } }, sequence: 4, time: '2026-03-02T12:00:00.000Z' };
    expect(compareProfile(moved, log.oracle)).toEqual([]);
    expect(compareProfile(right, log.oracle)).toEqual([]); // as of sequence 3 it still is right
  });
});

describe('a whole export', () => {
  it('agrees', () => {
    expect(compareExport([right], { oracles: [shop().oracle] })).toEqual([]);
  });

  it('names what is missing, too much, twice, of another shard or another cut', () => {
    const paths = (views: ExportedProfile[], log = shop(), cuts?: ReadonlyMap<number, number>) =>
      compareExport(views, { oracles: [log.oracle], ...(cuts && { cuts }) }).map(({ profile, path, exported }) => [
        profile,
        path,
        exported,
      ]);
    const bob = { namespace: 'customerId', id: 'bob' };
    const log = shop();
    log.buy({ _id: 'a', timestamp: '2026-03-01T06:00:00Z' }, '2026-03-01T06:00:00Z', 'orders', 'bob');
    expect(paths([{ ...right, sequence: 4 }], log)).toEqual([['customerId:bob', 'profile', undefined]]);
    expect(paths([right], log, new Map([[0, 3]]))).toEqual([]);
    expect(paths([right, { ...right, profile: bob }])).toEqual([['customerId:bob', 'profile', bob]]);
    expect(paths([right, right])).toEqual([['customerId:ada', 'profile', 'there twice']]);
    expect(paths([{ ...right, shard: 7 }])).toEqual([['customerId:ada', 'shard', 7]]);
    log.tick('2026-03-01T06:00:00Z');
    expect(paths([right], log, new Map([[0, 5]]))).toEqual([
      ['customerId:ada', 'sequence', 3],
      ['customerId:bob', 'profile', undefined],
    ]);
  });
});

describe('a view that stands just before a change that is due', () => {
  const dueMs = Date.parse('2026-03-02T00:00:00.001Z');
  const later = (waitedMs: number): LogFixture => {
    const log = shop();
    const timestamp = new Date(dueMs + waitedMs).toISOString();
    log.buy({ _id: 'c', timestamp, priceTotal: 1 }, timestamp, 'orders', 'bob');
    return log;
  };
  const waiting: ProfileView = { ...right, sequence: 4, time: '2026-03-02T00:00:00.000Z' };

  it('is right as of then; past the bound it is late, which is a difference', () => {
    expect(compareProfile(waiting, later(100).oracle)).toEqual([]);
    expect(compareProfile(waiting, later(100).oracle, 5_000)).toEqual([]);
    expect(compareProfile(waiting, later(10_000).oracle, 5_000).map(({ path }) => path)).toEqual(['time']);
  });

  it('may stand where an event leaves a max, although another keeps the value', () => {
    const log = new LogFixture(planOf([{ name: 'most', function: 'max', window: sliding(DAY_MS) }]));
    log.buy({ _id: 'a', timestamp: '2026-03-01T00:00:00Z', priceTotal: 5 }, '2026-03-01T00:00:00Z', 'orders');
    log.buy({ _id: 'b', timestamp: '2026-03-01T06:00:00Z', priceTotal: 9 }, '2026-03-01T06:00:00Z', 'returns');
    log.tick('2026-03-02T00:00:00.050Z');
    const most = { value: 9, nextChangeAt: '2026-03-02T06:00:00.001Z' };
    const at = (time: string) =>
      compareProfile({ ...right, computed: { most }, sequence: 4, time }, log.oracle).map(({ path }) => path);
    expect(at('2026-03-02T00:00:00.050Z')).toEqual([]);
    expect(at('2026-03-02T00:00:00.000Z')).toEqual([]);
    expect(at('2026-03-02T00:00:00.001Z')).toEqual(['time']);
    expect(at('2026-03-01T23:59:59.999Z')).toEqual(['time']);
  });

  it('may not stand anywhere else', () => {
    expect(compareProfile({ ...waiting, time: '2026-03-01T23:59:59.000Z' }, later(100).oracle).map(({ path }) => path)).toContain(
      'time',
    );
  });
});
