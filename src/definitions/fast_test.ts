// Filters without the CEL interpreter: comparisons of a path with a literal, `has(path)`, boolean paths, joined by && || !.
// T1: the same answer as the interpreter for every event. An answer is true, false or undefined (an error, such as a missing key);
//     && and || absorb errors as CEL does: `false && error` is false. Proved against the interpreter in the tests.
// T2: never throws, allocates nothing. T3: null for anything it does not know; the caller then takes the interpreter.
import type { EventBody } from '../message/admission.ts';
import { eventPath, type CelNode } from './cel_node.ts';
import { reader, type Read } from './event_path.ts';
import { shapeAt, type EventShape } from './event_shape.ts';

export type Answer = boolean | undefined;
export type Test = (event: EventBody) => Answer;
type Operator = '<' | '<=' | '>' | '>=' | '==' | '!=';
type Literal = number | string | boolean;

const FLIPPED: Readonly<Record<Operator, Operator>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==', '!=': '!=' };

/** True when every test is: an error is not. */
export function allTrue(tests: readonly Test[]): (event: EventBody) => boolean {
  const [a, b, c] = tests as [Test, Test, Test];
  switch (tests.length) {
    case 0:
      return () => true;
    case 1:
      return (event) => a(event) === true;
    case 2:
      return (event) => a(event) === true && b(event) === true;
    case 3:
      return (event) => a(event) === true && b(event) === true && c(event) === true;
    default:
      return (event) => {
        for (let i = 0; i < tests.length; i++) if (tests[i]!(event) !== true) return false;
        return true;
      };
  }
}

/** A whole conjunction is true exactly when each part is: errors need no care at the top. */
export function conjuncts(node: CelNode): CelNode[] {
  return node.op === '&&' ? [...conjuncts(node.args[0]), ...conjuncts(node.args[1])] : [node];
}

export function fastTest(node: CelNode, shape: EventShape): Test | null {
  switch (node.op) {
    case '&&':
    case '||': {
      const left = fastTest(node.args[0], shape);
      const right = fastTest(node.args[1], shape);
      return left === null || right === null ? null : joined(node.op === '||', left, right);
    }
    case '!_': {
      const inner = fastTest(node.args, shape);
      if (inner === null) return null;
      return (event) => {
        const answer = inner(event);
        return answer === undefined ? undefined : !answer;
      };
    }
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '==':
    case '!=':
      return comparison(node.op, node.args[0], node.args[1], shape);
    case '.': {
      const path = eventPath(node);
      const read = path === undefined ? null : typedReader(path, shape);
      if (read === null) return null;
      return (event) => {
        const value = read(event);
        return typeof value === 'boolean' ? value : undefined;
      };
    }
    case 'call':
      return node.args[0] === 'has' ? presence(node.args[1][0], shape) : null;
    default:
      return null;
  }
}

function joined(decisive: boolean, left: Test, right: Test): Test {
  return (event) => {
    const a = left(event);
    if (a === decisive) return decisive;
    const b = right(event);
    if (b === decisive) return decisive;
    return a === undefined || b === undefined ? undefined : !decisive;
  };
}

function comparison(op: Operator, left: CelNode, right: CelNode, shape: EventShape): Test | null {
  let path = eventPath(left);
  let literal = literalOf(right);
  let operator = op;
  if (path === undefined || literal === undefined) {
    path = eventPath(right);
    literal = literalOf(left);
    operator = FLIPPED[op];
  }
  const read = path === undefined || literal === undefined ? null : typedReader(path, shape);
  if (read === null) return null;
  // Values of another type: an order is an error; equality is decided, unless the schema names the type and the read was undefined.
  const other: Answer = operator === '==' ? false : operator === '!=' ? true : undefined;
  if (typeof literal === 'number') return orderedTest(operator, read, literal, 'number', other);
  if (typeof literal === 'string') return orderedTest(operator, read, literal, 'string', other);
  if (operator !== '==' && operator !== '!=') return null;
  const wanted = literal;
  const negated = operator === '!=';
  return (event) => {
    const value = read(event);
    if (value === undefined) return undefined;
    return (value === wanted) !== negated;
  };
}

/** One closure per operator: a switch inside would run for every event. */
function orderedTest<T extends number | string>(op: Operator, read: Read, n: T, type: 'number' | 'string', other: Answer): Test {
  switch (op) {
    case '<':
      return (event) => {
        const value = read(event);
        return typeof value === type ? (value as T) < n : undefined;
      };
    case '<=':
      return (event) => {
        const value = read(event);
        return typeof value === type ? (value as T) <= n : undefined;
      };
    case '>':
      return (event) => {
        const value = read(event);
        return typeof value === type ? (value as T) > n : undefined;
      };
    case '>=':
      return (event) => {
        const value = read(event);
        return typeof value === type ? (value as T) >= n : undefined;
      };
    case '==':
      return (event) => {
        const value = read(event);
        return typeof value === type ? value === n : value === undefined ? undefined : other;
      };
    case '!=':
      return (event) => {
        const value = read(event);
        return typeof value === type ? value !== n : value === undefined ? undefined : other;
      };
  }
}

/** `has(event.a.b)`: an error when `event.a` is missing, else whether it has `b`; a value of another type than declared is an error. */
function presence(argument: CelNode | undefined, shape: EventShape): Test | null {
  const path = argument === undefined ? undefined : eventPath(argument);
  if (path === undefined || path.length === 0) return null;
  const leaf = shapeAt(shape, path);
  const parentShape = shapeAt(shape, path.slice(0, -1));
  const raw = reader(path);
  const typed = typedReader(path, shape);
  if (leaf === undefined || parentShape === undefined || typed === null) return null;
  const parent: Read = path.length === 1 ? (event) => event : reader(path.slice(0, -1));
  const declared = parentShape.kind === 'object';
  return (event) => {
    if (raw(event) === undefined) {
      const holder = parent(event);
      return holder === undefined || (declared && !isObject(holder)) ? undefined : false;
    }
    return typed(event) === undefined ? undefined : true;
  };
}

/** Reads a path and holds the value to the type that the schemas declare; a value of another type reads as undefined. */
export function typedReader(path: readonly string[], shape: EventShape): Read | null {
  if (path.length === 0) return null;
  const read = reader(path);
  const leaf = shapeAt(shape, path);
  switch (leaf?.kind) {
    case 'dyn':
      return read;
    case 'double':
      return ofType(read, 'number');
    case 'string':
      return ofType(read, 'string');
    case 'bool':
      return ofType(read, 'boolean');
    case 'list':
      return (event) => {
        const value = read(event);
        return Array.isArray(value) ? value : undefined;
      };
    case 'object':
      return (event) => {
        const value = read(event);
        return isObject(value) ? value : undefined;
      };
    default:
      return null;
  }
}

function ofType(read: Read, type: 'number' | 'string' | 'boolean'): Read {
  return (event) => {
    const value = read(event);
    return typeof value === type ? value : undefined;
  };
}

function literalOf(node: CelNode): Literal | undefined {
  const negative = node.op === '-_';
  const value = negative ? node.args : node;
  if (value.op !== 'value') return undefined;
  const literal = value.args;
  if (typeof literal === 'bigint' || typeof literal === 'number') {
    const number = Number(literal);
    // Beyond 2^53 an integer literal is not the number it would become.
    if (typeof literal === 'bigint' && !Number.isSafeInteger(number)) return undefined;
    return negative ? -number : number;
  }
  return !negative && (typeof literal === 'string' || typeof literal === 'boolean') ? literal : undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
