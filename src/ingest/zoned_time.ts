// Times as files have them: RFC 3339, or without a zone, which the map file then names.
// ZT1: RFC 3339 carries its own offset, and is taken as it is.
// ZT2: a local time that the clocks showed twice is the earlier one; one that they skipped is as far after the gap as it is into it
//      (as Temporal's `compatible`): a row is not refused because clocks were put forward.
import { parseRfc3339, type EpochMs } from '../base/time.ts';

/** Turns the text of a time into milliseconds; NaN when it is none. */
export type ParseTime = (text: string) => EpochMs;

const LOCAL = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2}(?:\.\d{1,9})?))?)?$/;
const FIXED = /^([+-])(\d{2}):(\d{2})$/;
const SPACED = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})/;
const DAY_MS = 86_400_000;

/** For `UTC`, `±HH:MM` or an IANA name; undefined when the zone is unknown. */
export function timeParser(zone: string): ParseTime | undefined {
  const toUtc = zoneOf(zone);
  if (toUtc === undefined) return undefined;
  let lastText = ''; // neighbouring rows often carry the same time
  let lastMs = NaN;
  return (text) => {
    if (text === lastText) return lastMs;
    lastText = text;
    lastMs = parse(text.trim(), toUtc);
    return lastMs;
  };
}

function parse(text: string, toUtc: (localMs: number) => EpochMs): EpochMs {
  const own = parseRfc3339(text.replace(SPACED, '$1T$2'));
  if (own === own) return own;
  const m = LOCAL.exec(text);
  if (m === null) return NaN;
  const localMs = parseRfc3339(`${m[1]}T${m[2] ?? '00:00'}:${m[3] ?? '00'}Z`);
  return localMs === localMs ? toUtc(localMs) : NaN;
}

function zoneOf(zone: string): ((localMs: number) => EpochMs) | undefined {
  if (zone === 'UTC' || zone === 'Z') return (localMs) => localMs;
  const fixed = FIXED.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    if (Number(fixed[2]) > 23 || Number(fixed[3]) > 59) return undefined;
    const offsetMs = minutes * 60_000 * (fixed[1] === '-' ? -1 : 1);
    return (localMs) => localMs - offsetMs;
  }
  if (!/^[A-Za-z]/.test(zone)) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return undefined;
  }
  return (localMs) => namedZoneToUtc(localMs, (utcMs) => offsetAt(format, utcMs));
}

function namedZoneToUtc(localMs: number, offset: (utcMs: EpochMs) => number): EpochMs {
  // no zone changes its clocks twice within two days
  const before = offset(localMs - DAY_MS);
  const after = offset(localMs + DAY_MS);
  if (before === after) return localMs - before;
  const early = localMs - Math.max(before, after);
  const late = localMs - Math.min(before, after);
  if (localMs - offset(early) === early) return early;
  if (localMs - offset(late) === late) return late;
  return localMs - before; // in the gap
}

/** What the zone's clocks show at an instant, minus UTC, in milliseconds. */
function offsetAt(format: Intl.DateTimeFormat, utcMs: EpochMs): number {
  const parts: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(utcMs)) parts[type] = value;
  const year = parts['era'] === 'BC' ? 1 - Number(parts['year']) : Number(parts['year']);
  const shown = new Date(0);
  shown.setUTCFullYear(year, Number(parts['month']) - 1, Number(parts['day']));
  shown.setUTCHours(Number(parts['hour']), Number(parts['minute']), Number(parts['second']));
  return shown.getTime() - Math.floor(utcMs / 1000) * 1000;
}
