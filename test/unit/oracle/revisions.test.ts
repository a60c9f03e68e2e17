import { describe, expect, it } from 'vitest';
import { LogFixture, ADA, DAY_MS, LIFETIME, at, calendar, over, planOf, sliding } from './log_fixture.ts';
import { AssertionFailed } from '../../../src/base/assert.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { compareProfile } from '../../../src/oracle/compare.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl } from '../../../src/message/control.ts';
import { identityKey } from '../../../src/message/identity.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';

const T = '2026-03-01T00:00:00Z';
const LATER = '2026-03-01T12:00:00.000Z';
const orders = { name: 'orders', function: 'count', window: LIFETIME } as const;
const all = { name: 'all', function: 'sum', window: LIFETIME, revision: 2 } as const;
const day = { name: 'day', function: 'sum', window: sliding(DAY_MS), revision: 2 } as const;
const today = { name: 'today', function: 'sum', window: calendar('day'), revision: 2 } as const;
const first = planOf([orders]);
const second = planOf([orders, all, day, over('none', [1], (sum) => sum === 0, { revision: 2, audience: true }), today], {
  hash: 'h2',
});
const third = planOf([...second.attributes, { name: 'latest', function: 'mostRecent', window: LIFETIME, revision: 3 }], {
  hash: 'h3',
});

const buy = (log: LogFixture, n: number, timestamp: string, id?: string): number =>
  log.buy({ _id: `${n}`, timestamp, priceTotal: 10 ** n, channel: `c${n}` }, timestamp, 'orders', id);
const names = (log: LogFixture, id: string, sequence?: number): string[] => {
  const key = identityKey({ namespace: 'customerId', id });
  return Object.keys(log.oracle.profileAt(key, log.oracle.shardTimeMs, sequence) ?? {}).sort();
};
const NEW = ['all', 'day', 'none', 'orders', 'today'];

describe('what is added', () => {
  const log = new LogFixture(first, {}, [second]);
  buy(log, 0, T);
  const added = log.definitions(LATER, {}, 'h2');
  const begun = log.at(LATER);
  buy(log, 1, LATER);

  it('is not there before, then counts what comes after; says since while its window reaches further back', () => {
    expect(log.at(T, added - 1)).toEqual({ orders: { value: 1 } });
    const since = LATER;
    expect(begun).toEqual({
      all: { value: 0, since },
      day: { value: 0, since },
      none: { value: true },
      orders: { value: 1 },
      today: { value: 0, since },
    });
    const leaves = '2026-03-02T12:00:00.001Z';
    expect(log.at(LATER)).toEqual({
      all: { value: 10, since },
      day: { value: 10, since, nextChangeAt: leaves },
      none: { value: false },
      orders: { value: 2 },
      today: { value: 10, since, nextChangeAt: '2026-03-02T00:00:00.000Z' },
    });
    expect(log.at('2026-03-02T11:59:59.999Z')!['day']).toEqual({ value: 10, since, nextChangeAt: leaves });
    expect(log.at('2026-03-02T12:00:00.000Z')!['day']).toEqual({ value: 10, nextChangeAt: leaves });
    expect(log.at('2026-03-02T00:00:00.000Z')!['today']).toEqual({ value: 0 });
  });

  it('is compared, audiences too', () => {
    const computed = log.at(LATER, added)!;
    const identity = { namespace: 'customerId', id: 'ada' };
    const identities = [{ ...identity, primary: true }];
    const view = {
      profile: identity,
      identities,
      attributes: {},
      policy: 'default',
      computed,
      audiences: ['none'],
      version: 2,
      shard: 0,
      sequence: added,
      time: LATER,
    };
    const paths = (of: typeof view) => compareProfile(of, log.oracle).map(({ path, expected }) => [path, expected]);
    expect(paths(view)).toEqual([]);
    expect(paths({ ...view, audiences: [] })).toEqual([['audiences', ['none']]]);
    expect(paths({ ...view, computed: { ...computed, all: { value: 0 } } })).toEqual([['computed.all.since', LATER]]);
    expect(paths({ ...view, computed: { ...computed, orders: { value: 1, since: LATER } } })).toEqual([
      ['computed.orders.since', undefined],
    ]);
  });
});

