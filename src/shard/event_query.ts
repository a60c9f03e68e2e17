// What is asked about a profile's events, checked; and the tokens that lead from page to page.
// EQ1: what is wrong is said without repeating it: it may name a person.
// EQ2: a token names the list that it continues: that of another identity or question is refused. It holds no data of the profile but the
//      time of its last event.
import { fnv1a32, hash64 } from '../base/fnv1a.ts';
import { VisageError } from '../base/errors.ts';
import { parseRfc3339, type EpochMs } from '../base/time.ts';
import { identityKey } from '../message/identity.ts';
import type { EventsQuery } from '../ports/reads.ts';
import { parsePropertyFilter, type PropertyFilter } from './property_filter.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const FILTERS_MAX = 3;
const TYPES_MAX = 100;
const TOKEN_MAX = 200;
const TOKEN_VERSION = 1;

/** Where an event stands in the order. */
export type Place = { readonly timestampMs: EpochMs; readonly sequence: number };

export type EventQuery = {
  /** Included. */
  readonly startMs: EpochMs;
  /** Excluded. */
  readonly endMs: EpochMs;
  /** Null: of any type. */
  readonly types: ReadonlySet<string> | null;
  readonly filters: readonly PropertyFilter[];
  readonly descending: boolean;
  readonly limit: number;
  /** The list it is a page of, and which identity's. */
  readonly list: string;
  /** Null: the first page. `through`: the sequence up to which the list goes. */
  readonly after: (Place & { readonly through: number }) | null;
};

/** @throws VisageError `bad_query` (usage) · `bad_identity` (usage) */
export function eventQuery(asked: EventsQuery): EventQuery {
  const { start, end, types = [], properties = [], order = 'asc', limit = LIMIT, page } = asked;
  if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= LIMIT_MAX)) throw bad(`limit must be between 1 and ${LIMIT_MAX}`);
  if (order !== 'asc' && order !== 'desc') throw bad('order must be asc or desc');
  if (properties.length > FILTERS_MAX) throw bad(`at most ${FILTERS_MAX} properties can be asked for`);
  if (types.length > TYPES_MAX) throw bad(`at most ${TYPES_MAX} types can be asked for`);
  const startMs = start === undefined ? -Infinity : timeOf('start', start);
  const endMs = end === undefined ? Infinity : timeOf('end', end);
  const filters = properties.map(filterOf);
  const list = listOf([identityKey(asked), String(startMs), String(endMs), [...types].sort(), properties, order]);
  return {
    startMs,
    endMs,
    types: types.length === 0 ? null : new Set(types),
    filters,
    descending: order === 'desc',
    limit,
    list,
    after: page === undefined ? null : placeOf(page, list),
  };
}

function timeOf(name: 'start' | 'end', text: string): EpochMs {
  const timeMs = parseRfc3339(text);
  if (timeMs !== timeMs) throw bad(`${name} must be a time in RFC 3339, e.g. 2026-03-10T09:00:00Z`);
  return timeMs;
}

function filterOf(text: string): PropertyFilter {
  const filter = parsePropertyFilter(text);
  if (filter === undefined)
    throw bad('a property is a path, one of = != < <= > >=, and a value, e.g. commerce.order.priceTotal >= 100');
  return filter;
}

/** 96 bits of hash: what is asked itself is in no token. */
function listOf(question: readonly unknown[]): string {
  const text = JSON.stringify(question);
  const words = new Uint32Array(2);
  hash64(text, words);
  return [...words, fnv1a32(text)].map((word) => word.toString(36)).join('-');
}

/** The token of the page that begins after `last`. */
export function pageToken({ list }: EventQuery, through: number, last: Place): string {
  const text = btoa(JSON.stringify([TOKEN_VERSION, list, through, last.timestampMs, last.sequence]));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function placeOf(token: string, list: string): NonNullable<EventQuery['after']> {
  const [version, of, through, timestampMs, sequence] = token.length > TOKEN_MAX ? [] : decoded(token);
  const numbers = [through, timestampMs, sequence];
  if (version !== TOKEN_VERSION || of !== list || !numbers.every(Number.isSafeInteger))
    throw bad('the page token is none, or of another list: ask with everything but limit as for the first page');
  return { through: through as number, timestampMs: timestampMs as number, sequence: sequence as number };
}

function decoded(token: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(atob(token.replaceAll('-', '+').replaceAll('_', '/')));
    return Array.isArray(value) ? (value as unknown[]) : [];
  } catch {
    return [];
  }
}

function bad(message: string): VisageError {
  return new VisageError('bad_query', message, { kind: 'usage' });
}
