// A dataset's JSON Schema as the validator gets it: the same demands, made ready for payloads of messages.
// PS1: keys of the envelope break no rule of a schema that does not name them: they are always allowed at the top.
// PS2: annotations are gone, and references lead to the schema as it is written, not to its changed top.
// PS3: `uniqueItems`, `unevaluatedProperties`, `unevaluatedItems`, and `enum` and `const` with lists or maps, are keywords of our own
//      (payload_check.ts, unevaluated.ts).
import { UNEVALUATED_ITEMS, UNEVALUATED_PROPERTIES } from './unevaluated.ts';
import { isAnnotation, isSchema, KEYWORDS, referred, type JsonSchema, type Step } from './schema_keywords.ts';

export const ENVELOPE_KEYS = ['_id', 'timestamp', 'eventType', 'identityMap', 'extSourceSystemAudit'];
/** Where references lead. */
const WHOLE = '#/$defs/whole';
export const UNIQUE = 'visageUniqueItems';
export const ENUM = 'visageEnum';
export const CONST = 'visageConst';

/** Left out at the top: `$id` and `$schema`, which would only be looked up. */
const LEFT_OUT = ['$id', '$schema', '$anchor'];

/** @param schema one that has passed schema_rules.ts  @throws Error for others  Cost: O(size) */
export function payloadSchema(schema: JsonSchema): JsonSchema {
  const plain = converted(schema, schema) as JsonSchema;
  const top = allowingEnvelope(plain, schema, 0) as JsonSchema;
  const { $defs: _, ...rest } = top;
  return { ...rest, $defs: { whole: plain } };
}

/** Does the schema accept every payload? */
export function demandsNothing(schema: unknown, isTop = true): boolean {
  if (schema === true) return true;
  if (!isSchema(schema)) return false;
  return Object.keys(schema).every((keyword) => {
    const value = schema[keyword];
    if (isAnnotation(keyword) || ['$defs', 'definitions', ...LEFT_OUT].includes(keyword)) return true;
    if (keyword === 'type') return isTop && [value].flat().includes('object');
    if (keyword === 'properties' || keyword === 'patternProperties')
      return Object.values(value as JsonSchema).every((inner) => demandsNothing(inner, false));
    return (keyword === 'additionalProperties' || keyword === 'items') && demandsNothing(value, false);
  });
}

function converted(schema: unknown, root: JsonSchema): unknown {
  if (!isSchema(schema)) return schema;
  const result: Record<string, unknown> = {};
  for (const keyword of Object.keys(schema)) {
    const value = schema[keyword];
    const form = KEYWORDS.get(keyword);
    if (isAnnotation(keyword) || LEFT_OUT.includes(keyword)) continue;
    if (keyword === '$ref') result['$ref'] = pointerTo(value as string, root);
    else if (keyword === 'uniqueItems') result[UNIQUE] = value;
    else if (keyword === 'enum' && (value as unknown[]).some(isInner)) result[ENUM] = value;
    else if (keyword === 'const' && isInner(value)) result[CONST] = value;
    else if (keyword === 'unevaluatedProperties') result[UNEVALUATED_PROPERTIES] = converted(value, root);
    else if (keyword === 'unevaluatedItems') result[UNEVALUATED_ITEMS] = converted(value, root);
    else if (form === 'schema') result[keyword] = converted(value, root);
    else if (form === 'schemas') result[keyword] = (value as unknown[]).map((inner) => converted(inner, root));
    else if (form === 'schemaMap') result[keyword] = mappedSchemas(value as JsonSchema, (inner) => converted(inner, root));
    else result[keyword] = value;
  }
  return result;
}

function pointerTo(ref: string, root: JsonSchema): string {
  const { path } = referred(root, ref)!;
  return WHOLE + path.map((step) => `/${encodeURIComponent(escaped(step))}`).join('');
}

function escaped(step: Step): string {
  return String(step).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Every part of a converted schema that is for the payload itself, told to let the envelope pass. */
function allowingEnvelope(schema: unknown, root: JsonSchema, depth: number): unknown {
  if (!isSchema(schema)) return schema;
  if (depth > 100) throw new Error('a $ref leads back to itself');
  const inner = (value: unknown): unknown => allowingEnvelope(value, root, depth + 1);
  const { $ref, ...result } = schema as Record<string, unknown>;
  for (const keyword of ['if', 'then', 'else']) if (keyword in result) result[keyword] = inner(result[keyword]);
  for (const keyword of ['allOf', 'anyOf', 'oneOf'])
    if (keyword in result) result[keyword] = (result[keyword] as unknown[]).map(inner);
  if ('dependentSchemas' in result) result['dependentSchemas'] = mappedSchemas(result['dependentSchemas'] as JsonSchema, inner);
  if ('additionalProperties' in result || UNEVALUATED_PROPERTIES in result) {
    const envelope = Object.fromEntries(ENVELOPE_KEYS.map((key) => [key, true]));
    result['properties'] = { ...envelope, ...(result['properties'] as JsonSchema | undefined) };
  }
  if ('propertyNames' in result) result['propertyNames'] = { anyOf: [{ enum: ENVELOPE_KEYS }, result['propertyNames']] };
  if (typeof $ref !== 'string') return result;
  // in place of the reference: what it refers to may be meant for other places too
  const target = inner(converted(referredAsWritten($ref, root), root));
  return { ...result, allOf: [...((result['allOf'] as unknown[] | undefined) ?? []), target] };
}

function referredAsWritten(pointer: string, root: JsonSchema): unknown {
  return referred(root, `#${pointer.slice(WHOLE.length)}`)!.schema;
}

function mappedSchemas(map: JsonSchema, to: (inner: unknown) => unknown): JsonSchema {
  return Object.fromEntries(Object.entries(map).map(([name, inner]) => [name, to(inner)]));
}

function isInner(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
