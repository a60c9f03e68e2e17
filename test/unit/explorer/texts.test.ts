// How the page writes values, addresses and paths, and reads the stream of changes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alignedText, durationText, exactText, valueText, windowText } from '../../../src/explorer/format.js';
import { pathText, placesOf } from '../../../src/explorer/path.js';
import { hashOf, routeOf } from '../../../src/explorer/route.js';
import { EventParser } from '../../../src/explorer/sse.js';
import { pathText as workersPathText } from '../../../src/record/leaf_changes.ts';

const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });

describe('values', () => {
  test.each<[unknown, string, string]>([
    [undefined, '—', 'no value'],
    [true, 'yes', 'true'],
    ['web', 'web', 'web'],
    ['<b>', '<b>', '<b>'],
    [null, 'null', 'null'],
    [['a', 1], '["a",1]', '["a",1]'],
    [0.1234567, '0.123457', '0.1234567'],
  ])('%j reads %s', (value, text, exact) => {
    expect([valueText(value), exactText(value)]).toEqual([text, exact]);
  });

  test('those of a column have as many digits as the longest', () => {
    const text = alignedText([25, 9.99, 1e-7, 'web']);
    expect([25, 9.99, 'web'].map(text).map((each) => each.replace(',', '.'))).toEqual(['25.000000', '9.990000', 'web']);
    expect([1, 2].map(alignedText([1, 2]))).toEqual(['1', '2']);
  });

  test.each([
    [-5, '0 s'],
    [900, '1 s'],
    [59_000, '59 s'],
    [125_000, '2 min 05 s'],
    [7_260_000, '2 h 01 min'],
    [3 * 86_400_000, '3 days'],
  ])('%i ms are %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  test.each<[unknown, string]>([
    ['lifetime', 'all time'],
    [{ sliding: '30d' }, 'last 30d'],
    [{ calendar: 'day', count: 1 }, 'this day'],
    [{ calendar: 'month', count: 3 }, 'last 3 months'],
    [undefined, ''],
  ])('the window %j is %s', (window, text) => {
    expect(windowText(window)).toBe(text);
  });
});

describe('addresses', () => {
  test('an address leads where it was made for', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.option(anyText), (namespace, id, policy) => {
        fc.pre(namespace.isWellFormed() && id.isWellFormed() && (policy ?? '').isWellFormed());
        const route = { page: 'profile' as const, namespace, id, policy };
        expect(routeOf(hashOf(route))).toEqual(route);
      }),
    );
    for (const page of ['home', 'fields', 'definitions', 'shards'] as const) expect(routeOf(hashOf({ page }))).toEqual({ page });
  });

  test.each([
    '',
    '#',
    '#/nothing',
    '#/profile',
    '#/profile/customerId',
    '#/profile/customerId/',
    '#/profile/a/b/c',
    '#/profile/a/%ff',
  ])('%s leads home', (hash) => {
    expect(routeOf(hash)).toEqual({ page: 'home' });
  });
});

describe('paths', () => {
  test('are written as change events write them', () => {
    fc.assert(
      fc.property(fc.array(anyText), (path) => {
        expect(pathText(path)).toBe(workersPathText(path));
      }),
    );
  });

  test('every place of a tree, parents first', () => {
    const places = placesOf({ person: { name: { firstName: 'Ada' }, tags: ['a'] }, empty: {} }, 'attributes');
    expect(places.map(({ path, depth, leaf }) => [path, depth, leaf])).toEqual([
      ['attributes.person', 0, false],
      ['attributes.person.name', 1, false],
      ['attributes.person.name.firstName', 2, true],
      ['attributes.person.tags', 1, true],
      ['attributes.empty', 0, true],
    ]);
  });
});

describe('the stream of changes', () => {
  const text =
    'event: ready\nid: 1\ndata: {"version":3}\n\n: still here\n\nid: 2\n\nevent: change\r\nid: 3\r\ndata: a\r\ndata:  b\r\n\r\nretry: 10\ndata\n\nevent: lost\n\n';
  const expected = [
    { type: 'ready', data: '{"version":3}' },
    { type: 'change', data: 'a\n b' },
    { type: 'message', data: '' },
  ];

  test('is read in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const parser = new EventParser();
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        expect(at.slice(1).flatMap((end, n) => parser.push(text.slice(at[n], end)))).toEqual(expected);
        expect(parser.lastId).toBe('3');
      }),
    );
  });

  test('a place without an event is remembered too', () => {
    const parser = new EventParser();
    expect(parser.push('id: 7\n\n')).toEqual([]);
    expect(parser.lastId).toBe('7');
    parser.push('id: 8\n');
    expect(parser.lastId).toBe('7'); // it is not whole yet
  });
});
