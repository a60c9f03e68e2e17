// Expressions over attributes: what they may name, in which order they come, what they give.
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { attribute, load, mistakesOf, withAttributes } from './definitions_files.ts';

const EVENTS = [
  attribute('spend', 'function: sum, value: event.price, window: { sliding: 30d }'),
  attribute('orders', 'function: count, window: { calendar: month }'),
  attribute('seen', 'function: exists, window: { calendar: week, count: 2 }'),
  attribute('channel', 'function: mostRecent, value: event.channel, window: lifetime'),
  attribute('first', 'function: min, value: event.timestamp, window: lifetime'),
  attribute('low', 'function: min, value: event.free, window: lifetime'),
  attribute('tags', 'function: list, value: event.tags, window: lifetime'),
  attribute('prices', 'function: list, value: event.price, window: lifetime'),
  attribute('sizes', 'function: list, value: size(event.tags), window: lifetime'),
  attribute('firstTags', 'function: earliest, value: event.tags, window: lifetime'),
  attribute('free', 'function: mostRecent, value: event.free, window: lifetime'),
  attribute('constructor', 'function: countDistinct, value: event.channel, window: lifetime'),
];
/** Line 32 is the first expression. */
const file = (expressions: Readonly<Record<string, string>>): string =>
  withAttributes(
    ...EVENTS,
    ...Object.entries(expressions).map(
      ([name, text]) => `${name}:\n    class: individual\n    function: expression\n    expression: ${text}`,
    ),
  );
const mistakes = (expressions: Readonly<Record<string, string>>): string[] => mistakesOf(() => load(file(expressions)));
const FIRST = EVENTS.length + 20 + 3;
const at = (offset: number, name: string, message: string, index = 0): string =>
  `${FIRST + index * 4}:${17 + offset} expression of '${name}': ${message}`;
const UNKNOWN = 'an expression reads computed attributes and profile.<field>';
const NO_EVENTS =
  'an expression reads no events: give what the event says an attribute of its own (a sum, a mostRecent, …) and name that here';
const NUMBERS = 'counts are whole numbers (int), other numbers double: convert with double(…)';
const RESULT = 'an expression gives true or false, a number, a text or a list of them; this one is';

describe('a mistake in an expression', () => {
  it.each([
    ['orders +', at(8, 'x', 'Unexpected token: EOF')],
    ['spnd > 1.0', at(0, 'x', `unknown name 'spnd' (did you mean 'spend'?); ${UNKNOWN}`)],
    ['spend + computed.order', at(17, 'x', `unknown name 'order' (did you mean 'orders'?); ${UNKNOWN}`)],
    [`computed['nix'] == 1`, at(8, 'x', `unknown name 'nix'; ${UNKNOWN}`)],
    ['has(computed.chanel)', at(13, 'x', `unknown name 'chanel' (did you mean 'channel'?); ${UNKNOWN}`)],
    ['orders > 1 && event.price > 1.0', at(20, 'x', NO_EVENTS)],
    ['event', at(0, 'x', NO_EVENTS)],
    ['computed', at(0, 'x', `'computed' is followed by the name of an attribute: computed.<name>`)],
    ['computed[channel] == 1', at(8, 'x', `'computed' is followed by the name of an attribute: computed.<name>`)],
    ['profile.name', at(8, 'x', `the profile has no 'name' here (did you mean 'namespace'?); known here: namespace, id`)],
    ['profile', at(0, 'x', `'profile' is followed by a field; known here: namespace, id`)],
    ['has(channel)', at(4, 'x', 'has() asks for a member: write has(computed.channel)')],
    ['x + 1', at(0, 'x', `'x' names itself`)],
    ['orders / 2.0', at(7, 'x', `no such overload: int / double; ${NUMBERS}`)],
    ['orders == spend', at(7, 'x', `no such overload: int == double; ${NUMBERS}`)],
    ['seen ? 1 :2.0', at(0, 'x', `Ternary branches must have the same type, got 'int' and 'double'; ${NUMBERS}`)],
    ['channel > 1', at(8, 'x', 'no such overload: string > int')],
    [
      'channel.matches("a")',
      at(8, 'x', 'matches() is not supported: a pattern can take seconds; use contains(), startsWith() or endsWith()'),
    ],
    [
      `timestamp(first).getHours('Europe/Paris')`,
      at(17, 'x', `getHours(zone) is not supported: its result depends on the machine's time zone data`),
    ],
    [
      'timestamp(channel) > timestamp(first)',
      at(
        0,
        'x',
        `timestamp() takes a min or max of timestamps or an RFC 3339 literal: other texts are read in the machine's time zone`,
      ),
    ],
    [
      'prices.exists(p, prices.exists(q, p < q))',
      at(23, 'x', 'exists() inside another loop is not supported: its cost grows with the square of the values'),
    ],
    ['prices.exists(spend, spend > 1.0)', at(6, 'x', `a loop variable must not be called 'spend': an attribute is`)],
    ['prices.map(computed, 1)', at(6, 'x', `a loop variable must not be called 'computed'`)],
    ['cel.bind(orders, 1, orders + 1)', at(3, 'x', `a bound variable must not be called 'orders': an attribute is`)],
    ['cel.bind(a, a + 1, a)', at(12, 'x', `unknown name 'a'; ${UNKNOWN}`)],
    ['prices.map(p, q)', at(14, 'x', `unknown name 'q'; ${UNKNOWN}`)],
    ['tags', at(0, 'x', `${RESULT} of type list<list<string>>`)],
    ['timestamp(first)', at(0, 'x', `${RESULT} of type google.protobuf.Timestamp`)],
    ['"{1: 2}"', at(0, 'x', `${RESULT} of type map<int, int>`)],
    ['type(orders)', at(0, 'x', `${RESULT} of type type`)],
    ['"null"', at(0, 'x', `${RESULT} of type null`)],
  ])('%s', (text, expected) => {
    const found = mistakes({ x: text }).map((line) => (text.startsWith('"') ? line.replace(/:\d+ /, ':17 ') : line));
    // where CEL points to in a call is its own affair: the place is checked to the line, the words in full
    expect(found.map((line) => line.replace(/^(\d+):\d+/, '$1'))).toEqual([expected.replace(/^(\d+):\d+/, '$1')]);
  });

  it('stands at its line and column', () => {
    expect(mistakes({ x: 'orders > 1 && spnd > 1.0' })).toEqual([
      at(14, 'x', `unknown name 'spnd' (did you mean 'spend'?); ${UNKNOWN}`),
    ]);
  });

  it('is one of many: all are reported, and what follows from one is not', () => {
    const text = file({ a: 'spnd', b: 'a + 1.0 > c', c: 'nix', d: 'b && orders' }).replace(
      'value: event.price, window: { sliding',
      'value: event.prise, window: { sliding',
    );
    expect(mistakesOf(() => load(text)).map((line) => line.replace(/^\d+:\d+ /, ''))).toEqual([
      `value of 'spend': no schema declares 'event.prise' (did you mean 'price'?)`,
      `expression of 'a': unknown name 'spnd' (did you mean 'spend'?); ${UNKNOWN}`,
      `expression of 'c': unknown name 'nix'; ${UNKNOWN}`,
      `expression of 'd': Logical operator requires bool operands, got 'int'`,
    ]);
  });
});

