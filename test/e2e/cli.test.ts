// Every command against a real server and a real worker, as processes.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/server/start_server.ts';
import { type Ended, ended, start, untilLogged, visage } from './program.ts';

const DEFINITIONS = join(import.meta.dirname, '../../config/definitions.example.yaml');
const HOSTILE = 'a.b@c d/é*>';
const COMMANDS = [
  'demo',
  'setup',
  'worker',
  'subject',
  'publish',
  'ingest',
  'get',
  'events',
  'explain',
  'delete',
  'erase',
  'tail',
  'export',
  'verify',
  'simulate',
  'status',
  'token',
  'resync',
  'definitions check',
  'definitions apply',
  'definitions list',
  'dead list',
  'dead show',
  'dead replay',
];

let folder = '';
let server: RunningServer;
let config = '';
let worker: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage cli '));
  server = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
  config = await configFile('worker.yaml', { root: 'visage', data: 'data', more: 'log: { maxBytes: 100MB }\n' });
  worker = start(['worker', '--setup', '--definitions', DEFINITIONS, '--config', config]);
  await untilLogged(worker, '"msg":"worker ready"');
});

afterAll(async () => {
  worker.kill('SIGTERM');
  if (worker.exitCode === null) await once(worker, 'close');
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('a message in, a profile out, read after its own write', async () => {
  const subject = await good(['subject', 'customerId', HOSTILE, '--dataset', 'orders', '--config', config]);
  expect(subject.stdout).toBe('visage.in.orders.customerId.a%2Eb%40c%20d%2F%C3%A9%2A%3E\n');
  const published = await good(['publish', 'orders', 'customerId', HOSTILE, '-', '--json', '--config', config], order('h-1', 25));
  const { shard, sequence } = JSON.parse(published.stdout) as { shard: number; sequence: number };
  expect(shard).toBeLessThan(2);
  const file = join(folder, 'order.json');
  await writeFile(file, order('h-2', 9.99));
  const second = await good(['publish', 'orders', 'customerId', HOSTILE, file, '--config', config]);
  expect(second.stdout).toBe(`shard ${shard}, sequence ${sequence + 1}\n`);

  const get = ['get', 'customerId', HOSTILE, '--after', String(sequence + 1), '--config', config];
  const view = JSON.parse((await good([...get, '--json'])).stdout) as {
    profile: unknown;
    computed: Record<string, { value: unknown }>;
  };
  expect(view.profile).toEqual({ namespace: 'customerId', id: HOSTILE });
  expect(view.computed.spendLifetime).toEqual({ value: 34.99 });
  const some = await good([...get, '--fields', 'spendLifetime,computed.lastChannel']);
  expect(some.stdout).toMatch(
    /^customerId:a\.b@c d\/é\*> {2}version \d+.*\n {2}lastChannel +"web".*\n {2}spendLifetime +34\.99\n$/,
  );
});

test('tail, export, verify, status, dead list', async () => {
  const unknown = await good(['publish', 'nosuch', 'customerId', 'x', '--json', '--config', config], '{}');
  const { sequence } = JSON.parse(unknown.stdout) as { sequence: number };
  await good(['publish', 'orders', 'customerId', 'other', '--config', config], order('o-1', 1));
  await visage(['get', 'customerId', 'x', '--after', String(sequence), '--config', config]); // waits until it was refused

  const out = join(folder, 'profiles.ndjson');
  const tail = ['tail', '--from', 'start', '--until', 'now', '--config', config];
  const results = await Promise.all([
    good([...tail, '--profile', 'customerId', HOSTILE, '--json']),
    good([...tail, '--profile', 'customerId', HOSTILE]),
    good(['export', '--cut', '--config', config]),
    good(['export', '--out', out, '--config', config]),
    good(['verify', '--config', config]),
    good(['verify', '--sample', '1', '--json', '--config', config]),
    good(['status', '--json', '--config', config]),
    good(['status', '--config', config]),
    good(['dead', 'list', '--json', '--config', config]),
    good(['dead', 'list', '--config', config]),
  ]);
  const [events, lines, exported, , verified, sampled, status, statusTable, dead, deadLines] = results as unknown as [
    ...Ended[],
  ] & { length: 10 };
  const changes = jsonLines(events!.stdout) as { subject: string; data: { version: number; previousVersion: number } }[];
  expect(changes.length).toBeGreaterThan(0);
  expect(changes.every((change) => change.subject === `customerId:${HOSTILE}`)).toBe(true);
  expect(changes[0]!.data.previousVersion).toBe(0);
  expect(lines!.stdout).toMatch(/^\d{4}-\S+Z {2}customerId:a\.b@c d\/é\*> {2}computed\.\w+ absent → /);

  const views = jsonLines(exported!.stdout) as { profile: { id: string } }[];
  expect(views.map((view) => view.profile.id).sort()).toEqual([HOSTILE, 'other']);
  expect(exported!.stderr).toMatch(/^shard 0: cut at \d+\nshard 1: cut at \d+\n$/);
  expect(jsonLines(await readFile(out, 'utf8'))).toHaveLength(2);

  expect(verified!.stdout).toMatch(
    /2 of 2 profiles recomputed from sequence 1 on: 3 events, 0 duplicates, 1 refused; 0 differences/,
  );
  expect(verified!.stdout).toMatch(/change events: none missing, none twice\nverified in/);
  expect(JSON.parse(sampled!.stdout)).toMatchObject({ verified: true, profiles: 2, differences: [], chains: { whole: true } });

  expect(JSON.parse(status!.stdout)).toMatchObject({
    instance: 'one',
    ready: true,
    shards: [{ state: 'active' }, { state: 'active' }],
  });
  expect(statusTable!.stdout).toMatch(
    /\nshard {2}state +owner +applied +lag +profiles +checkpoint +snapshot +reason\n +0 {2}active {2}one-/,
  );
  expect(jsonLines(dead!.stdout)).toMatchObject([{ reason: 'unknown_dataset', sequence, body: '{}' }]);
  expect(deadLines!.stdout).toContain(`unknown_dataset  visage.in.nosuch.customerId.x  sequence ${sequence}  /subject/dataset: `);
});

test('a reader that goes away is no failure', async () => {
  const child = start(['tail', '--from', 'start', '--json', '--config', config]);
  const said = text(child.stderr!);
  const closed = once(child, 'close');
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  await good(['publish', 'orders', 'customerId', 'pipe', '--config', config], order('p-1', 1));
  expect(await closed).toEqual([0, null]);
  expect(await said).toBe('');
});

test('refused: one line on stderr, exit code 1', async () => {
  const elsewhere = await configFile('elsewhere.yaml', { root: 'elsewhere', data: 'elsewhere' });
  const broken = join(folder, 'broken.yaml');
  await writeFile(broken, 'partitoins: 4\nroot: UPPER\n');
  const partitions = await configFile('partitions.yaml', { root: 'visage', data: 'p', partitions: 4 });
  const cases: [string[], RegExp][] = [
    [['get', 'customerId', 'nobody', '--config', config], /^error: there is no profile customerId:nobody\n$/],
    [['get', 'customerId', 'x', '--after', '99999999', '--config', config], /^error: sequence 99999999 was not reached .*\n$/],
    [['status', '--config', elsewhere], /^error: there is no bucket elsewhere_meta; run 'visage setup' first\n$/],
    [['setup', '--config', elsewhere], /^error: log\.maxBytes is needed: .*\n$/],
    [['worker', '--config', elsewhere], /error: there is no bucket elsewhere_meta; run 'visage setup' first\n$/],
    [['worker', '--config', config], /error: the data directory .* is in use by process \d+; .*\n$/],
    [['worker', '--config', partitions], /error: partitions is 4 in the settings, but root 'visage' was set up with 2: .*\n$/],
    [
      ['publish', 'orders', 'customerId', 'x', join(folder, 'absent.json'), '--config', config],
      /^error: ENOENT: .*absent\.json'\n$/,
    ],
    [['status', '--config', join(folder, 'absent.yaml')], /^error: .*absent\.yaml: cannot be read: .*\n$/],
    [['status', '--config', broken], /^error: .*broken\.yaml:1:1: unknown setting 'partitoins' .*\n.*broken\.yaml:2:7: .*\n$/],
    [['export', '--out', join(folder, 'no such', 'file'), '--config', config], /^error: ENOENT: .*\n$/],
  ];
  await allEnd(cases, 1);
});

test('wrong use: exit code 2', async () => {
  const cases: [string[], RegExp][] = [
    [[], /^Usage: visage/],
    [['nosuch'], /^error: unknown command 'nosuch'\n$/],
    [['get', 'customerId'], /^error: missing required argument 'id'\n$/],
    [['get', 'a b', 'x', '--config', config], /^error: 'a b' is not a namespace; .*\n$/],
    [['get', 'customerId', '', '--config', config], /^error: an id must not be empty\n$/],
    [['get', 'customerId', 'x', '--after', '-1', '--config', config], /^error: option .* must be a whole number, 0 or more\.\n$/],
    [
      ['get', 'customerId', 'x', '--fields', 'computed.spend3d', '--config', config],
      /^error: fields: there is no field like one of these \(did you mean '(computed\.)?spend30d'\?\); known: /,
    ],
    [['publish', 'Or.ders', 'customerId', 'x', '--config', config], /^error: 'Or\.ders' is not a dataset name; .*\n$/],
    [['tail', '--profile', 'customerId', '--config', config], /^error: --profile takes two words: NAMESPACE ID\n$/],
    [['tail', '--from', 'yesterday'], /^error: option '--from <place>' argument 'yesterday' is invalid\..*\n$/],
    [['export', '--nosuch'], /^error: unknown option '--nosuch'\n$/],
    [['demo', '--directory', folder], /^error: --directory .* is not empty; .*\n$/],
  ];
  await allEnd(cases, 2);
});

test('every command has help with an example', async () => {
  for (const { stdout } of await Promise.all(COMMANDS.map((name) => good([...name.split(' '), '--help']))))
    expect(stdout).toMatch(/Example:\n {2}\$ npx visage \w+/);
  const { stdout } = await good(['--help']);
  const listed = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}(\w+)/gm)].map((match) => match[1]);
  expect(new Set(listed)).toEqual(new Set(COMMANDS.map((name) => name.split(' ')[0])));
  expect((await good(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('setup makes, then compares; a worker stops on SIGTERM and leaves the folder; a second signal does not wait', async () => {
  const setup = await configFile('setup.yaml', { root: 'second', data: 'second', more: 'log: { maxBytes: 50MB }\n' });
  const made = await good(['setup', '--definitions', DEFINITIONS, '--json', '--config', setup]);
  expect(JSON.parse(made.stdout)).toMatchObject({ root: 'second', kept: [] });
  expect((await good(['setup', '--config', setup])).stdout).toMatch(/^kept {2}SECOND_LOG, as wanted\n/);
  const other = await configFile('other.yaml', { root: 'second', data: 'second', more: 'log: { maxBytes: 60MB }\n' });
  const differs = await visage(['setup', '--config', other]);
  expect(differs).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/SECOND_LOG\.max_bytes: is \d+, wanted \d+/) as string,
  });

  const graceful = start(['worker', '--config', setup]);
  await untilLogged(graceful, '"msg":"worker ready"');
  graceful.kill('SIGTERM');
  expect((await ended(graceful)).code).toBe(0);

  // what it has applied is committed when it stops, at the earliest: and then the server does not answer
  const hanging = start(['worker', '--config', setup], { VISAGE_COMMIT_INTERVAL: '1h', VISAGE_CHECKPOINT_INTERVAL: '1h' });
  await untilLogged(hanging, '"msg":"worker ready"');
  const published = await good(['publish', 'orders', 'customerId', 'x', '--json', '--config', setup], order('s-1', 1));
  const { sequence } = JSON.parse(published.stdout) as { sequence: number };
  await good(['get', 'customerId', 'x', '--after', String(sequence), '--config', setup]);
  server.kill('SIGSTOP');
  try {
    hanging.kill('SIGTERM');
    await untilLogged(hanging, 'SIGTERM: draining');
    hanging.kill('SIGTERM');
    const [code, signal] = (await once(hanging, 'close')) as [number | null, string | null];
    expect(signal ?? code).toBe(143);
  } finally {
    server.kill('SIGCONT');
  }
});

async function good(args: readonly string[], input = ''): Promise<Ended> {
  const result = await visage(args, input);
  expect(result, args.join(' ')).toMatchObject({ code: 0 });
  return result;
}

async function allEnd(cases: readonly [string[], RegExp][], code: number): Promise<void> {
  const results = await Promise.all(cases.map(([args]) => visage(args)));
  for (const [i, [args, words]] of cases.entries()) {
    expect(results[i], args.join(' ')).toMatchObject({ code, stderr: expect.stringMatching(words) as string });
    expect(results[i]!.stderr, args.join(' ')).not.toMatch(/^ +at /m);
  }
}

async function configFile(
  name: string,
  { root, data, partitions = 2, more = '' }: { root: string; data: string; partitions?: number; more?: string },
): Promise<string> {
  const path = join(folder, name);
  const dataDirectory = JSON.stringify(join(folder, data));
  await writeFile(
    path,
    `nats: { servers: ["${server.url}"] }\nroot: ${root}\ninstance: one\npartitions: ${partitions}\ndataDirectory: ${dataDirectory}\n${more}`,
  );
  return path;
}

function order(id: string, price: number): string {
  const timestamp = new Date().toISOString();
  return `{"_id":"${id}","timestamp":"${timestamp}","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":${price},"channel":"web"}}}`;
}

function jsonLines(lines: string): unknown[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}
