// What a definitions file adds to the live definitions, or in what it contradicts them.
// XD1: everything that is live stands in the file as it is; what is new gets the next revision, what was there keeps its own. A live
//      JSON schema may get properties (schema_additions.ts), a live dataset another time-to-live: it is for look-ups only.
// XD2: `revision`s in the file are not read: who adds does not have to know what is live.
// XD3: the paths that the live schemas declare keep their types, so a filter or expression that is live means what it meant.
// XD4: the default merge policy stays what it is: change events and expressions go by it.
import type {
  AttributeDefinition,
  DatasetDefinition,
  DefinitionsData,
  DefinitionsDocument,
  SchemaDefinition,
} from './definitions_document.ts';
import { documentOf } from './definitions_document.ts';
import { differences } from './differences.ts';
import { recordShape, schemasOf, unionShape, type EventShape } from './event_shape.ts';
import { ENTRY_NOUN, SECTIONS } from './file_shape.ts';
import { policiesInForce, policyFileForm } from './merge_policies.ts';
import { addedFields } from './schema_additions.ts';

export type Extension =
  | { readonly kind: 'same' }
  /** `added`: `computed attribute spend90d`, one an addition. */
  | { readonly kind: 'extended'; readonly document: DefinitionsDocument; readonly added: readonly string[] }
  /** `lines`: what differs, as `differences` writes it. */
  | { readonly kind: 'changed'; readonly lines: readonly string[] };

/** Cost: O(size of both) @throws never */
export function extendDefinitions(live: DefinitionsDocument, file: DefinitionsDocument): Extension {
  const lines = changedLines(live.data, file.data);
  if (lines.length > 0) return { kind: 'changed', lines };
  const added = additions(live.data, file.data);
  if (added.length === 0) return { kind: 'same' };
  const next = revisionOf(live.data) + 1;
  const revised = <T extends { readonly revision: number }>(
    entries: ReadonlyMap<string, T>,
    before: ReadonlyMap<string, T>,
  ): ReadonlyMap<string, T> =>
    new Map([...entries].map(([name, entry]) => [name, { ...entry, revision: before.get(name)?.revision ?? next }]));
  const document = documentOf({
    ...file.data,
    datasets: revised(file.data.datasets, live.data.datasets),
    computedAttributes: revised(file.data.computedAttributes, live.data.computedAttributes),
  });
  return { kind: 'extended', document, added };
}

/** The greatest revision of anything in it: 1 when nothing was added since the first. */
export function revisionOf(data: DefinitionsData): number {
  return Math.max(1, ...revisionsOf(data));
}

function revisionsOf(data: DefinitionsData): number[] {
  return [...data.datasets.values(), ...data.computedAttributes.values()].map(({ revision }) => revision);
}

function changedLines(live: DefinitionsData, file: DefinitionsData): string[] {
  const kept = {
    namespaces: only(file.namespaces, live.namespaces),
    schemas: withoutAdditions(live.schemas, only(file.schemas, live.schemas)),
    datasets: withTimesToLiveOf(live.datasets, first<DatasetDefinition>(only(file.datasets, live.datasets))),
    mergePolicies: only(file.mergePolicies, live.mergePolicies),
    computedAttributes: withDescriptionsOf(
      live.computedAttributes,
      first(only(file.computedAttributes, live.computedAttributes)),
    ),
  };
  const before = { ...live, datasets: first(live.datasets), computedAttributes: first(live.computedAttributes) };
  const lines = differences(documentOf(before), documentOf(kept));
  const changes = [...lines, ...defaultPolicyChange(live, file, lines)];
  return changes.length > 0 ? changes : typeChanges(live, file);
}

/** The entries that `names` has too. */
function only<T>(entries: ReadonlyMap<string, T>, names: ReadonlyMap<string, unknown>): ReadonlyMap<string, T> {
  return new Map([...entries].filter(([name]) => names.has(name)));
}

function first<T extends { readonly revision: number }>(entries: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...entries].map(([name, entry]) => [name, { ...entry, revision: 1 }]));
}

