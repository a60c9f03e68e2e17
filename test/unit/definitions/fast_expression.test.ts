// The fast form of an expression answers as the interpreter does, for every input.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression, parseExpression, type InputType } from '../../../src/definitions/computed_expression.ts';
import { isMistake } from '../../../src/definitions/compile_expression.ts';

const TYPES = new Map<string, InputType>(
  Object.entries({
    i: 'int',
    j: 'int',
    d: 'double',
    e: 'double',
    s: 'string',
    b: 'bool',
    constructor: 'bool',
    any: 'dyn',
    l: 'list<double>',
  }).map(([name, type]) => [name, { type, isTime: false }]),
);
const INDEXES = new Map([...TYPES.keys()].map((name, index) => [name, index]));

const value = (type: string): fc.Arbitrary<unknown> => {
  switch (type) {
    case 'int':
      return fc.constantFrom<unknown>(undefined, 0, 1, 2, 3, -1, 2 ** 53 - 1, 2.5);
    case 'double':
      return fc.constantFrom<unknown>(undefined, 0, -0, 1, 2, 0.5, -3, 1e308, 2 ** 60, 5e-324, 'x');
    case 'string':
      return fc.constantFrom<unknown>(undefined, '', 'x', 'y', 1);
    case 'bool':
      return fc.constantFrom<unknown>(undefined, true, false, true, false);
    default:
      return fc.constantFrom<unknown>(undefined, 1, 'x', true, [1]);
  }
};
const values = fc.tuple(...[...TYPES.values()].map(({ type }) => value(type)));

function compiled(text: string, quick: boolean) {
  const parsed = parseExpression(text, TYPES, true);
  if (!('root' in parsed) || parsed.mistakes.length > 0) throw new Error(`${text}: ${JSON.stringify(parsed.mistakes)}`);
  const result = compileExpression(parsed, TYPES, INDEXES, quick);
  if (isMistake(result)) throw new Error(`${text}: ${result.message}`);
  return result;
}

const answer = ({ evaluate }: ReturnType<typeof compiled>, given: readonly unknown[]): unknown =>
  evaluate({ valueOf: (index) => given[index], identity: () => ({ namespace: 'n', id: 'i' }), record: () => ({}) });

// Trees of one type each, so that they pass the check.
const { bool: anyBool, double: anyDouble } = fc.letrec<{ bool: string; double: string; int: string; string: string }>((tie) => ({
  int: fc.constantFrom('i', 'j', 'computed.i', '0', '1', '2', '-1'),
  string: fc.constantFrom('s', 'computed.s', `'x'`, `''`),
  double: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('d', 'e', 'computed.d', '0.0', '1.5', '-2.0', 'double(i)', 'double(computed.j)', 'double(2)'),
    fc.tuple(tie('double'), fc.constantFrom('+', '-', '*', '/'), tie('double')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('double').map((a) => `-(${a})`),
    fc.tuple(tie('bool'), tie('double'), tie('double')).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
  ),
  bool: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      'b',
      'computed.constructor',
      'constructor',
      'true',
      'false',
      'has(computed.d)',
      'has(computed.b)',
      'has(computed.s)',
    ),
    fc
      .tuple(tie('double'), fc.constantFrom('<', '<=', '>', '>=', '==', '!='), tie('double'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('int'), fc.constantFrom('<', '<=', '>', '>=', '==', '!='), tie('int')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('int'), fc.constantFrom('<', '<=', '>', '>='), tie('double')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('string'), fc.constantFrom('<', '>=', '==', '!='), tie('string')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('bool'), fc.constantFrom('&&', '||', '==', '!='), tie('bool')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('bool').map((a) => `!(${a})`),
    fc.tuple(tie('bool'), tie('bool'), tie('bool')).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
  ),
}));

describe('the fast form', () => {
  it('answers as the interpreter does', () => {
    let fast = 0;
    fc.assert(
      fc.property(fc.oneof(anyBool, anyDouble), fc.array(values, { minLength: 15, maxLength: 15 }), (text, given) => {
        const [quick, slow] = [compiled(text, true), compiled(text, false)];
        if (quick.isFast) fast++;
        for (const each of given) expect(answer(quick, each), `${text} ${JSON.stringify(each)}`).toBe(answer(slow, each));
      }),
      { numRuns: 300 },
    );
    expect(fast).toBeGreaterThan(200);
  });

  it.each([
    ['i == 0 ? 0.0 : d / double(i)', true],
    ['d > 500.0 && !b', true],
    ['d > 500', true],
    ['has(computed.d) ? d : 0.0', true],
    ['-d', true],
    ['i + 1', false],
    ['-1', false],
    ['s + s', false],
    ['any == 1.0', false],
    ['has(computed.any)', false],
    ['l.exists(x, x > 0.0)', false],
    ['l[0]', false],
    ['double(s)', false],
    ['9007199254740993 > i', false],
  ])('is there: %s: %s', (text, isFast) => expect(compiled(text, true).isFast).toBe(isFast));
});
