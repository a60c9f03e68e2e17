// Who may use the HTTP port, with real workers: tokens and their scopes on every page, a file that changes, what is refused at the start, and what pages
// of other sites may not do where there are no tokens.
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/api/audit.ts';
import { SCOPES, type Scope } from '../../src/base/scope.ts';
import { loadTokens } from '../../src/definitions/load_tokens.ts';
import { ask, problemOf, type Answer } from '../support/ask.ts';
import { openEvents, type EventSource } from '../support/event_source.ts';
import { eventually, within } from '../support/eventually.ts';
import { documentOf, routesOf } from '../support/openapi.ts';
import { runCommand } from '../support/run_command.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const WRONG = 'visage_hush-hush';
const ALL: Readonly<Record<Scope, string>> = { read: 'r-token', write: 'w-token', delete: 'd-token', admin: 'a-token' };
const BOUNDED = { write: 'bounded-w', delete: 'bounded-d' };

let world: World;
let started: StartedWorker;
let file: string;

type Entry = {
  readonly name: string;
  readonly token: string;
  readonly scopes: readonly Scope[];
  readonly datasets?: readonly string[];
};
const BOOK: readonly Entry[] = [
  ...SCOPES.map((scope) => ({ name: `only-${scope}`, token: ALL[scope], scopes: [scope] })),
  ...SCOPES.map((scope) => ({ name: `not-${scope}`, token: `not-${scope}`, scopes: SCOPES.filter((each) => each !== scope) })),
  { name: 'orders-writer', token: BOUNDED.write, scopes: ['write'], datasets: ['orders'] },
  { name: 'orders-admin', token: 'bounded-a', scopes: ['admin'], datasets: ['orders'] },
  { name: 'orders-deleter', token: BOUNDED.delete, scopes: ['delete'], datasets: ['orders'] },
];

function book(entries: readonly Entry[]): string {
  const tokens = entries.map(({ token, ...entry }) => ({ ...entry, sha256: hash('sha256', token, 'hex') }));
  return JSON.stringify({ tokens });
}

/** As an editor or an orchestrator does. */
function replaceFile(text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

beforeAll(async () => {
  world = await startWorld();
  file = join(world.folder, 'tokens.json');
  writeFileSync(file, book(BOOK));
  started = await world.startReady(
    { 'http.tokensFile': file, 'http.host': '0.0.0.0' },
    { setup: true, definitions: world.document },
  );
});
afterAll(() => world.stop());

type Head = { readonly status: number; readonly headers: IncomingHttpHeaders };

/** Status and headers, without waiting for the end of the answer: some have none. */
function head(method: string, path: string, token?: string, port = started.worker.ports.httpPort): Promise<Head> {
  return new Promise((resolve, reject) => {
    const hasBody = method === 'POST' && !path.endsWith('/erase');
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(hasBody && { 'content-type': 'application/json' }),
    };
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
      response.destroy();
    });
    sent.on('error', reject);
    sent.end(hasBody ? '{}' : undefined);
  });
}

const withToken = (path: string, token: string, method = 'GET', headers: object = {}): Promise<Answer> =>
  ask(started.worker.ports.httpPort, path, { method, headers: { authorization: `Bearer ${token}`, ...headers } });

/** A path of the route, about nobody. */
const pathOf = (path: string): string =>
  path
    .replace('{namespace}', 'customerId')
    .replace('{dataset}', 'orders')
    .replace('{class}', 'individual')
    .replaceAll(/\{\w+\}/g, 'x');

