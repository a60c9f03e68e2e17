// Which fields a profile can have, as the definitions say: computed attributes, and what the schemas of its record datasets allow.
// KF1: only what schemas close cannot exist: where one leaves a level open, anything may be there.
// KF2: names come from definitions, never from data: they may be shown to whoever asks.
import type { Plan } from '../aggregate/plan.ts';
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import { isSchema, type JsonSchema } from '../definitions/schema_keywords.ts';
import { askedField, maskOf, type AskedField, type FieldMask } from '../profile/field_mask.ts';
import { pathText } from '../record/leaf_changes.ts';

const FIELDS_MAX = 100;
/** For suggestions: enough of them. */
const PATHS_MAX = 2_000;
const DEPTH_MAX = 16;

export type KnownFields = {
  /** Names of the computed attributes. */
  readonly computed: ReadonlySet<string>;
  /** Are there records at all? */
  readonly records: boolean;
  /** Does a schema name this path? */
  has(path: readonly string[]): boolean;
  /** May a record have it? */
  canExist(path: readonly string[]): boolean;
  /** Paths that schemas name, without `attributes.` */
  paths(): readonly string[];
};

/** Cost: O(1) until it is asked; `paths` O(size of the schemas) */
export function knownFields(plan: Plan, { data }: DefinitionsDocument): KnownFields {
  const schemas = new Set(
    [...data.datasets.values()].flatMap(({ schema, profile }) => {
      const definition = data.schemas.get(schema);
      return profile && definition?.behavior === 'record' ? [definition.jsonSchema] : [];
    }),
  );
  const found = (path: readonly string[]): Found[] => [...schemas].map((schema) => find(schema, path));
  return {
    computed: new Set(plan.attributes.map(({ name }) => name)),
    records: schemas.size > 0,
    has: (path) => found(path).includes('named'),
    canExist: (path) => found(path).some((each) => each !== 'closed'),
    paths: () => [...new Set([...schemas].flatMap((schema) => pathsIn(schema)))].slice(0, PATHS_MAX),
  };
}

/** `named`: the schema says that there is such a field; `open`: it does not say that there is none; `closed`: it does. */
type Found = 'named' | 'open' | 'closed';

function find(schema: unknown, path: readonly string[]): Found {
  let at = schema;
  for (const key of path) {
    const level = levelOf(at);
    if (level === undefined) return at === false ? 'closed' : 'open';
    if (Object.hasOwn(level.properties, key)) at = level.properties[key];
    else return level.closed ? 'closed' : 'open';
  }
  return 'named';
}

/** What a schema says about the keys of an object; undefined: nothing that is read here. */
function levelOf(schema: unknown): { readonly properties: JsonSchema; readonly closed: boolean } | undefined {
  if (!isSchema(schema)) return undefined;
  const { properties } = schema;
  const isClosed = schema['additionalProperties'] === false && schema['patternProperties'] === undefined;
  return { properties: isSchema(properties) ? properties : {}, closed: isClosed };
}

function pathsIn(schema: unknown, path: readonly string[] = []): string[] {
  const level = levelOf(schema);
  if (level === undefined || path.length > DEPTH_MAX) return [];
  const paths: string[] = [];
  for (const [key, below] of Object.entries(level.properties)) {
    if (paths.length > PATHS_MAX) break;
    paths.push(pathText([...path, key]), ...pathsIn(below, [...path, key]));
  }
  return paths;
}

/** It does not repeat what was asked with. */
export function noSuchField(field: string, known: KnownFields): VisageError {
  const names = [...known.computed].sort().join(', ');
  const text = known.records
    ? `there is no such field, computed or of the records${near(field, known)}; known computed: ${names}`
    : `there is no such computed field${near(field, known)}; known: ${names}`;
  return new VisageError('no_such_field', text, { kind: 'usage' });
}

function near(field: string, known: KnownFields): string {
  return didYouMean(field.replace(/^(?:computed|attributes)\./, ''), [...known.computed, ...known.paths()]);
}

/** @throws VisageError `bad_query` (usage): it does not repeat what was asked with */
export function fieldMask(fields: readonly string[], known: KnownFields): FieldMask {
  if (fields.length === 0 || fields.length > FIELDS_MAX)
    throw new VisageError('bad_query', `between 1 and ${FIELDS_MAX} fields can be asked for`, { kind: 'usage' });
  return maskOf(
    fields.map((field) => {
      const asked = askedField(field, known.computed);
      if (!isPossible(asked, known)) throw noSuchMaskField(field, known);
      return asked;
    }),
  );
}

function isPossible(asked: AskedField, known: KnownFields): boolean {
  if (asked.kind === 'none') return false;
  return asked.kind !== 'attributes' || asked.path.length === 0 || known.canExist(asked.path);
}

function noSuchMaskField(field: string, known: KnownFields): VisageError {
  const names = [...known.computed].sort();
  const text = `fields: there is no field like one of these${near(field, known)}; known: ${[...names, 'attributes', 'computed', 'audiences'].join(', ')}`;
  return new VisageError('bad_query', text, { kind: 'usage' });
}
