// The CEL library, held to what definitions need of it. Boundary: the only file that imports it (types of its trees: cel_node.ts).
// CP1: `run` never throws: an error of any kind is FAILED. CP2: a result is what JSON has: integers come as numbers, objects are none.
import { Environment } from '@marcbachmann/cel-js';
import type { CelNode } from './cel_node.ts';

/** The library's name of a type, or the fields of an object. */
export type CelType = string | CelSchema;
export type CelSchema = { readonly [key: string]: CelType };
export type CelFailure = { readonly code: string; readonly summary: string; readonly offset: number; readonly node?: CelNode };

/** Errors are values: `undefined` is one of CEL's results (an object, an integer that JSON cannot hold). */
export const FAILED = Symbol('failed');

export type CelProgram = {
  readonly root: CelNode;
  check(): { readonly type: string } | { readonly failure: CelFailure };
  /** @param variables by name: a Map, or an object without prototype   Only after a successful `check`. */
  run(variables: object): unknown;
};

export interface CelLanguage {
  parse(text: string): CelProgram | { readonly failure: CelFailure };
}

type LibraryError = {
  readonly code?: string;
  readonly summary?: string;
  readonly range?: { readonly start: number };
  readonly node?: unknown;
};

/** CEL with these variables. Cost: some tens of µs, and one a variable */
export function celLanguage(variables: ReadonlyMap<string, CelType>): CelLanguage {
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits: { maxAstNodes: 1000, maxDepth: 50 } });
  for (const [name, type] of variables) {
    if (typeof type === 'string') environment.registerVariable(name, type);
    else environment.registerVariable({ name, schema: type });
  }
  return {
    parse(text) {
      try {
        const program = environment.parse(text);
        return {
          root: program.ast,
          check() {
            const result = program.check();
            return result.valid ? { type: result.type ?? 'dyn' } : { failure: failureOf(result.error as LibraryError) };
          },
          run: (context) => run(program, context),
        };
      } catch (error) {
        return { failure: failureOf(error as LibraryError) };
      }
    },
  };
}

function run(program: (context: never) => unknown, variables: object): unknown {
  // A missing key throws, often; collecting a stack for it costs as much as all the rest.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return plain(program(variables as never));
  } catch {
    return FAILED;
  } finally {
    Error.stackTraceLimit = limit;
  }
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

function failureOf(error: LibraryError): CelFailure {
  const summary = (error.summary ?? String((error as Error).message)).split('\n')[0]!;
  const node = error.node === undefined ? {} : { node: error.node as CelNode };
  return { code: error.code ?? '', summary, offset: error.range?.start ?? 0, ...node };
}
