import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate, RowRefusal } from '../../../src/ingest/evaluate.ts';
import { isExpressionMistake, parseExpression } from '../../../src/ingest/expression.ts';

const ROW: Readonly<Record<string, string>> = {
  Quantity: '6',
  UnitPrice: '2.55',
  Country: 'United Kingdom',
  Empty: '',
  Blank: '  ',
  'Unit price': '3.10',
  'a"b': '2',
};

function value(source: string): string | number | RowRefusal {
  const parsed = parseExpression(source);
  if (isExpressionMistake(parsed)) throw new Error(parsed.message);
  return evaluate(parsed.expression, (column) => ROW[column] ?? '');
}

function mistake(source: string): { message: string; offset: number } {
  const parsed = parseExpression(source);
  if (!isExpressionMistake(parsed)) throw new Error(`${source} is fine`);
  return parsed;
}

describe('what an expression is for a row', () => {
  test.each<[string, string | number]>([
    ['row.Quantity * row.UnitPrice', 15.3],
    ['row.Country', 'United Kingdom'],
    ['(row.Country)', 'United Kingdom'],
    ['row.Quantity', '6'],
    ['number(row.Quantity)', 6],
    ['number(row.Quantity) + 0.5', 6.5],
    ['-row.UnitPrice', -2.55],
    ['--row.UnitPrice', 2.55],
    ['row["Unit price"] * 2', 6.2],
    [`row['Unit price']-0.1`, 3],
    ['row["a\\"b"] + 1', 3],
    ["'web'", 'web'],
    ["'it\\'s'", "it's"],
    ['2 + 3 * 4', 14],
    ['(2 + 3) * 4', 20],
    ['10 - 4 - 3', 3],
    ['0.1 + 0.2', 0.3],
    ['5', 5],
    ['row.Empty', ''],
    ['-0', 0],
  ])('%s', (source, expected) => {
    expect(value(source)).toBe(expected);
  });

  test.each([
    ['row.Empty * 2', 'column Empty is empty'],
    ['number(row.Blank)', 'column Blank is empty'],
    ['1 + row.Country', 'column Country is not a number'],
    [`${Array.from({ length: 4 }, () => `1${'0'.repeat(99)}`).join(' * ')}`, 'a number is beyond what a double holds'],
  ])('%s refuses the row, and does not say what is in it', (source, reason) => {
    expect(value(source)).toEqual(new RowRefusal(reason));
  });
});

describe('mistakes have a place', () => {
  test.each([
    ['row.Quantity / 2', 13, /'\/' is not supported: a quotient is not exact/],
    ['row.Quantity % 2', 13, /'%' is not supported/],
    ['price * 2', 0, /unknown name 'price'; a column is row\.price/],
    ['Row.Quantity', 0, /unknown name 'Row' \(did you mean 'row'\?\)/],
    ['row', 0, /'row' needs a column/],
    ['row.', 4, /a column's name is expected here, not the end/],
    ['row[Name]', 4, /a column's name in quotes/],
    ['row["Name"', 10, /'\]' is expected here, not the end/],
    ["'web' + 1", 0, /text cannot be part of arithmetic: '\+' takes numbers/],
    ["1 * 'web'", 4, /text cannot be part of arithmetic/],
    ["number('5')", 7, /number\(\) takes numbers/],
    ['number row.A', 7, /'\(' is expected here, not 'row'/],
    ['1 2', 2, /an operator is expected here, not '2'/],
    ['1.2.3', 0, /'1\.2\.3' is not a number/],
    ['(1', 2, /'\)' is expected/],
    ['1 +', 3, /a column, a number or text is expected here, not the end/],
    ['', 0, /expected here, not the end/],
    ["'open", 0, /no closing '/],
    ['row.A ^ 2', 6, /'\^' is not part/],
    ['('.repeat(60) + '1' + ')'.repeat(60), 50, /nested too deeply/],
    ['1' + '+1'.repeat(600), 0, /at most 1000 characters/],
  ])('%s', (source, offset, message) => {
    expect(mistake(source)).toMatchObject({ offset, message: expect.stringMatching(message) as string });
  });

  test('no text makes it throw', () => {
    const piece = fc.constantFrom(
      'row',
      '.',
      'A',
      '[',
      ']',
      '"x"',
      "'y'",
      '1',
      '2.5',
      '+',
      '-',
      '*',
      '(',
      ')',
      'number',
      ' ',
      '/',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const parsed = parseExpression(pieces.join(''));
        if (!isExpressionMistake(parsed)) evaluate(parsed.expression, () => '7');
      }),
      { numRuns: 500 },
    );
  });
});

test('arithmetic equals the same in rationals', () => {
  // value = n / 10^d, printed with its own brackets
  type Term = { readonly text: string; readonly n: bigint; readonly d: bigint };
  const leaf: fc.Arbitrary<Term> = fc.tuple(fc.nat(99_999), fc.integer({ min: 0, max: 4 })).map(([units, scale]) => ({
    text: scale === 0 ? String(units) : `${Math.floor(units / 10 ** scale)}.${String(units % 10 ** scale).padStart(scale, '0')}`,
    n: BigInt(units),
    d: 10n ** BigInt(scale),
  }));
  const { term } = fc.letrec<{ term: Term }>((tie) => ({
    term: fc.oneof(
      { maxDepth: 5 },
      leaf,
      tie('term').map(({ text, n, d }) => ({ text: `-(${text})`, n: -n, d })),
      fc.tuple(tie('term'), tie('term'), fc.constantFrom('+', '-', '*')).map(([a, b, sign]) => ({
        text: `(${a.text} ${sign} ${b.text})`,
        n: sign === '*' ? a.n * b.n : sign === '+' ? a.n * b.d + b.n * a.d : a.n * b.d - b.n * a.d,
        d: a.d * b.d,
      })),
    ),
  }));
  fc.assert(
    fc.property(term, ({ text, n, d }) => {
      fc.pre(text.length <= 1000);
      const digits = (n < 0n ? -n : n).toString().padStart(d.toString().length, '0');
      const at = digits.length - (d.toString().length - 1);
      expect(value(text)).toBe(Number(`${n < 0n ? '-' : ''}${digits.slice(0, at)}.${digits.slice(at)}0`) + 0);
    }),
    { numRuns: 300 },
  );
});
