import { describe, expect, it } from 'vitest';
import { joinBody, mergePatch, partBody } from '../../../src/oracle/patch_record.ts';
import type { JsonValue, Tree } from '../../../src/oracle/json_tree.ts';

describe('RFC 7396, appendix A', () => {
  it.each<[JsonValue, JsonValue, JsonValue]>([
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
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j patched with %j is %j', (target, patch, result) => {
    const given = JSON.stringify([target, patch]);
    expect(mergePatch(target, patch)).toEqual(result);
    expect(JSON.stringify([target, patch])).toBe(given);
  });

  it('of keys that every object has, and of keys that look like paths', () => {
    expect(mergePatch({ a: 1 }, { constructor: { x: null }, 'a.b': 1, '': 2 })).toEqual({
      a: 1,
      constructor: {},
      'a.b': 1,
      '': 2,
    });
    expect(mergePatch({ toString: 1 }, { toString: null, hasOwnProperty: null })).toEqual({});
  });
});

describe('changes of arrays', () => {
  it.each<[JsonValue | undefined, JsonValue, JsonValue]>([
    [{ a: [1] }, { a: { $append: [2, 1] } }, { a: [1, 2, 1] }],
    [{ a: [1, '1', 1, [1], { x: 1, y: 2 }] }, { a: { $remove: [1, [1], { y: 2, x: 1 }] } }, { a: ['1'] }],
    [{ a: [1, 2] }, { a: { $append: [2, null], $remove: [2] } }, { a: [1, 2, null] }],
    [{ a: 'no array' }, { a: { $append: [1] } }, { a: [1] }],
    [{ a: { $append: [7] } }, { a: { $remove: [7] } }, { a: [] }],
    [undefined, { a: { $append: [1] }, b: { $remove: [1] } }, { a: [1], b: [] }],
    [undefined, { a: [{ $append: [1] }] }, { a: [{ $append: [1] }] }],
  ])('%j patched with %j is %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });
});

describe('a body', () => {
  const parted = (body: Tree): unknown => {
    const { record, envelope } = partBody(body);
    return [record, envelope];
  };

  it('is parted into record and envelope', () => {
    const extSourceSystemAudit = { lastUpdatedDate: 't', createdBy: 'x' };
    expect(parted({ _id: 'i', identityMap: {}, a: 1, extSourceSystemAudit })).toEqual([
      { a: 1, extSourceSystemAudit: { createdBy: 'x' } },
      { _id: 'i', identityMap: {}, extSourceSystemAudit: { lastUpdatedDate: 't' } },
    ]);
    expect(parted({ extSourceSystemAudit: { lastUpdatedDate: 't' } })).toEqual([
      {},
      { extSourceSystemAudit: { lastUpdatedDate: 't' } },
    ]);
    expect(parted({ extSourceSystemAudit: 'text' })).toEqual([{ extSourceSystemAudit: 'text' }, {}]);
    expect(parted({ extSourceSystemAudit: {} })).toEqual([{ extSourceSystemAudit: {} }, {}]);
  });

  it('is joined again for its schema', () => {
    const envelope = { _id: 'i', extSourceSystemAudit: { lastUpdatedDate: 't' } };
    expect(joinBody({ a: 1, extSourceSystemAudit: { createdBy: 'x' } }, envelope)).toEqual({
      _id: 'i',
      a: 1,
      extSourceSystemAudit: { createdBy: 'x', lastUpdatedDate: 't' },
    });
    expect(joinBody({ extSourceSystemAudit: 'text' }, envelope)).toEqual(envelope);
  });
});
