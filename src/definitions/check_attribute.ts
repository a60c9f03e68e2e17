// The rules of one computed attribute: which keys go with its function, and what its filter and value must be.
// CA1: works on the raw entry: a mistake in one key does not hide those in the others.
// CA2: whatever the mistakes, the attribute has a type for the expressions that name it: `dyn` when nothing better is known.
import type { EventFunction } from '../aggregate/plan.ts';
import { attributeType } from './attribute_type.ts';
import type { CelEnvironment } from './cel_environment.ts';
import type { ExpressionMistake } from './cel_node.ts';
import { compileFilter, compileValue, isMistake, VALUE_FUNCTIONS } from './compile_expression.ts';
import { UNKNOWN_TYPE } from './computed_expression.ts';
import type { Entry } from './definition_entries.ts';
import type { EventShape } from './event_shape.ts';
import type { Formula } from './expression_graph.ts';
import type { FileAttribute } from './file_shape.ts';
import { atKey, atValue } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';

/** The functions that take no value, and why. */
const NO_VALUE: Readonly<Record<string, string>> = {
  count: 'it counts the events that pass the filter',
  exists: 'it is true while any event passes the filter',
};
/** What an expression does without, and why. */
const NOT_FOR_EXPRESSIONS: Readonly<Record<string, string>> = {
  eventTypes: 'it reads attributes, not events',
  filter: 'it reads attributes, not events',
  value: `it reads attributes, not events; what it computes stands under 'expression'`,
  window: 'the attributes that it names have theirs',
};

export type AttributeCheck = { readonly mistakes: readonly Mistake[]; readonly formula: Formula };

export function checkAttribute(entry: Entry<FileAttribute>, cel: CelEnvironment, shape: EventShape): AttributeCheck {
  return entry.raw['function'] === 'expression' ? checkExpression(entry) : checkEventFunction(entry, cel, shape);
}

/** What the expression says is checked with all the others (expression_graph.ts). */
function checkExpression({ located, path, raw }: Entry<FileAttribute>): AttributeCheck {
  const mistakes = Object.keys(NOT_FOR_EXPRESSIONS)
    .filter((key) => raw[key] !== undefined)
    .map((key) => atKey(located, [...path, key], `an expression takes no '${key}': ${NOT_FOR_EXPRESSIONS[key]}`));
  if (raw['limit'] !== undefined)
    mistakes.push(atKey(located, [...path, 'limit'], `an expression takes no 'limit': only list has one`));
  const { expression } = raw;
  if (expression === undefined)
    mistakes.push(atKey(located, path, `'expression' is missing: function expression computes what stands there`));
  return {
    mistakes,
    formula: typeof expression === 'string' && expression !== '' ? { text: expression.trimEnd() } : UNKNOWN_TYPE,
  };
}

function checkEventFunction(
  { name, located, path, raw }: Entry<FileAttribute>,
  cel: CelEnvironment,
  shape: EventShape,
): AttributeCheck {
  const mistakes: Mistake[] = [];
  const at = (key: string, { offset, message }: ExpressionMistake): void =>
    void mistakes.push(atValue(located, [...path, key], `${key} of '${name}': ${message}`, offset));
  const { filter, value, function: function_ } = raw;
  if (raw['expression'] !== undefined)
    mistakes.push(atKey(located, [...path, 'expression'], `'expression' goes with 'function: expression' only`));
  if (raw['limit'] !== undefined && function_ !== 'list')
    mistakes.push(atKey(located, [...path, 'limit'], `'limit' goes with 'function: list' only`));
  if (typeof filter === 'string' && filter !== '') {
    const compiled = compileFilter(filter.trimEnd(), cel, shape);
    if (isMistake(compiled)) at('filter', compiled);
  }
  const why = typeof function_ === 'string' ? NO_VALUE[function_] : undefined;
  if (why !== undefined) {
    if (value !== undefined) mistakes.push(atKey(located, [...path, 'value'], `${function_ as string} takes no 'value': ${why}`));
    return { mistakes, formula: attributeType(function_ as EventFunction, null) };
  }
  const needing = VALUE_FUNCTIONS.find((known) => known === function_);
  if (needing === undefined) return { mistakes, formula: UNKNOWN_TYPE };
  if (value === undefined) mistakes.push(atKey(located, path, `'value' is missing: ${needing} needs one`));
  if (typeof value !== 'string' || value === '') return { mistakes, formula: attributeType(needing, null) };
  const compiled = compileValue(value.trimEnd(), needing, cel, shape);
  if (!isMistake(compiled)) return { mistakes, formula: attributeType(needing, compiled) };
  at('value', compiled);
  return { mistakes, formula: attributeType(needing, null) };
}
