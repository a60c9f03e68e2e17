// The real nats-server: found, started, restarted on its store, and never left behind.
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VisageError } from '../../src/base/errors.ts';
import { ensureServer } from '../../src/server/ensure_server.ts';
import { findServerBinary } from '../../src/server/find_server.ts';
import { waitForFreeStore } from '../../src/server/store_owner.ts';
import { type RunningServer, startServer, type StartOptions } from '../../src/server/start_server.ts';

let folder = '';
let servers: RunningServer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage server ')); // a space: paths are quoted wherever they go
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Partial<StartOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ storeDirectory: join(folder, 'store'), ...options });
  servers.push(server);
  return server;
}

async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function errorOf(promise: Promise<unknown>): Promise<VisageError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VisageError);
  return error as VisageError;
}

test('starts on loopback with JetStream, answers under its url, stops gracefully', async () => {
  const lines: string[] = [];
  const server = await start({ config: { maxPayload: 2_097_152, extra: 'max_connections: 7' }, log: (line) => lines.push(line) });
  expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
  const nc = await connect({ servers: server.url });
  expect(nc.info).toMatchObject({ version: server.version, jetstream: true, max_payload: 2_097_152, port: server.port });
  expect((await (await jetstreamManager(nc)).getAccountInfo()).streams).toBe(0);
  await nc.close();
  expect(lines.length).toBeGreaterThan(10);
  expect(server.recentLog()).toEqual(lines.slice(-50));
  await server.stop();
  await server.stop();
  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(server.kill('SIGTERM')).toBe(false);
  expect(await answers(server.port)).toBe(false);
});

test('a second start on the same store and port keeps a stream, after kill -9 too', async () => {
  const first = await start();
  const nc = await connect({ servers: first.url });
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: 'KEPT', subjects: ['kept.*'] });
  await jsm.jetstream().publish('kept.a', 'still here');
  await nc.close();
  first.kill('SIGKILL');
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

  const second = await start({ port: first.port });
  expect(second.url).toBe(first.url);
  const again = await connect({ servers: second.url });
  const message = await (await jetstreamManager(again)).streams.getMessage('KEPT', { seq: 1 });
  expect(message?.string()).toBe('still here');
  await again.close();
});

test('two servers run side by side, but never on one store', async () => {
  const first = await start({ storeDirectory: join(folder, 'one') });
  const other = await start({ storeDirectory: join(folder, 'two') });
  expect(other.port).not.toBe(first.port);
  // While the second start waits for the store, the first server is told to go: the store is taken over, not refused.
  const waiting = start({ storeDirectory: join(folder, 'one') });
  await delay(100); // that it waits can only be seen by nothing happening for a while
  expect(await answers(first.port)).toBe(true);
  await first.stop();
  expect((await waiting).pid).not.toBe(first.pid);
  const [pidFile, configFile] = [join(other.storeDirectory, 'server.pid'), join(other.storeDirectory, 'server.conf')];
  expect((await errorOf(waitForFreeStore(pidFile, configFile, 0))).code).toBe('server_store_busy');
  await writeFile(pidFile, String(process.ppid)); // a reused pid: alive, but not a server of this store
  await waitForFreeStore(pidFile, configFile, 0);
});

test('a paused server stops as well', async () => {
  const server = await start();
  server.kill('SIGSTOP');
  await server.stop();
  expect((await server.exited).code).toBe(0);
});

