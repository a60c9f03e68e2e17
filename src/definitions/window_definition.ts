// Windows as a file writes them: `lifetime`, `{ sliding: 30d }`, `{ calendar: month, count: 1 }`.
// WD1: every mistake at once, each at its place. WD2: a window is written back in one form only.
import type { CalendarUnit, Window } from '../aggregate/window.ts';
import { errorText } from '../base/errors.ts';
import { formatDuration, parseDuration } from '../base/time.ts';
import { atKey, atValue, type LocatedFile, type Path } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { show, typeText } from './shape_mistakes.ts';

const MAX_WINDOW_MS = 3650 * 86_400_000;
const MAX_COUNT: Readonly<Record<CalendarUnit, number>> = { day: 366, week: 104, month: 60 };
const UNITS = Object.keys(MAX_COUNT) as readonly CalendarUnit[];
const KEYS = ['sliding', 'calendar', 'count'];
const SUPPORTED = 'supported: lifetime, { sliding: 30d }, { calendar: month, count: 1 }';

type Place = { readonly located: LocatedFile; readonly path: Path };

/** The window at `place`, or why it is none. */
export function readWindow(window: unknown, { located, path }: Place): Window | readonly Mistake[] {
  if (window === undefined) return [atValue(located, path, `'window' is missing; ${SUPPORTED}`)];
  if (window === 'lifetime') return { kind: 'lifetime' };
  if (typeof window !== 'object' || window === null || Array.isArray(window))
    return [atValue(located, path, `unsupported value ${show(window)} of 'window'; ${SUPPORTED}`)];
  const given = window as Readonly<Record<string, unknown>>;
  const mistakes = Object.keys(given)
    .filter((key) => !KEYS.includes(key))
    .map((key) => atKey(located, [...path, key], `unknown key '${key}'${didYouMean(key, KEYS)}; known here: ${KEYS.join(', ')}`));
  const { sliding, calendar, count } = given;
  if (sliding !== undefined && calendar !== undefined)
    return [...mistakes, atKey(located, [...path, 'calendar'], `a window is 'sliding' or 'calendar', not both`)];
  if (sliding === undefined && calendar === undefined)
    return mistakes.length > 0 ? mistakes : [atValue(located, path, `a window needs 'sliding' or 'calendar'; ${SUPPORTED}`)];
  const read =
    sliding === undefined ? calendarWindow(calendar, count, { located, path }) : slidingWindow(sliding, count, { located, path });
  if ('kind' in read) return mistakes.length > 0 ? mistakes : read;
  return [...mistakes, ...read];
}

function slidingWindow(sliding: unknown, count: unknown, { located, path }: Place): Window | readonly Mistake[] {
  const where = [...path, 'sliding'];
  const mistakes: Mistake[] = [];
  if (count !== undefined) mistakes.push(atKey(located, [...path, 'count'], `'count' goes with 'calendar' only`));
  if (typeof sliding !== 'string')
    return [
      ...mistakes,
      atValue(located, where, `'sliding' must be a duration with a unit such as 30d, not ${typeText(sliding)}`),
    ];
  let ms: number;
  try {
    ms = parseDuration(sliding);
  } catch (error) {
    return [...mistakes, atValue(located, where, errorText(error))];
  }
  if (ms < 1 || ms > MAX_WINDOW_MS)
    return [...mistakes, atValue(located, where, `a window must be between 1ms and 3650d; '${sliding}' is not`)];
  return mistakes.length > 0 ? mistakes : { kind: 'sliding', ms };
}

function calendarWindow(calendar: unknown, count: unknown, { located, path }: Place): Window | readonly Mistake[] {
  const unit = UNITS.find((known) => known === calendar);
  if (unit === undefined) {
    const near = typeof calendar === 'string' ? didYouMean(calendar, UNITS) : '';
    return [
      atValue(
        located,
        [...path, 'calendar'],
        `unsupported value ${show(calendar)} of 'calendar'${near}; supported: ${UNITS.join(', ')}`,
      ),
    ];
  }
  const units = count ?? 1;
  if (!Number.isInteger(units) || (units as number) < 1 || (units as number) > MAX_COUNT[unit]) {
    const bounds = `a whole number between 1 and ${MAX_COUNT[unit]} ${unit}s`;
    return [atValue(located, [...path, 'count'], `'count' must be ${bounds}; ${show(units)} is not`)];
  }
  return { kind: 'calendar', unit, count: units as number };
}

/** As the canonical text has it. */
export function windowFileForm(window: Window): unknown {
  switch (window.kind) {
    case 'lifetime':
      return 'lifetime';
    case 'sliding':
      return { sliding: formatDuration(window.ms) };
    case 'calendar':
      return { calendar: window.unit, count: window.count };
  }
}

/** For people: `lifetime`, `30d`, `1 month`, `3 weeks`. */
export function windowText(window: Window): string {
  switch (window.kind) {
    case 'lifetime':
      return 'lifetime';
    case 'sliding':
      return formatDuration(window.ms);
    case 'calendar':
      return `${window.count} ${window.unit}${window.count === 1 ? '' : 's'}`;
  }
}
