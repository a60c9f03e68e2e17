// Which paths an expression cannot do without. G1: if any of them is missing or of another type than declared, the expression
// is an error, whatever the rest says. G2: null when a part may go unevaluated (&& || ?: has, loops) or is not known here.
import { LOOPS, eventPath, type CelNode } from './cel_node.ts';

type Paths = readonly (readonly string[])[];

export function strictPaths(node: CelNode): Paths | null {
  const path = eventPath(node);
  if (path !== undefined) return path.length === 0 ? [] : [path];
  switch (node.op) {
    case 'value':
      return [];
    case '.':
      return strictPaths(node.args[0]);
    case '!_':
    case '-_':
      return strictPaths(node.args);
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '==':
    case '!=':
    case 'in':
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '[]':
    case 'list':
      return all(node.args);
    case 'call':
      return node.args[0] === 'has' ? null : all(node.args[1]);
    case 'rcall':
      // In a loop only what is looped over is sure to be read.
      if (LOOPS.has(node.args[0])) return strictPaths(node.args[1]);
      return node.args[0] === 'bind' ? null : all([node.args[1], ...node.args[2]]);
    default:
      return null;
  }
}

function all(nodes: readonly CelNode[]): Paths | null {
  const paths: (readonly string[])[] = [];
  for (const node of nodes) {
    const inner = strictPaths(node);
    if (inner === null) return null;
    paths.push(...inner);
  }
  return paths;
}