test('a server that cannot start says why in one line', async () => {
  const first = await start({ storeDirectory: join(folder, 'one') });
  const taken = await errorOf(start({ storeDirectory: join(folder, 'two'), port: first.port }));
  expect(taken.code).toBe('server_failed');
  expect(taken.message).toMatch(/^nats-server did not start: exited with 1: Error listening .*address already in use"$/);
  const wrong = await errorOf(start({ storeDirectory: join(folder, 'two'), config: { extra: 'no_such_setting: 1' } }));
  expect(wrong.message).toMatch(/no_such_setting/);
  const absent = await errorOf(start({ storeDirectory: join(folder, 'two'), binary: join(folder, 'absent') }));
  expect(absent.message).toMatch(/absent: not found/);
});

test.each(['SIGKILL', 'SIGTERM'] as const)('dies with its parent on %s; the store is free at once', async (signal) => {
  const store = join(folder, 'store');
  const { parent, pid, port } = await startInChild(store);
  expect(await answers(port)).toBe(true);
  parent.kill(signal);
  await once(parent, 'exit');
  const successor = await start({ port }); // waits for the orphan to let go of the store
  expect(successor.pid).not.toBe(pid);
  expect(successor.recentLog().join('\n')).not.toMatch(/Error/);
});

test('dies with its parent even when it is paused itself', async () => {
  const { parent, pid, port } = await startInChild(join(folder, 'store'));
  process.kill(pid, 'SIGSTOP');
  parent.kill('SIGKILL');
  await until('the paused orphan is killed', async () => !(await answers(port)));
});

test('the watcher goes with a server that ended by itself', async () => {
  const server = await start();
  const watchers = async (): Promise<number> => (await processesOf(server.storeDirectory)).length;
  expect(await watchers()).toBe(2);
  server.kill('SIGKILL');
  await until('no process is left', async () => (await watchers()) === 0);
});

test('NATS_URL is used as it is, and never stopped', async () => {
  const server = await start();
  const ensured = await ensureServer({ storeDirectory: join(folder, 'unused'), env: { NATS_URL: server.url } });
  expect(ensured.url).toBe(server.url);
  expect(ensured.started).toBeUndefined();
  await ensured.stop();
  expect(await answers(server.port)).toBe(true);
  expect(await readdir(folder)).not.toContain('unused');
});

test('without NATS_URL a server is started and stopped', async () => {
  const env = { ...process.env, NATS_URL: '' };
  const ensured = await ensureServer({ storeDirectory: join(folder, 'store'), env });
  expect(await answers(ensured.started!.port)).toBe(true);
  await ensured.stop();
  expect(await answers(ensured.started!.port)).toBe(false);
});

test('none to be had: one line with the command', async () => {
  const error = await errorOf(findServerBinary({ env: { PATH: '' }, cacheDirectory: join(folder, 'cache') }));
  expect(error.code).toBe('no_server');
  expect(error.message).toMatch(/^no nats-server 2\.11 or newer .* install one on PATH with `(go|brew) install [^`]+`.*NATS_URL/);
  expect(error.message).not.toContain('\n');
  expect((error.cause as Error).message).toMatch(/no go on PATH; .*no apt-get/);
  expect(await readdir(join(folder, 'cache'))).toEqual([]); // no work folder stays behind
});

test('PATH comes before the cache; an old or broken server is passed over', async () => {
  const [old, broken, good, cache] = ['old', 'broken', 'good', 'cache'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  await program(old, 'nats-server', 'echo "nats-server: v2.10.27"');
  await program(broken, 'nats-server', 'exit 3');
  await program(good, 'nats-server', 'echo "nats-server: v2.11.0"');
  await program(cache, 'nats-server', 'echo "nats-server: v3.0.1-beta"');
  const find = (...path: string[]) => findServerBinary({ env: { PATH: path.join(':') }, cacheDirectory: cache });
  expect(await find(old, broken, good)).toEqual({ path: join(good, 'nats-server'), version: '2.11.0' });
  expect(await find(old, broken)).toEqual({ path: join(cache, 'nats-server'), version: '3.0.1-beta' });
});

test('Go builds into the cache if it is new enough; callers at once do not disturb each other', async () => {
  const [tools, cache] = [join(folder, 'tools'), join(folder, 'cache')];
  const built = '#!/bin/sh\\necho "nats-server: v2.15.1"';
  const go = (version: string): string => `case $1 in
version) echo "go version go${version} linux/amd64" ;;
install) printf '${built}\\n' > "$GOBIN/nats-server"; /bin/chmod 755 "$GOBIN/nats-server" ;;
esac`;
  const options = { env: { PATH: tools }, cacheDirectory: cache };
  await program(tools, 'go', go('1.24.9'));
  expect((await errorOf(findServerBinary(options))).code).toBe('no_server');
  await program(tools, 'go', go('1.25.0'));
  const found = await Promise.all(Array.from({ length: 8 }, () => findServerBinary(options)));
  expect(new Set(found.map((binary) => binary.path))).toEqual(new Set([join(cache, 'nats-server')]));
  expect(await readdir(cache)).toEqual(['nats-server']);
});

test("Debian's way asks the mirrors that apt names, on state of its own, and unpacks without installing", async () => {
  const [tools, apt, cache] = [join(folder, 'tools'), join(folder, 'etc apt'), join(folder, 'cache')];
  const options = { env: { PATH: tools }, cacheDirectory: cache, aptDirectory: apt };
  await mkdir(join(apt, 'sources.list.d'), { recursive: true });
  await writeFile(join(apt, 'sources.list'), 'deb [signed-by=/keys/one.gpg] http://one.example/debian stable main\n');
  const two = 'Types: deb\nURIs: http://two.example/debian\nSuites: stable\nComponents: main\n';
  await writeFile(join(apt, 'sources.list.d', 'two.sources'), two);
  await writeFile(join(apt, 'sources.list.d', 'three.sources.disabled'), two.replace('two', 'three'));

  // Writes down which mirror it is to use and every folder it is told; only the second mirror has the suite.
  await program(
    tools,
    'apt-get',
    `for a in "$@"; do case $a in
  Dir::State*=* | Dir::Cache=*) echo "$a" >> '${folder}/folders' ;;
  Dir::Etc::sourcelist=*) sources=\${a#*=} ;;
esac; verb=$a; done
case $verb in
  update) while read -r line; do echo "$line" >> '${folder}/sources'; case $line in *one.example*) echo 'E: no such suite' >&2; exit 100 ;; esac; done < "$sources" ;;
  nats-server) echo > nats-server_2.15.1-1_amd64.deb ;;
