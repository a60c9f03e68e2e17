import { describe, expect, it } from 'vitest';
import { LogFixture, ADA, LIFETIME, at, over, planOf } from './log_fixture.ts';
import type { PayloadCheck } from '../../../src/message/admission.ts';
import type { RefusalReason } from '../../../src/message/refusal.ts';

const T = '2026-03-01T00:00:00Z';
const ms = (n: number): string => `2026-03-01T00:00:00.${String(n).padStart(3, '0')}Z`;
const PLAN = planOf([{ name: 'orders', function: 'count', window: LIFETIME }]);

describe('merge policies: Danny and Daniel of the reference page', () => {
  const log = new LogFixture(PLAN);
  log.record(
    'loyalty',
    { name: 'Daniel', city: 'New York City', points: 7 },
    { lastUpdated: ms(1), at: T.replace('Z', '.500Z') },
  );
  const second = log.record('crm', { name: 'Danny', city: 'Portland' }, { lastUpdated: ms(2), at: T.replace('Z', '.500Z') });

  it('timestampOrdered: the newest says it, leaf by leaf', () => {
    expect(log.attributes()).toEqual({ name: 'Danny', city: 'Portland', points: 7 });
    expect(log.attributes({ policy: 'default', sequence: second - 1 })).toEqual({
      name: 'Daniel',
      city: 'New York City',
      points: 7,
    });
  });

  it('dataSetPrecedence: the first of the order says it, whatever came when', () => {
    expect(log.attributes({ policy: 'loyaltyFirst' })).toEqual({ name: 'Daniel', city: 'New York City', points: 7 });
  });

  it('a dataset that is not listed does not take part', () => {
    log.record('web', { name: 'D', page: '/' }, { at: T.replace('Z', '.600Z') });
    expect(log.attributes()).toEqual({ name: 'D', city: 'Portland', points: 7, page: '/' });
    expect(log.attributes({ policy: 'loyaltyFirst' })).toEqual({ name: 'Daniel', city: 'New York City', points: 7 });
    const only = new LogFixture(PLAN);
    only.record('web', { page: '/' });
    expect([only.attributes(), only.attributes({ policy: 'loyaltyFirst' })]).toEqual([{ page: '/' }, {}]);
  });

  it('an unknown policy is an error that lists the known ones', () => {
    expect(() => log.attributes({ policy: 'mine' })).toThrow(/default, loyaltyFirst/);
    expect(log.attributes({ key: 'customerId.nobody', policy: 'mine' })).toBeUndefined();
  });

  it('equal times: the later message; objects merge, arrays do not, and the stronger decides what is an object', () => {
    const equal = new LogFixture(PLAN);
    const lastUpdated = ms(1);
    equal.record('crm', { a: { x: 1, y: [1] }, b: 'text', c: { d: 1 }, e: {} }, { lastUpdated });
    equal.record('loyalty', { a: { x: 2, z: {} }, b: { no: 1 }, c: 3, e: { f: 1 } }, { lastUpdated });
    expect(equal.attributes()).toEqual({ a: { x: 2, y: [1], z: {} }, b: { no: 1 }, c: 3, e: { f: 1 } });
    equal.record('crm', { a: { y: [2] }, b: 'text', c: { d: 1 } }, { lastUpdated });
    expect(equal.attributes()).toEqual({ a: { x: 2, y: [2], z: {} }, b: 'text', c: { d: 1 }, e: { f: 1 } });
  });
});

describe('create, merge, create: §5.3 of the reference page', () => {
  const log = new LogFixture(PLAN);
  log.record('crm', { address: { country: 'US', state: 'GA' }, homePhone: '1' });
  const merged = log.record('crm', { address: { state: 'CA' } }, { operation: 'merge' });
  log.record('crm', { address: { state: 'NY' } });

  it('a merge leaves what it does not name, a create does not', () => {
    expect(log.attributes({ sequence: merged })).toEqual({ address: { country: 'US', state: 'CA' }, homePhone: '1' });
    expect(log.attributes()).toEqual({ address: { state: 'NY' } });
  });

  it('a merge into nothing makes the record; null removes, also in a create', () => {
    const none = new LogFixture(PLAN);
    none.record('crm', { a: { b: null, c: 1 }, d: null, list: { $append: [1] } }, { operation: 'merge' });
    expect(none.attributes()).toEqual({ a: { c: 1 }, list: [1] });
    none.record('crm', { a: { b: null }, d: null });
    expect(none.attributes()).toEqual({ a: {} });
  });

  it('a delete removes the record, and the profile of which it was all', () => {
    const gone = log.record('crm', null, { operation: 'delete' });
    expect([log.attributes(), log.oracle.keys(), log.oracle.profileAt(ADA, at(T))]).toEqual([undefined, [], undefined]);
    expect(log.oracle.keys(gone - 1)).toEqual([ADA]);
    const both = new LogFixture(PLAN);
    both.record('crm', { a: 1 });
    both.buy({ _id: 'e', timestamp: T });
    both.record('crm', {}, { operation: 'delete' });
    expect([both.attributes(), both.valueAt('orders', T)]).toEqual([{}, 1]);
  });
});

