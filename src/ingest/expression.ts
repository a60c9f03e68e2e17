// Expressions of a map file: `row.Quantity * row.UnitPrice`, `row["Unit price"]`, `number(row.Units)`, `'web'`.
// Boundary: text in, a tree out; evaluate.ts computes it.
// EX1: no loops, no calls but number(), no eval: what an expression costs is bounded by its text.
// EX2: never throws: a mistake is a value with its offset.
import { didYouMean } from '../definitions/near_miss.ts';
import { parseDecimal, type Decimal } from './decimal.ts';

export type Expression =
  | { readonly kind: 'column'; readonly column: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'decimal'; readonly value: Decimal }
  | { readonly kind: 'number' | 'negate'; readonly of: Expression }
  | { readonly kind: 'add' | 'subtract' | 'multiply'; readonly left: Expression; readonly right: Expression };

export type ColumnUse = { readonly column: string; readonly offset: number };
export type Parsed = { readonly expression: Expression; readonly columns: readonly ColumnUse[] };
export type ExpressionMistake = { readonly message: string; readonly offset: number };

type Token = { readonly kind: 'name' | 'decimal' | 'text' | 'sign' | 'end'; readonly text: string; readonly offset: number };

const LENGTH_MAX = 1000;
const DEPTH_MAX = 50;
const SIGNS = '+-*/().[],%';
const WORDS = ['row', 'number'];
const NO_DIVISION =
  "'/' is not supported: a quotient is not exact in decimals; keep both numbers and divide in a computed attribute";

export function parseExpression(source: string): Parsed | ExpressionMistake {
  if (source.length > LENGTH_MAX) return { message: `an expression has at most ${LENGTH_MAX} characters`, offset: 0 };
  try {
    const parser = new Parser(tokensOf(source));
    return { expression: parser.whole(), columns: parser.columns };
  } catch (thrown) {
    if (thrown instanceof Found) return thrown.mistake;
    throw thrown;
  }
}

export function isExpressionMistake(parsed: Parsed | ExpressionMistake): parsed is ExpressionMistake {
  return 'message' in parsed;
}

/** Leaves the parser from anywhere in it; never leaves this file. */
class Found extends Error {
  readonly mistake: ExpressionMistake;

  constructor(message: string, offset: number) {
    super(message);
    this.mistake = { message, offset };
  }
}

