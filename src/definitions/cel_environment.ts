// CEL as definitions use it: one variable, `event`, typed from the union of the event schemas.
// Boundary: the only file that imports the CEL library.
// C1: an expression is a function of the event alone: nothing that reads the machine's time zone passes the check.
// C2: its time is bounded by the event's size: no regular expressions, no loop inside a loop.
// C3: `evaluate` never throws; an error of any kind is undefined.
import { Environment, type ASTNode } from '@marcbachmann/cel-js';
import type { EventBody } from '../message/decode.ts';
import { parseRfc3339 } from '../base/time.ts';
import { suggestPath, type EventShape } from './event_shape.ts';

export type CelNode = ASTNode;
export type ExpressionMistake = { readonly offset: number; readonly message: string };

/** `type` is the library's name of the result type. */
export type CheckedExpression = {
  readonly type: string;
  readonly root: CelNode;
  readonly evaluate: (event: EventBody) => unknown;
};

export interface CelEnvironment {
  check(text: string): CheckedExpression | ExpressionMistake;
}

type CelSchema = { [key: string]: string | CelSchema };
type CelFailure = {
  readonly code?: string;
  readonly summary?: string;
  readonly range?: { readonly start: number };
  readonly node?: unknown;
};

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Methods that evaluate an argument once per element. */
export const LOOPS: ReadonlySet<string> = new Set(['exists', 'all', 'exists_one', 'map', 'filter']);

export function celEnvironment(shape: EventShape): CelEnvironment {
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits: { maxAstNodes: 1000, maxDepth: 50 } });
  if (shape.kind === 'object') environment.registerVariable({ name: 'event', schema: celSchema(shape.fields) });
  else environment.registerVariable('event', 'dyn');
  const misread = declaresPrototypeName(shape);
  return {
    check(text) {
      try {
        const program = environment.parse(text);
        const refused = refusedUse(program.ast, shape, 0);
        if (refused !== undefined) return refused;
        const result = program.check();
        if (!result.valid) return expressionMistake(result.error as CelFailure, shape);
        return { type: result.type ?? 'dyn', root: program.ast, evaluate: evaluator(program, misread) };
      } catch (error) {
        return expressionMistake(error as CelFailure, shape);
      }
    },
  };
}

function celSchema(fields: ReadonlyMap<string, EventShape>): CelSchema {
  const schema = Object.create(null) as CelSchema;
  for (const [key, field] of fields) {
    if (field.kind === 'list') schema[key] = `list<${field.item}>`;
    else if (field.kind !== 'object') schema[key] = field.kind;
    // The library derives type names from field names and cannot parse all of them.
    else schema[key] = IDENTIFIER.test(key) ? celSchema(field.fields) : 'dyn';
  }
  return schema;
}

/** The library asks `value.constructor` what a value is, so an event with a key of that name (or a schema that declares a name
 *  of Object.prototype) makes it see foreign classes and functions. Maps it reads truly: what failed is evaluated again on Maps.
 *  Data cannot switch a filter off. Errors that && and || absorb need no second look: their result holds for every operand. */
function evaluator(program: (context: { event: unknown }) => unknown, misread: boolean): (event: EventBody) => unknown {
  return (event) => {
    // A missing key throws, often; collecting a stack for it costs as much as all the rest.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return plain(program({ event }));
    } catch {
      if (!misread && !namesConstructor(event)) return undefined;
      try {
        return plain(program({ event: asMaps(event) }));
      } catch {
        return undefined;
      }
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
}

function namesConstructor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(namesConstructor);
  return Object.hasOwn(value, 'constructor') || Object.values(value).some(namesConstructor);
}

function declaresPrototypeName(shape: EventShape): boolean {
  return (
    shape.kind === 'object' && [...shape.fields].some(([key, field]) => key in Object.prototype || declaresPrototypeName(field))
  );
}

function asMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asMaps);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, asMaps(inner)]));
}

