// Where members stand in a text: what is cut out parses to what the whole parses to.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementsOf, membersOf } from '../../../src/message/json_members.ts';

function cut(text: string): Record<string, string> {
  return Object.fromEntries([...membersOf(text)].map(([name, { start, end }]) => [name, text.slice(start, end)]));
}

test('values keep their text', () => {
  expect(cut(' { "a" : 1.10 ,"b":-1e+5,"c":"x\\"}" , "d":[1,{"}":"]"},"\\\\"] , "e":{ } ,"f":null,"g":true}')).toEqual({
    a: '1.10',
    b: '-1e+5',
    c: '"x\\"}"',
    d: '[1,{"}":"]"},"\\\\"]',
    e: '{ }',
    f: 'null',
    g: 'true',
  });
  expect(cut('{}')).toEqual({});
  expect(cut('\n{\t}\r')).toEqual({});
  expect(cut('{"\\u0061":1,"a":2,"":3}')).toEqual({ a: '2', '': '3' });
});

test('whatever JSON there is', () => {
  const blanks = fc.constantFrom(undefined, 1, '\t', ' \r\n ');
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true }), blanks, (object, space) => {
      const text = JSON.stringify(object, null, space);
      const members = membersOf(text);
      expect([...members.keys()]).toEqual([...new Set(Object.keys(object))]);
      for (const [name, { start, end }] of members)
        expect(JSON.stringify(JSON.parse(text.slice(start, end)))).toBe(JSON.stringify(object[name]));
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('elements keep their text', () => {
  const text = ' [ 1.10 ,{"a":[1,{"}":"]"},"\\\\"]}, "x,]\\"" , [ ] ,null ]  rest';
  const { texts, end } = elementsOf(text, 0, 10)!;
  expect(texts).toEqual(['1.10', '{"a":[1,{"}":"]"},"\\\\"]}', '"x,]\\""', '[ ]', 'null']);
  expect(text.slice(end)).toBe('  rest');
  expect(elementsOf('[]', 0, 1)).toEqual({ texts: [], end: 2 });
  expect(elementsOf('[1,2,3,4', 0, 2)!.texts).toEqual(['1', '2', '3']); // one more than may be
});

test.each(['', '{}', '[', '[1', '[1,', '[1,]', '[,1]', '[1,,2]', '["', '["\\', '[}]', '[1}', '[{]', ']'])(
  '%s is no array',
  (text) => {
    expect(elementsOf(text, 0, 10)).toBeUndefined();
  },
);

test('whatever array there is, and whatever text there is: it ends', () => {
  const space = fc.constantFrom(undefined, 1, '\t', ' \r\n ');
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), space, (array, blanks) => {
      const text = JSON.stringify(array, null, blanks);
      const { texts, end } = elementsOf(text, 0, array.length)!;
      expect(texts.map((each) => JSON.parse(each) as unknown)).toEqual(JSON.parse(text));
      expect(end).toBe(text.length);
    }),
  );
  const hostile = fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', '\\', ',', ':', ' ', '1', 'a') });
  fc.assert(fc.property(hostile, (text) => void elementsOf(text, 0, 5)));
});
