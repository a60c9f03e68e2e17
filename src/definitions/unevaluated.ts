// `unevaluatedProperties` and `unevaluatedItems`, by asking which parts of a schema a value passes.
// The validator's own bookkeeping of what was evaluated loses keys where branches are skipped, and throws (ajv 8.20; its issue 2559).
// UE1: as draft 2020-12 says: a part that the value does not pass has evaluated nothing. UE2: parts are asked again for this:
//      schema_cost.ts counts them twice.
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import type { DataValidateFunction } from 'ajv/dist/types/index.js';
import { linearPattern, type LinearPattern } from './linear_pattern.ts';
import { isSchema, referred, type JsonSchema } from './schema_keywords.ts';

export const UNEVALUATED_PROPERTIES = 'visageUnevaluatedProperties';
export const UNEVALUATED_ITEMS = 'visageUnevaluatedItems';

const REPORTED_MAX = 100;

/** `compiled`: the validator of a part of `whole`, made when it is first asked for (a part may be inside of itself). */
export type Parts = { readonly whole: JsonSchema; readonly compiled: (part: JsonSchema) => ValidateFunction };

/** For the keyword's `compile`. @param rest what the keyword demands of the keys or items that are left */
export function unevaluated(
  parts: Parts,
  keyword: 'properties' | 'items',
  rest: unknown,
  parent: JsonSchema,
): DataValidateFunction {
  const { [UNEVALUATED_PROPERTIES]: _, [UNEVALUATED_ITEMS]: __, ...beside } = parent;
  const patterns = new Map<string, LinearPattern>();
  const check: DataValidateFunction = (value: object, context) => {
    const seen = new Set<string>();
    const look = { parts, patterns, seen };
    if (keyword === 'properties' ? seesMembers(beside, value, look) : seesItems(beside, value as unknown[], look)) return true;
    const found: Partial<ErrorObject>[] = [];
    for (const key of Object.keys(value)) {
      if (seen.has(key) || found.length >= REPORTED_MAX) continue;
      found.push(...unmet(parts, keyword, rest, key, (value as Record<string, unknown>)[key], context?.instancePath ?? ''));
    }
    check.errors = found;
    return found.length === 0;
  };
  return check;
}

function unmet(
  { compiled }: Parts,
  keyword: 'properties' | 'items',
  rest: unknown,
  key: string,
  value: unknown,
  path: string,
): Partial<ErrorObject>[] {
  if (rest === true) return [];
  if (!isSchema(rest)) {
    if (keyword === 'properties') return [{ keyword: 'unevaluatedProperties', params: { unevaluatedProperty: key } }];
    return [{ keyword: 'unevaluatedItems', params: {}, message: `must not have the item ${key}` }];
  }
  const validate = compiled(rest);
  if (validate(value)) return [];
  const at = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  return (validate.errors ?? []).map((error) => ({ ...error, instancePath: at + error.instancePath }));
}

type Look = { readonly parts: Parts; readonly patterns: Map<string, LinearPattern>; readonly seen: Set<string> };

/** Adds the keys that the schema evaluates. @returns true: every one */
function seesMembers(schema: JsonSchema, value: object, look: Look): boolean {
  if ('additionalProperties' in schema || UNEVALUATED_PROPERTIES in schema) return true;
  const { properties, patternProperties } = schema;
  if (isSchema(properties)) for (const key of Object.keys(properties)) if (Object.hasOwn(value, key)) look.seen.add(key);
  if (isSchema(patternProperties)) {
    for (const text of Object.keys(patternProperties)) {
      const pattern = patternOf(text, look.patterns);
      for (const key of Object.keys(value)) if (pattern.test(key)) look.seen.add(key);
    }
  }
  return passed(schema, value, look).some((part) => seesMembers(part, value, look));
}

function seesItems(schema: JsonSchema, value: readonly unknown[], look: Look): boolean {
  if ('items' in schema || UNEVALUATED_ITEMS in schema) return true;
  const { prefixItems, contains } = schema;
  if (Array.isArray(prefixItems)) prefixItems.forEach((_, i) => look.seen.add(String(i)));
  if (contains !== undefined) value.forEach((item, i) => void (passes(contains, item, look) && look.seen.add(String(i))));
  return passed(schema, value, look).some((part) => seesItems(part, value, look));
}

/** The parts of a schema that are for the same value, and that it passes. Those that it must pass are not asked. */
function passed(schema: JsonSchema, value: unknown, look: Look): JsonSchema[] {
  const found: unknown[] = [];
  const { allOf, $ref, dependentSchemas } = schema;
  if (Array.isArray(allOf)) found.push(...(allOf as unknown[]));
  if (typeof $ref === 'string') found.push(referred(look.parts.whole, $ref)?.schema);
  for (const keyword of ['anyOf', 'oneOf'])
    if (Array.isArray(schema[keyword])) found.push(...(schema[keyword] as unknown[]).filter((part) => passes(part, value, look)));
  if ('if' in schema) {
    const isMet = passes(schema['if'], value, look);
    found.push(...(isMet ? [schema['if'], schema['then']] : [schema['else']]));
  }
  if (isSchema(dependentSchemas))
    for (const key of Object.keys(dependentSchemas)) if (Object.hasOwn(value as object, key)) found.push(dependentSchemas[key]);
  return found.filter(isSchema);
}

function passes(part: unknown, value: unknown, { parts }: Look): boolean {
  return isSchema(part) ? parts.compiled(part)(value) : part !== false;
}

function patternOf(text: string, patterns: Map<string, LinearPattern>): LinearPattern {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  const made = linearPattern(text);
  if ('wrong' in made) throw new Error(made.wrong);
  patterns.set(text, made);
  return made;
}
