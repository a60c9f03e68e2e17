// The pages about profiles: what a path and its parameters ask the worker for, and how what it says is answered.
import { describe, expect, test } from 'vitest';
import { answers } from '../../../src/api/answers.ts';
import { application } from '../../../src/api/application.ts';
import { profileRoutes } from '../../../src/api/profile_routes.ts';
import { VisageError, type ErrorKind } from '../../../src/base/errors.ts';
import type { ReadService } from '../../../src/ports/reads.ts';

const nothing = (): never => {
  throw new Error('not asked for');
};

/** Asks one page. @param answer what the worker says; throws what is thrown there */
async function ask(url: string, answer: () => unknown = () => ({})) {
  const asked: [verb: string, query: unknown][] = [];
  const hear =
    (verb: string) =>
    (query: unknown): Promise<never> => {
      asked.push([verb, query]);
      return Promise.resolve(answer() as never);
    };
  const reads: ReadService = {
    profile: hear('profile'),
    explain: hear('explain'),
    events: hear('events'),
    unionSchema: hear('unionSchema'),
    definitions: nothing,
    exportPage: nothing,
    status: nothing,
  };
  const defects: unknown[] = [];
  const onDefect = (error: unknown): void => void defects.push(error);
  const { app } = application({ onDefect });
  profileRoutes(app, { reads, answer: answers({ isBusy: () => false, onRefused: () => undefined, onDefect }) });
  const response = await app.inject({ method: 'GET', url });
  await app.close();
  const body = JSON.parse(response.body) as { code?: string; detail?: string };
  return {
    asked,
    defects,
    status: response.statusCode,
    type: response.headers['content-type'],
    cache: response.headers['cache-control'],
    body,
    text: response.body,
  };
}

const who = { namespace: 'customerId', id: 'a@b.c' };
const PATH = '/profiles/customerId/a%40b.c';

describe('what is asked for', () => {
  test.each<[string, [string, unknown]]>([
    [PATH, ['profile', who]],
    [`${PATH}?policy=crmFirst`, ['profile', { ...who, policy: 'crmFirst' }]],
    [
      `${PATH}?fields=spend30d,%20person.name&after=7&timeout=2s`,
      ['profile', { ...who, fields: ['spend30d', 'person.name'], after: 7, timeoutMs: 2_000 }],
    ],
    [`${PATH}?fields=emails%5B%22x%2Cy%22%5D,a`, ['profile', { ...who, fields: ['emails["x,y"]', 'a'] }]],
    [
      `${PATH}/explain/person.name?policy=crmFirst&limit=3`,
      ['explain', { ...who, field: 'person.name', policy: 'crmFirst', limit: 3 }],
    ],
    [`${PATH}/events`, ['events', who]],
    [
      `${PATH}/events?start=2026-03-10T09:00:00Z&end=2026-03-11T09:00:00Z&type=buy&type=view&property=a%3E1&property=b%3D2&order=desc&limit=5&page=xyz&after=9`,
      [
        'events',
        {
          ...who,
          start: '2026-03-10T09:00:00Z',
          end: '2026-03-11T09:00:00Z',
          types: ['buy', 'view'],
          properties: ['a>1', 'b=2'],
          order: 'desc',
          limit: 5,
          page: 'xyz',
          after: 9,
        },
      ],
    ],
    [`${PATH}/events?type=buy&property=a%3D`, ['events', { ...who, types: ['buy'], properties: ['a='] }]],
    ['/schemas/union/individual', ['unionSchema', 'individual']],
  ])('%s', async (url, expected) => {
    const answered = await ask(url);
    expect(answered.asked).toEqual([expected]);
    expect(answered).toMatchObject({ status: 200, type: 'application/json; charset=utf-8', cache: 'no-store' });
  });
});

describe('what is refused before anybody is asked', () => {
  test.each([
    `${PATH}?secret=1`,
    `${PATH}?policy=secret&policy=b`,
    `${PATH}?fields=secret&fields=b`,
    `${PATH}?type=secret`,
    `${PATH}/events?fields=secret`,
    `${PATH}/events?start=secret&start=b`,
    `${PATH}/events?order=secret&order=desc`,
    `${PATH}/events?page=secret&page=b`,
    `${PATH}/events?limit=0`,
    `${PATH}/events?limit=1e2`,
    `${PATH}?after=0x10`,
    `${PATH}?after=%201`,
    `${PATH}?timeout=secret`,
    `${PATH}?timeout=31s`,
    `${PATH}/events?${'property=secret&'.repeat(4)}`,
    `${PATH}/explain/secret?type=a`,
    '/schemas/union/individual?secret=1',
  ])('%s', async (url) => {
    const answered = await ask(url);
    expect(answered).toMatchObject({ asked: [], status: 422, body: { code: 'bad_query' }, defects: [] });
    expect(answered.text).not.toContain('secret');
  });
});

describe('what the worker says', () => {
  test.each(['', '/events', '/explain/spend30d'])('nothing: there is no such profile (%s)', async (page) => {
    expect(await ask(`${PATH}${page}`, () => undefined)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test.each<[string, ErrorKind, number]>([
    ['no_such_policy', 'usage', 422],
    ['bad_query', 'usage', 422],
    ['no_such_field', 'usage', 404],
    ['no_such_class', 'usage', 404],
    ['too_much_history', 'refuse', 422],
    ['too_large', 'refuse', 422],
    ['events_timeout', 'retry', 504],
    ['too_many_reads', 'retry', 503],
    ['unavailable', 'retry', 503],
  ])('%s', async (code, kind, status) => {
    const answered = await ask(`${PATH}/events`, () => {
      throw new VisageError(code, 'what there is to say', { kind });
    });
    expect(answered).toMatchObject({ status, defects: [], type: 'application/problem+json; charset=utf-8' });
    expect(answered.body).toMatchObject({ code, detail: 'what there is to say', status });
  });

  test('a defect is reported, not shown', async () => {
    const answered = await ask(PATH, () => {
      throw new Error('secret');
    });
    expect(answered.defects).toHaveLength(1);
    expect(answered).toMatchObject({ status: 500, body: { code: 'defect' } });
    expect(answered.text).not.toContain('secret');
  });
});
