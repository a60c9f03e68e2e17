// What each function makes of the rows in its window, and when time alone changes that. Every row is looked at, every time.
// AF1: no order is assumed of the rows.
import { formatTime, parseRfc3339, type EpochMs } from '../base/time.ts';
import { exactMean, exactSum } from './exact_sum.ts';

/** What one matching event gives a measure. */
export type Row = { readonly sequence: number; readonly dataset: string; readonly atMs: EpochMs; readonly value: unknown };

export type EventFunction =
  'count' | 'sum' | 'min' | 'max' | 'average' | 'mostRecent' | 'earliest' | 'list' | 'countDistinct' | 'exists';

export type FunctionOverRows = {
  readonly function: EventFunction;
  /** Do min and max compare texts as RFC 3339 times? Else numbers. */
  readonly timestamps: boolean;
  /** How many values a list has at most. */
  readonly limit: number;
};

/** `atMs`: when the value of mostRecent or earliest happened. `restsOnMs`: the time of the row whose leaving changes the value first;
 *  null when no row's leaving does. */
export type Made = { readonly value: unknown; readonly atMs?: EpochMs; readonly restsOnMs: EpochMs | null };

/** Undefined: the value is absent. Cost: O(rows), a list O(rows × log rows). */
export function valueOfRows(of: FunctionOverRows, rows: readonly Row[]): Made | undefined {
  switch (of.function) {
    case 'count':
      return { value: rows.length, restsOnMs: oldest(rows) };
    case 'sum': {
      const numeric = rows.filter(isNumeric);
      return { value: exactSum(numeric.map((row) => row.value)), restsOnMs: oldest(numeric) };
    }
    case 'average': {
      const numeric = rows.filter(isNumeric);
      if (numeric.length === 0) return undefined;
      return { value: exactMean(numeric.map((row) => row.value)), restsOnMs: oldest(numeric) };
    }
    case 'min':
    case 'max':
      return extreme(of, rows);
    case 'mostRecent':
      return shown(newestFirst(rows.filter(isShowable))[0]);
    case 'earliest':
      return shown(newestFirst(rows.filter(isShowable)).at(-1));
    case 'list': {
      const last = newestFirst(rows.filter(isShowable)).slice(0, of.limit);
      return { value: last.map((row) => row.value), restsOnMs: oldest(last) };
    }
    case 'countDistinct':
      return distinct(rows);
    case 'exists':
      return { value: rows.length > 0, restsOnMs: newest(rows) };
  }
}

export function isNumeric(row: Row): row is Row & { readonly value: number } {
  return typeof row.value === 'number' && Number.isFinite(row.value);
}

/** The value changes when the last row that holds it leaves. */
function extreme(of: FunctionOverRows, rows: readonly Row[]): Made | undefined {
  const comparable = rows.flatMap((row) => {
    const number = of.timestamps ? timeOf(row.value) : isNumeric(row) ? row.value : undefined;
    return number === undefined ? [] : [{ atMs: row.atMs, number }];
  });
  if (comparable.length === 0) return undefined;
  const better = of.function === 'min' ? Math.min : Math.max;
  const best = comparable.reduce((so, { number }) => better(so, number), comparable[0]!.number);
  const value = of.timestamps ? formatTime(best) : best + 0; // −0 is 0
  return { value, restsOnMs: newest(comparable.filter(({ number }) => number === best)) };
}

/** A time that RFC 3339 can write in UTC; an offset can carry it out of the years 0000 to 9999. */
function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? parseRfc3339(value) : NaN;
  return !Number.isNaN(ms) && /^\d{4}-/.test(formatTime(ms)) ? ms : undefined;
}

/** A value is gone when its last row is; the first such moment changes the number. */
function distinct(rows: readonly Row[]): Made {
  const lastMs = new Map<unknown, EpochMs>(); // a Map tells "1" from 1, and not −0 from 0
  for (const { value, atMs } of rows) if (isPrimitive(value)) lastMs.set(value, Math.max(atMs, lastMs.get(value) ?? -Infinity));
  return { value: lastMs.size, restsOnMs: oldest([...lastMs.values()].map((atMs) => ({ atMs }))) };
}

function shown(row: Row | undefined): Made | undefined {
  return row === undefined ? undefined : { value: row.value, atMs: row.atMs, restsOnMs: row.atMs };
}

function newestFirst(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => b.atMs - a.atMs || b.sequence - a.sequence);
}

function isShowable({ value }: Row): boolean {
  return isPrimitive(value) || (Array.isArray(value) && value.every(isPrimitive));
}

function isPrimitive(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}

type Timed = { readonly atMs: EpochMs };

function oldest(rows: readonly Timed[]): EpochMs | null {
  return rows.length === 0 ? null : rows.reduce((so, { atMs }) => Math.min(so, atMs), Infinity);
}

function newest(rows: readonly Timed[]): EpochMs | null {
  return rows.length === 0 ? null : rows.reduce((so, { atMs }) => Math.max(so, atMs), -Infinity);
}
