// The union schema of a class, from a document.
// US1: a function of the document: the order of files, schemas and datasets makes no difference.
// US2: only datasets with `profile: true`, and their schemas, contribute. An object whose fields are all listed is not listed itself.
// Source: design/semantics.md §6
import type { UnionField, UnionFieldType, UnionSchema } from '../profile/union_schema.ts';
import { pathText } from '../record/leaf_changes.ts';
import type { DefinitionsDocument } from './definitions_document.ts';
import { isOpenObject } from './event_shape.ts';
import { isSchema, TYPES, type JsonSchema } from './schema_keywords.ts';

type Gathered = { types: Set<UnionFieldType>; open: boolean; schemas: Set<string>; datasets: Set<string> };

/** @param class_ `individual`; of a class without schemas there are no fields  Cost: O(size of the schemas) */
export function unionSchema(document: DefinitionsDocument, class_: string): UnionSchema {
  const { schemas, datasets } = document.data;
  const gathered = new Map<string, Gathered>();
  for (const [dataset, { schema, profile }] of datasets) {
    const definition = schemas.get(schema);
    if (!profile || definition?.class !== class_) continue;
    gather(definition.jsonSchema, [], (path, type, open) => {
      const text = pathText(path);
      const field = gathered.get(text) ?? { types: new Set(), open: false, schemas: new Set(), datasets: new Set() };
      gathered.set(text, field);
      field.types.add(type);
      field.open ||= open;
      field.schemas.add(schema);
      field.datasets.add(dataset);
    });
  }
  const fields = [...gathered]
    .map(([path, { types, open, schemas: by, datasets: of }]): UnionField => ({
      path,
      type: typeOf(types),
      ...(open ? { open } : {}),
      schemas: [...by].sort(),
      datasets: [...of].sort(),
    }))
    .filter(({ type, open }) => type !== 'object' || open === true)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return { class: class_, fields };
}

type Report = (path: readonly string[], type: UnionFieldType, open: boolean) => void;

function gather(schema: unknown, path: readonly string[], report: Report): void {
  const properties = isSchema(schema) && isSchema(schema['properties']) ? schema['properties'] : undefined;
  const type = isSchema(schema) ? (schema['type'] ?? (properties === undefined ? undefined : 'object')) : undefined;
  report(
    path,
    TYPES.includes(type as string) ? (type as UnionFieldType) : 'any',
    type === 'object' && isOpenObject(schema as JsonSchema),
  );
  if (type !== 'object' || properties === undefined) return;
  for (const key of Object.keys(properties)) gather(properties[key], [...path, key], report);
}

/** Where schemas say different things they do not contradict each other: one says less (type_conflicts.ts). */
function typeOf(types: ReadonlySet<UnionFieldType>): UnionFieldType {
  const [first] = types;
  if (types.size === 1) return first!;
  return [...types].every((type) => type === 'integer' || type === 'number') ? 'number' : 'any';
}
