// POST /profiles/lookup with a worker that the test plays: order, errors in their place, what bounds it; and bodies that are none.
import { afterEach, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { answers } from '../../../src/api/answers.ts';
import { application, BODY_BYTES_MAX } from '../../../src/api/application.ts';
import { parseJsonBodies } from '../../../src/api/bodies.ts';
import { lookupRoutes } from '../../../src/api/lookup_routes.ts';
import { VisageError } from '../../../src/base/errors.ts';
import type { ProfileQuery, ReadService } from '../../../src/ports/reads.ts';
import { NO_READS } from '../../support/pages.ts';

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

type Item = {
  readonly namespace: string;
  readonly id: string;
  readonly profile?: { readonly version: number };
  readonly error?: object;
};

function pageOf(read: (query: ProfileQuery) => unknown) {
  const defects: unknown[] = [];
  let refused = 0;
  const onDefect = (error: unknown): void => void defects.push(error);
  const { app } = application({ onDefect });
  apps.push(app);
  const profile = ((query) => Promise.resolve(query).then(read)) as ReadService['profile'];
  const answer = answers({ isBusy: () => false, onRefused: () => refused++, onDefect });
  lookupRoutes(app, { reads: { ...NO_READS, profile }, answer, onDefect });
  const ask = async (payload: unknown, type = 'application/json') => {
    const body = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
    const response = await app.inject({
      method: 'POST',
      url: '/profiles/lookup',
      headers: { 'content-type': type },
      payload: body,
    });
    const said = JSON.parse(response.body) as {
      readonly profiles: readonly Item[];
      readonly code?: string;
      readonly detail?: string;
    };
    return { status: response.statusCode, type: response.headers['content-type'], said, text: response.body };
  };
  return { ask, defects, refused: () => refused };
}

const who = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ namespace: 'customerId', id: `c-${n}` }));

test('profiles come in the order in which they are asked for, whichever is answered first; no more than 32 are read at once', async () => {
  let atOnce = 0;
  let most = 0;
  const { ask } = pageOf(async ({ id }) => {
    most = Math.max(most, ++atOnce);
    for (let turns = Number(id.slice(2)) % 7; turns > 0; turns--) await new Promise(setImmediate);
    atOnce--;
    return { version: Number(id.slice(2)) };
  });
  const { status, type, said } = await ask({ identities: who(1_000) });
  expect([status, type]).toEqual([200, 'application/json; charset=utf-8']);
  expect(said.profiles.map(({ id, profile }) => [id, profile?.version])).toEqual(
    Array.from({ length: 1_000 }, (_, n) => [`c-${n}`, n]),
  );
  expect(most).toBe(32);
});

test('what is asked with each; an error in its place fails none of the others', async () => {
  const asked: ProfileQuery[] = [];
  const { ask, defects } = pageOf((query) => {
    asked.push(query);
    if (query.id === 'c-1') return undefined;
    if (query.id === 'c-2') throw new VisageError('shard_not_ready', 'try again', { kind: 'retry' });
    if (query.id === 'c-3') throw new TypeError('secret');
    return { version: 1 };
  });
  const { status, said } = await ask({ identities: who(5), policy: 'crmFirst', fields: ['spend'], timeout: '2s' });
  expect(status).toBe(200);
  const [first, unknown, moving, broken, last] = said.profiles;
  expect([first, last]).toMatchObject([
    { id: 'c-0', profile: { version: 1 } },
    { id: 'c-4', profile: { version: 1 } },
  ]);
  expect(unknown).toMatchObject({ id: 'c-1', error: { status: 404, code: 'not_found' } });
  expect(moving).toMatchObject({ id: 'c-2', error: { status: 503, code: 'shard_not_ready', detail: 'try again' } });
  expect(broken).toMatchObject({ id: 'c-3', error: { status: 500, code: 'defect' } });
  expect(JSON.stringify(said)).not.toContain('secret');
  expect(defects).toEqual([new TypeError('secret')]);
  expect(asked[0]).toMatchObject({ namespace: 'customerId', id: 'c-0', policy: 'crmFirst', fields: ['spend'] });
  expect(asked.every(({ timeoutMs }) => timeoutMs! > 0 && timeoutMs! <= 2_000)).toBe(true);
});

test('time is for all of them together: what does not fit in is said', async () => {
  const { ask } = pageOf(async ({ timeoutMs }) => {
    await new Promise((resolve) => setTimeout(resolve, timeoutMs! + 5));
    return { version: 1 };
  });
  const beganMs = performance.now();
  const { said } = await ask({ identities: who(100), timeout: '100ms' });
  expect(performance.now() - beganMs).toBeLessThan(1_000);
  expect(said.profiles.slice(0, 32).every(({ profile }) => profile !== undefined)).toBe(true);
  expect(said.profiles.slice(32).map(({ error }) => error)).toEqual(
    Array.from({ length: 68 }, () => expect.objectContaining({ status: 504, code: 'lookup_timeout' }) as unknown),
  );
});

