// Where members stand in a text: what is cut out parses to what the whole parses to.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { membersOf } from '../../../src/message/json_members.ts';

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
