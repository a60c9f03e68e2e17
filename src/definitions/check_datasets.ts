// The rules of datasets: their schema, and how long their events are shown.
import { errorText } from '../base/errors.ts';
import { formatDuration, parseDuration, type DurationMs } from '../base/time.ts';
import type { Entries } from './definition_entries.ts';
import type { FileDataset, FileSchema } from './file_shape.ts';
import { atKey, atValue } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { typeText } from './shape_mistakes.ts';

const TIME_TO_LIVE_MIN_MS = 1000;
const TIME_TO_LIVE_MAX_MS = 36_500 * 86_400_000;

/** @param complete false: a file could not be read, and names may be in it */
export function datasetMistakes(datasets: Entries<FileDataset>, schemas: Entries<FileSchema>, complete: boolean): Mistake[] {
  return [...datasets.values()].flatMap(({ name, raw, located, path }) => {
    const mistakes: Mistake[] = [];
    const { schema, timeToLive } = raw;
    if (complete && typeof schema === 'string' && !schemas.has(schema)) {
      const known = schemas.size === 0 ? 'none is defined' : `defined: ${[...schemas.keys()].join(', ')}`;
      mistakes.push(
        atValue(located, [...path, 'schema'], `unknown schema '${schema}'${didYouMean(schema, schemas.keys())}; ${known}`),
      );
    }
    if (timeToLive === undefined) return mistakes;
    if (typeof schema === 'string' && schemas.get(schema)?.raw['behavior'] === 'record')
      mistakes.push(
        atKey(
          located,
          [...path, 'timeToLive'],
          `'timeToLive' is for datasets of events: '${name}' has records, which do not age`,
        ),
      );
    const read = readTimeToLive(timeToLive);
    if ('wrong' in read) mistakes.push(atValue(located, [...path, 'timeToLive'], read.wrong));
    return mistakes;
  });
}

/** @param given as the file has it, not undefined */
export function readTimeToLive(given: unknown): { readonly ms: DurationMs } | { readonly wrong: string } {
  if (typeof given !== 'string')
    return { wrong: `'timeToLive' must be a duration with a unit such as 400d, not ${typeText(given)}` };
  try {
    const ms = parseDuration(given);
    if (ms >= TIME_TO_LIVE_MIN_MS && ms <= TIME_TO_LIVE_MAX_MS) return { ms };
    const [min, max] = [formatDuration(TIME_TO_LIVE_MIN_MS), formatDuration(TIME_TO_LIVE_MAX_MS)];
    return { wrong: `'timeToLive' must be between ${min} and ${max}; '${given}' is not` };
  } catch (error) {
    return { wrong: errorText(error) };
  }
}
