import { describe, expect, it } from 'vitest';
import { LogFixture, ADA, LIFETIME, at, hashOf, planOf } from './log_fixture.ts';
import { VisageError } from '../../../src/base/errors.ts';
import { encodeControl } from '../../../src/message/control.ts';
import { identityKey } from '../../../src/message/identity.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';

const at_ = (second: number): string => `2026-03-01T00:00:${String(second).padStart(2, '0')}.000Z`;
const PLAN = planOf([
  { name: 'orders', function: 'count', window: LIFETIME },
  { name: 'spend', function: 'sum', window: LIFETIME },
]);
const buy = (log: LogFixture, n: number, second: number, dataset?: string, stamp = second): number =>
  log.buy({ _id: `e${n}`, timestamp: at_(second), priceTotal: 10 ** n }, at_(stamp), dataset);
const said = (log: LogFixture, sequence?: number): unknown => {
  const values = log.oracle.profileAt(ADA, log.oracle.shardTimeMs, sequence);
  return values && [values['spend']?.value, log.attributes({ ...(sequence !== undefined && { sequence }) })];
};

describe('a profile that is deleted', () => {
  const log = new LogFixture(PLAN);
  buy(log, 0, 1);
  log.record('crm', { a: 1 }, { at: at_(2) });
  log.record('loyalty', null, { at: at_(2), operation: 'delete', lastUpdated: at_(50) }); // beyond the delete
  log.record('web', null, { at: at_(2), operation: 'delete' });
  const gone = log.delete(at_(10));

  it('is not there; before that it was', () => {
    expect([said(log), log.oracle.keys(), log.oracle.factsAt(ADA)]).toEqual([undefined, [], undefined]);
    expect([said(log, gone - 1), log.oracle.keys(gone - 1)]).toEqual([[1, { a: 1 }], [ADA]]);
  });

  it('is not made again by what is as of then or before, whenever it arrives', () => {
    buy(log, 1, 10, 'orders', 20);
    log.record('crm', { a: 2 }, { at: at_(20), lastUpdated: at_(10) });
    log.record('web', { a: 2 }, { at: at_(20), lastUpdated: at_(10) });
    expect([said(log), log.oracle.counts.dead]).toEqual([undefined, 3]);
  });

  it('new data after it counts; ids are still remembered, and so is a tombstone that reaches further', () => {
    log.record('loyalty', { a: 3 }, { at: at_(21), lastUpdated: at_(50) });
    expect([said(log), log.oracle.counts.dead]).toEqual([undefined, 4]);
    buy(log, 0, 21); // its id
    expect([said(log), log.oracle.duplicates]).toEqual([undefined, 1]);
    const event = buy(log, 2, 11, 'orders', 22);
    log.record('web', { b: 1 }, { at: at_(22), lastUpdated: at_(11) });
    log.record('loyalty', { c: 1 }, { at: at_(22), lastUpdated: at_(51) });
    expect([said(log, event), said(log)]).toEqual([
      [100, {}],
      [100, { b: 1, c: 1 }],
    ]);
    expect(said(log, gone - 1)).toEqual([1, { a: 1 }]);
  });

  it('may be one that nobody has heard of, and is deleted by an erase message as well', () => {
    const other = new LogFixture(PLAN);
    other.delete(at_(10), { operation: 'erase' });
    buy(other, 0, 10);
    expect([other.oracle.keys(), other.oracle.counts.dead]).toEqual([[], 1]);
    buy(other, 0, 11);
    expect(said(other)).toEqual([1, {}]);
    other.delete(at_(12));
    expect(said(other)).toBeUndefined();
  });

  it('E2 of the reference page: what is about another identity stays', () => {
    const shop = new LogFixture(PLAN);
    const EMAIL = identityKey({ namespace: 'email', id: 'a@x' });
    const email = { namespace: 'email', id: 'a@x' };
    shop.record('crm', { address: 'Elm St' });
    shop.record('loyalty', { names: ['Ada'] }, email);
    shop.record('web', { mlScore: 0.5 }, email);
    shop.delete(at_(10), email);
    expect([shop.oracle.keys(), shop.attributes(), shop.attributes({ key: EMAIL })]).toEqual([
      [ADA],
      { address: 'Elm St' },
      undefined,
    ]);
  });
});