describe('cycles', () => {
  it('name the whole path, each cycle once', () => {
    const found = mistakes({ a: 'b + 1', b: 'c + 1', c: 'a + d', d: 'e', e: 'd', f: 'a' });
    expect(found).toEqual([at(0, 'c', 'cycle: a → b → c → a', 2), at(0, 'e', 'cycle: d → e → d', 4)]);
  });
});

describe('a name that is a word of CEL', () => {
  const named = (name: string, expression: string): string[] =>
    mistakesOf(() =>
      load(
        withAttributes(
          attribute(name, 'function: count, window: lifetime'),
          attribute('x', `function: expression, expression: '${expression}'`),
        ),
      ),
    );
  const refused = (word: string, member = `computed.${word}`): string =>
    `20:3 '${word}' cannot name a computed attribute here: in an expression it means something else ('x' uses it); rename it, or write ${member} where the attribute is meant`;

  it.each([
    ['profile', 'profile.id', refused('profile')],
    ['computed', 'computed.computed > 1', refused('computed')],
    ['true', 'true', refused('true', 'computed["true"]')],
    ['int', 'type(1) == int', refused('int')],
  ])('is refused where it would be taken for the word: %s', (word, expression, message) =>
    expect(named(word, expression)).toEqual([message]),
  );

  it.each([
    ['event', 'computed.event > 1'],
    ['double', 'double(computed.double) > 1.0'],
    ['size', 'size("abc") > size'],
    ['for', 'computed.for > 1'],
    ['int', '1 > 0'],
    ['profile', '1 > 0'],
    ['true', `computed["true"] > 1`],
  ])('is harmless elsewhere: %s', (word, expression) => expect(named(word, expression)).toEqual([]));

  it('that only exists after a dot says so', () => {
    expect(named('for', 'for > 1')).toEqual([`21:61 expression of 'x': Reserved identifier: for; the attribute is computed.for`]);
  });
});

function evaluate(text: string, values: Readonly<Record<string, unknown>>): unknown {
  const plan = compilePlan(load(file({ x: text })));
  return valueIn(plan, 'x', values);
}

function valueIn(plan: Plan, name: string, values: Readonly<Record<string, unknown>>): unknown {
  const { expression } = plan.attributes.find((each) => each.name === name)!;
  return expression!.evaluate({
    valueOf: (index) => {
      const input = plan.attributes[index]!.name;
      return Object.hasOwn(values, input) ? values[input] : undefined;
    },
    identity: () => ({ namespace: 'customerId', id: 'c-1' }),
    record: () => ({}),
  });
}

