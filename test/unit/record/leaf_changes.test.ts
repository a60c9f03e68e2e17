import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/record/json.ts';
import { leafChanges, parsePath, pathText } from '../../../src/record/leaf_changes.ts';

const HOSTILE = [
  '',
  '.',
  '[',
  ']',
  '"',
  '\\',
  '["a"]',
  'a.b',
  '\\"]',
  'constructor',
  'toString',
  'é',
  '😀',
  '\ud800',
  '\0',
  '\n',
  ' ',
];
const key = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' }), fc.string());

describe('the name of a place', () => {
  it.each<[readonly string[], string]>([
    [['person', 'name', 'firstName'], 'person.name.firstName'],
    [['emails', 'ada@x.y'], 'emails["ada@x.y"]'],
    [['a', 'b c', 'd'], 'a["b c"].d'],
    [['xdm:a', '_b', '$c', 'd-1', 'e@f'], 'xdm:a._b.$c.d-1.e@f'],
    [[''], '[""]'],
    [['', 'a'], '[""].a'],
    [['a', '"'], 'a["\\""]'],
    [[], ''],
  ])('%j is %s', (path, text) => {
    expect(pathText(path)).toBe(text);
    expect(parsePath(text)).toEqual(path);
  });

  it('leads back to it, whatever the keys', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 6 }), (path) => {
        expect(parsePath(pathText(path))).toEqual(path);
      }),
      { numRuns: 2_000, seed: 1 },
    );
  });

  it('is that of one place only', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 3 }), fc.array(key, { maxLength: 3 }), (a, b) => {
        expect(pathText(a) === pathText(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      { numRuns: 2_000, seed: 2 },
    );
  });

  it.each([
    '.',
    'a.',
    '.a',
    'a..b',
    '[',
    '[]',
    '[a]',
    '["a"',
    '["a"x',
    'a["b"]c',
    'a.["b"]',
    '["\\"]',
    '["\n"]',
    '[1]',
    '["\\x"]',
  ])('%j is none', (text) => {
    expect(parsePath(text)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('[', ']', '"', '\\', '.', 'a', 'u', '0') }), (text) => {
        const path = parsePath(text);
        if (path !== undefined) expect(parsePath(pathText(path))).toEqual(path);
      }),
      { numRuns: 3_000, seed: 3 },
    );
  });
});

/** `path: before -> after` of each change. */
function changes(before: JsonObject, after: JsonObject): string[] {
  return leafChanges(before, after, 'attributes').map(
    (change) => `${change.path}: ${JSON.stringify(change.before)} -> ${JSON.stringify(change.after)}`,
  );
}

describe('what changed', () => {
  it.each<[JsonObject, JsonObject, string[]]>([
    [{}, {}, []],
    [{ a: 1, b: { c: [1] } }, { b: { c: [1] }, a: 1 }, []],
    [
      {},
      { a: 1, b: { c: null, d: {} } },
      ['attributes.a: undefined -> 1', 'attributes.b.c: undefined -> null', 'attributes.b.d: undefined -> {}'],
    ],
    [{ a: 1, b: { c: 2 } }, {}, ['attributes.a: 1 -> undefined', 'attributes.b.c: 2 -> undefined']],
    [{ a: 1 }, { a: 2 }, ['attributes.a: 1 -> 2']],
    [{ a: [1, 2] }, { a: [2, 1] }, ['attributes.a: [1,2] -> [2,1]']],
    [{ a: [{ x: 1, y: 2 }] }, { a: [{ y: 2, x: 1 }] }, []],
    [{ a: 1 }, { a: { b: 2 } }, ['attributes.a: 1 -> undefined', 'attributes.a.b: undefined -> 2']],
    [
      { a: { b: 2, c: 3 } },
      { a: 1 },
      ['attributes.a.b: 2 -> undefined', 'attributes.a.c: 3 -> undefined', 'attributes.a: undefined -> 1'],
    ],
    [{ a: { b: 2 } }, { a: {} }, ['attributes.a.b: 2 -> undefined', 'attributes.a: undefined -> {}']],
    [{ a: {} }, { a: { b: 2 } }, ['attributes.a: {} -> undefined', 'attributes.a.b: undefined -> 2']],
    [{ a: {} }, { a: null }, ['attributes.a: {} -> null']],
    [{ a: { b: 1 } }, { a: [] }, ['attributes.a.b: 1 -> undefined', 'attributes.a: undefined -> []']],
    [{ 'a b': { 'c.d': 1 } }, { 'a b': { 'c.d': 2 } }, ['attributes["a b"]["c.d"]: 1 -> 2']],
    [
      { z: 1, a: 1, gone: 1 },
      { z: 2, new: 1, a: 2 },
      ['attributes.z: 1 -> 2', 'attributes.new: undefined -> 1', 'attributes.a: 1 -> 2', 'attributes.gone: 1 -> undefined'],
    ],
  ])('from %j to %j', (before, after, expected) => {
    expect(changes(before, after)).toEqual(expected);
  });

  it('with fields that have the names of what every object has', () => {
    const names = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__'];
    for (const name of names) {
      expect(leafChanges({}, { [name]: 1 }, 'p')).toEqual([{ path: `p.${name}`, before: undefined, after: 1 }]);
      expect(leafChanges({ [name]: { [name]: 1 } }, {}, 'p')).toEqual([
        { path: `p.${name}.${name}`, before: 1, after: undefined },
      ]);
    }
  });

  it('of the very same tree is nothing, without a look at it', () => {
    const tree = new Proxy<JsonObject>({}, { ownKeys: () => expect.unreachable() });
    expect(leafChanges(tree, tree, 'p')).toEqual([]);
  });
});

/** Milliseconds: the best of some runs, so that other work on the machine does not count. */
function bestMs(run: () => void): number {
  let best = Infinity;
  for (let i = 0; i < 15; i++) {
    const startedMs = performance.now();
    run();
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}

describe('the time it takes', () => {
  const wide = (value: string): JsonObject =>
    Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [
        `group${i}`,
        Object.fromEntries(Array.from({ length: 50 }, (_unused, j) => [`field${j}`, value + i * j])),
      ]),
    );

  it('is short for a record of 100 KB, the same or changed everywhere', () => {
    const [before, same, after] = [wide('before'), wide('before'), wide('after-')];
    expect(JSON.stringify(before).length).toBeGreaterThan(90_000);
    expect(leafChanges(before, after, 'attributes')).toHaveLength(5_000);
    expect(bestMs(() => leafChanges(before, after, 'attributes'))).toBeLessThan(15); // about 2; room for a slower machine
    expect(bestMs(() => leafChanges(before, same, 'attributes'))).toBeLessThan(15);
  });

  it('stays in proportion for the worst that the door lets in: 16 deep, long names, many leaves', () => {
    let deep: JsonObject = Object.fromEntries(Array.from({ length: 9_000 }, (_, i) => [`"${i.toString(36)}`, 1]));
    for (let i = 0; i < 14; i++) deep = { ['"'.repeat(33)]: deep };
    let length = 0;
    const ms = bestMs(() => {
      length = 0;
      for (const { path } of leafChanges({}, deep, 'attributes')) length += Buffer.byteLength(path);
    });
    expect(length).toBeGreaterThan(8_000_000); // every name is there, in full
    expect(ms).toBeLessThan(150);
  });
});