describe('every page', () => {
  type Page = { readonly what: string; readonly method: string; readonly path: string; readonly scope: string };
  let pages: readonly Page[];

  beforeAll(async () => {
    const routes = routesOf(await documentOf(started.worker.ports.httpPort));
    pages = routes.map(({ method, path, operation }) => ({
      what: `${method} ${path}`,
      method,
      path: pathOf(path),
      scope: operation.security[0]?.['bearerAuth']?.[0] ?? 'open',
    }));
  });

  test('says what its caller must be allowed to do', () => {
    expect(pages.length).toBeGreaterThan(10);
    expect(Object.fromEntries(pages.map(({ what, scope }) => [what, scope]))).toMatchObject({
      'GET /healthz': 'open',
      'GET /readyz': 'open',
      'GET /metrics': 'open',
      'GET /openapi.json': 'open',
      'GET /profiles/{namespace}/{id}': 'read',
      'GET /profiles/{namespace}/{id}/events': 'read',
      'GET /profiles/{namespace}/{id}/explain/{field}': 'read',
      'GET /schemas/union/{class}': 'read',
      'GET /definitions': 'read',
      'GET /shards': 'read',
      'POST /profiles/lookup': 'read',
      'POST /datasets/{dataset}/messages': 'write',
      'DELETE /profiles/{namespace}/{id}': 'delete',
      'DELETE /datasets/{dataset}/profiles': 'delete',
      'POST /profiles/{namespace}/{id}/erase': 'admin',
    });
    // what changes something is never open, nor for those who may only read; what says something about somebody is never open
    for (const { what, method, scope } of pages) {
      if (method !== 'GET' && method !== 'HEAD' && what !== 'POST /profiles/lookup')
        expect(['write', 'delete', 'admin'], what).toContain(scope);
      if (what.includes('{id}')) expect(scope, what).not.toBe('open');
    }
  });

  test('refuses who has no token, a wrong one, or one without its scope, and lets in who has it', async () => {
    for (const { what, method, path, scope } of pages) {
      if (scope === 'open') {
        expect([401, 403], what).not.toContain((await head(method, path)).status);
        continue;
      }
      const [none, wrong, without] = [
        await head(method, path),
        await head(method, path, WRONG),
        await head(method, path, `not-${scope}`),
      ];
      expect([none.status, none.headers['www-authenticate']], what).toEqual([401, 'Bearer realm="visage"']);
      expect([wrong.status, wrong.headers['www-authenticate']], what).toEqual([
        401,
        'Bearer realm="visage", error="invalid_token"',
      ]);
      expect([without.status, without.headers['www-authenticate']], what).toEqual([
        403,
        'Bearer realm="visage", error="insufficient_scope"',
      ]);
      for (const other of SCOPES.filter((each) => each !== scope))
        expect((await head(method, path, ALL[other])).status, what).toBe(403);
      expect([401, 403], what).not.toContain((await head(method, path, ALL[scope as Scope])).status);
    }
  });

  test.each([
    '',
    'Basic eDp4',
    'Bearer',
    'Bearer  ',
    `bearer${ALL.read}`,
    `Bearer ${ALL.read} x`,
    `Bearer ${'x'.repeat(5_000)}`,
    `Token ${ALL.read}`,
  ])('refuses the header %s', async (authorization) => {
    const answer = await ask(started.worker.ports.httpPort, '/schemas/union/individual', { headers: { authorization } });
    expect(problemOf(answer)).toMatchObject({ status: 401 });
  });

  test('takes the scheme in any case', async () => {
    const headers = { authorization: `bEARER ${ALL.read}` };
    expect((await ask(started.worker.ports.httpPort, '/schemas/union/individual', { headers })).status).toBe(200);
  });
});

test('health and metrics need none; the admin port has them alone', async () => {
  for (const port of [started.worker.ports.httpPort, started.worker.ports.adminPort]) {
    for (const path of ['/healthz', '/metrics']) expect((await ask(port, path)).status).toBe(200);
    // what was erased before is rewritten, and the shard begins anew
    await eventually('ready', async () => (await ask(port, '/readyz')).status === 200);
  }
  for (const method of ['GET', 'DELETE'])
    expect((await head(method, '/profiles/customerId/x', ALL.delete, started.worker.ports.adminPort)).status).toBe(404);
});

test('a token for some datasets: messages to them, deletes of them, and no whole profile', async () => {
  const statuses = async (token: string, pages: readonly [string, string][]): Promise<number[]> =>
    Promise.all(pages.map(async ([method, path]) => (await head(method, path, token)).status));
  expect(
    await statuses(BOUNDED.write, [
      ['POST', '/datasets/orders/messages'],
      ['POST', '/datasets/refunds/messages'],
      ['POST', '/datasets/_profile/messages'],
    ]),
  ).toEqual([422, 403, 403]);
  expect(await statuses('bounded-a', [['POST', '/profiles/customerId/x/erase']])).toEqual([403]);
  expect(
    await statuses(BOUNDED.delete, [
      ['DELETE', '/datasets/orders/profiles'],
      ['DELETE', '/datasets/refunds/profiles?confirm=refunds'],
      ['DELETE', '/profiles/customerId/x'],
    ]),
  ).toEqual([422, 403, 403]);
});

