// All expressions of a document: in which order they are evaluated, and that they are acyclic.
// EG1: an expression comes after those that it names; where that leaves a choice, the earlier in the given order comes first.
// EG2: every cycle is named with its whole path; when each named one is cut none is left.
import type { ExpressionMistake } from './cel_node.ts';
import {
  compileExpression,
  parseExpression,
  UNKNOWN_TYPE,
  type CompiledExpression,
  type InputType,
  type ParsedExpression,
} from './computed_expression.ts';
import { isMistake } from './compile_expression.ts';
import type { EventShape } from './event_shape.ts';

/** An attribute as expressions see it: a type, or an expression to find it from. */
export type Formula = InputType | { readonly text: string };

export type ExpressionGraph = {
  /** Names of the expressions that parse. */
  readonly order: readonly string[];
  /** Over positions in the given order. */
  readonly compiled: ReadonlyMap<string, CompiledExpression>;
  readonly parsed: ReadonlyMap<string, ParsedExpression>;
  /** By the name of the expression. */
  readonly mistakes: ReadonlyMap<string, readonly ExpressionMistake[]>;
};

/** @param formulas in the order of the plan   @param record what records say of a profile   @param allKnown false: some attributes could not be read, any name may be one
 *  Cost: about 100 µs an expression */
export function expressionGraph(formulas: ReadonlyMap<string, Formula>, record: EventShape, allKnown = true): ExpressionGraph {
  const types = new Map<string, InputType>();
  for (const [name, formula] of formulas) types.set(name, 'text' in formula ? UNKNOWN_TYPE : formula);
  const mistakes = new Map<string, ExpressionMistake[]>();
  const parsed = new Map<string, ParsedExpression>();
  for (const [name, formula] of formulas) {
    if (!('text' in formula)) continue;
    const result = parseExpression(formula.text, types, allKnown, record);
    if (result.mistakes.length > 0) mistakes.set(name, [...result.mistakes]);
    if ('root' in result) parsed.set(name, result);
  }
  const cut = cutCycles(parsed, (name, mistake) => mistakes.set(name, [...(mistakes.get(name) ?? []), mistake]));
  const order = orderOf(parsed, cut);
  const indexes = new Map([...formulas.keys()].map((name, index) => [name, index]));
  const compiled = new Map<string, CompiledExpression>();
  for (const name of order) {
    // With a name that is not there, or a use that is refused, CEL's own words would only repeat it.
    if ((parsed.get(name)?.mistakes.length ?? 0) > 0) continue;
    const result = compileExpression(parsed.get(name)!, types, indexes);
    if (isMistake(result)) mistakes.set(name, [...(mistakes.get(name) ?? []), result]);
    else {
      compiled.set(name, result);
      if (!cut.has(name)) types.set(name, { type: result.type, isTime: false });
    }
  }
  return { order, compiled, parsed, mistakes };
}

/** Which uses to leave out so that no cycle remains: expression → the names it must not lead to. */
function cutCycles(
  parsed: ReadonlyMap<string, ParsedExpression>,
  report: (name: string, mistake: ExpressionMistake) => void,
): ReadonlyMap<string, ReadonlySet<string>> {
  const cut = new Map<string, Set<string>>();
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (name: string): void => {
    way.push(name);
    const seen = new Set<string>();
    for (const use of parsed.get(name)!.attributes) {
      if (!parsed.has(use.name) || seen.has(use.name)) continue;
      seen.add(use.name);
      const start = way.indexOf(use.name);
      if (start >= 0) {
        const path = [...way.slice(start), use.name].join(' → ');
        report(name, { offset: use.offset, message: use.name === name ? `'${name}' names itself` : `cycle: ${path}` });
        cut.set(name, (cut.get(name) ?? new Set()).add(use.name));
      } else if (!done.has(use.name)) visit(use.name);
    }
    way.pop();
    done.add(name);
  };
  for (const name of parsed.keys()) if (!done.has(name)) visit(name);
  return cut;
}

/** Always the first of those whose inputs are all there. */
function orderOf(
  parsed: ReadonlyMap<string, ParsedExpression>,
  cut: ReadonlyMap<string, ReadonlySet<string>>,
): readonly string[] {
  const order: string[] = [];
  const waiting = new Set(parsed.keys());
  const isReady = (name: string): boolean =>
    parsed.get(name)!.attributes.every((use) => !waiting.has(use.name) || cut.get(name)?.has(use.name) === true);
  while (waiting.size > 0) {
    const next = [...waiting].find(isReady);
    if (next === undefined) break;
    waiting.delete(next);
    order.push(next);
  }
  return order;
}
