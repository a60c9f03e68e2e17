// Reads over HTTP, through real sockets: what is answered, what is refused and how, and that no path is repeated anywhere.
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import { ask, PROBLEM_JSON, problemOf, type Answer, type AskOptions } from '../support/ask.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

/** Ids that a path could garble: separators, what is encoded twice, Unicode, dots that some would resolve, the longest. */
const IDS = [
  'a/b',
  'a@b.c',
  'é',
  'a b',
  '%',
  '%2F',
  '%252F',
  '100%25',
  '+',
  'a;b',
  '?x=1#y',
  '..',
  ':id',
  '*',
  '日本',
  '😀',
  'x'.repeat(512),
  'é'.repeat(256),
];

let world: World;
let started: StartedWorker;
let client: Client;
let last = 0;

const profilePath = (id: string, query = ''): string => `/profiles/customerId/${percent(id)}${query}`;
/** Every byte encoded. */
const percent = (id: string): string =>
  [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: world.document });
  client = await world.client();
  const atMs = Date.now() - 60_000;
  last = await publishAll(
    IDS.map((id, n) => purchase(id, { _id: `e-${n}`, atMs, price: n + 1 })),
    { nc: client.nc },
  );
});
afterAll(() => world.stop());

const get = (path: string, options?: AskOptions): Promise<Answer> => ask(started.worker.ports.httpPort, path, options);

