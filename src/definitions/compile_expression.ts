// One filter or value of a computed attribute: checked against the union schema, then compiled.
// X1: what compiles never throws on any event. X2: the fast forms answer exactly as the interpreter does.
import { unreachable } from '../base/assert.ts';
import type { EventBody } from '../message/admission.ts';
import type { CelEnvironment, CheckedExpression } from './cel_environment.ts';
import { eventPath, type CelNode, type ExpressionMistake } from './cel_node.ts';
import { strictPaths } from './strict_paths.ts';
import type { Read } from './event_path.ts';
import type { EventShape } from './event_shape.ts';
import { allTrue, conjuncts, fastTest, typedReader } from './fast_test.ts';

export type CompiledFilter = { readonly matches: (event: EventBody) => boolean; readonly fast: boolean };
/** `isText`: the schemas say that it is a text, so min and max compare it as a timestamp. A value of which they say nothing may be
 *  anything from event to event, and texts and numbers have no common order: sum, min and max then take its numbers only. */
export type CompiledValue = {
  readonly valueOf: (event: EventBody) => unknown;
  /** CEL's name of its type. */
  readonly type: string;
  readonly isText: boolean;
  readonly fast: boolean;
};

/** The functions that need a value. */
export const VALUE_FUNCTIONS = ['sum', 'average', 'min', 'max', 'mostRecent', 'earliest', 'list', 'countDistinct'] as const;
export type ValueFunction = (typeof VALUE_FUNCTIONS)[number];

const NUMBERS = ['double', 'int', 'dyn'];
const PRIMITIVES = [...NUMBERS, 'string', 'bool', 'null'];
const LIST = /^list(?:<(.+)>)?$/;

/** @param fast false takes the interpreter even where a fast form exists; tests compare the two */
export function compileFilter(
  text: string,
  cel: CelEnvironment,
  shape: EventShape,
  fast = true,
): CompiledFilter | ExpressionMistake {
  const checked = cel.check(text);
  if (isMistake(checked)) return checked;
  if (checked.type !== 'bool' && checked.type !== 'dyn')
    return { offset: 0, message: `a filter must be true or false; this one is ${typeName(checked.type)}` };
  const evaluate = checked.evaluate;
  if (!fast) return { matches: (event) => evaluate(event) === true, fast: false };
  const parts = conjuncts(checked.root);
  const tests = parts.map((part) => fastTest(part, shape));
  const quick = allTrue(tests.filter((test) => test !== null));
  if (!tests.includes(null)) return { matches: quick, fast: true };
  const present = presentAll(
    parts.filter((_, i) => tests[i] === null),
    shape,
  );
  return { matches: (event) => quick(event) && present(event) && evaluate(event) === true, fast: false };
}

/** @param fast as for `compileFilter` */
export function compileValue(
  text: string,
  use: ValueFunction,
  cel: CelEnvironment,
  shape: EventShape,
  fast = true,
): CompiledValue | ExpressionMistake {
  const checked = cel.check(text);
  if (isMistake(checked)) return checked;
  const wrong = wrongType(checked, use);
  if (wrong !== undefined) return { offset: 0, message: wrong };
  const evaluate = checked.evaluate;
  const path = eventPath(checked.root);
  // the decoder sees to it that every event's timestamp is one, whatever schemas leave open
  const isText = checked.type === 'string' || path?.join('.') === 'timestamp';
  const { type } = checked;
  if (!fast) return { valueOf: evaluate, type, isText, fast: false };
  const read = path === undefined ? null : typedReader(path, shape);
  if (read !== null) return { valueOf: read, type, isText, fast: true };
  const present = presentAll([checked.root], shape);
  return { valueOf: (event) => (present(event) ? evaluate(event) : undefined), type, isText, fast: false };
}

/** Is everything there that these parts cannot do without? Asked first, because the interpreter's error for a missing key
 *  costs a hundred times as much as finding that it is missing. */
function presentAll(parts: readonly CelNode[], shape: EventShape): (event: EventBody) => boolean {
  const paths = new Map(parts.flatMap((part) => strictPaths(part) ?? []).map((path) => [path.join('\0'), path]));
  const reads = [...paths.values()].map((path) => typedReader(path, shape)).filter((read): read is Read => read !== null);
  return (event) => {
    for (let i = 0; i < reads.length; i++) if (reads[i]!(event) === undefined) return false;
    return true;
  };
}

function wrongType({ type }: CheckedExpression, use: ValueFunction): string | undefined {
  const needs = (what: string): string => `${use} needs ${what}; this value is ${typeName(type)}`;
  switch (use) {
    case 'sum':
    case 'average':
      return NUMBERS.includes(type) ? undefined : needs('a number');
    case 'min':
    case 'max':
      return NUMBERS.includes(type) || type === 'string' ? undefined : needs('a number or a timestamp');
    case 'countDistinct':
      return PRIMITIVES.includes(type) ? undefined : needs('a text, number or boolean');
    case 'mostRecent':
    case 'earliest':
    case 'list':
      return isPlainType(type) ? undefined : needs('a text, number, boolean or a list of them');
    default:
      return unreachable(use);
  }
}

/** Primitives and lists of them, and what may turn out to be one. */
export function isPlainType(type: string): boolean {
  const item = LIST.exec(type);
  return PRIMITIVES.includes(type) || (item !== null && (item[1] === undefined || PRIMITIVES.includes(item[1])));
}

export function typeName(type: string): string {
  return type.startsWith('$') ? 'an object' : `of type ${type}`;
}

export function isMistake<T extends object>(result: T | ExpressionMistake): result is ExpressionMistake {
  return 'offset' in result;
}
