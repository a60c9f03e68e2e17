// The rules of schemas: each by itself, and those of one class together.
// CS1: every mistake at once, each at its place in the file. CS2: a schema with a mistake may declare anything: none follows from it.
import { isMap, type Entries, type Entry } from './definition_entries.ts';
import { jsonShape, recordShape, unionShape, type EventShape } from './event_shape.ts';
import type { FileSchema } from './file_shape.ts';
import { atKey, atValue, type Path } from './located_yaml.ts';
import { formatMistake, type Mistake } from './mistakes.ts';
import { payloadCheck } from './payload_check.ts';
import type { JsonSchema } from './schema_keywords.ts';
import { schemaMistakes } from './schema_rules.ts';
import { typeConflicts } from './type_conflicts.ts';

/** What expressions may read: of events, and of the record of a profile. */
export type Shapes = { readonly event: EventShape; readonly record: EventShape };

/** @param complete false: a file could not be read, and schemas may be in it
 *  @param isStored an earlier release may have taken schemas that this one would refuse: they check nothing (dataset_rules.ts) */
export function checkSchemas(
  schemas: Entries<FileSchema>,
  complete: boolean,
  isStored: boolean,
): { readonly shapes: Shapes; readonly mistakes: readonly Mistake[] } {
  const readable = [...schemas.values()].filter(({ raw }) => isMap(raw['jsonSchema']));
  const mistakes: Mistake[] = [];
  for (const entry of readable) {
    const at = [...entry.path, 'jsonSchema'];
    const pointer = notJson(entry.raw['jsonSchema'], []);
    if (pointer !== undefined) mistakes.push(atValue(entry.located, [...at, ...pointer], 'not a JSON value'));
    else if (!isStored) mistakes.push(...ownMistakes(entry));
  }
  if (!isStored) mistakes.push(...conflicts(readable, schemas));
  const all = complete && readable.length === schemas.size && readable.length > 0;
  const shapeOf = (behavior: string, union: (of: ReadonlyMap<string, JsonSchema>) => EventShape): EventShape =>
    all ? union(jsonSchemasOf(readable.filter(({ raw }) => raw['behavior'] === behavior))) : { kind: 'dyn' };
  return { shapes: { event: shapeOf('event', (of) => unionShape(of).shape), record: shapeOf('record', recordShape) }, mistakes };
}

function ownMistakes({ name, located, path, raw }: Entry<FileSchema>): Mistake[] {
  const schema = raw['jsonSchema'] as JsonSchema;
  const at = [...path, 'jsonSchema'];
  const found = schemaMistakes(schema);
  const mistakes = found.map((mistake) => atKey(located, [...at, ...mistake.path], mistake.message));
  if (mistakes.length > 0) return mistakes;
  const shape = jsonShape(schema);
  if (shape.kind !== 'object' && shape.kind !== 'dyn')
    return [atKey(located, [...at, 'type'], `a payload is an object; this schema says '${shape.kind}'`)];
  const compiled = payloadCheck(schema);
  return 'wrong' in compiled ? [atKey(located, at, `schema '${name}' cannot be compiled: ${compiled.wrong}`)] : [];
}

function conflicts(readable: readonly Entry<FileSchema>[], schemas: Entries<FileSchema>): Mistake[] {
  return typeConflicts(jsonSchemasOf(readable)).map(({ schema, other, path, kind, otherKind }) => {
    const inside = path.flatMap((key) => ['properties', key]);
    const at = (name: string): Path => [...schemas.get(name)!.path, 'jsonSchema', ...inside];
    const there = formatMistake(atKey(schemas.get(other)!.located, at(other), '')).replace(/: $/, '');
    const what = `'${path.join('.')}' is ${kind} in schema '${schema}' but ${otherKind} in schema '${other}' at ${there}`;
    return atKey(schemas.get(schema)!.located, at(schema), `${what}; one path has one type`);
  });
}

function jsonSchemasOf(entries: readonly Entry<FileSchema>[]): ReadonlyMap<string, JsonSchema> {
  return new Map(entries.map(({ name, raw }) => [name, raw['jsonSchema'] as JsonSchema]));
}

/** YAML knows numbers that JSON does not. */
function notJson(value: unknown, path: Path): Path | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : path;
  if (typeof value !== 'object' || value === null)
    return ['string', 'boolean'].includes(typeof value) || value === null ? undefined : path;
  for (const key of Object.keys(value)) {
    const found = notJson((value as Record<string, unknown>)[key], [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}
