// Query parameters of reads over HTTP. RQ1: what is wrong is said without repeating it: it may name a person.
import { VisageError } from '../base/errors.ts';
import { parseDuration } from '../base/time.ts';
import type { EventsQuery } from '../ports/reads.ts';
import { splitFields } from '../profile/field_mask.ts';

const TIMEOUT_MS_MAX = 30_000;

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** @throws VisageError `bad_query` (usage), as everything in here */
export function refuseUnknown(query: Query, known: readonly string[]): void {
  for (const key of Object.keys(query))
    if (!known.includes(key)) throw bad(`unknown parameter; known: ${known.join(', ') || 'none'}`);
}

export function afterOf({ after: text }: Query): { after?: number } {
  if (text === undefined) return {};
  const after = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(after)) throw bad('after must be a sequence: a whole number, 0 or more');
  return { after };
}

export function timeoutOf({ timeout: text }: Query): { timeoutMs?: number } {
  if (text === undefined) return {};
  let timeoutMs = NaN;
  try {
    if (typeof text === 'string') timeoutMs = parseDuration(text);
  } catch {
    // said below, without repeating it
  }
  if (!(timeoutMs <= TIMEOUT_MS_MAX)) throw bad('timeout must be one duration of at most 30s, e.g. 2s');
  return { timeoutMs };
}

/** Whoever answers says what the largest is. */
export function limitOf({ limit: text }: Query): { limit?: number } {
  if (text === undefined) return {};
  const limit = typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit === 0) throw bad('limit must be a whole number, 1 or more');
  return { limit };
}

export function policyOf({ policy }: Query): { policy?: string } {
  return policy === undefined ? {} : { policy: one('policy', policy) };
}

export function fieldsOf({ fields }: Query): { fields?: readonly string[] } {
  return fields === undefined ? {} : { fields: splitFields(one('fields', fields)) };
}

/** What each of them means is for whoever answers to know. */
export function eventsOf({ start, end, type, property, order, page }: Query): Omit<EventsQuery, 'namespace' | 'id'> {
  return {
    ...(start === undefined ? {} : { start: one('start', start) }),
    ...(end === undefined ? {} : { end: one('end', end) }),
    ...(type === undefined ? {} : { types: all(type) }),
    ...(property === undefined ? {} : { properties: all(property) }),
    ...(order === undefined ? {} : { order: one('order', order) }),
    ...(page === undefined ? {} : { page: one('page', page) }),
  };
}

function one(name: string, value: string | readonly string[]): string {
  if (typeof value !== 'string') throw bad(`${name} can be given once`);
  return value;
}

function all(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function bad(message: string): VisageError {
  return new VisageError('bad_query', message, { kind: 'usage' });
}