describe('existing profiles get additions', () => {
  const PROFILES = 600;
  const id = (n: number): string => `p${String(n).padStart(3, '0')}`;
  const has = (log: LogFixture, sequence?: number): number[] =>
    Array.from({ length: PROFILES }, (_, n) => n).filter((n) => names(log, id(n), sequence).includes('all'));
  const upTo = (end: number): number[] => Array.from({ length: end }, (_, n) => n);

  function crowd(more: readonly Plan[] = [second]): LogFixture {
    const log = new LogFixture(first, {}, more);
    for (let n = PROFILES - 1; n >= 0; n--) buy(log, 0, T, id(n));
    log.foldVersion = 2; // from then on: before records a sweep took 256 a message
    return log;
  }

  it('256 at a time in key order: with that message, with each tick and each further definitions message', () => {
    const log = crowd();
    const added = log.definitions(T, {}, 'h2');
    log.control('cut', new TextEncoder().encode('{"id":"x"}'), T);
    expect(has(log)).toEqual(upTo(256));
    const tick = log.tick(T);
    expect(has(log)).toEqual(upTo(512));
    const settings = log.definitions(T, { dedupeIds: 5 }, 'h2');
    expect(has(log)).toEqual(upTo(600));
    expect([added - 1, added, tick, settings].map((sequence) => has(log, sequence).length)).toEqual([0, 256, 512, 600]);
  });

  it('when they are touched, by a duplicate too, not by what is refused or of another dataset; new ones have them', () => {
    const log = crowd();
    log.definitions(T, {}, 'h2');
    buy(log, 0, T, id(300));
    buy(log, 5, T, id(400));
    log.buy({ _id: '', timestamp: T }, T, 'orders', id(401));
    log.buy({ _id: 'x', timestamp: T }, T, 'audit', id(402));
    buy(log, 0, T, 'q'); // after every other key
    buy(log, 0, T, 'a'); // behind the sweep
    buy(log, 0, T, id(256) + 'x'); // before the sweep: it takes a place in the next step
    expect(has(log)).toEqual([...upTo(256), 300, 400]);
    expect([names(log, 'q'), names(log, 'a')]).toEqual([NEW, NEW]);
    expect(names(log, id(401))).toEqual(['orders']);
    log.tick(T);
    expect(has(log)).toEqual(upTo(511));
  });

  it('from the first key again when there is more before all have them', () => {
    const log = crowd([second, third]);
    log.definitions(T, {}, 'h2');
    log.tick(T);
    log.definitions(T, {}, 'h3');
    expect([names(log, id(255)).length, names(log, id(256)).length, names(log, id(512)).length]).toEqual([5, 5, 1]);
    buy(log, 3, T, id(255));
    expect(names(log, id(255))).toEqual(['all', 'day', 'latest', 'none', 'orders', 'today']);
    log.tick(T);
    log.tick(T);
    buy(log, 3, T, id(599));
    expect(names(log, id(599))).toEqual(['all', 'day', 'latest', 'none', 'orders', 'today']);
  });
});

describe('a generation', () => {
  const settings = { ...DEFAULT_FOLD_SETTINGS, dedupeIds: 0 };
  const write = (oracle: ShardOracle, through: number): void => {
    const event = (n: number) => [
      'in.orders.customerId.ada',
      `{"_id":"${n}","timestamp":"${T}","eventType":"commerce.purchases"}`,
    ];
    const begun = {
      kind: 'generation',
      generation: 2,
      previous: 0,
      partialFrom: null,
      hash: 'h2',
      foldVersion: 1,
      settings,
    } as const;
    const generation = ['ctl.generation', new TextDecoder().decode(encodeControl(begun))];
    const definitions = (hash: string, of: number) => [
      'ctl.definitions',
      new TextDecoder().decode(
        encodeControl({ kind: 'definitions', hash, foldVersion: 1, settings: DEFAULT_FOLD_SETTINGS, generation: of }),
      ),
    ];
    const log = [
      event(1),
      definitions('h1', 1),
      event(1),
      event(1),
      generation,
      event(1),
      definitions('h3', 2),
      event(1),
      event(1),
    ];
    log.slice(0, through).forEach(([subject, text], i) =>
      oracle.feed({
        sequence: i + 1,
        stampMs: at(T),
        subject: `visage.log.0.${subject}`,
        body: new TextEncoder().encode(text),
        headers: null,
      }),
    );
  };
  const plans = new Map([first, second, third].map((plan) => [plan.hash, plan]));
  const common = { root: 'visage', shard: 0, partitions: 1, planOf: (hash: string) => plans.get(hash)! };

  it('folds all of the log under its definitions and settings; later ones add to them', () => {
    const oracle = new ShardOracle({
      ...common,
      generation: { sequence: 5, generation: 2, hash: 'h2', foldVersion: 1, settings },
    });
    write(oracle, 9);
    expect([oracle.refused.size, oracle.events, oracle.duplicates]).toEqual([0, 5, 1]);
    expect(oracle.profileAt(ADA, at(T), 6)).toMatchObject({ orders: { value: 4 }, all: { value: 0 } });
    expect(Object.keys(oracle.profileAt(ADA, at(T), 6)!).sort()).toEqual(NEW);
    expect(oracle.profileAt(ADA, at(T), 6)!['all']).not.toHaveProperty('since');
    expect(oracle.exactEventsAt(6)).toBe(DEFAULT_FOLD_SETTINGS.exactEvents);
  });

  it('that it was not told of is an error', () => {
    expect(() => write(new ShardOracle(common), 5)).toThrow(AssertionFailed);
    expect(() =>
      write(new ShardOracle({ ...common, generation: { sequence: 4, generation: 2, hash: 'h2', foldVersion: 1, settings } }), 5),
    ).toThrow(AssertionFailed);
  });
});
