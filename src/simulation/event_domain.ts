// What events look like that the user's definitions have something to say about: paths that filters and values read, and for each
// path a few values that decide something there.
// ED1: read from the definitions' own text and schemas: no function, window or kind of attribute is known by name here.
import type { Plan } from '../aggregate/plan.ts';
import { formatTime } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { shapeAt, unionShape, type EventShape } from '../definitions/event_shape.ts';

/** `values` fit the path's type; ties among them are likely. */
export type PathDomain = { readonly path: readonly string[]; readonly values: readonly unknown[] };

export type EventDomain = {
  readonly paths: readonly PathDomain[];
  /** Types that definitions look at, one that they don't, and undefined: no type at all. */
  readonly eventTypes: readonly (string | undefined)[];
  readonly datasets: readonly string[];
  readonly namespaces: readonly string[];
  /** Lengths of windows, ascending: where values leave. */
  readonly windowsMs: readonly number[];
};

const ENVELOPE = new Set(['_id', 'timestamp', 'eventType', 'identityMap']);
const PATH = /\bevent((?:\.[A-Za-z_]\w*|\[(?:'[^']*'|"[^"]*")\])+)(\s*\()?/g;
const STEP = /\.([A-Za-z_]\w*)|\['([^']*)'\]|\["([^"]*)"\]/g;
const NUMBER = /(?<![\w.])-?\d+(?:\.\d+)?/g;
const TEXT = /'([^']*)'|"([^"]*)"/g;

const NUMBERS = [0, 1, 0.1, 0.2, 9.99, 10, 25, -3.5, 1e300, 1e-300, -1e300, 123456789012345680];
const TEXTS = ['a', 'b', 'web', '', '\ud800 é', 'x'.repeat(300)];
const TIMES = ['2026-01-01T00:00:00Z', '2025-12-31T23:00:00.000-01:00', '1969-12-31T23:59:59.999Z', '2026-02-30T00:00:00Z'];

export function eventDomain(document: DefinitionsDocument, plan: Plan, startMs: number): EventDomain {
  const { data } = document;
  const { shape } = unionShape(new Map([...data.schemas].map(([name, schema]) => [name, schema.jsonSchema])));
  const found = new Map<string, { path: readonly string[]; constants: Set<string | number> }>();
  for (const text of textsIn(JSON.parse(document.canonical))) collect(text, found);
  for (const path of leaves(shape, [])) note(path, found);
  const paths = [...found.values()].filter(({ path }) => path.length > 0 && !ENVELOPE.has(path[0]!));
  return {
    paths: paths.map(({ path, constants }) => ({ path, values: valuesFor(shapeAt(shape, path), [...constants], startMs) })),
    eventTypes: [...plan.byEventType.keys(), ...plan.byEventType.keys(), 'something.else', undefined],
    datasets: [...plan.admission.datasets.keys()],
    namespaces: [...plan.admission.namespaces],
    windowsMs: windowLengths(plan),
  };
}

function windowLengths(plan: Plan): number[] {
  const numbers = plan.attributes.flatMap(({ window }) => Object.values(window).filter((value) => typeof value === 'number'));
  return [...new Set(numbers.filter((ms) => ms > 0))].sort((a, b) => a - b);
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Every path in an expression, with every constant that stands in the same expression. */
function collect(expression: string, found: Map<string, { path: readonly string[]; constants: Set<string | number> }>): void {
  const without = expression.replaceAll(TEXT, ' ');
  const constants = [
    ...[...expression.matchAll(TEXT)].map((match) => match[1] ?? match[2] ?? ''),
    ...[...without.matchAll(NUMBER)].map(([number]) => Number(number)),
  ];
  for (const [, steps, call] of expression.matchAll(PATH)) {
    const path = [...steps!.matchAll(STEP)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
    if (call !== undefined) path.pop(); // a method's name
    const { constants: known } = note(path, found);
    for (const constant of constants) known.add(constant);
  }
}

function note<T extends { path: readonly string[]; constants: Set<string | number> }>(
  path: readonly string[],
  found: Map<string, T>,
): T {
  const name = path.join('\0');
  const there = found.get(name) ?? ({ path, constants: new Set() } as unknown as T);
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
    case 'list':
      return [[], texts.slice(0, 2), ['a', 'b'], numbers.slice(0, 2), [1, 2], [true]];
    case 'object':
      return [{}];
    default:
      return [...numbers, ...texts, ...NUMBERS.slice(0, 5), ...TEXTS.slice(0, 3), true, false, null, ['a'], { a: 1 }];
  }
}
