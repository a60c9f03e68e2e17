// What a map file must fit: the columns of the file, the namespaces that are defined, the dataset's behavior. CK1: every mistake at once.
import { MistakesError, type Mistake } from '../definitions/mistakes.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { IngestMap } from './ingest_map.ts';

const NAMES_MAX = 30;
const NAME_LENGTH_MAX = 60;

/** Before the first row: has the file what the map names? @throws MistakesError `bad_map` */
export function checkColumns(map: IngestMap, header: readonly string[]): void {
  const [first] = map.columns;
  // a row instead of a header: nothing of it is quoted, it may be a customer's
  if (first !== undefined && !map.columns.some(({ name }) => header.includes(name)))
    throw new MistakesError('bad_map', [
      { ...first.place, message: `line 1 of the file has none of the map's columns; is it a header?` },
    ]);
  const mistakes = map.columns.flatMap(({ name, place }): Mistake[] => {
    const count = header.filter((column) => column === name).length;
    if (count === 1) return [];
    if (count > 1) return [{ ...place, message: `the file has ${count} columns '${name}'; which one is meant?` }];
    const message = `the file has no column '${name}'${didYouMean(name, header)}; it has ${listOf(header)}`;
    return [{ ...place, message }];
  });
  if (mistakes.length > 0) throw new MistakesError('bad_map', mistakes);
}

function listOf(header: readonly string[]): string {
  const names = header
    .slice(0, NAMES_MAX)
    .map((name) => (name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name));
  if (header.length > NAMES_MAX) names.push(`and ${header.length - NAMES_MAX} more`);
  return names.join(', ');
}

/** `namespaces`: those that are defined. `behavior`: of the dataset that the file goes into. */
export type MapUse = {
  readonly namespaces: readonly string[];
  readonly dataset: string;
  readonly behavior: 'event' | 'record';
};

/** @throws MistakesError `bad_map` */
export function checkUse(map: IngestMap, { namespaces, dataset, behavior }: MapUse): void {
  const mistakes: Mistake[] = [];
  const { name, place } = map.namespaceAt;
  if (!namespaces.includes(name)) {
    const message = `no namespace '${name}' is defined${didYouMean(name, namespaces)}; defined: ${namespaces.join(', ')}`;
    mistakes.push({ ...place, message });
  }
  if (behavior === 'event') {
    if (map.timestamp === null)
      mistakes.push({
        ...map.places.timestamp,
        message: `'timestamp' is missing; it is a map of column, zone: the dataset '${dataset}' has events, and each has a time`,
      });
    for (const section of ['operation', 'lastUpdated'] as const)
      if (map[section] !== null)
        mistakes.push({ ...map.places[section], message: `'${section}' is for records; the dataset '${dataset}' has events` });
  }
  if (mistakes.length > 0) throw new MistakesError('bad_map', mistakes);
}
