// What may be asked about events, and the tokens of pages.
import { describe, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import type { EventsQuery } from '../../../src/ports/reads.ts';
import { eventQuery, pageToken } from '../../../src/shard/event_query.ts';

const WHO = { namespace: 'customerId', id: 'secret-person' };
const ask = (more: Partial<EventsQuery> = {}): ReturnType<typeof eventQuery> => eventQuery({ ...WHO, ...more });
const refused = (more: Partial<EventsQuery>): VisageError => {
  try {
    ask(more);
  } catch (error) {
    if (error instanceof VisageError) return error;
  }
  throw new Error('it was not refused');
};

test('by default all of them, the first hundred, oldest first', () => {
  expect(ask()).toMatchObject({
    startMs: -Infinity,
    endMs: Infinity,
    types: null,
    filters: [],
    descending: false,
    limit: 100,
    after: null,
  });
});

describe('what is refused, and not repeated', () => {
  test.each<[string, Partial<EventsQuery>]>([
    ['no limit', { limit: 0 }],
    ['a limit too large', { limit: 1_001 }],
    ['a start that is no time', { start: 'secret' }],
    ['an end that is no time', { end: '2026-02-30T00:00:00Z' }],
    ['an order that is none', { order: 'secret' }],
    ['four properties', { properties: ['a=1', 'b=1', 'c=1', 'd=1'] }],
    ['a property that is none', { properties: ['secret'] }],
    ['too many types', { types: Array.from({ length: 101 }, (_, n) => `secret${n}`) }],
    ['a token that is none', { page: 'secret!' }],
    ['a token of no list', { page: btoa('[1,"secret",1,1,1]') }],
    ['a token too long', { page: 'secret'.repeat(100) }],
  ])('%s', (_, more) => {
    expect(refused(more)).toMatchObject({ code: 'bad_query', kind: 'usage' });
    expect(refused(more).message).not.toContain('secret');
  });
});

describe('a token', () => {
  const question = { types: ['b', 'a'], properties: ['x > 1'], start: '2026-03-10T09:00:00Z', order: 'desc' };
  const token = pageToken(ask(question), 77, { timestampMs: 1_773_133_200_123, sequence: 42 });

  test('leads on where the page before ended, whatever the limit and the order of types', () => {
    expect(ask({ ...question, page: token }).after).toEqual({ through: 77, timestampMs: 1_773_133_200_123, sequence: 42 });
    expect(ask({ ...question, types: ['a', 'b'], limit: 3, page: token }).after).toMatchObject({ sequence: 42 });
    expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  test('names nobody', () => {
    expect(atob(token.replaceAll('-', '+').replaceAll('_', '/'))).not.toMatch(/secret|person|x > 1/);
  });

  test.each<[string, Partial<EventsQuery>]>([
    ['another identity', { id: 'other' }],
    ['another namespace', { namespace: 'email' }],
    ['another order', { order: 'asc' }],
    ['other types', { types: ['a'] }],
    ['other properties', { properties: ['x > 2'] }],
    ['another start', { start: '2026-03-10T09:00:00.001Z' }],
    ['another end', { end: '2027-03-10T09:00:00Z' }],
  ])('of %s is refused', (_, more) => {
    expect(refused({ ...question, page: token, ...more }).code).toBe('bad_query');
  });

  test('before 1970 and with fractions', () => {
    const early = pageToken(ask(), 1, { timestampMs: -86_400_001, sequence: 1 });
    expect(ask({ page: early }).after?.timestampMs).toBe(-86_400_001);
  });
});
