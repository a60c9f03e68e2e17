// The documented examples of records, merge policies and deletes, through the fold.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { formatTime } from '../../../src/base/time.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import type { Change, Effects } from '../../../src/shard/effects.ts';
import { FoldRun, LogWriter } from './fold_run.ts';

const T = Date.UTC(2026, 4, 15);
const KEY = 'customerId.ada';
const text = { type: 'string' };

const DOCUMENT = {
  version: 1,
  namespaces: { customerId: { type: 'person', priority: 1 }, email: { type: 'person', priority: 2 } },
  schemas: {
    purchase: {
      class: 'individual',
      behavior: 'event',
      jsonSchema: { type: 'object', properties: { price: { type: 'number', minimum: 0 } } },
    },
    customer: {
      class: 'individual',
      behavior: 'record',
      jsonSchema: {
        type: 'object',
        properties: {
          person: {
            type: 'object',
            properties: { name: { type: 'object', properties: { firstName: text, lastName: text } } },
          },
          city: text,
          country: text,
          state: text,
          homePhone: text,
          age: { type: 'integer', minimum: 0 },
          tags: { type: 'array', items: text },
        },
      },
    },
  },
  datasets: {
    orders: { schema: 'purchase', profile: true },
    returns: { schema: 'purchase', profile: true },
    crm: { schema: 'customer', profile: true },
    loyalty: { schema: 'customer', profile: true },
    web: { schema: 'customer', profile: true },
  },
  mergePolicies: {
    newest: { class: 'individual', attributes: 'timestampOrdered', stitching: 'none', default: true },
    loyaltyFirst: { class: 'individual', attributes: { dataSetPrecedence: ['loyalty', 'crm'] }, stitching: 'none' },
  },
  computedAttributes: {
    spend: { class: 'individual', function: 'sum', value: 'event.price', window: 'lifetime' },
    cheapest: { class: 'individual', function: 'min', value: 'event.price', window: 'lifetime' },
    orders: { class: 'individual', function: 'count', window: { sliding: '30d' } },
    fromPortland: { class: 'individual', function: 'expression', expression: 'profile.city == "Portland"', audience: true },
  },
};
const PLAN: Plan = compilePlan(parseDefinitionsDocument(JSON.stringify(DOCUMENT)));

let log: LogWriter;
let run: FoldRun;
let now: number;

beforeEach(() => {
  log = new LogWriter();
  run = new FoldRun(PLAN, Infinity);
  now = T;
  run.apply(log.definitions(PLAN, now));
});

type Said = { dataset?: string; operation?: string; lastUpdated?: string };

function write(body: object, said: Said = {}): Effects {
  return run.apply(log.write('ada', body, (now += 1000), said));
}

function buy(id: string, price: number, dataset = 'orders', timestamp = formatTime(now)): Effects {
  return run.apply(log.event('ada', { _id: id, timestamp, eventType: 'buy', price }, (now += 1000), dataset));
}

function deleteProfile(): Effects {
  return run.apply(log.write('ada', '', (now += 1000), { dataset: '_profile', operation: 'delete' }));
}

function attributes(policy?: string): unknown {
  return run.view(KEY, policy)?.attributes;
}

function leavesOf({ changes }: Effects): unknown[] {
  return changes.flatMap((change: Change) => change.leaves ?? []).map(({ path, before, after }) => [path, before, after]);
}

