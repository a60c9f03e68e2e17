// For each path that definitions have something to say about, a few values that decide something there.
// PD1: read from the definitions' own text and schemas: no function, window or kind of attribute is known by name here.
import { formatTime } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { shapeAt, type EventShape } from '../definitions/event_shape.ts';

/** `values` fit the path's type; ties among them are likely. `isList`: arrays stand there. */
export type PathDomain = { readonly path: readonly string[]; readonly values: readonly unknown[]; readonly isList: boolean };

/** @param root what expressions read the payloads as: `event`, `profile` */
export type PathDomainOptions = {
  readonly root: 'event' | 'profile';
  readonly shape: EventShape;
  readonly startMs: number;
  /** Paths that begin with these are none of the payload's fields. */
  readonly except: ReadonlySet<string>;
};

type Found = Map<string, { readonly path: readonly string[]; readonly constants: Set<string | number> }>;

const STEP = /\.([A-Za-z_]\w*)|\['([^']*)'\]|\["([^"]*)"\]/g;
const NUMBER = /(?<![\w.])-?\d+(?:\.\d+)?/g;
const TEXT = /'([^']*)'|"([^"]*)"/g;

const NUMBERS = [0, 1, 0.1, 0.2, 9.99, 10, 25, -3.5, 1e300, 1e-300, -1e300, 123456789012345680];
const TEXTS = ['a', 'b', 'web', '', '\ud800 é', 'x'.repeat(300)];
const TIMES = ['2026-01-01T00:00:00Z', '2025-12-31T23:00:00.000-01:00', '1969-12-31T23:59:59.999Z', '2026-02-30T00:00:00Z'];

/** Every path that expressions read or schemas name. */
export function pathDomains(document: DefinitionsDocument, { root, shape, startMs, except }: PathDomainOptions): PathDomain[] {
  const found: Found = new Map();
  const paths = new RegExp(String.raw`\b${root}((?:\.[A-Za-z_]\w*|\[(?:'[^']*'|"[^"]*")\])+)(\s*\()?`, 'g');
  for (const text of textsIn(JSON.parse(document.canonical))) collect(text, paths, found);
  for (const path of leaves(shape, [])) note(path, found);
  const allowed = new Map<string, unknown[]>();
  for (const { jsonSchema } of document.data.schemas.values()) collectAllowed(jsonSchema, [], allowed);
  return [...found.values()]
    .filter(({ path }) => path.length > 0 && !except.has(path[0]!))
    .map(({ path, constants }) => {
      const at = shapeAt(shape, path);
      const values = valuesFor(at, [...constants], startMs);
      const only = allowed.get(nameOf(path));
      return { path, values: only === undefined ? values : [...only, ...only, values[0]], isList: at?.kind === 'list' };
    });
}

/** Where a schema lists the values that it takes. */
function collectAllowed(schema: unknown, path: readonly string[], allowed: Map<string, unknown[]>): void {
  if (typeof schema !== 'object' || schema === null) return;
  const { enum: values, properties } = schema as { readonly enum?: unknown; readonly properties?: unknown };
  if (Array.isArray(values)) allowed.set(nameOf(path), values);
  if (typeof properties !== 'object' || properties === null) return;
  for (const [key, below] of Object.entries(properties)) collectAllowed(below, [...path, key], allowed);
}

function nameOf(path: readonly string[]): string {
  return path.join('\0');
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Every path in an expression, with every constant that stands in the same expression. */
function collect(expression: string, paths: RegExp, found: Found): void {
  const without = expression.replaceAll(TEXT, ' ');
  const constants = [
    ...[...expression.matchAll(TEXT)].map((match) => match[1] ?? match[2] ?? ''),
    ...[...without.matchAll(NUMBER)].map(([number]) => Number(number)),
  ];
  for (const [, steps, call] of expression.matchAll(paths)) {
    const path = [...steps!.matchAll(STEP)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
    if (call !== undefined) path.pop(); // a method's name
    const { constants: known } = note(path, found);
    for (const constant of constants) known.add(constant);
  }
}

function note(path: readonly string[], found: Found): { readonly constants: Set<string | number> } {
  const name = nameOf(path);
  const there = found.get(name) ?? { path, constants: new Set() };
  found.set(name, there);
  return there;
}

function leaves(shape: EventShape, path: readonly string[]): (readonly string[])[] {
  if (shape.kind !== 'object') return [path];
  return [...shape.fields].flatMap(([key, field]) => leaves(field, [...path, key]));
}

/** Constants and what is next to them first: they are what decides. */
function valuesFor(shape: EventShape | undefined, constants: readonly (string | number)[], startMs: number): unknown[] {
  const numbers = constants.flatMap((c) => (typeof c === 'number' ? [c, c, c - 0.01, c + 0.01, c + 1] : []));
  const texts = constants.flatMap((c) => (typeof c === 'string' ? [c, c, `${c}x`] : []));
  const times = [...TIMES, formatTime(startMs), formatTime(startMs + 1)];
  switch (shape?.kind) {
    case 'double':
      return [...numbers, ...NUMBERS];
    case 'string':
      return [...texts, ...texts, ...TEXTS, ...times];
    case 'bool':
      return [true, false];
    case 'list': {
      const ofTexts = [[], ['a'], ['b', 'a'], texts.slice(0, 2)];
      return shape.item === 'string' ? ofTexts : [...ofTexts, numbers.slice(0, 2), [1, 2], [true]];
    }
    case 'object':
      return [{}];
    default:
      return [...numbers, ...texts, ...NUMBERS.slice(0, 5), ...TEXTS.slice(0, 3), true, false, null, ['a'], { a: 1 }];
  }
}
