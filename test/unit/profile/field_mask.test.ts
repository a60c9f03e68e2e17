// Which fields of a profile are asked for, and what is left of it.
import { describe, expect, test } from 'vitest';
import { askedField, masked, maskOf, splitFields } from '../../../src/profile/field_mask.ts';
import type { ProfileView } from '../../../src/profile/view.ts';

const COMPUTED = new Set(['spend30d', 'vip', 'person']);
const view: ProfileView = {
  profile: { namespace: 'customerId', id: 'c' },
  identities: [{ namespace: 'customerId', id: 'c', primary: true }],
  attributes: {
    spend30d: 'a record field of that name',
    person: { name: { firstName: 'Ada', lastName: 'L' }, age: 36 },
    emails: { 'a,b@x.y': { verified: true } },
    tags: ['a', 'b'],
    nothing: null,
  },
  computed: { spend30d: { value: 5 }, vip: { value: true }, person: { value: 1 } },
  audiences: ['vip'],
  policy: 'default',
  version: 3,
  shard: 1,
  sequence: 9,
  time: '2026-03-10T09:00:00.000Z',
};
const before = JSON.stringify(view);

const only = (...fields: string[]): Pick<ProfileView, 'attributes' | 'computed' | 'audiences'> => {
  const { attributes, computed, audiences, ...rest } = masked(view, maskOf(fields.map((field) => askedField(field, COMPUTED))));
  const { attributes: _, computed: __, audiences: ___, ...always } = view;
  expect(rest).toEqual(always);
  expect(JSON.stringify(view)).toBe(before);
  return { attributes, computed, audiences };
};

describe('what is left', () => {
  test.each<[string, string[], Partial<ReturnType<typeof only>>]>([
    ['a computed attribute', ['vip'], { computed: { vip: { value: true } }, audiences: ['vip'] }],
    ['with its prefix', ['computed.spend30d'], { computed: { spend30d: { value: 5 } } }],
    ['the computed one of a bare name', ['spend30d'], { computed: { spend30d: { value: 5 } } }],
    ['the record field by its prefix', ['attributes.spend30d'], { attributes: { spend30d: view.attributes['spend30d'] } }],
    ['a leaf', ['attributes.person.age'], { attributes: { person: { age: 36 } } }],
    ['a leaf without prefix', ['person.age'], { attributes: { person: { age: 36 } } }],
    ['a subtree', ['person.name'], { attributes: { person: { name: { firstName: 'Ada', lastName: 'L' } } } }],
    [
      'two of one object',
      ['person.age', 'person.name.lastName'],
      { attributes: { person: { age: 36, name: { lastName: 'L' } } } },
    ],
    ['a part after the whole', ['attributes.person', 'person.age'], { attributes: { person: view.attributes['person'] } }],
    ['the whole after a part', ['person.age', 'attributes.person'], { attributes: { person: view.attributes['person'] } }],
    ['a key in brackets', ['emails["a,b@x.y"].verified'], { attributes: { emails: { 'a,b@x.y': { verified: true } } } }],
    ['an array, whole', ['tags'], { attributes: { tags: ['a', 'b'] } }],
    ['null', ['nothing'], { attributes: { nothing: null } }],
    ['nothing below a leaf', ['tags.length', 'nothing.x', 'person.age.x'], {}],
    ['nothing of Object', ['constructor', 'attributes.__proto__.x', 'person.toString'], {}],
    ['all attributes', ['attributes'], { attributes: view.attributes }],
    ['all that is computed', ['computed'], { computed: view.computed }],
    ['all audiences', ['audiences'], { audiences: ['vip'] }],
  ])('%s', (_, fields, expected) => {
    expect(only(...fields)).toEqual({ attributes: {}, computed: {}, audiences: [], ...expected });
  });
});

test('what cannot be read, and computed attributes that there are not', () => {
  expect(askedField('computed.spend3d', COMPUTED)).toEqual({ kind: 'none', computed: true });
  for (const text of ['', '.', 'a..b', 'a["b', 'a.'])
    expect(askedField(text, COMPUTED)).toEqual({ kind: 'none', computed: false });
});

test('commas separate, but not in a quoted key', () => {
  expect(splitFields('a, b["x,y"].c ,d["\\",e"]')).toEqual(['a', 'b["x,y"].c', 'd["\\",e"]']);
  expect(splitFields('')).toEqual(['']);
});