test('the body of who is not let in is not waited for', async () => {
  const socket = connect(started.worker.ports.httpPort!, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `POST /datasets/orders/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRONG}\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n`,
  );
  const [said] = (await within('it is told', 2_000, once(socket, 'data'))) as [Buffer];
  expect(said.toString()).toMatch(/^HTTP\/1\.1 401 /);
  socket.destroy();
});

test('the audit log names who, and never a token or an id', async () => {
  const audit = (): AuditEntry[] => started.log.flatMap((line) => (JSON.parse(line) as { audit?: AuditEntry }).audit ?? []);
  const before = audit().length;
  await withToken('/profiles/customerId/hidden', ALL.delete, 'DELETE');
  await withToken('/profiles/customerId/hidden/erase', ALL.delete, 'POST');
  await withToken('/profiles/customerId/hidden', WRONG, 'DELETE');
  await withToken('/datasets/hidden/profiles?confirm=hidden', ALL.delete, 'DELETE');
  await withToken('/datasets/refunds/profiles?confirm=refunds', BOUNDED.delete, 'DELETE');
  const [deleted, erased, nobody, unknown, bounded] = audit().slice(before);
  expect(deleted).toMatchObject({ who: 'only-delete', action: 'delete_profile', outcome: 'accepted' });
  expect(erased).toMatchObject({
    who: 'only-delete',
    action: 'erase_profile',
    outcome: 'refused',
    status: 403,
    hash: deleted!.hash,
  });
  expect(nobody).toMatchObject({ who: null, action: 'delete_profile', outcome: 'refused', status: 401, code: 'bad_token' });
  expect(unknown).toMatchObject({ who: 'only-delete', action: 'delete_dataset', outcome: 'refused', code: 'unknown_dataset' });
  expect(bounded).toMatchObject({ who: 'orders-deleter', dataset: 'refunds', outcome: 'refused', code: 'other_dataset' });
  expect(started.log.join('')).not.toMatch(/hidden|hush|-token|bounded-/);
});