describe('a profile', () => {
  test.each(IDS.map((id) => [id.length > 20 ? `${id.length} × ${id[0]}` : id, id]))(
    'of %s is the same JSON as over NATS',
    async (_, id) => {
      const answer = await get(profilePath(id, `?after=${last}`));
      expect(answer).toMatchObject({ status: 200, type: 'application/json; charset=utf-8', cache: 'no-store' });
      const view = JSON.parse(answer.text) as { profile: unknown; sequence: unknown };
      expect(view.profile).toEqual({ namespace: 'customerId', id });
      const asked = await client.profile({ namespace: 'customerId', id });
      expect({ ...view, sequence: 0, asOf: '' }).toEqual({ ...asked, sequence: 0, asOf: '' });
    },
  );

  test('may be asked for with as little encoding as a URL needs', async () => {
    for (const path of ['/profiles/customerId/a%2Fb', '/profiles/customerId/a@b.c', '/profiles/customerId/%C3%A9'])
      expect((await get(path)).status).toBe(200);
  });

  test('has what was just written', async () => {
    for (let n = 0; n < 20; n++) {
      const sequence = await publishAll([purchase('own-write', { _id: `w-${n}`, atMs: Date.now() - 60_000 })], { nc: client.nc });
      const { status, text } = await get(profilePath('own-write', `?after=${sequence}&timeout=5s`));
      expect([status, (JSON.parse(text) as { version: number }).version]).toEqual([200, sequence]);
    }
  });

  test('that is waited for in vain is answered in time', async () => {
    const beganMs = performance.now();
    const problem = problemOf(await get(profilePath('a b', '?after=999999&timeout=150ms')));
    expect(problem).toMatchObject({ status: 504, code: 'not_yet' });
    expect(performance.now() - beganMs).toBeLessThan(1_500);
  });

  test('is answered to many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => get(profilePath(IDS[n % IDS.length]!))));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });
});

describe('what is refused', () => {
  test.each<[string, string, number, string]>([
    ['an unknown profile', profilePath('nobody'), 404, 'not_found'],
    ['an unknown namespace', '/profiles/planet/mars', 404, 'not_found'],
    ['a namespace that is no name', '/profiles/secret%40person/mars', 422, 'bad_identity'],
    ['a namespace with a separator', '/profiles/a%2Fb/mars', 422, 'bad_identity'],
    ['an empty id', '/profiles/customerId/', 422, 'bad_identity'],
    ['an unknown parameter', profilePath('a b', '?secret=1'), 422, 'bad_query'],
    ['a sequence that is none', profilePath('a b', '?after=secret'), 422, 'bad_query'],
    ['a negative sequence', profilePath('a b', '?after=-1'), 422, 'bad_query'],
    ['a sequence beyond what a number holds', profilePath('a b', '?after=9999999999999999'), 422, 'bad_query'],
    ['two sequences', profilePath('a b', '?after=1&after=2'), 422, 'bad_query'],
    ['a timeout that is none', profilePath('a b', '?timeout=secret'), 422, 'bad_query'],
    ['a timeout without a unit', profilePath('a b', '?timeout=5'), 422, 'bad_query'],
    ['a timeout too long', profilePath('a b', '?timeout=31s'), 422, 'bad_query'],
    ['what is no encoding', '/profiles/customerId/secret%zz', 400, 'bad_path'],
    ['what is no UTF-8', '/profiles/customerId/secret%FF', 400, 'bad_path'],
    ['half a surrogate pair', '/profiles/customerId/secret%ED%A0%80', 400, 'bad_path'],
    ['an id of more than 512 bytes', `/profiles/customerId/secret${'x'.repeat(510)}`, 422, 'bad_identity'],
    ['an id too long to be one', `/profiles/customerId/secret${'x'.repeat(2_000)}`, 400, 'bad_path'],
    ['a path too long for HTTP', `/profiles/customerId/secret${'x'.repeat(20_000)}`, 431, 'too_long'],
    ['another page', '/profile/customerId/secret', 404, 'no_such_page'],
    ['a page below', '/profiles/customerId/secret/secret/secret', 404, 'no_such_page'],
    ['the namespace alone', '/profiles/secret', 404, 'no_such_page'],
  ])('%s', async (_, path, status, code) => {
    const answer = await get(path);
    expect(problemOf(answer)).toMatchObject({ status, code });
    expect(answer.text).not.toMatch(/secret|nobody|planet|mars/);
  });

  test.each<[string, AskOptions]>([
    ['POST', { method: 'POST' }],
    ['POST of what is no JSON', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"secret' }],
    ['POST of another type', { method: 'POST', headers: { 'content-type': 'text/secret' }, body: 'secret' }],
    ['DELETE', { method: 'DELETE' }],
    ['PUT', { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'secret' }],
    ['OPTIONS', { method: 'OPTIONS' }],
  ])('%s', async (_, options) => {
    const paths = [profilePath('a b'), '/healthz', '/metrics'].slice(options.method === 'DELETE' ? 1 : 0); // it deletes profiles
    for (const path of paths) {
      const answer = await get(path, options);
      expect(problemOf(answer)).toMatchObject({ status: 404, code: 'no_such_page' });
      expect(answer.text).not.toContain('secret');
    }
  });

  test('HEAD for profiles; health pages answer it, without a body', async () => {
    expect(await get(profilePath('a b'), { method: 'HEAD' })).toMatchObject({ status: 404, type: PROBLEM_JSON, text: '' });
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect(await get(path, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  test('what is no HTTP', async () => {
    const socket = connect(started.worker.ports.httpPort!, '127.0.0.1');
    let said = '';
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
    socket.write('secret secret\r\n\r\n');
    await once(socket, 'close');
    const [head, body] = said.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad request\r\nContent-Type: application\/problem\+json; charset=utf-8\r\n/);
    expect(JSON.parse(body!)).toMatchObject({ status: 400, code: 'bad_request' });
    expect(said).not.toContain('secret');
  });
});

test('the admin port has no profiles', async () => {
  const answer = await ask(started.worker.ports.adminPort, profilePath('a b'));
  expect(problemOf(answer)).toMatchObject({ status: 404, code: 'no_such_page' });
});

test('nothing of all that is in the log', () => {
  expect(started.log.length).toBeGreaterThan(0);
  const all = started.log.join('');
  for (const word of ['secret', 'nobody', 'planet', 'own-write', 'xxxx', 'é', 'a/b', '%', 'a@b.c'])
    expect(all).not.toContain(word);
  expect(started.log.filter((line) => (JSON.parse(line) as { level: number }).level > 30)).toEqual([]);
});
