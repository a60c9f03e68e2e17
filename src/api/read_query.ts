// Query parameters of reads over HTTP, as their schemas let them through, in the words of the read service.
// RQ1: what is wrong is said without repeating it: it may name a person.
import { VisageError } from '../base/errors.ts';
import { parseDuration } from '../base/time.ts';
import type { EventsQuery, ProfileQuery } from '../ports/reads.ts';
import { splitFields } from '../profile/field_mask.ts';

const TIMEOUT_MS_MAX = 30_000;

/** What any read of a profile may have; see request_schemas.ts. */
export type ReadParameters = {
  readonly policy?: string;
  readonly fields?: string;
  readonly after?: number;
  readonly limit?: number;
  readonly timeout?: string;
};

export type EventsParameters = Omit<ReadParameters, 'policy' | 'fields'> & {
  readonly start?: string;
  readonly end?: string;
  readonly type?: readonly string[];
  readonly property?: readonly string[];
  readonly order?: string;
  readonly page?: string;
};

type ReadQuery = Pick<ProfileQuery, 'policy' | 'after' | 'timeoutMs'> & { readonly limit?: number };

const NOTHING = Object.freeze({});

/** @throws VisageError `bad_query` (usage) */
export function readOf({ policy, after, limit, timeout }: ReadParameters): ReadQuery {
  if (policy === undefined && after === undefined && limit === undefined && timeout === undefined) return NOTHING;
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
    ...(timeout === undefined ? {} : { timeoutMs: timeoutMsOf(timeout) }),
  };
}

export function fieldsOf({ fields }: ReadParameters): { fields?: readonly string[] } {
  return fields === undefined ? NOTHING : { fields: splitFields(fields) };
}

/** What each of them means is for whoever answers to know. */
export function eventsOf({ start, end, type, property, order, page }: EventsParameters): Omit<EventsQuery, 'namespace' | 'id'> {
  return {
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(type === undefined ? {} : { types: type }),
    ...(property === undefined ? {} : { properties: property }),
    ...(order === undefined ? {} : { order }),
    ...(page === undefined ? {} : { page }),
  };
}

/** @throws VisageError `bad_query` (usage) */
export function timeoutMsOf(text: string): number {
  let timeoutMs = NaN;
  try {
    timeoutMs = parseDuration(text);
  } catch {
    // said below, without repeating it
  }
  if (!(timeoutMs <= TIMEOUT_MS_MAX))
    throw new VisageError('bad_query', 'timeout must be one duration of at most 30s, e.g. 2s', { kind: 'usage' });
  return timeoutMs;
}