test('an answer that is full says so of the rest', async () => {
  const { ask } = pageOf(() => ({ version: 1, attributes: 'x'.repeat(1024 * 1024) }));
  const { status, text, said } = await ask({ identities: who(100) });
  expect(status).toBe(200);
  expect(text.length).toBeLessThan(50 * 1024 ** 2);
  expect(said.profiles.at(-1)).toMatchObject({ error: { status: 422, code: 'too_large' } });
});

test('reads of lookups count as reads: they are bounded together, and then there is room again', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { ask, refused } = pageOf(() => held.then(() => ({ version: 1 })));
  const waiting = Array.from({ length: 31 }, () => ask({ identities: who(40) }));
  await new Promise(setImmediate);
  const one = await ask({ identities: who(40) });
  expect([one.status, one.said.code, refused()]).toEqual([503, 'too_many_reads', 1]);
  release();
  for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
  expect((await ask({ identities: who(1) })).status).toBe(200);
});

test.each<[string, unknown, number, string, RegExp]>([
  ['nothing', '', 422, 'bad_body', /the body must be object/],
  ['no object', '[]', 422, 'bad_body', /the body must be object/],
  ['no identities', {}, 422, 'bad_body', /lacks the field identities/],
  ['none of them', { identities: [] }, 422, 'bad_body', /identities of the body .* 1 to 1000 identities/],
  ['too many', { identities: who(1_001) }, 422, 'bad_body', /1 to 1000 identities/],
  [
    'an id that is a number',
    { identities: [{ namespace: 'a', id: 5 }] },
    422,
    'bad_body',
    /^\/identities\/0\/id of the body must be string/,
  ],
  [
    'an unknown field',
    { identities: who(1), secret: 1 },
    422,
    'bad_body',
    /not known; known: identities, policy, fields, timeout/,
  ],
  ['an unknown field below', { identities: [{ namespace: 'a', id: 'b', secret: 1 }] }, 422, 'bad_body', /known: namespace, id/],
  ['a timeout too long', { identities: who(1), timeout: '31s' }, 422, 'bad_query', /at most 30s/],
  ['half of JSON', '{"secret', 400, 'bad_json', /no JSON/],
  ['a prototype', '{"identities":[{"__proto__":{"secret":1}}]}', 400, 'bad_json', /__proto__/],
  ['what is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'bad_json', /UTF-8/],
  ['a body too large', `"${'s'.repeat(1024 * 1024)}"`, 413, 'body_too_large', /at most 1048576 bytes/],
  ['nested', '['.repeat(100_000), 400, 'bad_json', /no JSON/],
])('%s', async (_, payload, status, code, detail) => {
  const { ask, defects } = pageOf(() => ({}));
  const answer = await ask(payload);
  expect(answer).toMatchObject({ status, type: 'application/problem+json; charset=utf-8', said: { code } });
  expect(answer.said.detail).toMatch(detail);
  expect(answer.text).not.toContain('secret');
  expect(defects).toEqual([]);
});

test.each(['text/plain', 'application/xml', 'application/jsonp', 'secret', ''])('a body of type %s', async (type) => {
  const { ask } = pageOf(() => ({}));
  const answer = await ask('{"identities":[]}', type);
  expect(answer).toMatchObject({ status: 415, said: { code: 'unsupported_type' } });
  expect(answer.text).not.toContain('secret');
});

test('nothing at all, not even a type', async () => {
  const { app } = application({ onDefect: () => undefined });
  apps.push(app);
  lookupRoutes(app, {
    reads: NO_READS,
    answer: answers({ isBusy: () => false, onRefused: () => 0, onDefect: () => undefined }),
    onDefect: () => undefined,
  });
  const answer = await app.inject({ method: 'POST', url: '/profiles/lookup' });
  expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([422, 'bad_body']);
});

test('a page that says nothing of bodies takes none, and little of one that it does not have to read', async () => {
  const { app } = application({ onDefect: () => undefined });
  apps.push(app);
  app.delete('/thing', { config: { scope: 'delete' } }, () => ({ done: true }));
  parseJsonBodies(app);
  app.post('/small', { schema: { body: { type: 'object' } } }, () => ({ done: true }));
  const json = { 'content-type': 'application/json' };
  expect((await app.inject({ method: 'DELETE', url: '/thing' })).statusCode).toBe(200);
  expect((await app.inject({ method: 'DELETE', url: '/thing', headers: json, payload: '{}' })).statusCode).toBe(415);
  const large = JSON.stringify({ x: 'x'.repeat(BODY_BYTES_MAX) });
  expect((await app.inject({ method: 'POST', url: '/small', headers: json, payload: '{}' })).statusCode).toBe(200);
  expect((await app.inject({ method: 'POST', url: '/small', headers: json, payload: large })).statusCode).toBe(413);
});