test('who is not let in is counted, by reason', async () => {
  const counted = async (reason: string): Promise<number> => {
    const { text } = await ask(started.worker.ports.adminPort, '/metrics');
    return Number(new RegExp(`^visage_http_denied_total\\{reason="${reason}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  };
  for (const [reason, token] of [
    ['no_token', undefined],
    ['bad_token', WRONG],
    ['missing_scope', ALL.write],
  ] as const) {
    const before = await counted(reason);
    await head('GET', '/profiles/customerId/x', token);
    expect(await counted(reason)).toBe(before + 1);
  }
});

describe('a file that changes', () => {
  const may = async (token: string): Promise<boolean> => (await withToken('/schemas/union/individual', token)).status === 200;
  const warned = (): number => started.log.filter((line) => line.includes('the file of tokens cannot be used')).length;
  const failures = async (): Promise<number> => {
    const { text } = await ask(started.worker.ports.adminPort, '/metrics');
    return Number(/^visage_token_file_failures_total (\d+)/m.exec(text)![1]);
  };
  const without = BOOK.filter(({ name }) => name !== 'only-read');
  afterAll(() => replaceFile(book(BOOK)));

  test('who was taken out is refused within seconds, who is new is let in', async () => {
    expect(await may(ALL.read)).toBe(true);
    replaceFile(book([...without, { name: 'fresh', token: 'fresh', scopes: ['read'] }]));
    await eventually('the old one is refused', async () => !(await may(ALL.read)), { timeoutMs: 5_000 });
    expect(await may('fresh')).toBe(true);
  });

  test('written in place it counts too', async () => {
    writeFileSync(file, book(BOOK));
    await eventually('it is let in again', () => may(ALL.read), { timeoutMs: 5_000 });
    expect(await may('fresh')).toBe(false);
  });

  test('who was taken out sees no more of a profile live; who was not goes on', async () => {
    const path = '/profiles/customerId/looked-at/changes';
    const open = (token: string): Promise<EventSource> => openEvents(started.worker.ports.httpPort, path, { token });
    const [theirs, others] = [await open(ALL.read), await open('not-write')];
    let isOver = false;
    void others.over.then(() => (isOver = true));
    for (const stream of [theirs, others]) await stream.first('it begins', ({ event }) => event === 'ready');
    replaceFile(book(without));
    expect(await within('the end of the stream', 10_000, theirs.over)).toBe('cut');
    expect(isOver).toBe(false);
    others.close();
    replaceFile(book(BOOK));
    await eventually('it is let in again', () => may(ALL.read), { timeoutMs: 5_000 });
  });

  test('one that is broken, or gone, changes nothing, is said once and counted; corrected it counts', async () => {
    const [before, said] = [await failures(), warned()];
    replaceFile('{"tokens": [{"name": "broken", "sha256": "visage_hush", "scopes": ["read"]}]}');
    await eventually('it is counted', async () => (await failures()) === before + 1, { timeoutMs: 5_000 });
    expect(await may(ALL.read)).toBe(true);
    rmSync(file);
    await eventually('it is counted again', async () => (await failures()) === before + 2, { timeoutMs: 5_000 });
    expect([await may(ALL.read), warned() - said]).toEqual([true, 2]);
    expect(started.log.find((line) => line.includes('cannot be used'))).toMatch(/tokens\.json:1:\d+: 'sha256': must be/);
    writeFileSync(file, book(without));
    await eventually('it counts', async () => !(await may(ALL.read)), { timeoutMs: 5_000 });
    expect(started.log.join('')).not.toContain('hush');
  });
});

describe('the start', () => {
  const other = (overrides: Overrides): Overrides => ({
    instance: 'other',
    dataDirectory: join(world.folder, 'other'),
    ...overrides,
  });

  test.each(['0.0.0.0', '::', 'example.com', '10.1.2.3'])('on %s without tokens is refused, with what to do', async (host) => {
    const { worker } = world.start(other({ 'http.host': host }));
    const error = await within('it ends', 5_000, worker.stopped);
    expect(error).toMatchObject({ code: 'needs_tokens', kind: 'usage' });
    expect((error as Error).message).toMatch(/http\.tokensFile.*127\.0\.0\.1.*--insecure/);
    expect(worker.ports).toEqual({});
  });

  test('with a file that cannot be used is refused, with its place', async () => {
    const broken = join(world.folder, 'broken.yaml');
    writeFileSync(broken, 'tokens:\n  - { name: a }\n');
    const { worker } = world.start(other({ 'http.tokensFile': broken }));
    const error = await within('it ends', 5_000, worker.stopped);
    expect(error).toMatchObject({ code: 'bad_tokens' });
    expect((error as Error).message).toContain(`${broken}:2:5: 'sha256' is missing`);
  });

  test('with --insecure is warned of; pages of other sites, and names that are not known, are refused all the same', async () => {
    const hosts = 'visage.example,worker-1';
    const { worker, log } = await world.startReady(other({ 'http.host': '0.0.0.0', 'http.hosts': hosts }), { insecure: true });
    const port = worker.ports.httpPort;
    expect(
      log.map((line) => JSON.parse(line) as { level: number; msg: string }).find(({ msg }) => msg.startsWith('--insecure'))
        ?.level,
    ).toBe(40);
    const asked = (headers: Readonly<Record<string, string>>): Promise<Answer> =>
      ask(port, '/schemas/union/individual', { headers });
    for (const host of ['visage.example', `Worker-1:${port}`, `localhost:${port}`, '127.0.0.1:8082', '10.1.2.3', '[fe80::1]'])
      expect((await asked({ host })).status, host).toBe(200);
    // a name of somebody else's that resolves to this port: its own page, for the browser, is ours
    for (const host of ['evil.example', `evil.example:${port}`, 'x.visage.example', '127.0.0.1.evil.example', 'worker-2'])
      expect(problemOf(await asked({ host, origin: `http://${host}` })), host).toMatchObject({
        status: 403,
        code: 'foreign_host',
      });
    const page = { host: 'visage.example', origin: 'https://evil.example' };
    expect(problemOf(await asked(page))).toMatchObject({ status: 403, code: 'foreign_origin' });
    await worker.stop();
  }, 60_000);
});

