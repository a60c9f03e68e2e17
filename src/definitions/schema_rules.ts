// What a dataset's JSON Schema must not be: every mistake in it, each with its place.
// SR1: what passes compiles. SR2: a payload of its size costs it a bounded time (schema_cost.ts, linear_pattern.ts, payload_formats.ts).
import { linearPattern } from './linear_pattern.ts';
import { didYouMean } from './near_miss.ts';
import { PAYLOAD_FORMATS } from './payload_formats.ts';
import { costMistake } from './schema_cost.ts';
import { isSchema, KEYWORDS, NOT_TAKEN, referred, subschemas, TYPES, type JsonSchema, type Step } from './schema_keywords.ts';
import { typeText } from './shape_mistakes.ts';

export type SchemaMistake = { readonly path: readonly Step[]; readonly message: string };

/** One of these must stand beside it. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  if: ['then', 'else'],
  then: ['if'],
  else: ['if'],
  minContains: ['contains'],
  maxContains: ['contains'],
};
const DRAFT = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

/** @param schema as the file has it: JSON, and a map  Cost: O(size), and about 0.1 ms a pattern */
export function schemaMistakes(schema: JsonSchema): SchemaMistake[] {
  const mistakes: SchemaMistake[] = [];
  look(schema, { root: schema, path: [], mistakes });
  // a schema that cannot be read has no cost
  const cost = mistakes.length > 0 ? undefined : costMistake(schema);
  return cost === undefined ? mistakes : [cost];
}

type Looking = { readonly root: JsonSchema; readonly path: readonly Step[]; readonly mistakes: SchemaMistake[] };

function look(schema: unknown, { root, path, mistakes }: Looking): void {
  if (typeof schema === 'boolean') return;
  if (!isSchema(schema)) return void mistakes.push({ path, message: 'a JSON schema must be a map, true or false' });
  for (const keyword of Object.keys(schema)) {
    const message = isKnown(keyword)
      ? (wrongForm(keyword, schema[keyword]) ?? wrongMeaning(keyword, schema[keyword], root, path) ?? idle(keyword, schema))
      : unknownKeyword(keyword);
    if (message !== undefined) mistakes.push({ path: [...path, keyword], message });
  }
  const { patternProperties } = schema;
  if (isSchema(patternProperties)) {
    for (const pattern of Object.keys(patternProperties)) {
      const compiled = linearPattern(pattern);
      if ('wrong' in compiled) mistakes.push({ path: [...path, 'patternProperties', pattern], message: compiled.wrong });
    }
  }
  for (const inner of subschemas(schema)) look(inner.schema, { root, path: [...path, ...inner.path], mistakes });
}

function isKnown(keyword: string): boolean {
  return KEYWORDS.has(keyword) || keyword.startsWith('x-') || keyword.startsWith('meta:');
}

function unknownKeyword(keyword: string): string {
  const instead = Object.hasOwn(NOT_TAKEN, keyword) ? NOT_TAKEN[keyword] : undefined;
  if (instead !== undefined) return `'${keyword}' is not supported in a JSON schema here: ${instead}`;
  return `unknown keyword '${keyword}' in a JSON schema${didYouMean(keyword, KEYWORDS.keys())}`;
}

/** Why a keyword can do nothing where it stands, beside these others. */
function idle(keyword: string, schema: JsonSchema): string | undefined {
  if (keyword === 'maxContains' && Number(schema[keyword]) < Number(schema['minContains'] ?? 1))
    return `'maxContains' is less than 'minContains', which is 1 when it is left out`;
  if (keyword === 'minContains' && schema[keyword] === 0 && !('maxContains' in schema))
    return `'minContains: 0' without 'maxContains' lets 'contains' demand nothing`;
  const needed = Object.hasOwn(NEEDED, keyword) ? NEEDED[keyword]! : [];
  if (needed.length === 0 || needed.some((other) => Object.hasOwn(schema, other))) return undefined;
  return `'${keyword}' does nothing without ${needed.map((other) => `'${other}'`).join(' or ')}`;
}

/** What is wrong with the kind of value, whatever it means. */
function wrongForm(keyword: string, value: unknown): string | undefined {
  const must = (what: string): string => `'${keyword}' must be ${what}, not ${typeText(value)}`;
  switch (KEYWORDS.get(keyword)) {
    case 'schemas':
      return Array.isArray(value) && value.length > 0 ? undefined : must('a list of JSON schemas that is not empty');
    case 'schemaMap':
      return isSchema(value) ? undefined : must('a map');
    case 'count':
      return Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : must('a whole number from 0');
    case 'number':
      return typeof value === 'number' ? undefined : must('a number');
    case 'positive':
      return typeof value === 'number' && value > 0 ? undefined : must('a number above 0');
    case 'boolean':
      return typeof value === 'boolean' ? undefined : must('true or false');
    case 'string':
      return typeof value === 'string' ? undefined : must('text');
    case 'strings':
      return isTexts(value) ? undefined : must('a list of different texts');
    case 'stringsMap':
      return isSchema(value) && Object.values(value).every(isTexts) ? undefined : must('a map of lists of different texts');
    case 'list':
      return Array.isArray(value) && (value.length > 0 || keyword !== 'enum') ? undefined : must('a list that is not empty');
    case 'type':
      return wrongType(value);
    default:
      return undefined; // schemas are looked at one by one
  }
}

function wrongType(value: unknown): string | undefined {
  const types: unknown[] = [value].flat();
  if (types.length === 0 || new Set(types).size < types.length) return `'type' must be one type, or a list of different ones`;
  const unknown = types.find((type) => !TYPES.includes(type as string));
  if (unknown === undefined) return undefined;
  const near = typeof unknown === 'string' ? didYouMean(unknown, TYPES) : '';
  return `unknown type ${JSON.stringify(unknown)}${near}; known: ${TYPES.join(', ')}`;
}

function wrongMeaning(keyword: string, value: unknown, root: JsonSchema, path: readonly Step[]): string | undefined {
  switch (keyword) {
    case 'pattern': {
      const compiled = linearPattern(value as string);
      return 'wrong' in compiled ? compiled.wrong : undefined;
    }
    case 'format': {
      const known = Object.keys(PAYLOAD_FORMATS);
      if (known.includes(value as string)) return undefined;
      return `unknown format '${value as string}'${didYouMean(value as string, known)}; known: ${known.join(', ')}`;
    }
    case '$ref':
      if (!(value as string).startsWith('#'))
        return `'$ref' stays inside of its schema (#/$defs/…); '${value as string}' does not`;
      return referred(root, value as string) === undefined ? `'$ref': nothing stands at '${value as string}'` : undefined;
    case '$schema':
      if (path.length > 0) return `'$schema' stands at the top of a schema only`;
      return DRAFT.test(value as string) ? undefined : `'$schema' must be https://json-schema.org/draft/2020-12/schema`;
    case '$id':
      return path.length > 0 ? `'$id' stands at the top of a schema only` : undefined;
    default:
      return undefined;
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') && new Set(value).size === value.length;
}
