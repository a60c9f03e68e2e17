// What `path op value` means: kinds of values, missing ones, keys that need brackets.
import { describe, expect, test } from 'vitest';
import { parsePropertyFilter, passes } from '../../../src/shard/property_filter.ts';

const BODY = {
  commerce: { order: { priceTotal: 25, channel: 'web', paid: true, note: '10', lines: [1, 2], gift: null } },
  tags: { 'a>b': 'x', 'c"=d': 'y' },
};
const holds = (text: string): boolean => passes(BODY, parsePropertyFilter(text)!);

describe('what holds', () => {
  test.each([
    'commerce.order.priceTotal = 25',
    'commerce.order.priceTotal=25.0',
    'commerce.order.priceTotal >= 25',
    'commerce.order.priceTotal <= 2.5e1',
    'commerce.order.priceTotal > 3',
    'commerce.order.priceTotal != 24',
    'commerce.order.priceTotal != web',
    'commerce.order.priceTotal != "25"',
    'commerce.order.channel = web',
    'commerce.order.channel = "web"',
    'commerce.order.channel != app',
    'commerce.order.channel > app',
    'commerce.order.channel < xyz',
    'commerce.order.note = 10',
    'commerce.order.note < 9', // a text is compared as text
    'commerce.order.paid = true',
    'commerce.order.paid != false',
    'tags["a>b"] = x',
    'tags["c\\"=d"]=y',
  ])('%s', (text) => expect(holds(text)).toBe(true));
});

describe('what does not', () => {
  test.each([
    'commerce.order.priceTotal = 24',
    'commerce.order.priceTotal < 25',
    'commerce.order.priceTotal > 100', // not as texts
    'commerce.order.priceTotal = web',
    'commerce.order.priceTotal = "25"',
    'commerce.order.priceTotal > web',
    'commerce.order.channel != web',
    'commerce.order.channel = WEB',
    'commerce.order.missing = 1',
    'commerce.order.missing != 1',
    'commerce.order.gift != 1',
    'commerce.order.lines != 1',
    'commerce.order != 1',
    'commerce.order.lines.length = 2',
    'commerce.order.channel.length = 3',
    'constructor != 1',
    'commerce.order.paid > false',
    'nothing["x"].y != 1',
  ])('%s', (text) => expect(holds(text)).toBe(false));
});

test('an empty value is the empty text', () => {
  expect(passes({ a: '' }, parsePropertyFilter('a =')!)).toBe(true);
  expect(passes({ a: 0 }, parsePropertyFilter('a =')!)).toBe(false);
  expect(passes({ a: '' }, parsePropertyFilter('a = ""')!)).toBe(true);
});

test.each([
  '',
  'a',
  'a.b',
  '= 1',
  ' = 1',
  'a..b = 1',
  'a["b = 1',
  'a = "b',
  'a ~ 1',
  'a ! 1',
  'a == 1',
  'a => 1',
  'a =< 1',
  'a <> 1',
  'a = "b" c',
])("'%s' is no filter", (text) => expect(parsePropertyFilter(text)).toBeUndefined());