/** A schema that only adds fields to the live one counts as that. */
function withoutAdditions(
  live: ReadonlyMap<string, SchemaDefinition>,
  file: ReadonlyMap<string, SchemaDefinition>,
): ReadonlyMap<string, SchemaDefinition> {
  return new Map(
    [...file].map(([name, entry]) => {
      const { jsonSchema } = live.get(name)!;
      return [name, addedFields(jsonSchema, entry.jsonSchema) === undefined ? entry : { ...entry, jsonSchema }];
    }),
  );
}

function withTimesToLiveOf(
  live: ReadonlyMap<string, DatasetDefinition>,
  file: ReadonlyMap<string, DatasetDefinition>,
): ReadonlyMap<string, DatasetDefinition> {
  return new Map([...file].map(([name, entry]) => [name, { ...entry, timeToLiveMs: live.get(name)!.timeToLiveMs }]));
}

/** @param known what is said already: a live policy that differs */
function defaultPolicyChange(live: DefinitionsData, file: DefinitionsData, known: readonly string[]): string[] {
  const [before, after] = [defaultPolicy(live), defaultPolicy(file)];
  if (before === after || known.some((line) => line.startsWith('mergePolicies.'))) return [];
  return [`default merge policy: live ${before}, file ${after}`];
}

function defaultPolicy({ mergePolicies }: DefinitionsData): string {
  const [name, policy] = [...policiesInForce(mergePolicies)].find(([, each]) => each.default)!;
  return `${name} ${JSON.stringify(policyFileForm(policy))}`;
}

/** A description says nothing that is computed. */
function withDescriptionsOf(
  live: ReadonlyMap<string, AttributeDefinition>,
  file: ReadonlyMap<string, AttributeDefinition>,
): ReadonlyMap<string, AttributeDefinition> {
  return new Map(
    [...file].map(([name, entry]) => [name, { ...entry, description: live.get(name)?.description ?? entry.description }]),
  );
}

function additions(live: DefinitionsData, file: DefinitionsData): string[] {
  const added = SECTIONS.flatMap((section) =>
    [...file[section].keys()].filter((name) => !live[section].has(name)).map((name) => `${ENTRY_NOUN[section]} ${name}`),
  );
  const described = [...live.computedAttributes]
    .filter(([name, { description }]) => file.computedAttributes.get(name)?.description !== description)
    .map(([name]) => `description of ${name}`);
  const fields = [...live.schemas].flatMap(([name, { jsonSchema }]) =>
    (addedFields(jsonSchema, file.schemas.get(name)!.jsonSchema) ?? []).map((path) => `field ${path} of schema ${name}`),
  );
  const times = [...live.datasets]
    .filter(([name, { timeToLiveMs }]) => file.datasets.get(name)!.timeToLiveMs !== timeToLiveMs)
    .map(([name]) => `time-to-live of ${name}`);
  return [...added, ...fields, ...times, ...described];
}

function typeChanges(live: DefinitionsData, file: DefinitionsData): string[] {
  const lines: string[] = [];
  // of a behaviour that nothing live has, nothing live has read a path
  const [events, records] = [schemasOf(live, 'event'), schemasOf(live, 'record')];
  if (events.size > 0) compareShapes(unionShape(events).shape, unionShape(schemasOf(file, 'event')).shape, 'event', lines);
  if (records.size > 0) compareShapes(recordShape(records), recordShape(schemasOf(file, 'record')), 'profile', lines);
  return lines;
}

function compareShapes(live: EventShape, file: EventShape, path: string, lines: string[]): void {
  if (live.kind === 'object' && file.kind === 'object') {
    for (const [key, field] of live.fields) compareShapes(field, file.fields.get(key)!, `${path}.${key}`, lines);
  } else if (typeText(live) !== typeText(file)) {
    lines.push(
      `type of ${path}: live ${typeText(live)}, file ${typeText(file)}: what is added must leave the types that are live`,
    );
  }
}

function typeText(shape: EventShape): string {
  if (shape.kind === 'list') return `a list of ${shape.item === 'dyn' ? 'anything' : shape.item}`;
  return shape.kind === 'dyn' ? 'anything' : shape.kind;
}
