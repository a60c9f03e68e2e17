import { describe, expect, it } from 'vitest';
import { fnv1a32 } from '../../../src/base/fnv1a.ts';
import { compilePlan, refuseCollisions } from '../../../src/definitions/compile_plan.ts';
import { attribute, load, withAttributes } from './definitions_files.ts';

const DAY = 86_400_000;
const document = load(
  withAttributes(
    attribute('z30', 'function: sum, value: event.price, eventTypes: [b, a], window: { sliding: 30d }'),
    attribute('latest', 'function: mostRecent, value: event.price, eventTypes: [a, b], window: { sliding: 90d }'),
    attribute('all', 'function: sum, value: event.price, eventTypes: [a, b], window: lifetime'),
    attribute('z7', 'function: sum, value: event.price, eventTypes: [a, b], window: { sliding: 7d }'),
    attribute('any', 'function: count, window: { sliding: 1d }'),
    attribute('gifts', 'function: count, filter: event.gift, eventTypes: [a], window: lifetime'),
    attribute('onlyLatest', 'function: mostRecent, value: event.channel, window: { sliding: 5d }'),
  ),
);
const plan = compilePlan(document);
const named = (name: string) => plan.attributes.find((candidate) => candidate.name === name)!;

describe('plan', () => {
  it('sorts attributes by name and indexes them', () => {
    expect(plan.attributes.map(({ name }) => name)).toEqual(['all', 'any', 'gifts', 'latest', 'onlyLatest', 'z30', 'z7']);
    expect(plan.attributes.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(named('all').path).toBe('computed.all');
    expect(plan.hash).toBe(document.hash);
  });

  it('shares a measure between equal event types × filter × value', () => {
    const measure = plan.measures[named('z30').measure]!;
    expect(measure.attributes.map((index) => plan.attributes[index]!.name)).toEqual(['all', 'latest', 'z30', 'z7']);
    expect(measure).toMatchObject({ windows: [7 * DAY, 30 * DAY], lifetime: true, sums: true, recent: true, hasValue: true });
    expect(['z7', 'z30', 'all', 'latest'].map((name) => named(name).slot)).toEqual([0, 1, 2, -1]);
    expect(plan.measures).toHaveLength(4);
    expect(plan.measures.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  it('gives mostRecent no window slot', () => {
    expect(plan.measures[named('onlyLatest').measure]).toMatchObject({ windows: [], lifetime: false, sums: false, recent: true });
    expect(named('onlyLatest')).toMatchObject({ slot: -1, window: { kind: 'sliding', ms: 5 * DAY } });
  });

  it('gives min and max what they need of a measure, apart from its ring; a sum makes its values numbers', () => {
    const compiled = compilePlan(
      load(
        withAttributes(
          attribute('least', 'function: min, value: event.price, window: lifetime'),
          attribute('most30', 'function: max, value: event.price, window: { sliding: 30d }'),
          attribute('most7', 'function: max, value: event.price, window: { sliding: 7d }'),
          attribute('spend', 'function: sum, value: event.price, window: { sliding: 1d }'),
          attribute('first', 'function: min, value: event.timestamp, window: { sliding: 7d }'),
          attribute('channel', 'function: mostRecent, value: event.channel, window: lifetime'),
          attribute('tens', 'function: max, value: size(event.channel), window: lifetime'),
        ),
      ),
    );
    const of = (name: string) => compiled.attributes.find((candidate) => candidate.name === name)!;
    const measure = (name: string) => compiled.measures[of(name).measure]!;
    expect(measure('least')).toBe(measure('spend'));
    expect(measure('spend')).toMatchObject({
      windows: [DAY],
      lifetime: false,
      sums: true,
      low: { windows: [], lifetime: true },
      high: { windows: [7 * DAY, 30 * DAY], lifetime: false },
      timestamps: false,
    });
    expect(measure('first')).toMatchObject({
      windows: [],
      sums: false,
      low: { windows: [7 * DAY] },
      high: null,
      timestamps: true,
    });
    expect(measure('channel')).toMatchObject({ low: null, high: null, timestamps: false });
    expect(measure('tens')).toMatchObject({ low: null, high: { windows: [], lifetime: true }, timestamps: false });
    expect([of('least'), of('most7'), of('first')]).toMatchObject([
      { slot: -1, timestamps: false },
      { slot: -1, timestamps: false },
      { slot: -1, timestamps: true },
    ]);
    expect(compiled.finiteLatest).toEqual([]);
  });

  it('knows that the timestamp of an event is one, also where schemas leave everything open; nothing else', () => {
    const open = withAttributes(
      attribute('first', 'function: min, value: event.timestamp, window: lifetime'),
      attribute('free', 'function: min, value: event.free.date, window: lifetime'),
    ).replace('type: object\n', 'type: object\n      additionalProperties: true\n');
    const { attributes } = compilePlan(load(open));
    expect(attributes.map(({ name, timestamps }) => [name, timestamps])).toEqual([
      ['first', true],
      ['free', false],
    ]);
  });

  it('lists the latest values that expire', () => {
    expect(plan.finiteLatest.map(({ name }) => name)).toEqual(['latest', 'onlyLatest']);
  });

  it('finds measures by event type; those of any type are in every list', () => {
    const any = [named('any').measure, named('onlyLatest').measure].sort();
    expect(plan.anyEventType).toEqual(any);
    expect(plan.byEventType.get('a')).toEqual([0, 1, 2, 3]);
    expect(plan.byEventType.get('b')).toEqual([...any, named('all').measure].sort());
    expect(plan.byEventType.has('c')).toBe(false);
  });

  it('names a measure by the hash of its text and refuses a collision', () => {
    for (const { id, text } of plan.measures) expect(id).toBe(fnv1a32(text));
    expect(() =>
      refuseCollisions([
        { id: 7, text: 'x' },
        { id: 7, text: 'y' },
      ]),
    ).toThrow(/same 32-bit id/);
  });

  it('compiles filters and values', () => {
    const gifts = plan.measures[named('gifts').measure]!;
    expect([
      gifts.matches({ gift: true }),
      gifts.matches({ gift: false }),
      gifts.matches({}),
      gifts.matches({ gift: 'yes' }),
    ]).toEqual([true, false, false, false]);
    expect(gifts.valueOf({ gift: true })).toBeUndefined();
    const sum = plan.measures[named('all').measure]!;
    expect([sum.matches({}), sum.valueOf({ price: 5 }), sum.valueOf({}), sum.valueOf({ price: '5' })]).toEqual([
      true,
      5,
      undefined,
      undefined,
    ]);
  });

  it('admits the datasets and namespaces that are defined', () => {
    expect(plan.datasets).toEqual(['orders']);
    expect(plan.admission.datasets.get('orders')).toEqual({
      name: 'orders',
      index: 0,
      profile: true,
      behavior: 'event',
      check: expect.any(Function),
      identities: [],
      timeToLiveMs: null,
    });
    expect([...plan.admission.namespaces]).toEqual([['customerId', 1]]);
  });

  it('has a slot for each window: sliding, calendar, lifetime', () => {
    const compiled = compilePlan(
      load(
        withAttributes(
          attribute('a', 'function: average, value: event.price, window: lifetime'),
          attribute('b', 'function: sum, value: event.price, window: { calendar: month, count: 2 }'),
          attribute('c', 'function: sum, value: event.price, window: { calendar: week }'),
          attribute('d', 'function: average, value: event.price, window: { calendar: month }'),
          attribute('e', 'function: sum, value: event.price, window: { sliding: 2d }'),
          attribute('f', 'function: sum, value: event.price, window: { sliding: 1d }'),
          attribute('g', 'function: average, value: event.price, window: { calendar: month, count: 2 }'),
          attribute('h', 'function: earliest, value: event.price, window: { calendar: day }'),
          attribute('i', 'function: list, value: event.price, limit: 3, window: lifetime'),
          attribute('j', 'function: list, value: event.price, limit: 7, window: { sliding: 5d }'),
          attribute('k', 'function: countDistinct, value: event.price, window: { sliding: 5d }'),
        ),
      ),
    );
    const calendar = (unit: string, count: number) => ({ kind: 'calendar', unit, count });
    expect(compiled.measures).toHaveLength(1);
    expect(compiled.measures[0]).toMatchObject({
      revision: 1,
      windows: [DAY, 2 * DAY],
      calendars: [calendar('week', 1), calendar('month', 1), calendar('month', 2)],
      lifetime: true,
      sums: true,
      recent: false,
      earliest: { windows: [], calendars: [calendar('day', 1)], lifetime: false },
      distinct: { windows: [5 * DAY], calendars: [], lifetime: false },
      listLimit: 7,
      list: { windows: [5 * DAY], calendars: [], lifetime: true },
    });
    expect(compiled.attributes.map(({ slot }) => slot)).toEqual([5, 4, 2, 3, 1, 0, 4, -1, -1, -1, -1]);
    expect(compiled.attributes.map(({ limit }) => limit)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 3, 7, 0]);
    expect(compiled.finiteLatest).toEqual([]);
  });

  it('counts and exists share a measure; exists makes it keep the latest', () => {
    const compiled = compilePlan(
      load(
        withAttributes(
          attribute('n', 'function: count, window: { sliding: 1d }'),
          attribute('e', 'function: exists, window: { calendar: day }, audience: true'),
          attribute('ever', 'function: exists, window: lifetime'),
        ),
      ),
    );
    expect(compiled.measures).toHaveLength(1);
    expect(compiled.measures[0]).toMatchObject({ windows: [DAY], calendars: [], lifetime: false, recent: true, hasValue: false });
    expect(compiled.finiteLatest.map(({ name }) => name)).toEqual(['e']);
    expect(compiled.attributes.map(({ name, audience }) => [name, audience])).toEqual([
      ['e', true],
      ['ever', false],
      ['n', false],
    ]);
  });

  it('orders by revision first, and gives a later revision measures of its own', () => {
    const compiled = compilePlan(
      load(
        withAttributes(
          attribute('a', 'function: count, window: { sliding: 1d }, revision: 3'),
          attribute('b', 'function: sum, value: event.price, window: lifetime'),
          attribute('c', 'function: count, window: { sliding: 2d }'),
          attribute('d', 'function: count, window: { sliding: 1d }, revision: 2'),
        ).replace('datasets: { ', 'datasets: { early: { schema: purchase, profile: true, revision: 2 }, '),
      ),
    );
    expect(compiled.revision).toBe(3);
    expect(compiled.attributes.map(({ name, revision }) => [name, revision])).toEqual([
      ['b', 1],
      ['c', 1],
      ['d', 2],
      ['a', 3],
    ]);
    expect(compiled.measures.map(({ text, revision }) => [text, revision])).toEqual([
      ['[null,null,"event.price"]', 1],
      ['[null,null,null]', 1],
      ['[null,null,null,2]', 2],
      ['[null,null,null,3]', 3],
    ]);
    expect(compiled.datasets).toEqual(['orders', 'early']);
    expect(compiled.admission.datasets.get('early')).toMatchObject({ name: 'early', index: 1, profile: true });
    expect(plan.revision).toBe(1);
  });
});
