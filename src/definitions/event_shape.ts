// The union of schemas as a tree of types: what expressions may read, of events and of records.
// Boundary: reads JSON Schema's structure only (type, properties, items, additionalProperties); mistakes in it are found in
// schema_rules.ts, conflicts between schemas in type_conflicts.ts.
// E1: every number is `double` (JSON has no integers). E2: where a schema leaves a level open, that level is `dyn`: anything may be read.
// E3: independent of the order of schemas. Where two give one path different types, it is `dyn`.
import type { DefinitionsData, SchemaDefinition } from './definitions_document.ts';
import { didYouMean } from './near_miss.ts';

export type Primitive = 'double' | 'string' | 'bool';
export type EventShape =
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, EventShape> }
  | { readonly kind: 'list'; readonly item: Primitive | 'dyn' }
  | { readonly kind: Primitive | 'dyn' };

/** The JSON schemas of one behaviour, by name. */
export function schemasOf(
  data: Pick<DefinitionsData, 'schemas'>,
  behavior: SchemaDefinition['behavior'],
): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  return new Map(
    [...data.schemas].filter(([, schema]) => schema.behavior === behavior).map(([name, { jsonSchema }]) => [name, jsonSchema]),
  );
}

const DYN: EventShape = { kind: 'dyn' };
/** Keywords that decide about a value beside `type` and `properties`: the level is left open rather than read wrongly. */
const COMBINING = ['$ref', '$dynamicRef', 'allOf', 'anyOf', 'oneOf', 'if', 'not', 'dependentSchemas', 'patternProperties'];

/** Fields of every event, whatever its schema says: the decoder has checked them. */
const ENVELOPE: ReadonlyMap<string, EventShape> = new Map<string, EventShape>([
  ['_id', { kind: 'string' }],
  ['timestamp', { kind: 'string' }],
  ['eventType', { kind: 'string' }],
  ['identityMap', DYN],
]);

type Schemas = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** What events are, by the schemas that may be theirs. */
export function unionShape(schemas: Schemas): { readonly shape: EventShape } {
  const union = unionOf(schemas);
  if (union?.kind !== 'object') return { shape: DYN };
  return { shape: { kind: 'object', fields: new Map([...union.fields, ...ENVELOPE]) } };
}

/** What records say of a profile: without what they say about themselves (record/envelope.ts). */
export function recordShape(schemas: Schemas): EventShape {
  const union = unionOf(schemas);
  if (union === undefined) return { kind: 'object', fields: new Map() };
  if (union.kind !== 'object') return DYN;
  const fields = new Map([...union.fields].filter(([key]) => key !== '_id' && key !== 'identityMap'));
  const audit = fields.get('extSourceSystemAudit');
  if (audit?.kind === 'object') {
    const left = new Map([...audit.fields].filter(([key]) => key !== 'lastUpdatedDate'));
    fields.delete('extSourceSystemAudit');
    if (left.size > 0) fields.set('extSourceSystemAudit', { kind: 'object', fields: left });
  }
  return { kind: 'object', fields };
}

function unionOf(schemas: Schemas): EventShape | undefined {
  const shapes = [...schemas.keys()].sort().map((name) => jsonShape(schemas.get(name)));
  return shapes.length === 0 ? undefined : shapes.reduce(merge);
}

/** What one JSON schema says of its payloads; where it cannot be read it is open. */
export function jsonShape(schema: unknown): EventShape {
  if (!isMap(schema)) return DYN;
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
      const item = schema['items'] === undefined || schema['prefixItems'] !== undefined ? DYN : jsonShape(schema['items']);
      return { kind: 'list', item: item.kind === 'object' || item.kind === 'list' ? 'dyn' : item.kind };
    }
    case 'object':
      return objectOf(schema);
    default:
      return DYN; // no type, several types, or null
  }
}

function objectOf(schema: Readonly<Record<string, unknown>>): EventShape {
  const { properties } = schema;
  const fields = new Map<string, EventShape>();
  if (isMap(properties)) for (const key of Object.keys(properties)) fields.set(key, jsonShape(properties[key]));
  return isOpenObject(schema) ? DYN : { kind: 'object', fields };
}

/** May an object that the schema is for have fields that it does not name? */
export function isOpenObject(schema: Readonly<Record<string, unknown>>): boolean {
  const { properties, additionalProperties } = schema;
  if (COMBINING.some((keyword) => keyword in schema) || !isMap(properties)) return true;
  return Object.keys(properties).length === 0 || (additionalProperties !== undefined && additionalProperties !== false);
}

function merge(a: EventShape, b: EventShape): EventShape {
  if (a.kind === 'object' && b.kind === 'object') {
    const fields = new Map(a.fields);
    for (const [key, shape] of b.fields) {
      const other = fields.get(key);
      fields.set(key, other === undefined ? shape : merge(other, shape));
    }
    return { kind: 'object', fields };
  }
  if (a.kind === 'list' && b.kind === 'list') return a.item === b.item ? a : { kind: 'list', item: 'dyn' };
  return a.kind === b.kind ? a : DYN;
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
export function suggestPath(shape: EventShape, path: readonly string[], root = 'event.'): string {
  const parent = shapeAt(shape, path.slice(0, -1));
  const last = path.at(-1) ?? '';
  if (parent?.kind === 'object') {
    const near = didYouMean(last, parent.fields.keys());
    if (near !== '') return near;
  }
  const elsewhere = findName(shape, last, []);
  return elsewhere === undefined ? '' : ` (did you mean '${root}${elsewhere.join('.')}'?)`;
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