class Parser {
  readonly columns: ColumnUse[] = [];
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): Expression {
    const expression = this.sum();
    const rest = this.next();
    if (rest.kind !== 'end') throw new Found(`an operator is expected here, not ${named(rest)}`, rest.offset);
    return expression;
  }

  private sum(): Expression {
    const start = this.peek().offset;
    let left = this.product();
    for (;;) {
      const sign = this.sign('+', '-');
      if (sign === undefined) return left;
      left = this.operation(sign.text === '+' ? 'add' : 'subtract', { left, start }, sign, () => this.product());
    }
  }

  private product(): Expression {
    const start = this.peek().offset;
    let left = this.factor();
    for (;;) {
      const sign = this.sign('*', '/', '%');
      if (sign === undefined) return left;
      if (sign.text === '/') throw new Found(NO_DIVISION, sign.offset);
      if (sign.text === '%') throw new Found("'%' is not supported; there are +, - and *", sign.offset);
      left = this.operation('multiply', { left, start }, sign, () => this.factor());
    }
  }

  private operation(
    kind: 'add' | 'subtract' | 'multiply',
    before: { left: Expression; start: number },
    sign: Token,
    next: () => Expression,
  ): Expression {
    noText(before.left, before.start, `'${sign.text}'`);
    const { offset } = this.peek();
    const right = next();
    noText(right, offset, `'${sign.text}'`);
    return { kind, left: before.left, right };
  }

  private factor(): Expression {
    if (++this.depth > DEPTH_MAX) throw new Found('nested too deeply', this.peek().offset);
    try {
      const minus = this.sign('-');
      if (minus === undefined) return this.primary();
      const { offset } = this.peek();
      const of = this.factor();
      noText(of, offset, `'-'`);
      return { kind: 'negate', of };
    } finally {
      this.depth--;
    }
  }

  private primary(): Expression {
    const token = this.next();
    switch (token.kind) {
      case 'text':
        return { kind: 'text', text: token.text };
      case 'decimal': {
        const value = parseDecimal(token.text);
        if (value === undefined) throw new Found(`'${token.text}' is not a number`, token.offset);
        return { kind: 'decimal', value };
      }
      case 'name':
        if (token.text === 'row') return this.column(token);
        if (token.text === 'number') return this.number();
        throw new Found(
          `unknown name '${token.text}'${didYouMean(token.text, WORDS)}; a column is row.${token.text}, text is in quotes: "'${token.text}'"`,
          token.offset,
        );
      case 'sign':
        if (token.text === '(') {
          const inner = this.sum();
          this.expect(')');
          return inner;
        }
        break;
      case 'end':
        break;
    }
    throw new Found(`a column, a number or text is expected here, not ${named(token)}`, token.offset);
  }

  /** The offset of a use is that of its name, where "did you mean" belongs. */
  private column(row: Token): Expression {
    const step = this.sign('.', '[');
    if (step === undefined) throw new Found(`'row' needs a column: row.Name or row["any name"]`, row.offset);
    const name = this.next();
    if (step.text === '.' && name.kind !== 'name')
      throw new Found(
        `a column's name is expected here, not ${named(name)}; other names are written row["any name"]`,
        name.offset,
      );
    if (step.text === '[') {
      if (name.kind !== 'text') throw new Found(`a column's name in quotes is expected here: row["any name"]`, name.offset);
      this.expect(']');
    }
    this.columns.push({ column: name.text, offset: name.offset });
    return { kind: 'column', column: name.text };
  }

  private number(): Expression {
    this.expect('(');
    const { offset } = this.peek();
    const of = this.sum();
    noText(of, offset, 'number()');
    this.expect(')');
    return { kind: 'number', of };
  }

  private peek(): Token {
    return this.tokens[this.at]!;
  }

  private next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.at++;
    return token;
  }

  private sign(...wanted: readonly string[]): Token | undefined {
    const token = this.peek();
    return token.kind === 'sign' && wanted.includes(token.text) ? this.next() : undefined;
  }

  private expect(sign: string): void {
    const token = this.next();
    if (token.kind !== 'sign' || token.text !== sign)
      throw new Found(`'${sign}' is expected here, not ${named(token)}`, token.offset);
  }
}

function noText(operand: Expression, offset: number, where: string): void {
  if (operand.kind === 'text') throw new Found(`text cannot be part of arithmetic: ${where} takes numbers`, offset);
}

function named(token: Token): string {
  return token.kind === 'end' ? 'the end' : `'${token.text}'`;
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ;) {
    while (/\s/.test(source[at] ?? '')) at++;
    const offset = at;
    const rest = source.slice(at);
    if (rest === '') {
      tokens.push({ kind: 'end', text: '', offset });
      return tokens;
    }
    const quote = rest[0]!;
    if (quote === "'" || quote === '"') {
      const found = /^(['"])((?:\\.|(?!\1)[^\\])*)\1/.exec(rest);
      if (found === null) throw new Found(`the text that begins here has no closing ${quote}`, offset);
      tokens.push({ kind: 'text', text: found[2]!.replaceAll(/\\(.)/g, '$1'), offset });
      at += found[0].length;
      continue;
    }
    const found = /^(?:(?<decimal>\d[\d.]*|\.\d[\d.]*)|(?<name>[A-Za-z_][A-Za-z0-9_]*))/.exec(rest);
    if (found !== null) {
      tokens.push({ kind: found.groups?.['decimal'] === undefined ? 'name' : 'decimal', text: found[0], offset });
      at += found[0].length;
      continue;
    }
    if (!SIGNS.includes(quote)) throw new Found(`'${quote}' is not part of an expression`, offset);
    tokens.push({ kind: 'sign', text: quote, offset });
    at++;
  }
}
