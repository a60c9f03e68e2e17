// The rules of merge policies. MR1: every mistake at once, each at its place.
// MR2: what cannot be known (a dataset or schema with a mistake of its own) makes no mistake here.
import type { PolicyDefinition } from './merge_policies.ts';
import { isMap, type Entries, type Entry } from './definition_entries.ts';
import type { FileDataset, FilePolicy, FileSchema } from './file_shape.ts';
import { atKey, atValue } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { show, typeText } from './shape_mistakes.ts';

const MAX_POLICIES = 5;
const SUPPORTED = 'supported: timestampOrdered, { dataSetPrecedence: [dataset, …] }';

export type Feeds = { readonly datasets: Entries<FileDataset>; readonly schemas: Entries<FileSchema> };

/** @param complete false: a file could not be read, and names may be in it */
export function policyMistakes(policies: Entries<FilePolicy>, feeds: Feeds, complete: boolean): Mistake[] {
  const mistakes = [...policies.values()].flatMap((entry) => attributesMistakes(entry, complete ? feeds : null));
  const all = [...policies.values()];
  const extra = all[MAX_POLICIES];
  if (extra !== undefined)
    mistakes.push(
      atKey(extra.located, extra.path, `more than ${MAX_POLICIES} merge policies of class individual (${all.length})`),
    );
  const defaults = all.filter(({ raw }) => raw['default'] === true);
  for (const { name, located, path } of defaults.slice(1))
    mistakes.push(
      atKey(located, [...path, 'default'], `'${name}' is a second default of class individual; '${defaults[0]!.name}' is one`),
    );
  const first = all[0];
  if (complete && first !== undefined && defaults.length === 0)
    mistakes.push(
      atKey(first.located, first.path, `no merge policy of class individual is the default: give one of them 'default: true'`),
    );
  return mistakes;
}

function attributesMistakes({ located, path, raw }: Entry<FilePolicy>, feeds: Feeds | null): Mistake[] {
  const given = raw['attributes'];
  const where = [...path, 'attributes'];
  if (given === undefined || given === 'timestampOrdered') return [];
  const keys = isMap(given) ? Object.keys(given) : [];
  if (!isMap(given) || !keys.includes('dataSetPrecedence')) {
    const near =
      typeof given === 'string' ? didYouMean(given, ['timestampOrdered']) : didYouMean(keys[0] ?? '', ['dataSetPrecedence']);
    return [atValue(located, where, `unsupported value ${show(given)} of 'attributes'${near}; ${SUPPORTED}`)];
  }
  const mistakes = keys
    .filter((key) => key !== 'dataSetPrecedence')
    .map((key) => atKey(located, [...where, key], `unknown key '${key}'; known here: dataSetPrecedence`));
  const order = given['dataSetPrecedence'];
  const at = [...where, 'dataSetPrecedence'];
  if (!Array.isArray(order))
    return [...mistakes, atValue(located, at, `'dataSetPrecedence' must be a list, not ${typeText(order)}`)];
  if (order.length === 0)
    mistakes.push(atValue(located, at, `'dataSetPrecedence' must not be empty: datasets not listed take no part`));
  order.forEach((name: unknown, i) => {
    const why =
      typeof name !== 'string'
        ? `'dataSetPrecedence' lists names of datasets, not ${typeText(name)}`
        : order.indexOf(name) < i
          ? `'${name}' stands in 'dataSetPrecedence' twice`
          : feeds === null
            ? undefined
            : notMerged(name, feeds);
    if (why !== undefined) mistakes.push(atValue(located, [...at, i], why));
  });
  return mistakes;
}

/** Why the dataset has nothing that could be merged; undefined: it has. */
function notMerged(name: string, { datasets, schemas }: Feeds): string | undefined {
  const dataset = datasets.get(name);
  if (dataset === undefined) {
    const known = datasets.size === 0 ? 'none is defined' : `defined: ${[...datasets.keys()].join(', ')}`;
    return `unknown dataset '${name}'${didYouMean(name, datasets.keys())}; ${known}`;
  }
  const schema = schemas.get(String(dataset.raw['schema']));
  if (schema?.raw['behavior'] === 'event') return `'${name}' is a dataset of events; a merge policy chooses among records`;
  return dataset.raw['profile'] === false ? `'${name}' has 'profile: false': nothing of it is merged` : undefined;
}

export function policyOf({ class: class_, attributes, stitching, default: isDefault }: FilePolicy): PolicyDefinition {
  const order = isMap(attributes) ? (attributes['dataSetPrecedence'] as readonly string[]) : null;
  return { class: class_, order, stitching: stitching ?? 'none', default: isDefault ?? false };
}
