// Every rule of a definitions file, over all its files at once. C1: reports every mistake, each once, at its place.
// C2: an entry with a mistake is still known by name: one mistake does not make others that are not there.
import type { Window } from '../aggregate/window.ts';
import { celEnvironment } from './cel_environment.ts';
import { checkAttribute } from './check_attribute.ts';
import { expressionMistakes } from './check_expressions.ts';
import { entriesOf, isMap, mapped, type Entries } from './definition_entries.ts';
import { datasetMistakes, readTimeToLive } from './check_datasets.ts';
import { checkSchemas, type Shapes } from './check_schemas.ts';
import { policyMistakes, policyOf } from './check_policies.ts';
import { identityMistakes, identityPlaces } from './identity_places.ts';
import type {
  AttributeDefinition,
  DatasetDefinition,
  DefinitionsData,
  NamespaceDefinition,
  SchemaDefinition,
} from './definitions_document.ts';
import type { Formula } from './expression_graph.ts';
import {
  SECTIONS,
  type FileAttribute,
  type FileDataset,
  type FileNamespace,
  type FilePolicy,
  type FileSchema,
} from './file_shape.ts';
import { atKey, atValue, type LocatedFile } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { show, typeText } from './shape_mistakes.ts';
import { readWindow } from './window_definition.ts';

const MAX_ATTRIBUTES = 100;
const LIST_LIMIT = 50;

/** @param isStored written by `definitions apply` or `setup`, maybe of an earlier release with fewer rules (check_schemas.ts)
 *  @returns the data, to be used only when there are no mistakes */
export function checkDefinitions(
  files: readonly LocatedFile[],
  isStored = false,
): { data: DefinitionsData; mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = files.flatMap((file) => file.mistakes);
  const readable = files.filter((file) => file.mistakes.length === 0);
  for (const file of readable) mistakes.push(...topLevelMistakes(file));
  const namespaces = entriesOf<FileNamespace>('namespaces', readable, mistakes);
  const schemas = entriesOf<FileSchema>('schemas', readable, mistakes);
  const datasets = entriesOf<FileDataset>('datasets', readable, mistakes);
  const policies = entriesOf<FilePolicy>('mergePolicies', readable, mistakes);
  const attributes = entriesOf<FileAttribute>('computedAttributes', readable, mistakes);
  const complete = readable.length === files.length;
  if (complete && files[0] !== undefined) {
    if (namespaces.size === 0) mistakes.push(atKey(files[0], [], 'no namespaces are defined; at least one is needed'));
    if (datasets.size === 0) mistakes.push(atKey(files[0], [], 'no datasets are defined; at least one is needed'));
  }
  mistakes.push(...identityMistakes(schemas, namespaces, complete));
  mistakes.push(...datasetMistakes(datasets, schemas, complete));
  mistakes.push(...policyMistakes(policies, { datasets, schemas }, complete));
  const checked = checkSchemas(schemas, complete, isStored);
  mistakes.push(...checked.mistakes);
  const windows = attributeWindows(attributes, checked.shapes, complete, mistakes);
  const extra = [...attributes.values()][MAX_ATTRIBUTES];
  if (extra !== undefined)
    mistakes.push(atKey(extra.located, extra.path, `more than ${MAX_ATTRIBUTES} computed attributes (${attributes.size})`));
  const data: DefinitionsData = {
    namespaces: mapped(namespaces, ({ type, priority, unique }): NamespaceDefinition => ({
      type,
      priority,
      unique: unique ?? false,
    })),
    schemas: mapped(schemas, (schema): SchemaDefinition => ({
      class: schema.class,
      behavior: schema.behavior,
      jsonSchema: schema.jsonSchema,
      identities: identityPlaces(schema),
    })),
    datasets: mapped(datasets, datasetOf),
    mergePolicies: mapped(policies, policyOf),
    computedAttributes: mapped(attributes, (attribute, name) =>
      attributeOf(attribute, windows.get(name) ?? { kind: 'lifetime' }),
    ),
  };
  return { data, mistakes };
}

function topLevelMistakes(file: LocatedFile): Mistake[] {
  const { value } = file;
  if (!isMap(value)) return [atKey(file, [], `a definitions file must be a map with 'version: 1', not ${typeText(value)}`)];
  const known = ['version', ...SECTIONS];
  const mistakes = Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => atKey(file, [key], `unknown key '${key}'${didYouMean(key, known)}; known here: ${known.join(', ')}`));
  if (value['version'] === undefined) mistakes.push(atKey(file, [], `'version: 1' is missing`));
  else if (value['version'] !== 1)
    mistakes.push(atValue(file, ['version'], `unsupported value ${show(value['version'])} of 'version'; supported: 1`));
  return mistakes;
}

function datasetOf({ schema, profile, timeToLive, revision }: FileDataset): DatasetDefinition {
  const read = timeToLive === undefined ? undefined : readTimeToLive(timeToLive);
  return { schema, profile, timeToLiveMs: read !== undefined && 'ms' in read ? read.ms : null, revision: revision ?? 1 };
}

/** Checks every attribute. @returns the windows that are windows */
function attributeWindows(
  attributes: Entries<FileAttribute>,
  shapes: Shapes,
  complete: boolean,
  mistakes: Mistake[],
): ReadonlyMap<string, Window> {
  const shape = shapes.event;
  const cel = celEnvironment(shape);
  const windows = new Map<string, Window>();
  const formulas = new Map<string, Formula>();
  for (const entry of attributes.values()) {
    if (entry.raw['function'] !== 'expression') {
      const window = readWindow(entry.raw['window'], { located: entry.located, path: [...entry.path, 'window'] });
      if ('kind' in window) windows.set(entry.name, window);
      else mistakes.push(...window);
    }
    const checked = checkAttribute(entry, cel, shape);
    mistakes.push(...checked.mistakes);
    formulas.set(entry.name, checked.formula);
  }
  mistakes.push(...expressionMistakes(attributes, formulas, shapes.record, complete));
  return windows;
}

function attributeOf(attribute: FileAttribute, window: Window): AttributeDefinition {
  return {
    class: attribute.class,
    description: attribute.description ?? '',
    eventTypes: attribute.eventTypes === undefined ? null : [...new Set(attribute.eventTypes)].sort(),
    filter: attribute.filter?.trim() ?? null,
    value: attribute.value?.trim() ?? null,
    function: attribute.function,
    window,
    limit: attribute.function === 'list' ? (attribute.limit ?? LIST_LIMIT) : null,
    expression: attribute.expression?.trim() ?? null,
    audience: attribute.audience ?? false,
    revision: attribute.revision ?? 1,
  };
}
