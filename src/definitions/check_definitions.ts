// Every rule of a definitions file, over all its files at once. C1: reports every mistake, each once, at its place.
// C2: an entry with a mistake is still known by name: one mistake does not make others that are not there.
import { parseDuration } from '../base/time.ts';
import { errorText } from '../base/errors.ts';
import type { Window } from '../aggregate/plan.ts';
import { celEnvironment, type CelEnvironment, type ExpressionMistake } from './cel_environment.ts';
import { compileFilter, compileValue, isMistake, VALUE_FUNCTIONS } from './compile_expression.ts';
import type { AttributeDefinition, DefinitionsData, NamespaceDefinition } from './definitions_document.ts';
import { unionShape, type EventShape } from './event_shape.ts';
import {
  ENTRY_NAME,
  ENTRY_NOUN,
  ENTRY_SHAPES,
  SECTIONS,
  type FileAttribute,
  type FileDataset,
  type FileNamespace,
  type FileSchema,
  type Section,
} from './file_shape.ts';
import { atKey, atValue, type LocatedFile, type Path } from './located_yaml.ts';
import { formatMistake, type Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { shapeMistakes, show, typeText } from './shape_mistakes.ts';

const MAX_ATTRIBUTES = 100;
const MAX_WINDOW_MS = 3650 * 86_400_000;
const RESERVED_DATASET = '_profile';

/** An entry of a section: where it stands, what it says, and that again as `value` when its shape is right. */
type Entry<T> = {
  readonly name: string;
  readonly located: LocatedFile;
  readonly path: Path;
  readonly raw: Raw;
  readonly value: T | undefined;
};
type Raw = Readonly<Record<string, unknown>>;
type Entries<T> = ReadonlyMap<string, Entry<T>>;

/** @returns the data, to be used only when there are no mistakes */
export function checkDefinitions(files: readonly LocatedFile[]): { data: DefinitionsData; mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = files.flatMap((file) => file.mistakes);
  const readable = files.filter((file) => file.mistakes.length === 0);
  for (const file of readable) mistakes.push(...topLevelMistakes(file));
  const namespaces = entriesOf<FileNamespace>('namespaces', readable, mistakes);
  const schemas = entriesOf<FileSchema>('schemas', readable, mistakes);
  const datasets = entriesOf<FileDataset>('datasets', readable, mistakes);
  const attributes = entriesOf<FileAttribute>('computedAttributes', readable, mistakes);
  const complete = readable.length === files.length;
  if (complete && files[0] !== undefined) {
    if (namespaces.size === 0) mistakes.push(atKey(files[0], [], 'no namespaces are defined; at least one is needed'));
    if (datasets.size === 0) mistakes.push(atKey(files[0], [], 'no datasets are defined; at least one is needed'));
  }
  // With an unreadable file the missing names may be in it.
  if (complete) mistakes.push(...referenceMistakes(datasets, schemas));
  const shape = eventShape(schemas, complete, mistakes);
  const cel = celEnvironment(shape);
  const windows = new Map<string, Window>();
  for (const entry of attributes.values()) {
    const window = windowOf(entry, mistakes);
    if (window !== undefined) windows.set(entry.name, window);
    mistakes.push(...attributeMistakes(entry, cel, shape));
  }
  const extra = [...attributes.values()][MAX_ATTRIBUTES];
  if (extra !== undefined)
    mistakes.push(atKey(extra.located, extra.path, `more than ${MAX_ATTRIBUTES} computed attributes (${attributes.size})`));
  const data: DefinitionsData = {
    namespaces: mapped(namespaces, ({ type, priority, unique }): NamespaceDefinition => ({
      type,
      priority,
      unique: unique ?? false,
    })),
    schemas: mapped(schemas, (schema) => schema),
    datasets: mapped(datasets, (dataset) => dataset),
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

function entriesOf<T>(section: Section, files: readonly LocatedFile[], mistakes: Mistake[]): Entries<T> {
  const entries = new Map<string, Entry<T>>();
  for (const located of files) {
    const map = isMap(located.value) ? located.value[section] : undefined;
    if (map === undefined) continue;
    if (!isMap(map)) {
      mistakes.push(atValue(located, [section], `'${section}' must be a map, not ${typeText(map)}`));
      continue;
    }
    for (const name of Object.keys(map)) {
      const path = [section, name];
      const before = entries.get(name);
      if (before !== undefined) {
        const first = formatMistake(atKey(before.located, before.path, '')).replace(/: $/, '');
        mistakes.push(atKey(located, path, `${ENTRY_NOUN[section]} '${name}' is already defined at ${first}`));
        continue;
      }
      if (section === 'datasets' && name === RESERVED_DATASET) mistakes.push(atKey(located, path, `'${name}' is reserved`));
      else if (!ENTRY_NAME[section].pattern.test(name)) {
        mistakes.push(
          atKey(located, path, `'${name}' cannot name a ${ENTRY_NOUN[section]}; names match ${ENTRY_NAME[section].text}`),
        );
      }
      const shape = ENTRY_SHAPES[section];
      const parsed = shape.safeParse(map[name]);
      if (!parsed.success)
        mistakes.push(...shapeMistakes(located, path, map[name], parsed.error.issues, Object.keys(shape.shape)));
      const raw = isMap(map[name]) ? map[name] : {};
      entries.set(name, { name, located, path, raw, value: parsed.success ? (parsed.data as T) : undefined });
    }
  }
  return entries;
}

function referenceMistakes(datasets: Entries<FileDataset>, schemas: Entries<FileSchema>): Mistake[] {
  return [...datasets.values()].flatMap(({ raw: { schema }, located, path }) => {
    if (typeof schema !== 'string' || schemas.has(schema)) return [];
    const known = schemas.size === 0 ? 'none is defined' : `defined: ${[...schemas.keys()].join(', ')}`;
    return [atValue(located, [...path, 'schema'], `unknown schema '${schema}'${didYouMean(schema, schemas.keys())}; ${known}`)];
  });
}

function eventShape(schemas: Entries<FileSchema>, complete: boolean, mistakes: Mistake[]): EventShape {
  const valid = [...schemas.values()].filter((entry) => isMap(entry.raw['jsonSchema']));
  const union = unionShape(new Map(valid.map((entry) => [entry.name, entry.raw['jsonSchema'] as Raw])));
  for (const { schema, path, message } of union.mistakes) {
    const entry = schemas.get(schema)!;
    mistakes.push(atKey(entry.located, [...entry.path, 'jsonSchema', ...path], message));
  }
  for (const { located, path, raw } of valid) {
    const pointer = notJson(raw['jsonSchema'], []);
    if (pointer !== undefined) mistakes.push(atValue(located, [...path, 'jsonSchema', ...pointer], 'not a JSON value'));
  }
  // A schema that cannot be read may declare anything.
  return complete && valid.length === schemas.size && valid.length > 0 ? union.shape : { kind: 'dyn' };
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

function windowOf(entry: Entry<FileAttribute>, mistakes: Mistake[]): Window | undefined {
  const { located, path } = entry;
  const at: Path = [...path, 'window'];
  const window = entry.raw['window'];
  const complain = (where: Path, message: string): undefined => void mistakes.push(atValue(located, where, message));
  if (window === undefined) return complain(at, `'window' is missing; supported: lifetime, { sliding: 30d }`);
  if (window === 'lifetime') return { kind: 'lifetime' };
  if (!isMap(window)) return complain(at, `unsupported value ${show(window)} of 'window'; supported: lifetime, { sliding: 30d }`);
  let wrong = false;
  for (const key of Object.keys(window).filter((name) => name !== 'sliding')) {
    mistakes.push(atKey(located, [...at, key], `unknown key '${key}'${didYouMean(key, ['sliding'])}; known here: sliding`));
    wrong = true;
  }
  const sliding = window['sliding'];
  if (sliding === undefined) return wrong ? undefined : complain(at, `'sliding' is missing; it must be a duration such as 30d`);
  const where = [...at, 'sliding'];
  if (typeof sliding !== 'string')
    return complain(where, `'sliding' must be a duration with a unit such as 30d, not ${typeText(sliding)}`);
  let ms: number;
  try {
    ms = parseDuration(sliding);
  } catch (error) {
    return complain(where, errorText(error));
  }
  if (ms < 1 || ms > MAX_WINDOW_MS) return complain(where, `a window must be between 1ms and 3650d; '${sliding}' is not`);
  return { kind: 'sliding', ms };
}

/** Works on the raw entry: a mistake in one key does not hide those in the others. */
function attributeMistakes(
  { name, located, path, raw }: Entry<FileAttribute>,
  cel: CelEnvironment,
  shape: EventShape,
): Mistake[] {
  const mistakes: Mistake[] = [];
  const at = (key: string, { offset, message }: ExpressionMistake): void =>
    void mistakes.push(atValue(located, [...path, key], `${key} of '${name}': ${message}`, offset));
  const { filter, value, function: function_ } = raw;
  if (typeof filter === 'string' && filter !== '') {
    const compiled = compileFilter(filter.trimEnd(), cel, shape);
    if (isMistake(compiled)) at('filter', compiled);
  }
  if (function_ === 'count') {
    if (value !== undefined)
      mistakes.push(atKey(located, [...path, 'value'], `count takes no 'value': it counts the events that pass the filter`));
    return mistakes;
  }
  const needing = VALUE_FUNCTIONS.find((known) => known === function_);
  if (needing !== undefined) {
    if (value === undefined) mistakes.push(atKey(located, path, `'value' is missing: ${needing} needs one`));
    if (typeof value !== 'string' || value === '') return mistakes;
    const compiled = compileValue(value.trimEnd(), needing, cel, shape);
    if (isMistake(compiled)) at('value', compiled);
  }
  return mistakes;
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
  };
}

function mapped<T, U>(entries: Entries<T>, to: (value: T, name: string) => U): ReadonlyMap<string, U> {
  const result = new Map<string, U>();
  for (const name of [...entries.keys()].sort()) {
    const value = entries.get(name)!.value;
    if (value !== undefined) result.set(name, to(value, name));
  }
  return result;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
