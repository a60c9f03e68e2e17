import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, isJsonObject, sameJson, type Json } from '../../../src/record/json.ts';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
/** Values that are close to each other. */
const near = fc.oneof(
  fc.constantFrom<Json>(null, 0, -0, 1, '1', '', 'a', true, false, [], {}, [[]], [{}], { a: [] }, { a: {} }, { a: null }),
  fc.constantFrom<Json>({ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, { a: 1, b: null }, { 'a":1,"b': 2 }, [1, 2], ['1,2'], [1, '2']),
  fc.array(fc.constantFrom<Json>(0, 1, '0', null, {}), { maxLength: 2 }),
  json,
);

/** Structural equality, by another way: every place with its value, in no order. */
function places(value: Json, at = '$'): string[] {
  if (Array.isArray(value))
    return [`${at}=[${value.length}]`, ...value.flatMap((item, i) => places(item as Json, `${at}[${i}]`))];
  if (!isJsonObject(value)) return [`${at}=${JSON.stringify(value)}`];
  return [`${at}={}`, ...Object.entries(value).flatMap(([key, item]) => places(item, `${at}.${JSON.stringify(key)}`))];
}
const byPlaces = (a: Json, b: Json): boolean => places(a).sort().join('\n') === places(b).sort().join('\n');

/** The same with the members of every object in the other order. */
function turned(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(turned);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, turned(item)]),
  );
}

describe('the same JSON', () => {
  it('is what has the same value at every place', () => {
    let same = 0;
    fc.assert(
      fc.property(near, near, (a, b) => {
        const expected = byPlaces(a, b);
        if (expected) same++;
        expect(sameJson(a, b)).toBe(expected);
        expect(canonicalText(a) === canonicalText(b)).toBe(expected);
      }),
      { numRuns: 3_000, seed: 1 },
    );
    expect(same).toBeGreaterThan(20);
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(sameJson(value, turned(value))).toBe(true);
        expect(canonicalText(value)).toBe(canonicalText(turned(value)));
        expect(sameJson(JSON.parse(canonicalText(value)) as Json, value)).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it('knows its own keys from those that every object has', () => {
    expect(sameJson({ toString: 1 }, { valueOf: 1 })).toBe(false);
    expect(sameJson({ constructor: {} }, { x: {} })).toBe(false);
    expect(sameJson(undefined, undefined)).toBe(true);
    expect(sameJson(undefined, null)).toBe(false);
    expect(sameJson({}, [])).toBe(false);
  });
});

it('an object is neither null nor an array', () => {
  expect([{}, { a: 1 }].every(isJsonObject)).toBe(true);
  expect([null, [], 'a', 1, true, undefined].some(isJsonObject)).toBe(false);
});
