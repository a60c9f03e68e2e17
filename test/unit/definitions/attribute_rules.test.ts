// What each function and window takes and refuses, in the exact words.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { loadDefinitionsFile, parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { attribute, load, mistakesOf, withAttributes, writeFiles } from './definitions_files.ts';

const one = (rest: string): string[] => mistakesOf(() => load(withAttributes(attribute('a', rest))));
const SUPPORTED = 'supported: lifetime, { sliding: 30d }, { calendar: month, count: 1 }';

describe('every function', () => {
  it.each([
    'function: count, window: { calendar: day }',
    'function: average, value: event.price, window: { sliding: 1h }',
    'function: earliest, value: event.tags, window: lifetime',
    'function: earliest, value: event.gift, window: { calendar: month, count: 60 }',
    'function: list, value: event.channel, window: lifetime',
    'function: list, value: event.tags, limit: 500, window: { calendar: week, count: 104 }',
    'function: list, value: event.free, limit: 1, window: { sliding: 1ms }',
    'function: countDistinct, value: event.channel, window: { calendar: day, count: 366 }',
    'function: countDistinct, value: event.price, window: lifetime',
    'function: exists, filter: event.gift, eventTypes: [x], window: { sliding: 7d }',
    'function: exists, window: lifetime, audience: true',
    'function: exists, window: lifetime, audience: false',
    'function: expression, expression: "1 + 1"',
    'function: count, window: lifetime, revision: 3',
  ])('takes %s', (rest) => expect(one(rest)).toEqual([]));

  it.each([
    [
      'exists with a value',
      'function: exists, value: event.price, window: lifetime',
      [`20:45 exists takes no 'value': it is true while any event passes the filter`],
    ],
    ['average without a value', 'function: average, window: lifetime', [`20:3 'value' is missing: average needs one`]],
    [
      'average of a text',
      'function: average, value: event.channel, window: lifetime',
      [`20:53 value of 'a': average needs a number; this value is of type string`],
    ],
    [
      'earliest of an object',
      'function: earliest, value: event.order, window: lifetime',
      [`20:54 value of 'a': earliest needs a text, number, boolean or a list of them; this value is an object`],
    ],
    [
      'a list of objects',
      'function: list, value: event.order, window: lifetime',
      [`20:50 value of 'a': list needs a text, number, boolean or a list of them; this value is an object`],
    ],
    [
      'countDistinct of a list',
      'function: countDistinct, value: event.tags, window: lifetime',
      [`20:59 value of 'a': countDistinct needs a text, number or boolean; this value is of type list<string>`],
    ],
    [
      'a limit of another function',
      'function: count, limit: 3, window: lifetime',
      [`20:44 'limit' goes with 'function: list' only`],
    ],
    ['a limit of 0', 'function: list, value: event.price, limit: 0, window: lifetime', [`20:70 'limit' must be at least 1`]],
    ['a limit of 501', 'function: list, value: event.price, limit: 501, window: lifetime', [`20:70 'limit' must be at most 500`]],
    [
      'half a limit',
      'function: list, value: event.price, limit: 1.5, window: lifetime',
      [`20:70 'limit' must be a whole number, not a number`],
    ],
    [
      'an expression with another function',
      'function: count, expression: "1 > 0", window: lifetime',
      [`20:44 'expression' goes with 'function: expression' only`],
    ],
    ['no expression', 'function: expression', [`20:3 'expression' is missing: function expression computes what stands there`]],
    ['an empty expression', 'function: expression, expression: ""', [`20:61 'expression' must not be empty`]],
    [
      'an expression with everything else',
      'function: expression, expression: "1 > 0", window: lifetime, filter: event.gift, value: event.price, eventTypes: [x], limit: 3',
      [
        `20:70 an expression takes no 'window': the attributes that it names have theirs`,
        `20:88 an expression takes no 'filter': it reads attributes, not events`,
        `20:108 an expression takes no 'value': it reads attributes, not events; what it computes stands under 'expression'`,
        `20:128 an expression takes no 'eventTypes': it reads attributes, not events`,
        `20:145 an expression takes no 'limit': only list has one`,
      ],
    ],
    [
      'an audience that counts',
      'function: count, window: lifetime, audience: true',
      [`20:62 an audience is true or false: exists, or an expression over 'a'; count is neither`],
    ],
    [
      'an audience of the latest boolean',
      'function: mostRecent, value: event.gift, window: lifetime, audience: true',
      [`20:86 an audience is true or false: exists, or an expression over 'a'; mostRecent is neither`],
    ],
    [
      'an audience that is a number',
      'function: expression, expression: 1 + 1, audience: true',
      [`20:68 an audience is true or false: this expression is of type int`],
    ],
    [
      'an audience that may be anything',
      'function: expression, expression: dyn(1), audience: true',
      [`20:69 an audience is true or false: this expression is of type dyn; compare it, for example == true`],
    ],
    ['a revision of 0', 'function: count, window: lifetime, revision: 0', [`20:72 'revision' must be at least 1`]],
  ])('refuses %s', (_name, rest, expected) => expect(one(rest)).toEqual(expected));
});

