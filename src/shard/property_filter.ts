// `path op value`: what a field of an event must be.
// PF1: a number is compared with a number, a text and a boolean as text; a value of another kind, and one that is not there, never matches.
// PF2: nothing here throws, whatever the payload.
import { valueAt } from '../base/value_at.ts';
import { parsePath } from '../record/leaf_changes.ts';

const OPERATORS = ['!=', '<=', '>=', '=', '<', '>'] as const;
type Operator = (typeof OPERATORS)[number];

export type PropertyFilter = {
  readonly path: readonly string[];
  readonly operator: Operator;
  readonly text: string;
  /** The value as a number; NaN when it is none. */
  readonly number: number;
};

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A value in quotes is a text, and never a number; without them it begins with no operator. @returns undefined when it is no filter  Cost: O(length) */
export function parsePropertyFilter(filter: string): PropertyFilter | undefined {
  const at = operatorAt(filter);
  const operator = OPERATORS.find((each) => filter.startsWith(each, at));
  if (operator === undefined) return undefined;
  const path = parsePath(filter.slice(0, at).trim());
  const value = valueIn(filter.slice(at + operator.length).trim());
  return path === undefined || path.length === 0 || value === undefined ? undefined : { path, operator, ...value };
}

/** Where the path ends: keys in brackets may hold anything. */
function operatorAt(filter: string): number {
  let quoted = false;
  for (let at = 0; at < filter.length; at++) {
    const c = filter[at]!;
    if (quoted && c === '\\') at++;
    else if (c === '"') quoted = !quoted;
    else if (!quoted && '!=<>'.includes(c)) return at;
  }
  return filter.length;
}

function valueIn(text: string): Pick<PropertyFilter, 'text' | 'number'> | undefined {
  if (/^[=<>!]/.test(text)) return undefined; // `==` and `=>` would be equal to nothing, silently
  if (!text.startsWith('"')) return { text, number: NUMBER.test(text) ? Number(text) : NaN };
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? { text: value, number: NaN } : undefined;
  } catch {
    return undefined;
  }
}

/** Cost: O(length of the path) */
export function passes(body: Readonly<Record<string, unknown>>, filter: PropertyFilter): boolean {
  const value = valueAt(body, filter.path);
  const { operator, text, number } = filter;
  if (typeof value === 'number') return number === number ? compared(value, number, operator) : operator === '!=';
  if (typeof value === 'string') return compared(value, text, operator);
  if (typeof value === 'boolean' && (operator === '=' || operator === '!=')) return compared(String(value), text, operator);
  return false;
}

function compared<T extends number | string>(value: T, other: T, operator: Operator): boolean {
  switch (operator) {
    case '=':
      return value === other;
    case '!=':
      return value !== other;
    case '<':
      return value < other;
    case '<=':
      return value <= other;
    case '>':
      return value > other;
    case '>=':
      return value >= other;
  }
}
