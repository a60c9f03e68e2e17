// JSON for people: nothing of it changes but its blanks.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prettyJson } from '../../../src/cli/pretty_json.ts';

test('digits, escapes, names that come twice', () => {
  expect(prettyJson('{"a":1.10,"a":12345678901234567890,"b":[ ],"c":{},"d":["x\\"{,}",null],"é":"\\u00e9"}')).toBe(
    '{\n  "a": 1.10,\n  "a": 12345678901234567890,\n  "b": [],\n  "c": {},\n  "d": [\n    "x\\"{,}",\n    null\n  ],\n  "é": "\\u00e9"\n}',
  );
  expect(prettyJson(' 7 ')).toBe('7');
  expect(prettyJson('{')).toBeUndefined();
  expect(prettyJson('')).toBeUndefined();
});

test('whatever JSON there is, it is what JSON.stringify makes of it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const value = JSON.parse(text) as unknown;
      expect(prettyJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
    }),
    { seed: 5, numRuns: 500 },
  );
});
