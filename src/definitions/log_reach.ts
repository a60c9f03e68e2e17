// How far back attributes and look-ups reach, against how long the log is kept. LR1: never too short: a month is taken at 31 days.
import type { CalendarUnit, Window } from '../aggregate/window.ts';
import { formatDuration } from '../base/time.ts';
import type { DefinitionsDocument } from './definitions_document.ts';
import { windowText } from './window_definition.ts';

const DAY_MS = 86_400_000;
const UNIT_DAYS_MAX: Readonly<Record<CalendarUnit, number>> = { day: 1, week: 7, month: 31 };

/** One line for each attribute whose window is longer than the log is kept; `logMaxAgeMs` 0 keeps it for ever. */
export function beyondTheLog(document: DefinitionsDocument, logMaxAgeMs: number): string[] {
  if (logMaxAgeMs === 0) return [];
  return [...document.data.computedAttributes]
    .filter(([, { window }]) => reachMs(window) > logMaxAgeMs)
    .map(
      ([name, { window }]) =>
        `log.maxAge is ${formatDuration(logMaxAgeMs)}, but ${name} looks back ${windowText(window)}: keep the log at least as long`,
    );
}

/** One line for each dataset whose events would be shown longer than the log has them. */
export function shownBeyondTheLog(document: DefinitionsDocument, logMaxAgeMs: number): string[] {
  if (logMaxAgeMs === 0) return [];
  return [...document.data.datasets].flatMap(([name, { timeToLiveMs }]) =>
    timeToLiveMs === null || timeToLiveMs <= logMaxAgeMs
      ? []
      : [
          `log.maxAge is ${formatDuration(logMaxAgeMs)}, but events of ${name} have a time-to-live of ${formatDuration(timeToLiveMs)}: ` +
            'look-ups show them only as long as the log has them',
        ],
  );
}

/** A lifetime needs no log: what it has counted it keeps. */
function reachMs(window: Window): number {
  switch (window.kind) {
    case 'sliding':
      return window.ms;
    case 'calendar':
      return window.count * UNIT_DAYS_MAX[window.unit] * DAY_MS;
    case 'lifetime':
      return 0;
  }
}
