// The tree of a parsed expression, and the questions that several readers of it ask. Types of the library only.
import type { ASTNode } from '@marcbachmann/cel-js';

export type CelNode = ASTNode;

/** `offset`: characters into the expression's text. */
export type ExpressionMistake = { readonly offset: number; readonly message: string };

/** Methods that evaluate an argument once per element. */
export const LOOPS: ReadonlySet<string> = new Set(['exists', 'all', 'exists_one', 'map', 'filter']);

/** The path of `event.a.b`, or undefined when the node is anything else. `event` itself is []. */
export function eventPath(node: CelNode): readonly string[] | undefined {
  return memberPath(node, 'event');
}

/** The path of `root.a.b`, or undefined when the node is anything else. */
export function memberPath(node: CelNode, root: string): readonly string[] | undefined {
  if (node.op === 'id') return node.args === root ? [] : undefined;
  if (node.op !== '.') return undefined;
  const parent = memberPath(node.args[0], root);
  return parent === undefined ? undefined : [...parent, node.args[1]];
}

/** The nodes right below one, whatever its form. */
export function children(args: unknown): CelNode[] {
  if (Array.isArray(args)) return args.flatMap(children);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as CelNode] : [];
}

/** The name that a loop or a `bind` gives to its values, and the node that says it; undefined when the node does not. */
export function boundName(node: CelNode): { readonly name: string; readonly at: CelNode } | undefined {
  if (node.op !== 'rcall') return undefined;
  const [method, , args] = node.args;
  const first = args[0];
  return (LOOPS.has(method) || method === 'bind') && first?.op === 'id' ? { name: first.args, at: first } : undefined;
}
