// How a connection says who it is, on real servers: credentials files, tokens, passwords, TLS; and one clear line when it is refused.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openConnection, PLAIN, type Connection, type NatsSettings } from '../../src/nats/connection.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { createAuthority, hasOpenssl, type Authority } from '../support/certificates.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { createOperator, type Operator, type Permissions } from '../support/nats_jwt.ts';
import { NATS_CONFIG, ROLES, type Role } from '../support/roles.ts';
import { startWorld, type World } from '../support/world.ts';

const SECRET = 'hush-9f2c';
const OTHER = 'mum-77ab';

let folder: string;
const opened: (Connection | RunningServer)[] = [];
beforeAll(() => void (folder = realpathSync(mkdtempSync(join(tmpdir(), 'visage-login-')))));
afterEach(async () => {
  for (const one of opened.splice(0)) await ('stop' in one ? one.stop() : one.close());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function serve(extra: string, port?: number): Promise<RunningServer> {
  const server = await startServer({ storeDirectory: join(folder, 'nats'), port, config: { extra, syncInterval: '1m' } });
  opened.unshift(server); // after its connections
  return server;
}

async function open(server: RunningServer, more: Partial<NatsSettings>): Promise<Connection> {
  const nc = await openConnection({ ...PLAIN, servers: [server.url], ...more }, 'test');
  opened.push(nc);
  return nc;
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** One line with a code that says what to look at, and shows nothing secret. */
function expectRefused(error: Error, code: string): void {
  expect(error).toMatchObject({ name: 'VisageError', code });
  expect(error.message).not.toMatch(new RegExp(`${SECRET}|${OTHER}|\\n`));
}

describe.each([
  ['a token', (word: string) => `authorization { token: "${word}" }`, (path: string) => ({ tokenFile: path })],
  [
    'a user with a password',
    (word: string) => `authorization { users: [ { user: ada, password: "${word}" } ] }`,
    (path: string) => ({ user: 'ada', passwordFile: path }),
  ],
] as const)('%s', (_, configured, login) => {
  test('from a file; a wrong one is refused in one line; what was rotated is used at the next reconnect', async () => {
    const server = await serve(configured(SECRET));
    const path = file('secret', `${SECRET}\n`);
    const nc = await open(server, login(path));
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
    expectRefused(await rejectionOf(open(server, login(file('wrong', OTHER)))), 'not_authorized');
    expectRefused(await rejectionOf(open(server, {})), 'not_authorized');
    const wrong = { servers: server.url, partitions: 4, namespaces: {}, ...login(join(folder, 'wrong')) };
    expectRefused(await rejectionOf(createProducer(wrong)), 'not_authorized');
    await (await createProducer({ ...wrong, ...login(path) })).close();
    await server.stop();
    writeFileSync(path, OTHER);
    await serve(configured(OTHER), server.port);
    await eventually('it is back with the other one', () => nc.flush().then(() => true));
    expect(nc.isClosed()).toBe(false);
  });
});

describe('a credentials file', () => {
  let operator: Operator;
  let server: RunningServer;
  const roles = { ada: { publish: ['>'], subscribe: ['>'] } };
  beforeAll(() => void (operator = createOperator(roles)));

  test('opens a connection; expired, of another account, or cut short: refused in one line', async () => {
    server = await serve(operator.config);
    const nowS = Math.floor(Date.now() / 1000);
    const good = file('good.creds', operator.credentials('ada', nowS + 3_600));
    expect(await (await open(server, { credentials: good })).rtt()).toBeGreaterThanOrEqual(0);
    const expired = file('expired.creds', operator.credentials('ada', nowS - 60));
    expectRefused(await rejectionOf(open(server, { credentials: expired })), 'not_authorized');
    const foreign = file('foreign.creds', createOperator(roles).credentials('ada'));
    expectRefused(await rejectionOf(open(server, { credentials: foreign })), 'not_authorized');
    const cut = file('cut.creds', readFileSync(good, 'utf8').slice(0, 60));
    const error = await rejectionOf(open(server, { credentials: cut }));
    expectRefused(error, 'unreadable_file');
    expect(error.message).toContain(cut);
  });

  test('that expires while it is used: the connection comes back with the next one', async () => {
    server = await serve(operator.config);
    const path = file('short.creds', operator.credentials('ada', Math.floor(Date.now() / 1000) + 3));
    const nc = await open(server, { credentials: path });
    const seen: string[] = [];
    void (async () => {
      for await (const { type } of nc.status()) seen.push(type);
    })();
    await eventually('the server has ended it', () => seen.includes('disconnect'));
    writeFileSync(path, operator.credentials('ada'));
    await eventually('it is back', () => seen.includes('reconnect') && nc.flush().then(() => true));
    expect(nc.isClosed()).toBe(false);
  });
});

describe('with the permissions of config/nats in the credentials', () => {
  let world: World;
  let operator: Operator;
  beforeAll(async () => {
    operator = createOperator(Object.fromEntries(ROLES.map((role) => [role, permissionsOf(role)])));
    world = await startWorld({ server: () => operator.config });
  });
  afterAll(() => world.stop());

  /** Settings by which a connection is that user, by a credentials file alone. */
  const as = (role: Role): Readonly<Record<string, unknown>> => {
    const credentials = file(`${role}.creds`, operator.credentials(role));
    return { 'nats.credentials': credentials, 'nats.inboxPrefix': `_INBOX.${role}` };
  };

  test('set up, folded, published, read', async () => {
    await world.setup(as('administrator'));
    await world.startReady(as('worker'));
    const { servers, credentials, inboxPrefix } = world.settings(as('producer')).nats;
    const producer = await createProducer({ servers, credentials: credentials!, inboxPrefix, namespaces: { customerId: 1 } });
    const event = { _id: 'e-1', timestamp: new Date().toISOString(), eventType: 'commerce.purchases' };
    const ada = { namespace: 'customerId', id: 'ada' };
    const { sequence } = await producer.send('orders', event, { identity: ada });
    const denied = rejectionOf(producer.send('refunds', event, { identity: ada }));
    expectRefused(await within('it is told at once', 2_000, denied), 'not_allowed');
    await producer.close();
    const reader = await world.client(as('reader'));
    expect(await reader.profile({ ...ada, after: sequence })).toMatchObject({ computed: { orders30d: { value: 1 } } });
    expectRefused(await rejectionOf(reader.erase(ada)), 'not_allowed');
    expectRefused(await rejectionOf(world.client({ ...as('reader'), 'nats.inboxPrefix': '_INBOX' })), 'not_allowed');
  });
});

/** The two lists of a role's file. */
function permissionsOf(role: Role): Permissions {
  const text = readFileSync(join(NATS_CONFIG, `${role}.conf`), 'utf8').replaceAll(/^\s*#.*$/gm, '');
  const list = (name: string): string[] => {
    const found = new RegExp(`^${name}: \\[\\n([^\\]]*)\\]`, 'm').exec(text)![1]!;
    return [...found.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
  };
  return { publish: list('publish'), subscribe: list('subscribe') };
}

describe.skipIf(!hasOpenssl())('TLS', () => {
  let authority: Authority;
  let other: Authority;
  const tls = (given: Partial<NatsSettings['tls']>): Partial<NatsSettings> => ({ tls: { ...PLAIN.tls, ...given } });
  beforeAll(() => {
    mkdirSync(join(folder, 'tls'), { recursive: true });
    authority = createAuthority(join(folder, 'tls/one'));
    other = createAuthority(join(folder, 'tls/other'));
  });
  const configured = (more = ''): string => {
    const { cert, key } = authority.sign('server');
    return `tls { cert_file: "${cert}", key_file: "${key}" ${more} }`;
  };

  test('with the authority alone; without it, or with another, refused in one line', async () => {
    const server = await serve(configured());
    const nc = await open(server, tls({ ca: authority.ca }));
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
    expect(nc.info?.tls_required).toBe(true);
    for (const given of [{}, tls({ ca: other.ca })]) {
      const error = await rejectionOf(open(server, given));
      expectRefused(error, 'tls_failed');
      expect(error.message).toContain('nats.tls');
    }
    expectRefused(await rejectionOf(open(server, tls({ ca: join(folder, 'none.pem') }))), 'unreadable_file');
    expectRefused(await rejectionOf(open(server, tls({ ca: file('no.pem', 'nothing') }))), 'tls_failed');
  });

  test('both ways: who has no certificate of the authority is refused', async () => {
    const server = await serve(configured(`, ca_file: "${authority.ca}", verify: true`));
    const client = authority.sign('worker');
    expect(await (await open(server, tls({ ca: authority.ca, ...client }))).rtt()).toBeGreaterThanOrEqual(0);
    const refused = [{}, other.sign('worker')].map((given) => rejectionOf(open(server, tls({ ca: authority.ca, ...given }))));
    for (const error of await Promise.all(refused)) {
      expectRefused(error, 'no_connection'); // TLS 1.3: the server is the one that knows
      expect(error.message).toContain('does it take the certificate in nats.tls.cert?');
    }
  });

  test('a server without TLS is not spoken to in the clear', async () => {
    const server = await serve('');
    expectRefused(await rejectionOf(open(server, tls({ ca: authority.ca }))), 'tls_failed');
  });
});
