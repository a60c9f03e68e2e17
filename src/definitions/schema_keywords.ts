// JSON Schema 2020-12 as definitions take it: every keyword, what may stand under it, and which of them hold schemas.
// SK1: a keyword that does not stand here is a mistake, except annotations of others: `x-…` and `meta:…`.

export type JsonSchema = Readonly<Record<string, unknown>>;
export type Step = string | number;

/** What a keyword's value must be. */
type Form =
  | 'schema'
  | 'schemas'
  | 'schemaMap'
  | 'count'
  | 'number'
  | 'positive'
  | 'boolean'
  | 'string'
  | 'strings'
  | 'stringsMap'
  | 'list'
  | 'type'
  | 'any';

export const KEYWORDS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ...under('schema', 'additionalProperties', 'unevaluatedProperties', 'items', 'unevaluatedItems', 'contains', 'propertyNames'),
  ...under('schema', 'not', 'if', 'then', 'else', 'contentSchema'),
  ...under('schemas', 'allOf', 'anyOf', 'oneOf', 'prefixItems'),
  ...under('schemaMap', 'properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'),
  ...under(
    'count',
    'maxLength',
    'minLength',
    'maxItems',
    'minItems',
    'maxContains',
    'minContains',
    'maxProperties',
    'minProperties',
  ),
  ...under('number', 'maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum'),
  ...under('positive', 'multipleOf'),
  ...under('boolean', 'uniqueItems', 'deprecated', 'readOnly', 'writeOnly'),
  ...under('string', '$ref', '$schema', '$id', '$anchor', '$comment', 'pattern', 'format', 'title', 'description'),
  ...under('string', 'contentEncoding', 'contentMediaType'),
  ...under('strings', 'required'),
  ...under('stringsMap', 'dependentRequired'),
  ...under('list', 'enum', 'examples'),
  ...under('type', 'type'),
  ...under('any', 'const', 'default'),
]);

/** They say something to people and tools, nothing about payloads. */
const ANNOTATIONS = new Set(
  '$comment title description default deprecated readOnly writeOnly examples contentEncoding contentMediaType contentSchema'.split(
    ' ',
  ),
);
export const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

/** Keywords of JSON Schema that definitions do without. */
export const NOT_TAKEN: Readonly<Record<string, string>> = {
  $dynamicRef: 'write $ref and $defs',
  $dynamicAnchor: 'write $ref and $defs',
  $recursiveRef: 'write $ref and $defs',
  $recursiveAnchor: 'write $ref and $defs',
  $vocabulary: 'it is for meta schemas',
  dependencies: 'write dependentRequired or dependentSchemas',
  additionalItems: 'write prefixItems and items',
  nullable: `write type: [string, 'null']`,
};

export function isAnnotation(keyword: string): boolean {
  return ANNOTATIONS.has(keyword) || keyword.startsWith('x-') || keyword.startsWith('meta:');
}

export type Subschema = { readonly path: readonly Step[]; readonly schema: unknown };

/** The schemas right under a schema, with their places. Cost: O(keys) */
export function subschemas(schema: JsonSchema): readonly Subschema[] {
  return Object.keys(schema).flatMap((keyword): Subschema[] => {
    const value = schema[keyword];
    const form = KEYWORDS.get(keyword);
    if (form === 'schema') return [{ path: [keyword], schema: value }];
    if (form === 'schemas' && Array.isArray(value))
      return value.map((inner: unknown, i) => ({ path: [keyword, i], schema: inner }));
    if (form === 'schemaMap' && isSchema(value))
      return Object.keys(value).map((name) => ({ path: [keyword, name], schema: value[name] }));
    return [];
  });
}

/** The schema behind a `$ref` inside of the same schema; undefined: there is none. Cost: O(size) for an anchor, else O(its steps) */
export function referred(root: JsonSchema, ref: string): Subschema | undefined {
  if (!ref.startsWith('#')) return undefined;
  let fragment: string;
  try {
    fragment = decodeURIComponent(ref.slice(1));
  } catch {
    return undefined;
  }
  if (fragment !== '' && !fragment.startsWith('/')) return anchored(root, fragment, []);
  const path: Step[] = [];
  let at: unknown = root;
  for (const step of fragment.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(at) && /^\d+$/.test(key) && Number(key) < at.length) {
      path.push(Number(key));
      at = at[Number(key)] as unknown;
    } else if (isSchema(at) && Object.hasOwn(at, key)) {
      path.push(key);
      at = at[key];
    } else return undefined;
  }
  return isSchema(at) || typeof at === 'boolean' ? { path, schema: at } : undefined;
}

function anchored(schema: unknown, name: string, path: readonly Step[]): Subschema | undefined {
  if (!isSchema(schema)) return undefined;
  if (schema['$anchor'] === name) return { path, schema };
  for (const inner of subschemas(schema)) {
    const found = anchored(inner.schema, name, [...path, ...inner.path]);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function under(form: Form, ...keywords: readonly string[]): (readonly [string, Form])[] {
  return keywords.map((keyword) => [keyword, form]);
}