/** CEL's result as JSON has it: integers become numbers; what JSON cannot hold, and objects, become undefined. */
function plain(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
    default:
      if (value === null) return null;
      if (Array.isArray(value)) {
        const items = value.map(plain);
        return items.includes(undefined) ? undefined : items;
      }
      return undefined;
  }
}

function expressionMistake(error: CelFailure, shape: EventShape): ExpressionMistake {
  const summary = (error.summary ?? String((error as Error).message)).split('\n')[0]!;
  const node = error.node as CelNode | undefined;
  const offset = error.range?.start ?? 0;
  if (error.code === 'no_such_key' && node?.op === '.') {
    const path = eventPath(node);
    if (path !== undefined) {
      return { offset, message: `no schema declares '${['event', ...path].join('.')}'${suggestPath(shape, path)}` };
    }
  }
  if (error.code === 'unknown_variable') return { offset, message: `${summary}; the only variable is 'event'` };
  const mixed = /\b(double|int|list<double>|list<int>)\b.*\b(double|int|list<double>|list<int>)\b/.exec(summary);
  const hint = mixed !== null && mixed[1] !== mixed[2] ? '; numbers of an event are doubles: write 0.0 instead of 0' : '';
  return { offset, message: summary.replaceAll(/\$event(\.\w+)*/g, 'object') + hint };
}

/** The path of `event.a.b`, or undefined when the node is anything else. `event` itself is []. */
export function eventPath(node: CelNode): readonly string[] | undefined {
  if (node.op === 'id') return node.args === 'event' ? [] : undefined;
  if (node.op !== '.') return undefined;
  const parent = eventPath(node.args[0]);
  return parent === undefined ? undefined : [...parent, node.args[1]];
}

function refusedUse(node: CelNode, shape: EventShape, loops: number): ExpressionMistake | undefined {
  const offset = node.pos;
  let inner = loops;
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
    if (LOOPS.has(name) && args[0]?.op === 'id') {
      if (args[0].args === 'event') return { offset, message: `a loop variable must not be called 'event'` };
      if (loops > 0)
        return { offset, message: `${name}() inside another loop is not supported: its cost grows with the square of the event` };
      inner = loops + 1;
    }
    if (name === 'bind' && args[0]?.args === 'event') return { offset, message: `a bound variable must not be called 'event'` };
  }
  if (node.op === 'call') {
    const [name, args] = node.args;
    if (name === 'timestamp' && !isPlainTime(args[0])) {
      return {
        offset,
        message: `timestamp() takes event.timestamp or an RFC 3339 literal: other texts are read in the machine's time zone`,
      };
    }
    const path = name === 'has' && args[0] !== undefined ? eventPath(args[0]) : undefined;
    if (path !== undefined) {
      const missing = undeclared(shape, path);
      if (missing !== undefined)
        return {
          offset: args[0]!.pos,
          message: `no schema declares '${['event', ...missing].join('.')}'${suggestPath(shape, missing)}`,
        };
    }
  }
  for (const child of children(node.args)) {
    const refused = refusedUse(child, shape, inner);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** The shortest prefix of `path` that no schema declares. */
function undeclared(shape: EventShape, path: readonly string[]): readonly string[] | undefined {
  let at: EventShape | undefined = shape;
  for (let i = 0; i < path.length; i++) {
    if (at.kind === 'dyn') return undefined;
    const next: EventShape | undefined = at.kind === 'object' ? at.fields.get(path[i]!) : undefined;
    if (next === undefined) return path.slice(0, i + 1);
    at = next;
  }
  return undefined;
}

function isPlainTime(node: CelNode | undefined): boolean {
  if (node === undefined) return false;
  if (node.op === 'value') return typeof node.args === 'string' && !Number.isNaN(parseRfc3339(node.args));
  return eventPath(node)?.join('.') === 'timestamp';
}

function children(args: unknown): CelNode[] {
  if (Array.isArray(args)) return args.flatMap(children);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as CelNode] : [];
}
