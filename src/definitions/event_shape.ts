// The union of the event schemas as a tree of types: what expressions may read.
// Boundary: reads JSON Schema's structure only (type, properties, items, additionalProperties); validating payloads is not done here.
// E1: every number is `double` (JSON has no integers). E2: where a schema leaves a level open, that level is `dyn`: anything may be read.
// E3: two schemas that give one path different types are a mistake that names both places; the path is then `dyn`.
import { didYouMean } from './near_miss.ts';

export type Primitive = 'double' | 'string' | 'bool';
export type EventShape =
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, EventShape> }
  | { readonly kind: 'list'; readonly item: Primitive | 'dyn' }
  | { readonly kind: Primitive | 'dyn' };

export type ShapeMistake = { readonly schema: string; readonly path: readonly (string | number)[]; readonly message: string };
type Report = (path: readonly (string | number)[], message: string) => void;

const DYN: EventShape = { kind: 'dyn' };
const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];
/** Keywords that decide about a value beside `type` and `properties`: the level is left open rather than read wrongly. */
const COMBINING = ['$ref', '$dynamicRef', 'allOf', 'anyOf', 'oneOf', 'if', 'not', 'dependentSchemas', 'patternProperties'];

/** Fields of every event, whatever its schema says: the decoder has checked them. */
const ENVELOPE: ReadonlyMap<string, EventShape> = new Map<string, EventShape>([
  ['_id', { kind: 'string' }],
  ['timestamp', { kind: 'string' }],
  ['eventType', { kind: 'string' }],
  ['identityMap', DYN],
]);

/** The union of the schemas (name → JSON schema), in name order, with every mistake found in them. */
export function unionShape(schemas: ReadonlyMap<string, Readonly<Record<string, unknown>>>): {
  shape: EventShape;
  mistakes: ShapeMistake[];
} {
  const mistakes: ShapeMistake[] = [];
  const origins = new Map<string, string>();
  let union: EventShape | undefined;
  for (const name of [...schemas.keys()].sort()) {
    const report: Report = (path, message) => void mistakes.push({ schema: name, path, message });
    const shape = shapeOf(schemas.get(name), [], report);
    if (shape.kind !== 'object' && shape.kind !== 'dyn') {
      report(['type'], `an event is an object; this schema says '${shape.kind}'`);
      continue;
    }
    union = union === undefined ? note(shape, [], name, origins) : merge(union, shape, { path: [], name, origins, report });
  }
  if (union === undefined || union.kind !== 'object') return { shape: union ?? DYN, mistakes };
  return { shape: { kind: 'object', fields: new Map([...union.fields, ...ENVELOPE]) }, mistakes };
}

function shapeOf(schema: unknown, path: readonly (string | number)[], report: Report): EventShape {
  if (typeof schema === 'boolean') return DYN;
  if (!isMap(schema)) {
    report(path, 'a JSON schema must be a map, true or false');
    return DYN;
  }
  for (const type of [schema['type']].flat()) {
    if (type !== undefined && !TYPES.includes(type as string)) {
      report(
        [...path, 'type'],
        `unknown type ${JSON.stringify(type)}${typeof type === 'string' ? didYouMean(type, TYPES) : ''}; known: ${TYPES.join(', ')}`,
      );
      return DYN;
    }
  }
  if (schema['properties'] !== undefined && !isMap(schema['properties'])) {
    report([...path, 'properties'], `'properties' must be a map`);
    return DYN;
  }
  if (COMBINING.some((keyword) => keyword in schema)) return DYN;
  const type = schema['type'] ?? (schema['properties'] === undefined ? undefined : 'object');
  switch (type) {
    case 'string':
      return { kind: 'string' };
    case 'number':
    case 'integer':
      return { kind: 'double' };
    case 'boolean':
      return { kind: 'bool' };
    case 'array': {
      const item = schema['items'] === undefined ? DYN : shapeOf(schema['items'], [...path, 'items'], report);
      return { kind: 'list', item: item.kind === 'object' || item.kind === 'list' ? 'dyn' : item.kind };
    }
    case 'object':
      return objectOf(schema, path, report);
    default:
      return DYN; // no type, several types, or null
  }
}

function objectOf(schema: Readonly<Record<string, unknown>>, path: readonly (string | number)[], report: Report): EventShape {
  const properties = schema['properties'] as Readonly<Record<string, unknown>> | undefined;
  const fields = new Map<string, EventShape>();
  for (const key of Object.keys(properties ?? {}))
    fields.set(key, shapeOf(properties![key], [...path, 'properties', key], report));
  const open = schema['additionalProperties'] !== undefined && schema['additionalProperties'] !== false;
  return fields.size === 0 || open ? DYN : { kind: 'object', fields };
}

type Merging = {
  readonly path: readonly string[];
  readonly name: string;
  readonly origins: Map<string, string>;
  readonly report: Report;
};

function merge(a: EventShape, b: EventShape, merging: Merging): EventShape {
  if (a.kind === 'dyn' || b.kind === 'dyn') return DYN;
  if (a.kind === 'object' && b.kind === 'object') {
    const fields = new Map(a.fields);
    for (const [key, shape] of b.fields) {
      const other = a.fields.get(key);
      const path = [...merging.path, key];
      fields.set(
        key,
        other === undefined ? note(shape, path, merging.name, merging.origins) : merge(other, shape, { ...merging, path }),
      );
    }
    return { kind: 'object', fields };
  }
  if (a.kind === b.kind && !(a.kind === 'list' && b.kind === 'list' && a.item !== b.item)) return a;
  if (a.kind === 'list' && b.kind === 'list') return { kind: 'list', item: 'dyn' };
  const first = merging.origins.get(merging.path.join('\0')) ?? 'another schema';
  merging.report(
    merging.path.flatMap((key) => ['properties', key]),
    `'${merging.path.join('.')}' is ${b.kind} in schema '${merging.name}' but ${a.kind} in schema '${first}'; one path has one type`,
  );
  return DYN;
}

/** Remembers which schema brought each path in. */
function note(shape: EventShape, path: readonly string[], name: string, origins: Map<string, string>): EventShape {
  origins.set(path.join('\0'), name);
  if (shape.kind === 'object') for (const [key, field] of shape.fields) note(field, [...path, key], name, origins);
  return shape;
}

/** The type at a path, `dyn` below an open level, undefined where nothing is declared. */
export function shapeAt(shape: EventShape, path: readonly string[]): EventShape | undefined {
  let at: EventShape | undefined = shape;
  for (const key of path) {
    if (at === undefined || at.kind === 'dyn') return at;
    at = at.kind === 'object' ? at.fields.get(key) : undefined;
  }
  return at;
}

/** What a wrong path may have meant: a near name at its own level, else the same last name anywhere. */
export function suggestPath(shape: EventShape, path: readonly string[]): string {
  const parent = shapeAt(shape, path.slice(0, -1));
  const last = path.at(-1) ?? '';
  if (parent?.kind === 'object') {
    const near = didYouMean(last, parent.fields.keys());
    if (near !== '') return near;
  }
  const elsewhere = findName(shape, last, []);
  return elsewhere === undefined ? '' : ` (did you mean 'event.${elsewhere.join('.')}'?)`;
}

function findName(shape: EventShape, name: string, path: readonly string[]): readonly string[] | undefined {
  if (shape.kind !== 'object') return undefined;
  if (shape.fields.has(name)) return [...path, name];
  for (const [key, field] of shape.fields) {
    const found = findName(field, name, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