describe('every window', () => {
  it.each([
    ['no window', '', `20:3 'window' is missing; ${SUPPORTED}`],
    ['a word', ', window: forever', `20:52 unsupported value 'forever' of 'window'; ${SUPPORTED}`],
    ['an empty one', ', window: {}', `20:52 a window needs 'sliding' or 'calendar'; ${SUPPORTED}`],
    ['both', ', window: { sliding: 1d, calendar: day }', `20:67 a window is 'sliding' or 'calendar', not both`],
    [
      'an unknown unit',
      ', window: { calendar: months }',
      `20:64 unsupported value 'months' of 'calendar' (did you mean 'month'?); supported: day, week, month`,
    ],
    ['a year', ', window: { calendar: year }', `20:64 unsupported value 'year' of 'calendar'; supported: day, week, month`],
    ['a number', ', window: { calendar: 3 }', `20:64 unsupported value 3 of 'calendar'; supported: day, week, month`],
    [
      'no units',
      ', window: { calendar: day, count: 0 }',
      `20:76 'count' must be a whole number between 1 and 366 days; 0 is not`,
    ],
    [
      'too many days',
      ', window: { calendar: day, count: 367 }',
      `20:76 'count' must be a whole number between 1 and 366 days; 367 is not`,
    ],
    [
      'too many weeks',
      ', window: { calendar: week, count: 105 }',
      `20:77 'count' must be a whole number between 1 and 104 weeks; 105 is not`,
    ],
    [
      'too many months',
      ', window: { calendar: month, count: 61 }',
      `20:78 'count' must be a whole number between 1 and 60 months; 61 is not`,
    ],
    [
      'half a month',
      ', window: { calendar: month, count: 1.5 }',
      `20:78 'count' must be a whole number between 1 and 60 months; 1.5 is not`,
    ],
    ['a count of a sliding one', ', window: { sliding: 1d, count: 2 }', `20:67 'count' goes with 'calendar' only`],
    [
      'an unknown key',
      ', window: { slidng: 1d }',
      `20:54 unknown key 'slidng' (did you mean 'sliding'?); known here: sliding, calendar, count`,
    ],
  ])('refuses %s', (_name, rest, expected) => expect(one(`function: count${rest}`)).toEqual([expected]));
});

describe('the canonical text', () => {
  it('leaves out what says nothing: the hash of the first release stays', () => {
    const text = readFileSync(join(import.meta.dirname, 'first_release.yaml'), 'utf8');
    const document = loadDefinitionsFile(join(writeFiles({ 'definitions.yaml': text }), 'definitions.yaml'));
    expect(document.hash).toBe('51d5b685f08c9a91bbd12c58972cec24de7a7a930397d7b3f2b628f49d7f3599');
    expect(compilePlan(document).measures.map(({ id, text: measure }) => [id, measure])).toEqual([
      [
        3761638637,
        `[["commerce.purchases"],"event.commerce.order.channel == 'web' && event.commerce.order.priceTotal > 0.0",null]`,
      ],
      [2369951240, `[["commerce.purchases"],"event.commerce.order.priceTotal >= 100.0","event.commerce.order.priceTotal"]`],
      [1550137017, `[["commerce.purchases"],null,"event.commerce.order.channel"]`],
      [1417976921, `[["commerce.purchases"],null,"event.commerce.order.priceTotal"]`],
      [1176142344, `[["commerce.purchases"],null,null]`],
    ]);
  });

  const canonical = (rest: string): string => load(withAttributes(attribute('a', rest))).canonical;

  it('writes defaults of new keys in one way', () => {
    const list = 'function: list, value: event.price, window: lifetime';
    expect(canonical(list)).toBe(canonical(`${list}, limit: 50, audience: false, revision: 1`));
    expect(canonical(list)).toContain('"limit":50');
    const month = canonical('function: count, window: { calendar: month }');
    expect(month).toBe(canonical('function: count, window: { calendar: month, count: 1 }'));
    expect(month).toContain('"window":{"calendar":"month","count":1}');
    expect(canonical('function: expression, expression: " 1 > 0 "')).toContain(
      '{"class":"individual","expression":"1 > 0","function":"expression"}',
    );
    expect(canonical('function: exists, window: lifetime, audience: true, revision: 2')).toContain(
      '"audience":true,"class":"individual","function":"exists","revision":2',
    );
  });

  it('comes back as it was', () => {
    const document = load(
      withAttributes(
        attribute('l', 'function: list, value: event.price, limit: 3, window: { calendar: week, count: 2 }, revision: 4'),
        attribute('x', 'function: expression, expression: size(l) > 2, audience: true'),
      ).replace('profile: true', 'profile: true, revision: 2'),
    );
    expect(parseDefinitionsDocument(document.canonical)).toEqual(document);
    expect(document.data.datasets.get('orders')).toEqual({ schema: 'purchase', profile: true, timeToLiveMs: null, revision: 2 });
  });
});