esac`,
  );
  await program(tools, 'dpkg-deb', 'exit 2');
  const error = await errorOf(findServerBinary(options));
  expect((error.cause as Error).message).toMatch(/Debian's package: .*dpkg-deb/);
  await program(
    tools,
    'dpkg-deb',
    `/bin/mkdir -p "$3/usr/sbin"; f="$3/usr/sbin/nats-server"; printf '#!/bin/sh\\necho "nats-server: v2.15.1"\\n' > "$f"; /bin/chmod 755 "$f"`,
  );
  expect(await findServerBinary(options)).toEqual({ path: join(cache, 'nats-server'), version: '2.15.1' });
  expect(await readdir(cache)).toEqual(['nats-server']);
  const asked = await readFile(join(folder, 'sources'), 'utf8');
  expect(asked).toContain('URIs: http://one.example/debian');
  expect(asked).toContain('URIs: http://two.example/debian\nSuites: forky\nComponents: main\n');
  expect(asked).not.toContain('three');
  const folders = (await readFile(join(folder, 'folders'), 'utf8')).trim().split('\n');
  expect(folders.filter((line) => !line.includes(`=${cache}/work-`))).toEqual([]);
});

async function program(directory: string, name: string, script: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(directory, name), 0o755);
}

async function startInChild(store: string): Promise<{ parent: ChildProcess; pid: number; port: number }> {
  const script = join(import.meta.dirname, 'start_server_child.ts');
  const parent = spawn(process.execPath, [script, store], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: parent.stdout })) {
    return { parent, ...(JSON.parse(line) as { pid: number; port: number }) };
  }
  throw new Error('the child started no server');
}

/** Pids of processes whose arguments name that store: the server and its watcher. */
async function processesOf(store: string): Promise<string[]> {
  const ps = spawn('ps', ['-ww', '-eo', 'stat=,pid=,args='], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pids: string[] = [];
  for await (const line of createInterface({ input: ps.stdout })) {
    if (line.includes(store) && !line.startsWith('Z')) pids.push(line);
  }
  return pids;
}