describe('order inside a fragment', () => {
  it('five writes within a millisecond keep the last', () => {
    const log = new LogFixture(PLAN);
    for (let n = 1; n <= 5; n++) log.record('crm', { n });
    expect([log.attributes(), log.oracle.counts.records]).toEqual([{ n: 5 }, 5]);
  });

  it('an older write is dropped and counted, an equal one applies', () => {
    const log = new LogFixture(PLAN);
    log.record('crm', { n: 5 }, { lastUpdated: ms(5), at: T.replace('Z', '.999Z') });
    log.record('crm', { n: 4 }, { lastUpdated: ms(4), operation: 'merge' });
    log.record('crm', null, { lastUpdated: ms(4), operation: 'delete' });
    expect([log.attributes(), log.oracle.counts.stale, log.oracle.counts.records, log.oracle.counts.dead]).toEqual([
      { n: 5 },
      2,
      1,
      0,
    ]);
    log.record('crm', { m: 1 }, { lastUpdated: ms(5), operation: 'merge' });
    log.record('loyalty', { k: 1 }, { lastUpdated: ms(1) }); // another fragment
    expect(log.attributes()).toEqual({ n: 5, m: 1, k: 1 });
  });

  it("lastUpdated is the header's, else the body's, else the log's time", () => {
    const log = new LogFixture(PLAN);
    const extSourceSystemAudit = { lastUpdatedDate: ms(9) };
    log.record('crm', { n: 9, extSourceSystemAudit }, { at: T.replace('Z', '.900Z') });
    log.record('crm', { n: 8 }, { lastUpdated: ms(8) });
    expect([log.attributes(), log.oracle.counts.stale]).toEqual([{ n: 9 }, 1]);
    log.record('crm', { n: 7, extSourceSystemAudit }, { lastUpdated: ms(8) }); // its header counts
    expect(log.oracle.counts.stale).toBe(2);
    log.record('crm', { n: 900 });
    log.record('crm', { n: 899 }, { lastUpdated: ms(899) });
    expect([log.attributes(), log.oracle.counts.stale]).toEqual([{ n: 900 }, 3]);
  });

  it('what was removed stays dead up to the time of that, whenever it arrives', () => {
    const log = new LogFixture(PLAN);
    log.record('crm', null, { operation: 'delete', lastUpdated: ms(5), at: T.replace('Z', '.999Z') });
    expect(log.oracle.keys()).toEqual([]);
    log.record('crm', { n: 5 }, { lastUpdated: ms(5) });
    log.record('crm', null, { operation: 'delete', lastUpdated: ms(5) });
    expect([log.oracle.keys(), log.oracle.counts.dead, log.oracle.counts.records]).toEqual([[], 2, 1]);
    log.record('crm', { n: 6 }, { lastUpdated: ms(6), operation: 'merge' });
    expect(log.attributes()).toEqual({ n: 6 });
  });
});

describe('ids', () => {
  it('of records make duplicates, in one memory with those of events', () => {
    const log = new LogFixture(PLAN, { dedupeIds: 2 });
    log.record('crm', { _id: 'a', n: 1 });
    log.record('crm', { _id: 'a', n: 2 });
    log.record('loyalty', { _id: 'a', m: 1 });
    expect([log.attributes(), log.oracle.duplicates]).toEqual([{ n: 1, m: 1 }, 1]);
    log.buy({ _id: 'a', timestamp: T }); // crm's is the oldest
    log.record('crm', { _id: 'a', n: 3 });
    expect([log.attributes(), log.oracle.duplicates]).toEqual([{ n: 3, m: 1 }, 1]);
    log.record('crm', { n: 4 }); // without an id: never
    log.record('crm', { n: 4 });
    expect([log.oracle.duplicates, log.oracle.counts.records]).toEqual([1, 5]);
  });

  it('of what was dropped are not remembered', () => {
    const log = new LogFixture(planOf([], { checks: { crm: refuseNegative } }));
    log.record('crm', { n: 5 }, { lastUpdated: ms(5), at: T.replace('Z', '.999Z') });
    log.record('crm', { _id: 'stale', n: 1 }, { lastUpdated: ms(1) });
    log.record('crm', { _id: 'refused', n: -1 });
    log.record('crm', { _id: 'stale', m: 1 }, { operation: 'merge' });
    log.record('crm', { _id: 'refused', k: 1 }, { operation: 'merge' });
    expect([log.attributes(), log.oracle.duplicates]).toEqual([{ n: 5, m: 1, k: 1 }, 0]);
  });
});

const VIOLATION = [{ pointer: '', keyword: 'x', message: '' }];
const refuseNegative: PayloadCheck = (body) => ((body['n'] as number) < 0 ? VIOLATION : null);

