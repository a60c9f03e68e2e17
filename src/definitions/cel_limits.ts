// What CEL could do and definitions must not.
// CL1: a result is a function of what the expression is given: nothing that reads the machine's time zone passes.
// CL2: its time is bounded by the size of that: no regular expressions, no loop inside a loop.
import { parseRfc3339 } from '../base/time.ts';
import { boundName, children, LOOPS, type CelNode, type ExpressionMistake } from './cel_node.ts';

export type Limits = {
  /** What may be read here, for messages: 'the event'. */
  readonly subject: string;
  /** What `timestamp()` takes beside literals, for messages: 'event.timestamp'. */
  readonly times: string;
  /** Is the value of this node certainly a text in RFC 3339? Literals need no asking. */
  readonly isTime: (node: CelNode) => boolean;
  /** Why a loop or a `bind` must not give this name to its values; undefined: it may. */
  readonly taken: (name: string) => string | undefined;
};

/** The first use that is refused. Cost: O(nodes) */
export function refusedUse(node: CelNode, limits: Limits, loops = 0): ExpressionMistake | undefined {
  const refused = refusedCall(node, limits, loops);
  if (refused !== undefined) return refused;
  const inner = loops + (isLoop(node) ? 1 : 0);
  for (const child of children(node.args)) {
    const below = refusedUse(child, limits, inner);
    if (below !== undefined) return below;
  }
  return undefined;
}

function refusedCall(node: CelNode, limits: Limits, loops: number): ExpressionMistake | undefined {
  const offset = node.pos;
  const bound = boundName(node);
  if (bound !== undefined) {
    const why = limits.taken(bound.name);
    if (why !== undefined) {
      const kind = isLoop(node) ? 'loop' : 'bound';
      return { offset, message: `a ${kind} variable must not be called '${bound.name}'${why}` };
    }
  }
  if (node.op === 'rcall') {
    const [name, , args] = node.args;
    if (name === 'matches')
      return {
        offset,
        message: `matches() is not supported: a pattern can take seconds; use contains(), startsWith() or endsWith()`,
      };
    if (name === 'getDayOfYear' || (/^get[A-Z]/.test(name) && args.length > 0)) {
      return {
        offset,
        message: `${name}(${args.length > 0 ? 'zone' : ''}) is not supported: its result depends on the machine's time zone data`,
      };
    }
    if (isLoop(node) && loops > 0) {
      return {
        offset,
        message: `${name}() inside another loop is not supported: its cost grows with the square of ${limits.subject}`,
      };
    }
  }
  if (node.op === 'call' && node.args[0] === 'timestamp' && !isPlainTime(node.args[1][0], limits)) {
    return {
      offset,
      message: `timestamp() takes ${limits.times} or an RFC 3339 literal: other texts are read in the machine's time zone`,
    };
  }
  return undefined;
}

function isLoop(node: CelNode): boolean {
  return node.op === 'rcall' && LOOPS.has(node.args[0]) && node.args[2][0]?.op === 'id';
}

function isPlainTime(node: CelNode | undefined, limits: Limits): boolean {
  if (node === undefined) return false;
  if (node.op === 'value') return typeof node.args === 'string' && !Number.isNaN(parseRfc3339(node.args));
  return limits.isTime(node);
}