describe('records', () => {
  it('create, merge, create: a merge keeps what it does not name, a create does not', () => {
    write({ country: 'US', state: 'GA', homePhone: '555' });
    write({ state: 'CA' }, { operation: 'merge' });
    expect(attributes()).toEqual({ country: 'US', state: 'CA', homePhone: '555' });
    expect(leavesOf(write({ state: 'NY' }))).toEqual([
      ['attributes.state', 'CA', 'NY'],
      ['attributes.country', 'US', undefined],
      ['attributes.homePhone', '555', undefined],
    ]);
    expect(attributes()).toEqual({ state: 'NY' });
  });

  it('Danny or Daniel: the newest says so, or the dataset that comes first', () => {
    write({ person: { name: { firstName: 'Daniel' } }, city: 'New York City' }, { dataset: 'loyalty' });
    const second = write({ person: { name: { firstName: 'Danny' } }, city: 'Portland' }, { dataset: 'crm' });
    expect(attributes()).toEqual({ person: { name: { firstName: 'Danny' } }, city: 'Portland' });
    expect(attributes('loyaltyFirst')).toEqual({ person: { name: { firstName: 'Daniel' } }, city: 'New York City' });
    expect(leavesOf(second)).toEqual([
      ['attributes.person.name.firstName', 'Daniel', 'Danny'],
      ['attributes.city', 'New York City', 'Portland'],
    ]);
    expect(run.view(KEY)!.audiences).toEqual(['fromPortland']);
  });

  it('a dataset that precedence does not list is not there', () => {
    write({ city: 'Oslo', age: 40 }, { dataset: 'web' });
    expect([attributes(), attributes('loyaltyFirst')]).toEqual([{ city: 'Oslo', age: 40 }, {}]);
  });

  it('three violations in one refusal, and nothing changes', () => {
    write({ age: 40 });
    const bad = write({ age: -1, city: 7, person: { name: { firstName: true } } }, { operation: 'merge' });
    expect(bad.changes).toEqual([]);
    expect(
      bad.deadLetters.map(({ reason, errors }) => [reason, errors.map(({ pointer, keyword }) => [pointer, keyword])]),
    ).toEqual([
      [
        'schema',
        expect.arrayContaining([
          ['/age', 'minimum'],
          ['/city', 'type'],
          ['/person/name/firstName', 'type'],
        ]),
      ],
    ]);
    expect(bad.deadLetters[0]!.errors.length).toBe(3);
    expect(attributes()).toEqual({ age: 40 });
  });

  it('five writes within a millisecond: the last one stays', () => {
    const stamp = (now += 1000);
    for (let i = 1; i <= 5; i++) run.apply(log.write('ada', { age: i }, stamp));
    expect(attributes()).toEqual({ age: 5 });
  });

  it('what is older than what is there is stale; equal times go by order', () => {
    const at = (ms: number): string => formatTime(T + ms);
    write({ city: 'b' }, { lastUpdated: at(500) });
    write({ city: 'a' }, { lastUpdated: at(499) });
    expect([attributes(), run.fold.counters.stale]).toEqual([{ city: 'b' }, 1]);
    write({ city: 'c' }, { lastUpdated: at(500) });
    expect(attributes()).toEqual({ city: 'c' });
  });

  it('the same value again changes nothing, whatever the source', () => {
    write({ city: 'Oslo' });
    expect(write({ city: 'Oslo' }).changes).toEqual([]);
    expect(write({ city: 'Oslo' }, { dataset: 'loyalty' }).changes).toEqual([]);
    expect(write({ city: 'Oslo', extSourceSystemAudit: { lastUpdatedDate: formatTime(now) } }).changes).toEqual([]);
  });

  it('an array is one leaf, appended to and taken from', () => {
    write({ tags: ['a', 'b'] });
    expect(leavesOf(write({ tags: { $append: ['c'] } }, { operation: 'merge' }))).toEqual([
      ['attributes.tags', ['a', 'b'], ['a', 'b', 'c']],
    ]);
    write({ tags: { $remove: ['a'], $append: ['d'] } }, { operation: 'merge' });
    expect(attributes()).toEqual({ tags: ['b', 'c', 'd'] });
  });

  it('a deleted record is gone; what is as of then or before stays dead; what is newer counts', () => {
    const created = write({ city: 'Oslo' });
    const deleted = run.apply(log.write('ada', '', (now += 1000), { operation: 'delete', lastUpdated: formatTime(now) }));
    expect(deleted.changes.map(({ existed, exists, previousVersion }) => [existed, exists, previousVersion])).toEqual([
      [true, false, created.changes[0]!.sequence],
    ]);
    expect([run.view(KEY), run.fold.profiles]).toEqual([undefined, 0]);
    const deletedAt = formatTime(now);
    expect(write({ city: 'Rome' }, { lastUpdated: deletedAt }).changes).toEqual([]);
    expect([run.view(KEY), run.fold.counters.deleted]).toEqual([undefined, 1]);
    const again = write({ city: 'Rome' });
    expect(again.changes.map(({ existed, exists, previousVersion }) => [existed, exists, previousVersion])).toEqual([
      [false, true, deleted.changes[0]!.sequence],
    ]);
    expect(attributes()).toEqual({ city: 'Rome' });
  });
});

