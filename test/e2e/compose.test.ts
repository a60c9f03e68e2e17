// docker/compose.yaml without an engine: its server and its workers as processes, with their own commands, settings and configuration, all
// workers started at once as Compose does. Instead of containers they have folders and ports of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseDuration } from '../../src/base/time.ts';
import { findServerBinary } from '../../src/server/find_server.ts';
import { ask, problemOf } from '../support/ask.ts';
import { eventually, within } from '../support/eventually.ts';
import { freePort } from '../support/free_port.ts';
import { ended, start, untilLogged } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKERS = ['worker-1', 'worker-2', 'worker-3'];
const READY_MS = 60_000;

type Service = {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
};
type Status = {
  readonly workers: readonly { readonly instance: string; readonly shards: number; readonly ready: boolean }[];
  readonly shards: readonly { readonly state: string; readonly applied: number; readonly profiles: number }[];
};
type Running = { readonly child: ChildProcess; readonly http: number; readonly admin: number };

let folder = '';
let url = '';
let server: ChildProcess;
let services: Readonly<Record<string, Service>>;
const running = new Map<string, Running>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage-compose-'));
  ({ services } = parse(await readFile(join(ROOT, 'docker/compose.yaml'), 'utf8'), { merge: true }) as {
    services: Readonly<Record<string, Service>>;
  });
  await startNats();
});

afterAll(async () => {
  for (const { child } of running.values()) child.kill('SIGKILL');
  server.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** docker/nats.conf, on ports and in a folder of this test. */
async function startNats(): Promise<void> {
  const [client, monitor] = [await freePort(), await freePort()];
  let conf = await readFile(join(ROOT, 'docker/nats.conf'), 'utf8');
  for (const [line, other] of [
    ['\nport: 4222\n', `\nport: ${client}\n`],
    ['\nhttp_port: 8222\n', `\nhttp_port: ${monitor}\n`],
    ['store_dir: /data/jetstream\n', `store_dir: ${JSON.stringify(join(folder, 'jetstream'))}\n`],
  ] as const) {
    expect(conf).toContain(line);
    conf = conf.replace(line, other);
  }
  await writeFile(join(folder, 'nats.conf'), conf);
  const { path } = await findServerBinary();
  server = spawn(path, ['-c', join(folder, 'nats.conf')], { stdio: 'ignore' });
  url = `nats://127.0.0.1:${client}`;
  // as its health check in the file does
  await eventually('the server is healthy', async () => (await fetch(`http://127.0.0.1:${monitor}/healthz`)).ok);
}

async function up(name: string): Promise<void> {
  const { command, environment } = services[name]!;
  const data = join(folder, name);
  await mkdir(data, { recursive: true });
  const [http, admin] = [await freePort(), await freePort()];
  const places = {
    VISAGE_NATS_SERVERS: url,
    VISAGE_DATA_DIRECTORY: data,
    VISAGE_HTTP_PORT: String(http),
    VISAGE_ADMIN_PORT: String(admin),
  };
  const args = command.map((word) => word.replace(/^\/app\//, `${ROOT}/`));
  const child = start(args, { ...environment, ...places });
  running.set(name, { child, http, admin });
  await within(`${name} is ready`, READY_MS, untilLogged(child, '"msg":"worker ready"'));
}

/** Within the time that the file gives it. */
async function down(name: string): Promise<number | null> {
  const { child } = running.get(name)!;
  const over = once(child, 'close') as Promise<[number | null]>;
  child.kill('SIGTERM');
  const [code] = await within(`${name} ends`, parseDuration(services[name]!.stop_grace_period!), over);
  running.delete(name);
  return code;
}

async function status(): Promise<Status> {
  const { stdout } = await ended(start(['status', '--json'], { VISAGE_NATS_SERVERS: url }));
  return JSON.parse(stdout) as Status;
}

/** All shards are active, and each of the workers has its share. */
async function shared(names: readonly string[]): Promise<Status> {
  return eventually(
    `${names.join(', ')} share the shards`,
    async () => {
      const now = await status();
      const least = Math.floor(now.shards.length / names.length);
      const there = now.workers.filter(({ shards }) => shards >= least).map(({ instance }) => instance);
      const isShared = there.sort().join() === [...names].sort().join() && now.shards.every(({ state }) => state === 'active');
      return isShared ? now : undefined;
    },
    { timeoutMs: READY_MS },
  );
}

test('three workers that are started at once set the root up, share its shards, and stay two while one is replaced', async () => {
  await Promise.all(WORKERS.map(up));
  await shared(WORKERS);

  const producer = start(services['producer']!.command, { VISAGE_NATS_SERVERS: url });
  running.set('producer', { child: producer, http: 0, admin: 0 });
  producer.stdout!.resume();
  producer.stderr!.resume();
  const profilesOf = ({ shards }: Status): number => shards.reduce((sum, { profiles }) => sum + profiles, 0);
  await eventually('profiles come', async () => profilesOf(await status()) > 20);

  // each answers as itself, by name and by address, and to no stranger's name
  for (const name of WORKERS) {
    const { http, admin } = running.get(name)!;
    for (const host of ['127.0.0.1:8082', `${name}:8080`, `localhost:${http}`])
      expect((await ask(http, '/schemas/union/individual', { headers: { host } })).status, host).toBe(200);
    const stranger = await ask(http, '/schemas/union/individual', { headers: { host: 'evil.example:8080' } });
    expect(problemOf(stranger)).toMatchObject({ status: 403, code: 'foreign_host' });
    // Prometheus asks by the name of the service
    const page = await ask(admin, '/metrics', { headers: { host: `${name}:9090` } });
    expect([page.status, page.text.includes('visage_events_applied_total')]).toEqual([200, true]);
  }

  expect(await down('worker-1')).toBe(0);
  await shared(WORKERS.slice(1));
  await up('worker-1');
  await shared(WORKERS);

  producer.kill('SIGTERM');
  await within('the producer ends', 10_000, once(producer, 'close'));
  running.delete('producer');
  expect(await Promise.all(WORKERS.map(down))).toEqual([0, 0, 0]);
}, 180_000);