describe('a value', () => {
  const RATIO = `'orders == 0 ? 0.0 : spend / double(orders)'`;
  it.each<[string, Readonly<Record<string, unknown>>, unknown]>([
    [RATIO, { orders: 4, spend: 100 }, 25],
    [RATIO, { orders: 0 }, 0],
    [RATIO, { orders: 2 }, undefined],
    [RATIO, { spend: 2 }, undefined],
    ['orders + 1', { orders: 4 }, 5],
    ['orders / 2', { orders: 5 }, 2],
    ['orders / 0', { orders: 5 }, undefined],
    ['orders * 9007199254740992', { orders: 1 }, undefined],
    ['orders * 9223372036854775807', { orders: 2 }, undefined],
    ['spend / 0.0', { spend: 1 }, undefined],
    ['spend - spend', { spend: 1 }, 0],
    ['-spend', { spend: 0 }, 0],
    ['0.1 + spend', { spend: 0.2 }, 0.30000000000000004],
    ['spend > 500.0', { spend: 500.01 }, true],
    ['spend > 500', { spend: 500 }, false],
    ['orders > 3.5', { orders: 4 }, true],
    ['spend > 1.0 && seen', { seen: false }, false],
    ['spend > 1.0 && seen', { seen: true }, undefined],
    ['spend > 1.0 || seen', { seen: true }, true],
    [`'has(computed.channel) ? channel : "none"'`, {}, 'none'],
    [`'has(computed.channel) ? channel : "none"'`, { channel: 'web' }, 'web'],
    ['has(computed.channel) && has(computed.first)', { channel: 'x' }, false],
    [`computed['channel']`, { channel: 'web' }, 'web'],
    ['low * 2.0', { low: 3 }, 6],
    ['constructor + computed.constructor', { constructor: 2 }, 4],
    ['free', { free: 'x' }, 'x'],
    ['free', { free: 3 }, 3],
    ['free', { free: null }, undefined],
    ['free == 3.0', { free: 3 }, true],
    [`free == 'x'`, { free: 3 }, false],
    ['free.a', { free: 3 }, undefined],
    ['prices', { prices: [] }, []],
    ['prices', { prices: [1, 2.5] }, [1, 2.5]],
    ['prices.map(p, p / 0.0)', { prices: [1] }, undefined],
    ['prices.exists(p, p > 2.0)', { prices: [1, 3] }, true],
    ['sizes.map(n, n + 1)', { sizes: [1, 2] }, [2, 3]],
    ['sizes[0] + orders', { sizes: [3], orders: 1 }, 4],
    ['sizes[0]', { sizes: [] }, undefined],
    ['tags[0]', { tags: [['a', 'b']] }, ['a', 'b']],
    [`'"a" in firstTags'`, { firstTags: ['a'] }, true],
    [`'[spend, double(orders)]'`, { spend: 1.5, orders: 2 }, [1.5, 2]],
    ['"[null]"', {}, undefined],
    ['cel.bind(n, orders + 1, n * n)', { orders: 2 }, 9],
    [`'profile.namespace + ":" + profile.id'`, {}, 'customerId:c-1'],
    [`'profile["id"]'`, {}, 'c-1'],
    [`timestamp(first) < timestamp('2026-01-01T00:00:00Z')`, { first: '2025-12-31T23:59:59.999Z' }, true],
    [`timestamp(first).getHours()`, { first: '2025-12-31T23:59:59.999Z' }, 23],
    ['1 + 1', {}, 2],
    ['channel + channel', { channel: 'x'.repeat(5_000) }, 'x'.repeat(10_000)],
    ['channel + channel', { channel: 'x'.repeat(5_001) }, undefined],
    ['channel', { channel: 'x'.repeat(10_001) }, undefined],
    ['size(prices + prices)', { prices: [1, 2] }, 4],
    ['prices + prices', { prices: Array.from({ length: 501 }, () => 1) }, undefined],
  ])('%s of %j', (text, values, expected) => expect(evaluate(text, values)).toEqual(expected));
});

describe('in the plan', () => {
  it('they come after what they name, else in the order of the attributes, and know their inputs', () => {
    const plan = compilePlan(
      load(
        file({ a: 'z && orders > 1', b: 'computed.spend > 1.0', m: `'a || b || profile.id == "x"'`, z: 'orders > 0 || seen' }),
      ),
    );
    const names = (indexes: readonly number[]): string[] => indexes.map((index) => plan.attributes[index]!.name);
    expect(names(plan.expressions)).toEqual(['b', 'z', 'a', 'm']);
    const inputs = (name: string): string[] => names(plan.attributes.find((each) => each.name === name)!.expression!.inputs);
    expect(['a', 'b', 'm', 'z'].map(inputs)).toEqual([['orders', 'z'], ['spend'], ['a', 'b'], ['orders', 'seen']]);
    expect(plan.attributes.find(({ name }) => name === 'a')).toMatchObject({
      measure: -1,
      slot: -1,
      limit: 0,
      window: { kind: 'lifetime' },
    });
    expect(plan.measures.flatMap(({ attributes }) => names(attributes))).not.toContain('a');
  });

  it('they are one after the other: an expression over an expression of type int gets an integer', () => {
    const plan = compilePlan(load(file({ half: 'orders / 2', more: 'half + 1' })));
    expect(valueIn(plan, 'more', { half: 2 })).toBe(3);
  });
});
