import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/record/json.ts';
import { applyMergePatch } from '../../../src/record/merge_patch.ts';

/** RFC 7396 is about any JSON, a record is an object: what stands at the root in the RFC stands at `root` here. */
function patched(target: Json, patch: Json): Json | undefined {
  return applyMergePatch({ root: target }, { root: patch })['root'];
}

describe('the examples of RFC 7396, appendix A', () => {
  it.each<[Json, Json, Json | undefined]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, undefined], // at the RFC's root: null; a member that is patched with null is removed
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j patched with %j', (target, patch, expected) => {
    expect(patched(target, patch)).toEqual(expected);
  });

  it('and the one of its §3', () => {
    const target = {
      title: 'Goodbye!',
      author: { givenName: 'John', familyName: 'Doe' },
      tags: ['example', 'sample'],
      content: 'This will be unchanged',
    };
    const patch = { title: 'Hello!', phoneNumber: '+01-123-456-7890', author: { familyName: null }, tags: ['example'] };
    expect(applyMergePatch(target, patch)).toEqual({
      title: 'Hello!',
      author: { givenName: 'John' },
      tags: ['example'],
      content: 'This will be unchanged',
      phoneNumber: '+01-123-456-7890',
    });
  });
});

describe('a patch', () => {
  it('of nothing is a record without its nulls', () => {
    expect(applyMergePatch(undefined, { a: 1, b: null, c: { d: null, e: [null] } })).toEqual({ a: 1, c: { e: [null] } });
  });

  it('changes neither side, and shares what stays', () => {
    const target = Object.freeze({ keep: Object.freeze({ x: [1] }), go: 1, list: Object.freeze([1]) });
    const patch = Object.freeze({ go: null, list: Object.freeze({ $append: Object.freeze([2]) }) });
    const result = applyMergePatch(target, patch);
    expect(result).toEqual({ keep: { x: [1] }, list: [1, 2] });
    expect(result['keep']).toBe(target.keep);
  });

  it('with a field that has the name of something every object has', () => {
    const names = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', '__defineGetter__'];
    for (const name of names) {
      const set = applyMergePatch({}, { [name]: { [name]: 1 } });
      expect(JSON.stringify(set)).toBe(`{"${name}":{"${name}":1}}`);
      expect(JSON.stringify(applyMergePatch(set, { [name]: { x: 2 } }))).toBe(`{"${name}":{"${name}":1,"x":2}}`);
      expect(applyMergePatch(set, { [name]: null })).toEqual({});
      expect(applyMergePatch({}, { [name]: null })).toEqual({});
      expect(JSON.stringify(applyMergePatch({}, { [name]: { $append: [1] } }))).toBe(`{"${name}":[1]}`);
    }
  });
});

describe('$append and $remove', () => {
  it.each<[Json | undefined, JsonObject, Json]>([
    [[1, 2], { $append: [2, 3] }, [1, 2, 2, 3]],
    [[1, 2, 1], { $remove: [1] }, [2]],
    [[1, 2], { $append: [1], $remove: [1] }, [2, 1]], // removed first
    [[1], { $remove: [5] }, [1]],
    [undefined, { $append: ['a'] }, ['a']],
    [undefined, { $remove: ['a'] }, []],
    ['text', { $append: ['a'] }, ['a']], // no array there: an empty one
    [{ x: 1 }, { $append: [] }, []],
    [[{ a: 1, b: [2] }, { a: 1 }], { $remove: [{ b: [2], a: 1 }] }, [{ a: 1 }]],
    [[1, '1', true, 'true', null, 'null', [], {}, 0], { $remove: ['1', true, null, [], -0] }, [1, 'true', 'null', {}]],
    [[[1, 2], [2, 1], '[1,2]'], { $remove: [[1, 2]] }, [[2, 1], '[1,2]']],
    [[], { $append: [{ $append: [1] }] }, [{ $append: [1] }]], // inside of an array it means nothing
  ])('%j with %j', (before, change, expected) => {
    const target: JsonObject = before === undefined ? {} : { list: before };
    expect(applyMergePatch(target, { list: change })).toEqual({ list: expected });
  });

  it('reach an array deep down, and stand where nothing was at all', () => {
    expect(applyMergePatch({ a: { b: { c: [1] } } }, { a: { b: { c: { $append: [2] } } } })).toEqual({ a: { b: { c: [1, 2] } } });
    expect(applyMergePatch(undefined, { a: { b: { $append: [1] } } })).toEqual({ a: { b: [1] } });
  });

  it('removing as many items as a record holds takes no longer than reading them', () => {
    const list = Array.from({ length: 30_000 }, (_, i) => i);
    const others = list.map((i) => -1 - i);
    const startedMs = performance.now();
    expect(applyMergePatch({ list }, { list: { $remove: others } })['list']).toHaveLength(30_000);
    expect(performance.now() - startedMs).toBeLessThan(500); // each with each would be 900 million comparisons
  });
});
