// CEL as filters and values use it: one variable, `event`, typed from the union of the event schemas.
// C1: an expression is a function of the event alone. C2: its time is bounded by the event's size (cel_limits.ts, both).
// C3: `evaluate` never throws; an error of any kind is undefined.
import type { EventBody } from '../message/admission.ts';
import { refusedUse, type Limits } from './cel_limits.ts';
import { children, eventPath, memberPath, type CelNode, type ExpressionMistake } from './cel_node.ts';
import { celLanguage, FAILED, type CelFailure, type CelProgram, type CelType } from './cel_program.ts';
import { suggestPath, type EventShape } from './event_shape.ts';

/** `type` is the library's name of the result type. */
export type CheckedExpression = {
  readonly type: string;
  readonly root: CelNode;
  readonly evaluate: (event: EventBody) => unknown;
};

export interface CelEnvironment {
  check(text: string): CheckedExpression | ExpressionMistake;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

const LIMITS: Limits = {
  subject: 'the event',
  times: 'event.timestamp',
  isTime: (node) => eventPath(node)?.join('.') === 'timestamp',
  taken: (name) => (name === 'event' ? '' : undefined),
};

export function celEnvironment(shape: EventShape): CelEnvironment {
  const language = celLanguage(new Map([['event', shape.kind === 'object' ? celSchema(shape.fields) : 'dyn']]));
  const misread = declaresPrototypeName(shape);
  return {
    check(text) {
      const program = language.parse(text);
      if ('failure' in program) return expressionMistake(program.failure, shape);
      const refused = refusedUse(program.root, LIMITS) ?? undeclaredHas(program.root, shape, 'event');
      if (refused !== undefined) return refused;
      const result = program.check();
      if ('failure' in result) return expressionMistake(result.failure, shape);
      return { type: result.type, root: program.root, evaluate: evaluator(program, misread) };
    },
  };
}

export function celSchema(fields: ReadonlyMap<string, EventShape>): CelType {
  const schema = Object.create(null) as Record<string, CelType>;
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
function evaluator(program: CelProgram, misread: boolean): (event: EventBody) => unknown {
  return (event) => {
    const result = program.run({ event });
    if (result !== FAILED) return result;
    if (!misread && !namesConstructor(event)) return undefined;
    const again = program.run({ event: asMaps(event) });
    return again === FAILED ? undefined : again;
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

/** A JSON value as the interpreter reads it truly, whatever its keys are called. Cost: O(size) */
export function asMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asMaps);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, asMaps(inner)]));
}

function expressionMistake({ code, summary, offset, node }: CelFailure, shape: EventShape): ExpressionMistake {
  if (code === 'no_such_key' && node?.op === '.') {
    const path = eventPath(node);
    if (path !== undefined) return { offset, message: undeclaredText(path, shape, 'event') };
  }
  if (code === 'unknown_variable') return { offset, message: `${summary}; the only variable is 'event'` };
  const hint = mixesNumbers(summary) ? '; numbers of an event are doubles: write 0.0 instead of 0' : '';
  return { offset, message: summary.replaceAll(/\$event(\.\w+)*/g, 'object') + hint };
}

/** Does the message say that an int met a double? */
export function mixesNumbers(summary: string): boolean {
  const mixed = /\b(double|int|list<double>|list<int>)\b.*\b(double|int|list<double>|list<int>)\b/.exec(summary);
  return mixed !== null && mixed[1] !== mixed[2];
}

export type Root = 'event' | 'profile';

export function undeclaredText(path: readonly string[], shape: EventShape, root: Root): string {
  const schema = root === 'event' ? 'schema' : 'schema of records';
  return `no ${schema} declares '${[root, ...path].join('.')}'${suggestPath(shape, path, `${root}.`)}`;
}

/** The library lets `has()` ask for anything. */
export function undeclaredHas(node: CelNode, shape: EventShape, root: Root): ExpressionMistake | undefined {
  if (node.op === 'call' && node.args[0] === 'has') {
    const argument = node.args[1][0];
    const path = argument === undefined ? undefined : memberPath(argument, root);
    const missing = path === undefined ? undefined : undeclared(shape, path);
    if (missing !== undefined) return { offset: argument!.pos, message: undeclaredText(missing, shape, root) };
  }
  for (const child of children(node.args)) {
    const below = undeclaredHas(child, shape, root);
    if (below !== undefined) return below;
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