describe('a dataset that is deleted', () => {
  const log = new LogFixture(PLAN);
  buy(log, 0, 1);
  buy(log, 1, 2, 'returns');
  log.record('crm', { a: 1 }, { at: at_(3) });
  log.record('loyalty', { b: 1 }, { at: at_(3) });
  log.buy({ _id: 'b', timestamp: at_(3), priceTotal: 5 }, at_(3), 'orders', 'bob');
  const orders = log.deleteDataset('orders', at_(10));
  const crm = log.deleteDataset('crm', at_(10));

  it('its share of every profile goes, at once; others stay', () => {
    expect([orders - 1, orders, crm].map((sequence) => said(log, sequence))).toEqual([
      [11, { a: 1, b: 1 }],
      [10, { a: 1, b: 1 }],
      [10, { b: 1 }],
    ]);
    expect([log.oracle.keys(orders - 1).length, log.oracle.keys(orders)]).toEqual([2, [ADA]]);
  });

  it('what is as of then or before stays dead, of it and for everybody; new data counts', () => {
    log.buy({ _id: 'c', timestamp: at_(10), priceTotal: 5 }, at_(20), 'orders', 'carl');
    log.record('crm', { a: 2 }, { at: at_(20), lastUpdated: at_(10) });
    buy(log, 2, 10, 'returns', 20);
    expect([log.oracle.keys(), said(log), log.oracle.counts.dead]).toEqual([[ADA], [110, { b: 1 }], 2]);
    buy(log, 0, 20); // its id is still remembered
    expect(log.oracle.duplicates).toBe(1);
    buy(log, 3, 11, 'orders', 20);
    log.record('crm', { a: 3 }, { at: at_(20), lastUpdated: at_(11) });
    expect([said(log), said(log, crm)]).toEqual([
      [1110, { a: 3, b: 1 }],
      [10, { b: 1 }],
    ]);
  });

  it('may be deleted again; one that nobody defined is nothing', () => {
    log.deleteDataset('nosuch', at_(30));
    expect(said(log)).toEqual([1110, { a: 3, b: 1 }]);
    log.deleteDataset('orders', at_(30));
    expect(said(log)).toEqual([110, { a: 3, b: 1 }]);
  });

  it('a tombstone of a record that reaches further stays', () => {
    const other = new LogFixture(PLAN);
    other.record('crm', null, { at: at_(1), operation: 'delete', lastUpdated: at_(50) });
    other.record('web', null, { at: at_(1), operation: 'delete', lastUpdated: at_(10) });
    other.deleteDataset('crm', at_(10));
    other.deleteDataset('web', at_(10));
    for (const dataset of ['crm', 'web'] as const) other.record(dataset, { [dataset]: 1 }, { at: at_(20), lastUpdated: at_(15) });
    expect(other.attributes()).toEqual({ web: 1 });
  });

  it('of a shard it is taken out of 32 states a message, in key order, or when one is touched', () => {
    const crowd = new LogFixture(PLAN);
    const id = (n: number): string => `p${String(n).padStart(3, '0')}`;
    const key = (n: number): string => identityKey({ namespace: 'customerId', id: id(n) });
    for (let n = 0; n < 76; n++) crowd.buy({ _id: 'x', timestamp: at_(1) }, at_(1), 'orders', id(n));
    const deleted = crowd.deleteDataset('orders', at_(10));
    expect([crowd.oracle.keys().length, crowd.oracle.countedAt()]).toEqual([0, 44]);
    expect([crowd.oracle.isCleared(key(31)), crowd.oracle.isCleared(key(32))]).toEqual([true, false]);
    crowd.buy({ _id: 'x', timestamp: at_(2) }, at_(11), 'orders', id(75)); // dead, but it comes to it
    expect([crowd.oracle.countedAt(), crowd.oracle.isCleared(key(75))]).toEqual([43, true]);
    const middle = crowd.tick(at_(11));
    crowd.tick(at_(11));
    expect([deleted - 1, deleted, middle, crowd.sequence].map((sequence) => crowd.oracle.countedAt(sequence))).toEqual([
      76, 44, 11, 0,
    ]);
  });
});

