import { describe, expect, it } from 'vitest';
import { leafName, leafPath, leavesOf, namedLeaves, treeOf, type Tree } from '../../../src/oracle/json_tree.ts';

const TREE: Tree = {
  person: { name: { firstName: 'Ada' }, nickNames: ['a', { b: [] }], empty: {} },
  'a.b': { '': null, ']': 1, 'quo"te': 2, 'back\\slash': 3 },
  constructor: { __x: true },
  é: { '\ud800': 0 },
  $plain_1: { 'a-b:c@d': 'x' },
};

describe('leaves', () => {
  it('are all that is not an object with members, each under its own name', () => {
    expect(Object.fromEntries(namedLeaves(TREE))).toEqual({
      'attributes.person.name.firstName': 'Ada',
      'attributes.person.nickNames': ['a', { b: [] }],
      'attributes.person.empty': {},
      'attributes["a.b"][""]': null,
      'attributes["a.b"]["]"]': 1,
      'attributes["a.b"]["quo\\"te"]': 2,
      'attributes["a.b"]["back\\\\slash"]': 3,
      'attributes.constructor.__x': true,
      'attributes["é"]["\\ud800"]': 0,
      'attributes.$plain_1.a-b:c@d': 'x',
    });
    expect(leavesOf({})).toEqual([]);
  });

  it('make the tree again, in any order', () => {
    expect(treeOf(leavesOf(TREE).reverse())).toEqual(TREE);
    const named = [...namedLeaves(TREE)].map(([name, value]) => ({ path: leafPath(name), value }));
    expect(treeOf(named)).toEqual(TREE);
    for (const { path } of named) expect(leafPath(leafName(path))).toEqual(path);
  });

  it.each([
    [['a'], ['a', 'b']],
    [['a', 'b'], ['a']],
    [['a'], ['a']],
    [[], []],
  ])('at %j and %j are of no tree', (one, other) => {
    expect(treeOf([one, other].map((path) => ({ path, value: 1 })))).toBeUndefined();
  });

  it.each(['attributes..a', 'attributes.a.', 'attributes[1]', 'attributes["a"', 'attributes["a]', 'other.a', 'attributesx'])(
    '%s is no name',
    (name) => {
      expect(() => leafPath(name)).toThrow(expect.objectContaining({ code: 'bad_leaf_name' }) as Error);
    },
  );
});
