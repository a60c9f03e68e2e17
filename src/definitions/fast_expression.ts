// Expressions over attributes without the CEL interpreter: numbers, texts and booleans, compared, computed with as doubles, joined by
// && || ! ?:, has() and double().
// FX1: the same answer as the interpreter for every input; undefined is an error (an absent value), which && and || absorb as CEL does.
// FX2: never throws, allocates nothing. FX3: null for anything it does not know; the caller then takes the interpreter.
import type { ExpressionInputs } from '../aggregate/plan.ts';
import type { CelNode } from './cel_node.ts';

/** An attribute: where to ask for it, and the CEL type that it has. */
export type FastInput = { readonly index: number; readonly type: string };

type Kind = 'int' | 'double' | 'string' | 'bool';
type Scalar = number | string | boolean;
type Read = (inputs: ExpressionInputs) => Scalar | undefined;
type Fast = { readonly kind: Kind; readonly read: Read };
type Find = (name: string) => FastInput | undefined;

const SCRIPT_TYPE: Readonly<Record<Kind, string>> = { int: 'number', double: 'number', string: 'string', bool: 'boolean' };

/** @param root of an expression that has passed CEL's check */
export function fastExpression(root: CelNode, find: Find): Read | null {
  return fast(root, find)?.read ?? null;
}

function fast(node: CelNode, find: Find): Fast | null {
  switch (node.op) {
    case 'value':
      return literal(node.args);
    case 'id':
      return attribute(find(node.args));
    case '.':
      return attribute(member(node, find));
    case '!_': {
      const inner = fast(node.args, find);
      if (inner?.kind !== 'bool') return null;
      return bool((inputs) => {
        const value = inner.read(inputs);
        return value === undefined ? undefined : !value;
      });
    }
    case '-_': {
      const inner = fast(node.args, find);
      if (inner?.kind !== 'double') return null;
      return double((inputs) => {
        const value = inner.read(inputs) as number | undefined;
        return value === undefined ? undefined : -value;
      });
    }
    case '&&':
    case '||':
      return joined(node.op === '||', fast(node.args[0], find), fast(node.args[1], find));
    case '?:':
      return choice(fast(node.args[0], find), fast(node.args[1], find), fast(node.args[2], find));
    case '+':
    case '-':
    case '*':
    case '/':
      return arithmetic(node.op, fast(node.args[0], find), fast(node.args[1], find));
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '==':
    case '!=':
      return comparison(node.op, fast(node.args[0], find), fast(node.args[1], find));
    case 'call':
      return call(node.args[0], node.args[1], find);
    default:
      return null;
  }
}

function literal(value: unknown): Fast | null {
  switch (typeof value) {
    case 'bigint':
      // beyond 2^53 an integer is not the number that it would become
      return Number.isSafeInteger(Number(value)) ? { kind: 'int', read: always(Number(value)) } : null;
    case 'number':
      return double(always(value));
    case 'string':
      return { kind: 'string', read: always(value) };
    case 'boolean':
      return bool(always(value));
    default:
      return null;
  }
}

function member(node: CelNode, find: Find): FastInput | undefined {
  if (node.op !== '.') return undefined;
  const [holder, name] = node.args;
  return holder.op === 'id' && holder.args === 'computed' ? find(name) : undefined;
}

function attribute(input: FastInput | undefined): Fast | null {
  if (input === undefined) return null;
  const { index } = input;
  const kind = (Object.keys(SCRIPT_TYPE) as Kind[]).find((known) => known === input.type);
  if (kind === undefined) return null;
  const type = SCRIPT_TYPE[kind];
  if (kind === 'int') {
    return {
      kind,
      read: ({ valueOf }) => {
        const value = valueOf(index);
        return Number.isSafeInteger(value) ? (value as number) : undefined;
      },
    };
  }
  return {
    kind,
    read: ({ valueOf }) => {
      const value = valueOf(index);
      return typeof value === type ? (value as Scalar) : undefined;
    },
  };
}

function joined(decisive: boolean, left: Fast | null, right: Fast | null): Fast | null {
  if (left?.kind !== 'bool' || right?.kind !== 'bool') return null;
  return bool((inputs) => {
    const a = left.read(inputs);
    if (a === decisive) return decisive;
    const b = right.read(inputs);
    if (b === decisive) return decisive;
    return a === undefined || b === undefined ? undefined : !decisive;
  });
}

function choice(condition: Fast | null, then: Fast | null, otherwise: Fast | null): Fast | null {
  if (condition?.kind !== 'bool' || then === null || otherwise === null || then.kind !== otherwise.kind) return null;
  const read: Read = (inputs) => {
    const answer = condition.read(inputs);
    if (answer === undefined) return undefined;
    return answer ? then.read(inputs) : otherwise.read(inputs);
  };
  return { kind: then.kind, read };
}

/** Of doubles only: integers of CEL overflow and divide in ways of their own. */
function arithmetic(op: '+' | '-' | '*' | '/', left: Fast | null, right: Fast | null): Fast | null {
  if (left?.kind !== 'double' || right?.kind !== 'double') return null;
  const compute = ARITHMETIC[op];
  return double((inputs) => {
    const a = left.read(inputs) as number | undefined;
    const b = right.read(inputs) as number | undefined;
    return a === undefined || b === undefined ? undefined : compute(a, b);
  });
}

const ARITHMETIC = {
  '+': (a: number, b: number): number => a + b,
  '-': (a: number, b: number): number => a - b,
  '*': (a: number, b: number): number => a * b,
  '/': (a: number, b: number): number => a / b,
};

/** Numbers order across int and double; the check has refused what does not compare. */
function comparison(op: keyof typeof COMPARISON, left: Fast | null, right: Fast | null): Fast | null {
  if (left === null || right === null || SCRIPT_TYPE[left.kind] !== SCRIPT_TYPE[right.kind]) return null;
  const compare = COMPARISON[op];
  return bool((inputs) => {
    const a = left.read(inputs);
    const b = right.read(inputs);
    return a === undefined || b === undefined ? undefined : compare(a, b);
  });
}

const COMPARISON = {
  '<': (a: Scalar, b: Scalar): boolean => a < b,
  '<=': (a: Scalar, b: Scalar): boolean => a <= b,
  '>': (a: Scalar, b: Scalar): boolean => a > b,
  '>=': (a: Scalar, b: Scalar): boolean => a >= b,
  '==': (a: Scalar, b: Scalar): boolean => a === b,
  '!=': (a: Scalar, b: Scalar): boolean => a !== b,
};

function call(name: string, [argument]: readonly CelNode[], find: Find): Fast | null {
  if (argument === undefined) return null;
  if (name === 'double') {
    const inner = fast(argument, find);
    return inner?.kind === 'int' || inner?.kind === 'double' ? double(inner.read) : null;
  }
  if (name !== 'has') return null;
  const input = member(argument, find);
  const held = attribute(input);
  if (input === undefined || held === null) return null;
  // of another type than it should be is an error, also for `has`
  return bool((inputs) =>
    inputs.valueOf(input.index) === undefined ? false : held.read(inputs) === undefined ? undefined : true,
  );
}

function always(value: Scalar): Read {
  return () => value;
}

function bool(read: Read): Fast {
  return { kind: 'bool', read };
}

function double(read: Read): Fast {
  return { kind: 'double', read };
}
