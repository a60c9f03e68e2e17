import { describe, expect, it } from 'vitest';
import { valueAt } from '../../../src/base/value_at.ts';
import type { JsonObject } from '../../../src/record/json.ts';
import { merged, ranked, sourcesAt, type MergePolicy, type MergeSource } from '../../../src/record/merge_policy.ts';

const NEWEST: MergePolicy = { name: 'default', isDefault: true, stitching: 'none', order: null };
const ordered = (...order: number[]): MergePolicy => ({ name: 'p', isDefault: false, stitching: 'none', order });

/** @param lastUpdatedMs the higher, the stronger under NEWEST */
function source(name: string, lastUpdatedMs: number, record: JsonObject, more: Partial<MergeSource> = {}): MergeSource {
  return { dataset: name.charCodeAt(0) - 97, name, identity: 'customerId.ada', lastUpdatedMs, sequence: 1, record, ...more };
}

describe('who is stronger', () => {
  const names = (sources: readonly MergeSource[], policy: MergePolicy) =>
    ranked(sources, policy).map(({ name, sequence, identity }) => `${name} ${sequence} ${identity.slice(11)}`);

  it('the newer; then the later; then by name; then by identity', () => {
    const sources = [
      source('a', 1, {}),
      source('b', 2, {}, { sequence: 5 }),
      source('c', 2, {}, { sequence: 6 }),
      source('e', 2, {}, { sequence: 5, identity: 'customerId.bob' }),
      source('e', 2, {}, { sequence: 5 }),
      source('d', 2, {}, { sequence: 5 }),
    ];
    const expected = ['c 6 ada', 'b 5 ada', 'd 5 ada', 'e 5 ada', 'e 5 bob', 'a 1 ada'];
    expect(names(sources, NEWEST)).toEqual(expected);
    expect(names([...sources].reverse(), NEWEST)).toEqual(expected);
  });

  it('by the order of datasets, whatever their age; those not listed take no part', () => {
    const sources = [source('a', 9, {}), source('b', 1, {}), source('c', 5, {}), source('c', 6, {}, { sequence: 2 })];
    expect(names(sources, ordered(1, 2))).toEqual(['b 1 ada', 'c 2 ada', 'c 1 ada']);
    expect(names(sources, ordered())).toEqual([]);
  });
});

