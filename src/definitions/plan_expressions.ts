// The expressions of a plan: compiled over indexes, in the order in which they are evaluated.
import type { Expression } from '../aggregate/plan.ts';
import { VisageError } from '../base/errors.ts';
import type { EventShape } from './event_shape.ts';
import { expressionGraph, type Formula } from './expression_graph.ts';

/** @param formulas of every attribute, in the order of the plan   @throws VisageError `bad_definitions` as compilePlan does */
export function planExpressions(
  formulas: readonly { readonly name: string; readonly formula: Formula }[],
  record: EventShape,
): {
  /** By index of the attribute. */
  readonly expressions: ReadonlyMap<number, Expression>;
  readonly order: readonly number[];
} {
  const indexes = new Map(formulas.map(({ name }, index) => [name, index]));
  const graph = expressionGraph(new Map(formulas.map(({ name, formula }) => [name, formula])), record);
  for (const [name, [mistake]] of graph.mistakes)
    throw new VisageError('bad_definitions', `computedAttributes.${name}: ${mistake!.message}`, { kind: 'usage' });
  const expressions = new Map<number, Expression>();
  for (const [name, { text, inputs, readsRecord, evaluate }] of graph.compiled)
    expressions.set(indexes.get(name)!, { text, inputs, readsRecord, evaluate });
  return { expressions, order: graph.order.map((name) => indexes.get(name)!) };
}