describe('without tokens, on this machine', () => {
  let port: number | undefined;
  beforeAll(async () => {
    const { worker } = await world.startReady({ instance: 'local', dataDirectory: join(world.folder, 'local') });
    port = worker.ports.httpPort;
  });

  const pages: readonly [string, string][] = [
    ['GET', '/profiles/customerId/x'],
    ['GET', '/schemas/union/individual'],
    ['POST', '/datasets/orders/messages'],
    ['DELETE', '/profiles/customerId/x'],
    ['POST', '/profiles/customerId/x/erase'],
    ['DELETE', '/datasets/orders/profiles'],
  ];

  test.each(pages)('%s %s: a program may, a page of another site, or by another name, may not', async (method, path) => {
    const asked = (headers: Readonly<Record<string, string>>): Promise<Answer> =>
      ask(port, path, {
        method,
        ...(path.endsWith('/messages')
          ? { headers: { 'content-type': 'application/json', ...headers }, body: '{}' }
          : { headers }),
      });
    for (const headers of [{}, { host: `localhost:${port}` }, { origin: `http://127.0.0.1:${port}` }])
      expect((await asked(headers as Record<string, string>)).status).not.toBe(403);
    for (const [headers, code] of [
      [{ origin: 'https://evil.example' }, 'foreign_origin'],
      [{ origin: 'null' }, 'foreign_origin'],
      [{ host: 'evil.example' }, 'foreign_host'],
      [{ host: `evil.example:${port}`, origin: `http://evil.example:${port}` }, 'foreign_host'],
    ] as const)
      expect(problemOf(await asked(headers))).toMatchObject({ status: 403, code });
  });

  test('health and metrics are answered by any name', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect((await ask(port, path, { headers: { host: 'visage-worker-0' } })).status).toBe(200);
  });
});

describe('visage token', () => {
  test('shows a token once; its entry opens the door', async () => {
    const { code, stdout, stderr } = await runCommand(['token', 'shop', '--scopes', 'read,write', '--datasets', 'orders']);
    expect([code, stderr.split('\n').length]).toEqual([0, 2]);
    const [token, entry] = stdout.trimEnd().split('\n') as [string, string];
    expect(token).toMatch(/^visage_[A-Za-z0-9_-]{43}$/);
    replaceFile(`tokens:\n${entry}\n`);
    await eventually('it is let in', async () => (await withToken('/schemas/union/individual', token)).status === 200, {
      timeoutMs: 5_000,
    });
    expect((await withToken('/datasets/refunds/messages', token, 'POST')).status).toBe(403);
    expect(entry).not.toContain(token);
  });

  test('adds the entry to a file, which only its owner may read; what is there stays', async () => {
    const into = join(world.folder, 'made.yaml');
    const first = await runCommand(['token', 'one', '--scopes', 'read', '--file', into]);
    expect([first.code, statSync(into).mode & 0o777]).toEqual([0, 0o600]);
    writeFileSync(into, `# ours\n${readFileSync(into, 'utf8')}`);
    const second = await runCommand(['token', 'two', '--scopes', 'admin,delete', '--file', into, '--json']);
    const said = JSON.parse(second.stdout) as { token: string; sha256: string };
    expect(said.sha256).toBe(hash('sha256', said.token, 'hex'));
    expect(loadTokens(into).map(({ name, scopes }) => [name, scopes])).toEqual([
      ['one', ['read']],
      ['two', ['admin', 'delete']],
    ]);
    expect(readFileSync(into, 'utf8')).toMatch(/^# ours\n/);
    const again = await runCommand(['token', 'two', '--scopes', 'read', '--file', into]);
    expect([again.code, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toContain("two tokens have the name 'two'");
  });

  test.each([
    [['token', 'a b', '--scopes', 'read'], /the name must match/],
    [['token', 'a', '--scopes', 'reed'], /'reed' is no scope \(did you mean 'read'\?\)/],
    [['token', 'a', '--scopes', 'read,,write'], /names with commas/],
    [['token', 'a'], /--scopes/],
  ])('%s is wrong use', async (args, expected) => {
    const { code, stderr } = await runCommand(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(expected)]);
  });
});