describe('the merged profile', () => {
  it('has each leaf of the strongest that has it; objects merge key by key', () => {
    const crm = source('a', 2, { name: { first: 'Ada' }, tags: ['x'] });
    const loyalty = source('b', 1, { name: { first: 'A.', last: 'Lovelace' }, tags: ['y', 'z'], tier: 'gold' });
    const expected = { name: { first: 'Ada', last: 'Lovelace' }, tags: ['x'], tier: 'gold' };
    expect(merged([crm, loyalty], NEWEST)).toEqual(expected);
    expect(merged([loyalty, crm], NEWEST)).toEqual(expected);
    expect(merged([crm, loyalty], ordered(1, 0))).toEqual({
      name: { first: 'A.', last: 'Lovelace' },
      tags: ['y', 'z'],
      tier: 'gold',
    });
    expect(merged([crm, loyalty], ordered(1))).toEqual(loyalty.record);
  });

  it.each<[string, JsonObject[], JsonObject]>([
    ['a leaf hides an object', [{ k: 5 }, { k: { x: 1 } }], { k: 5 }],
    ['an object hides a leaf', [{ k: { x: 1 } }, { k: 5 }], { k: { x: 1 } }],
    ['and merges with an object beyond the leaf', [{ k: { x: 1 } }, { k: 5 }, { k: { y: 2 } }], { k: { x: 1, y: 2 } }],
    ['an array is one leaf', [{ k: [] }, { k: [1] }, { k: { x: 1 } }], { k: [] }],
    ['null is a leaf', [{ k: null }, { k: 1 }], { k: null }],
    ['an object without members gives way to members', [{ k: {} }, { k: { x: 1 } }], { k: { x: 1 } }],
    ['but not to a leaf', [{ k: {} }, { k: 1 }], { k: {} }],
    ['and is there where nobody has members', [{ k: {} }, { k: {} }], { k: {} }],
    ['deep down', [{ a: { b: { c: 1 } } }, { a: { b: { d: 2 }, e: 3 } }, { a: 4 }], { a: { b: { c: 1, d: 2 }, e: 3 } }],
    [
      'names that every object has',
      [{ toString: 1 }, { constructor: { valueOf: 1 } }, JSON.parse('{"constructor":{"x":2},"toString":{"y":1}}') as JsonObject],
      JSON.parse('{"toString":1,"constructor":{"valueOf":1,"x":2}}') as JsonObject,
    ],
  ])('%s', (_, records, expected) => {
    const sources = records.map((record, i) => source(String.fromCharCode(97 + i), 100 - i, record));
    expect(JSON.parse(JSON.stringify(merged(sources, NEWEST)))).toEqual(expected);
  });

  it('of nobody is empty; of one it is the record itself, not a copy', () => {
    const only = source('a', 1, { a: { b: 1 } });
    expect(merged([], NEWEST)).toEqual({});
    expect(merged([only], NEWEST)).toBe(only.record);
    expect(merged([only, source('b', 9, { c: 1 })], ordered(0))).toBe(only.record);
  });

  it('changes no source', () => {
    const deepFreeze = (value: JsonObject): JsonObject => {
      for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) deepFreeze(item as JsonObject);
      return Object.freeze(value);
    };
    const sources = [{ a: { b: 1 } }, { a: { c: { d: 2 } } }, { a: { c: { e: 3 } } }].map((record, i) =>
      source(String.fromCharCode(97 + i), -i, deepFreeze(record)),
    );
    expect(merged(sources, NEWEST)).toEqual({ a: { b: 1, c: { d: 2, e: 3 } } });
  });

  it('of 50 large sources takes time in proportion to what they say', () => {
    const sources = Array.from({ length: 50 }, (_, i) =>
      source(`d${i}`, i, Object.fromEntries(Array.from({ length: 2_000 }, (_unused, j) => [`key-${i}-${j}`, { a: 1 }]))),
    );
    const startedMs = performance.now();
    expect(Object.keys(merged(sources, NEWEST))).toHaveLength(100_000);
    expect(performance.now() - startedMs).toBeLessThan(1_500); // about 80; asking every source for every key takes ten times that
  });
});

describe('who says what about a place', () => {
  const said = (records: readonly JsonObject[], path: readonly string[], policy = NEWEST): string[] =>
    sourcesAt(
      records.map((record, i) => source(String.fromCharCode(97 + i), 100 - i, record)),
      policy,
      path,
    ).map((each) => `${each.source.name}=${JSON.stringify(each.value)}`);

  it('the strongest first, the silent left out', () => {
    expect(said([{ x: 1 }, { k: { v: 1 } }, { k: { v: 2 } }, { k: { w: 3 } }], ['k', 'v'])).toEqual(['b=1', 'c=2']);
    expect(said([{ k: 1 }, { k: 2 }], ['k'], ordered(1))).toEqual(['b=2']);
    expect(said([{ k: { v: 1 } }, { k: 5 }], ['k'])).toEqual(['a={"v":1}', 'b=5']);
    expect(said([{ k: 1 }], ['toString'])).toEqual([]);
    expect(said([], ['k'])).toEqual([]);
  });

  it('nobody where a leaf of a stronger one hides the place', () => {
    expect(said([{ k: 5 }, { k: { v: 1 } }], ['k', 'v'])).toEqual([]);
    expect(said([{ k: { v: 5 } }, { k: { v: { w: 1 } } }], ['k', 'v', 'w'])).toEqual([]);
    expect(said([{ k: {} }, { k: 5 }, { k: { v: 1 } }], ['k', 'v'])).toEqual(['c=1']); // the first makes it an object
    expect(said([{ k: { v: 1 } }, { k: 5 }, { k: { v: 2 } }], ['k', 'v'])).toEqual(['a=1', 'c=2']);
  });
});

it('a value at a place goes through objects only', () => {
  const record = { a: { b: [{ c: 1 }] } };
  expect(valueAt(record, ['a', 'b'])).toBe(record.a.b);
  expect(valueAt(record, [])).toBe(record);
  for (const path of [['a', 'x'], ['a', 'b', '0'], ['a', 'b', 'length'], ['toString']])
    expect(valueAt(record, path)).toBeUndefined();
});
