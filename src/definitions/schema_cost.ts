// How often a check looks at one value of a payload: through $ref, allOf, anyOf and their like a schema can multiply it.
// SC1: what passes looks at no value more than LOOKS_MAX times, at any depth.
import { isSchema, referred, type JsonSchema, type Step } from './schema_keywords.ts';

export const LOOKS_MAX = 500;
/** Deeper payloads the door refuses, whatever its settings. */
const DEPTH_MAX = 100;

/** Looks at the value itself, and the most at one somewhere in it. */
type Looks = { readonly here: number; readonly deeper: number };
type Counting = {
  readonly root: JsonSchema;
  /** By schema, then by how much deeper payloads may go; null while it is being counted. */
  readonly known: Map<JsonSchema, Map<number, Looks | null>>;
  loop: readonly Step[] | undefined;
};

const ONE: Looks = { here: 1, deeper: 0 };
const WITHOUT_END: Looks = { here: Infinity, deeper: Infinity };

export function costMistake(root: JsonSchema): { readonly path: readonly Step[]; readonly message: string } | undefined {
  const { looks, loop } = looksAt(root);
  if (loop !== undefined) return { path: loop, message: `'$ref' leads back to itself without going deeper into the payload` };
  if (looks <= LOOKS_MAX) return undefined;
  const ways = `one value of a payload would be looked at more than ${LOOKS_MAX} times (through $ref, allOf, anyOf, oneOf, if)`;
  return { path: [], message: `${ways}: let fewer branches lead to the same place` };
}

/** The greatest number of looks at one value; `loop`: where a `$ref` goes round, which makes it Infinity. Cost: O(size × depth) */
export function looksAt(root: JsonSchema): { readonly looks: number; readonly loop: readonly Step[] | undefined } {
  const counting: Counting = { root, known: new Map(), loop: undefined };
  const looks = most(count(root, DEPTH_MAX, [], counting));
  return { looks, loop: counting.loop };
}

function count(schema: unknown, depth: number, path: readonly Step[], counting: Counting): Looks {
  if (!isSchema(schema)) return ONE;
  const byDepth = counting.known.get(schema) ?? new Map<number, Looks | null>();
  counting.known.set(schema, byDepth);
  const known = byDepth.get(depth);
  if (known === null) counting.loop ??= path;
  if (known !== undefined) return known ?? WITHOUT_END;
  byDepth.set(depth, null);
  let { here, deeper } = ONE;
  // asked once more for what they have evaluated (unevaluated.ts)
  const times = 'unevaluatedProperties' in schema || 'unevaluatedItems' in schema ? 2 : 1;
  for (const [step, inner] of inPlace(schema, counting.root)) {
    const looks = count(inner, depth, [...path, ...step], counting);
    here += looks.here * times;
    deeper += looks.deeper * times;
  }
  if (depth > 0) deeper += Math.max(ofMembers(schema, depth - 1, path, counting), ofItems(schema, depth - 1, path, counting));
  const looks = { here, deeper };
  byDepth.set(depth, looks);
  return looks;
}

/** Schemas that are for the same value. */
function inPlace(schema: JsonSchema, root: JsonSchema): (readonly [readonly Step[], unknown])[] {
  const found: (readonly [readonly Step[], unknown])[] = [];
  for (const keyword of ['not', 'if', 'then', 'else']) if (keyword in schema) found.push([[keyword], schema[keyword]]);
  for (const keyword of ['allOf', 'anyOf', 'oneOf'])
    listOf(schema[keyword]).forEach((inner, i) => found.push([[keyword, i], inner]));
  for (const [name, inner] of mapOf(schema['dependentSchemas'])) found.push([['dependentSchemas', name], inner]);
  const { $ref } = schema;
  if (typeof $ref === 'string') found.push([['$ref'], referred(root, $ref)?.schema]);
  return found;
}

/** A member has one name: of the properties only one is for it, and additionalProperties only where none is. */
function ofMembers(schema: JsonSchema, depth: number, path: readonly Step[], counting: Counting): number {
  const looks = (step: readonly Step[], inner: unknown): number => most(count(inner, depth, [...path, ...step], counting));
  const own = mapOf(schema['properties']).map(([name, inner]) => looks(['properties', name], inner));
  const named = Math.max(0, looksUnder('additionalProperties', schema, looks), ...own);
  const matching = mapOf(schema['patternProperties']).map(([name, inner]) => looks(['patternProperties', name], inner));
  return matching.reduce((a, b) => a + b, named + looksUnder('unevaluatedProperties', schema, looks));
}

function ofItems(schema: JsonSchema, depth: number, path: readonly Step[], counting: Counting): number {
  const looks = (step: readonly Step[], inner: unknown): number => most(count(inner, depth, [...path, ...step], counting));
  const first = listOf(schema['prefixItems']).map((inner, i) => looks(['prefixItems', i], inner));
  const placed = Math.max(0, looksUnder('items', schema, looks), ...first);
  return placed + looksUnder('contains', schema, looks) + looksUnder('unevaluatedItems', schema, looks);
}

function looksUnder(keyword: string, schema: JsonSchema, looks: (step: readonly Step[], inner: unknown) => number): number {
  return keyword in schema ? looks([keyword], schema[keyword]) : 0;
}

function most({ here, deeper }: Looks): number {
  return Math.max(here, deeper);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function mapOf(value: unknown): (readonly [string, unknown])[] {
  return isSchema(value) ? Object.entries(value) : [];
}