describe('deletes', () => {
  it('of a profile: everything that was visible goes; old events stay dead, new ones count', () => {
    write({ city: 'Portland' });
    buy('e1', 10);
    const deleted = deleteProfile();
    const { sequence } = deleted.changes[0]!;
    expect(deleted.changes[0]).toMatchObject({ existed: true, exists: false, causes: [{ kind: 'delete', sequence }] });
    expect(leavesOf(deleted)).toEqual([['attributes.city', 'Portland', undefined]]);
    expect(deleted.changes[0]!.attributes.map((index) => PLAN.attributes[index]!.name).sort()).toEqual(
      ['cheapest', 'fromPortland', 'orders', 'spend'].sort(),
    );
    expect([run.view(KEY), run.fold.profiles]).toEqual([undefined, 0]);
    expect(buy('late', 99, 'orders', formatTime(now)).changes).toEqual([]);
    now += 5000;
    const again = buy('e2', 7);
    expect(again.changes[0]).toMatchObject({ existed: false, exists: true, previousVersion: sequence });
    expect(run.view(KEY)).toMatchObject({ attributes: {}, computed: { spend: { value: 7 }, cheapest: { value: 7 } } });
  });

  it('of a profile that nobody knows: nothing is said, and what is older stays dead', () => {
    expect(deleteProfile().changes).toEqual([]);
    expect(buy('e', 1, 'orders', formatTime(now)).changes).toEqual([]);
    expect(run.fold.profiles).toBe(0);
  });

  it('of a dataset: its share goes from sums and from lifetime extremes, exactly; readers see it at once, the sweep says it', async () => {
    buy('a', 5, 'returns');
    buy('b', 10);
    write({ city: 'Oslo' }, { dataset: 'loyalty' });
    await run.checkpoint();
    run.restart();
    const swept = run.apply(log.control({ kind: 'deleteDataset', dataset: 'returns' }, (now += 1000)));
    expect(swept.changes.map(({ causes }) => causes)).toEqual([
      [{ kind: 'deleteDataset', dataset: 'returns', sequence: swept.changes[0]!.sequence }],
    ]);
    expect(run.view(KEY)!.computed).toMatchObject({ spend: { value: 10 }, cheapest: { value: 10 }, orders: { value: 1 } });
    run.apply(log.control({ kind: 'deleteDataset', dataset: 'orders' }, (now += 1000)));
    expect(run.view(KEY)).toMatchObject({ attributes: { city: 'Oslo' }, computed: { spend: { value: 0 } } });
    const gone = run.apply(log.control({ kind: 'deleteDataset', dataset: 'loyalty' }, (now += 1000)));
    expect(gone.changes[0]).toMatchObject({ existed: true, exists: false });
    expect([run.view(KEY), run.fold.profiles]).toEqual([undefined, 0]);
    await run.checkpoint();
    run.restart();
    expect(run.view(KEY)).toBeUndefined();
    expect([...run.disk.chunks.keys()]).toEqual([]);
  });

  it('erasing by what a single dataset is about leaves the others (E2)', () => {
    run.apply(log.write('ada', { city: 'Oslo' }, (now += 1000), { dataset: 'crm' }));
    const email = log.put('in.loyalty.email.ada%40example%2Ecom', new TextEncoder().encode('{"age":30}'), (now += 1000));
    run.apply(email);
    run.apply({
      ...log.put('in._profile.email.ada%40example%2Ecom', new Uint8Array(), (now += 1000)),
      headers: () => ({ 'visage-operation': 'delete' }),
    });
    expect(run.view('email.ada%40example%2Ecom')).toBeUndefined();
    expect(attributes()).toEqual({ city: 'Oslo' });
  });

  it('of an identity by its hash: the state is gone, a tombstone by hash stays, its chain goes on in whoever comes again', async () => {
    const hash = 'ab'.repeat(32);
    run.erasures = { ...run.erasures, hashOf: (key) => (key === KEY ? hash : '0'.repeat(64)), keyOf: () => KEY };
    run.restart();
    run.apply(log.definitions(PLAN, now));
    buy('e1', 10);
    write({ city: 'Portland', person: { name: { firstName: 'x'.repeat(500) } } });
    await run.checkpoint();
    const erased = run.apply(log.control({ kind: 'erase', hash }, (now += 1000)));
    expect(erased.changes).toMatchObject([
      { key: `~erased.${hash}`, existed: true, exists: false, attributes: [], leaves: null, causes: [{ kind: 'erase' }] },
    ]);
    expect([run.view(KEY), run.fold.profiles, run.fold.deletions.marks.length]).toEqual([undefined, 0, 1]);
    await run.checkpoint();
    expect([...run.disk.heads.keys(), ...run.disk.chunks.keys()]).toEqual([`~erased.${hash}`]);
    expect(buy('e1', 10, 'orders', formatTime(now - 2000)).changes).toEqual([]);
    now += 1000;
    const again = buy('e3', 3);
    expect(again.changes[0]).toMatchObject({ existed: false, exists: true, previousVersion: erased.changes[0]!.sequence });
    expect(run.view(KEY)!.computed).toMatchObject({ spend: { value: 3 } });
  });

  it('at the moment in which values leave: what was visible is what was said last', () => {
    buy('e1', 10);
    const created = run.apply(log.tick((now += 1000)));
    expect(created.changes).toEqual([]);
    now += 31 * 86_400_000;
    const [deleted] = deleteProfile().changes;
    const orders = PLAN.attributes.find(({ name }) => name === 'orders')!.index;
    expect(deleted!.before[deleted!.attributes.indexOf(orders)]).toBe(1); // not the 0 that it would have become in passing
    expect(deleted!.causes.map(({ kind }) => kind)).toEqual(['expiry', 'delete']);
  });
});