describe('the schema', () => {
  const reasonOf = (log: LogFixture, sequence: number): RefusalReason | undefined => log.oracle.refused.get(sequence);

  it('is asked of what a write makes of the record, envelope and all', () => {
    const seen: unknown[] = [];
    const check: PayloadCheck = (body) => {
      seen.push(body);
      return body['country'] === undefined ? VIOLATION : null;
    };
    const log = new LogFixture(planOf([], { checks: { crm: check } }));
    const first = log.record('crm', { state: 'GA' });
    expect([reasonOf(log, first), log.oracle.keys()]).toEqual(['schema', []]);
    log.record('crm', { country: 'US', extSourceSystemAudit: { createdBy: 'x' } });
    const identityMap = { customerId: [{ id: 'ada' }] };
    const extSourceSystemAudit = { lastUpdatedDate: T };
    log.record('crm', { _id: 'i', identityMap, state: 'CA', extSourceSystemAudit }, { operation: 'merge' });
    expect(seen.at(-1)).toEqual({
      _id: 'i',
      identityMap,
      country: 'US',
      state: 'CA',
      extSourceSystemAudit: { createdBy: 'x', lastUpdatedDate: T },
    });
    const breaking = log.record('crm', { country: null }, { operation: 'merge' });
    expect([reasonOf(log, breaking), log.attributes()]).toEqual([
      'schema',
      { country: 'US', state: 'CA', extSourceSystemAudit: { createdBy: 'x' } },
    ]);
    const asked = seen.length;
    log.record('crm', { country: 7 }, { lastUpdated: '2026-02-01T00:00:00Z' }); // stale: nobody asks
    log.record('crm', { state: 'x' }, { operation: 'delete' });
    expect([seen.length, log.oracle.keys()]).toEqual([asked, []]);
  });

  it('of events too; not before the fold knew of it', () => {
    const log = new LogFixture(
      planOf([{ name: 'orders', function: 'count', window: LIFETIME }], { checks: { orders: () => VIOLATION } }),
    );
    expect(reasonOf(log, log.buy({ _id: 'a', timestamp: T }))).toBe('schema');
    log.foldVersion = 2;
    log.definitions(T);
    expect(reasonOf(log, log.buy({ _id: 'a', timestamp: T }))).toBeUndefined();
    expect(log.valueAt('orders', T)).toBe(1);
    expect(reasonOf(log, log.delete(T))).toBe('bad_subject');
  });

  it('a record may not grow past its limit, nor change arrays where none can be', () => {
    const log = new LogFixture(PLAN, { recordBytes: 40 });
    const append = { list: { $append: ['0123456789'] } };
    log.record('crm', append, { operation: 'merge' });
    log.record('crm', append, { operation: 'merge' });
    expect(reasonOf(log, log.record('crm', append, { operation: 'merge' }))).toBe('too_large');
    expect(log.attributes()).toEqual({ list: ['0123456789', '0123456789'] });
    expect(reasonOf(log, log.record('crm', { $append: [] }))).toBe('schema');
    expect(reasonOf(log, log.record('crm', { a: { $append: 1 } }, { operation: 'merge' }))).toBe('schema');
  });

  it('of a dataset that is not of profiles is asked of what is created, and nothing is kept', () => {
    const log = new LogFixture(planOf([], { checks: { notes: refuseNegative } }));
    expect(reasonOf(log, log.record('notes', { n: -1 }))).toBe('schema');
    expect(reasonOf(log, log.record('notes', { n: 1 }))).toBeUndefined();
    expect(reasonOf(log, log.record('notes', { n: -1 }, { operation: 'merge' }))).toBeUndefined();
    expect([log.oracle.keys(), log.oracle.counts.records]).toEqual([[], 0]);
  });

  it('operations that there are not are refused', () => {
    const log = new LogFixture(PLAN);
    expect(reasonOf(log, log.record('crm', {}, { operation: 'erase' }))).toBe('bad_operation');
    expect(reasonOf(log, log.delete(T, { operation: 'merge' }))).toBe('bad_operation');
  });
});

describe('expressions', () => {
  it('read what records say, merged by the default policy', () => {
    const tier = over('tier', [0], (orders) => orders);
    const plan = planOf([
      { name: 'orders', function: 'count', window: LIFETIME },
      {
        ...tier,
        expression: {
          inputs: [0],
          evaluate: ({ valueOf, record }) => (record()['tier'] === undefined ? undefined : [record()['tier'], valueOf(0)]),
        },
      },
    ]);
    const log = new LogFixture(plan);
    const event = log.buy({ _id: 'a', timestamp: T });
    const gold = log.record('loyalty', { tier: 'gold' });
    log.record('web', { tier: 'none' });
    expect([event, gold, log.sequence].map((sequence) => log.valueAt('tier', T, sequence))).toEqual([
      undefined,
      ['gold', 1],
      ['none', 1],
    ]);
  });
});