describe('an identity that is erased', () => {
  const log = new LogFixture(PLAN);
  buy(log, 0, 1);
  log.record('crm', { a: 1 }, { at: at_(2) });
  log.record('loyalty', null, { at: at_(2), operation: 'delete', lastUpdated: at_(50) });
  const erased = log.erase(ADA, at_(10));

  it('is not there; what is as of then or before stays dead', () => {
    expect([said(log), said(log, erased - 1)]).toEqual([undefined, [1, { a: 1 }]]);
    buy(log, 1, 10, 'orders', 20);
    log.record('crm', { a: 2 }, { at: at_(20), lastUpdated: at_(10) });
    expect([said(log), log.oracle.keys(), log.oracle.counts.dead]).toEqual([undefined, [], 2]);
  });

  it('comes again as somebody of whom nothing is remembered but that', () => {
    const again = buy(log, 0, 11, 'orders', 20); // its id is not remembered
    log.record('loyalty', { b: 1 }, { at: at_(20), lastUpdated: at_(11) }); // nor that it was removed
    buy(log, 1, 10, 'orders', 20);
    expect([said(log), log.oracle.counts.dead]).toEqual([[1, { b: 1 }], 3]);
    expect([said(log, erased), said(log, again), said(log, erased - 1)]).toEqual([undefined, [1, {}], [1, { a: 1 }]]);
    log.erase(ADA, at_(30));
    expect([said(log), said(log, again)]).toEqual([undefined, [1, {}]]);
    buy(log, 5, 25, 'orders', 31);
    expect([said(log), log.oracle.counts.dead]).toEqual([undefined, 4]);
  });

  it('may be known by its hash alone: its messages are gone, their times are not', () => {
    const holes = new LogFixture(PLAN);
    holes.control('hole', encodeControl({ kind: 'hole' }), at_(1));
    holes.control('hole', encodeControl({ kind: 'hole' }), at_(10));
    expect(holes.oracle.shardTimeMs).toBe(at(at_(10)));
    holes.erase(ADA, at_(5)); // time does not go back
    const erasure = {
      kind: 'erased',
      erase: holes.sequence,
      part: 1,
      parts: 1,
      holes: [],
      changeCount: 3,
      changeDigest: 9,
      version: 0,
    } as const;
    holes.control('erased', encodeControl(erasure), at_(11));
    buy(holes, 0, 10, 'orders', 12);
    expect(holes.oracle.keys()).toEqual([]);
    buy(holes, 0, 11, 'orders', 12);
    expect(said(holes)).toEqual([1, {}]);
  });

  it('holes move time under the event clock to where the message had moved it', () => {
    const holes = new LogFixture(PLAN, {}, [], { clock: 'event' });
    buy(holes, 0, 5, 'orders', 50);
    holes.control('hole', encodeControl({ kind: 'hole', timeMs: 0 }), at_(51));
    expect(holes.oracle.shardTimeMs).toBe(at(at_(5)));
    holes.control('hole', encodeControl({ kind: 'hole', timeMs: at(at_(40)) }), at_(51));
    expect(holes.oracle.shardTimeMs).toBe(at(at_(40)));
  });

  it('without the secret the log cannot be read', () => {
    const without = new LogFixture(PLAN, {}, [], {});
    expect(() => without.erase(ADA, at_(1))).toThrow(expect.objectContaining({ code: 'erasure_unreadable' }) as Error);
    expect(() => without.erase(ADA, at_(1))).toThrow(VisageError);
  });

  it('another of the same shard is not touched', () => {
    const both = new LogFixture(PLAN);
    buy(both, 0, 1);
    both.buy({ _id: 'b', timestamp: at_(1) }, at_(1), 'orders', 'bob');
    both.erase(identityKey({ namespace: 'customerId', id: 'bob' }), at_(2));
    expect([both.oracle.keys(), both.oracle.countedAt()]).toEqual([[ADA], 1]);
    expect(both.oracle).toBeInstanceOf(ShardOracle);
    expect(hashOf(ADA)).toMatch(/^[0-9a-f]{64}$/);
  });
});