describe('a log of an earlier version', () => {
  it('admits what its schemas do not allow, until a message says the later version', () => {
    const settings = run.fold.settings;
    const say = (foldVersion: number) =>
      run.apply(log.control({ kind: 'definitions', hash: PLAN.hash, foldVersion, settings }, now));
    say(2);
    expect(buy('e1', -5).deadLetters).toEqual([]);
    say(3);
    expect(buy('e2', -5).deadLetters.map(({ reason }) => reason)).toEqual(['schema']);
    expect(run.view(KEY)!.computed['spend']!.value).toBe(-5);
  });
});

describe('within one millisecond', () => {
  const said = (body: object | string, stamp: number, operation?: string, lastUpdated?: string): unknown =>
    run.apply(log.write('ada', body, stamp, { ...(operation && { operation }), ...(lastUpdated && { lastUpdated }) }));

  it('who does not say when comes after what was deleted before it', () => {
    const stamp = (now += 1000);
    said({ city: 'a' }, stamp);
    said('', stamp, 'delete');
    said({ city: 'b' }, stamp);
    expect(attributes()).toEqual({ city: 'b' });
    run.apply(log.write('ada', '', stamp, { dataset: '_profile', operation: 'delete' }));
    said({ city: 'c' }, stamp);
    expect(attributes()).toEqual({ city: 'c' });
  });

  it('who says that it was then stays dead', () => {
    const stamp = (now += 1000);
    said({ city: 'a' }, stamp);
    said('', stamp, 'delete');
    said({ city: 'b' }, stamp, undefined, formatTime(stamp));
    expect(run.view(KEY)).toBeUndefined();
  });
});
