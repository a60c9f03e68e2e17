// The image without an engine: the Dockerfile's own steps in empty folders, then what it starts, as the user and with the environment it says.
// Stands in for what only an engine has: a stage's root is a folder (so /app and /data are folders in it), `node` is the project's pinned one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync } from 'node:fs';
import { chmod, chown, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/server/start_server.ts';
import {
  copyOf,
  environmentOf,
  execForm,
  healthCheckOf,
  isIgnored,
  readDockerfile,
  ROOT,
  type Stage,
  textsOf,
} from '../support/dockerfile.ts';
import { freePort } from '../support/free_port.ts';
import { ended, untilLogged } from './program.ts';

/** Anybody but root: `nobody` where the test may choose, else the user of the test. */
const AS_USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const GRACE_MS = 30_000;

type Packages = Readonly<Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>>;

const stages = readDockerfile();
const final = stages.at(-1)!;
let folder = '';
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage-image-'));
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'bin'));
  // a copy, in a folder of its own: what lies beside the checkout's node (tsc, vitest) must not be found
  await copyFile(process.execPath, join(folder, 'bin/node'), constants.COPYFILE_FICLONE);
  // the image has a user `node`, this machine may not: the test gives /data away itself
  await writeFile(join(folder, 'bin/chown'), '#!/bin/sh\n', { mode: 0o755 });
  server = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('the steps of the Dockerfile give a worker that runs, is healthy, becomes ready and drains', async () => {
  await Promise.all(stages.slice(0, -1).map(build));
  await build(final);
  const app = join(rootOf(final), 'app');
  const packages = join(app, 'node_modules');
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(app, 'package.json'), 'utf8')) as Packages;
  for (const name of Object.keys(dependencies)) expect(existsSync(join(packages, name)), name).toBe(true);
  for (const name of [...Object.keys(devDependencies), '.bin/tsc', '.bin/node'])
    expect(existsSync(join(packages, name)), name).toBe(false);
  const before = await contentsOf(app);
  if (AS_USER.uid !== undefined) await chown(inRoot(final, '/data'), AS_USER.uid, AS_USER.gid);

  const [admin, http] = [await freePort(), await freePort()];
  const ports = { VISAGE_ADMIN_PORT: String(admin), VISAGE_HTTP_PORT: String(http) };
  const settings = { VISAGE_NATS_SERVERS: server.url, VISAGE_LOG_MAX_BYTES: '100MB', VISAGE_PARTITIONS: '2', ...ports };
  const entry = execForm(final, 'ENTRYPOINT');
  const setup = await ended(run([...entry, 'setup', '--definitions', 'config/demo.definitions.yaml'], settings));
  expect(setup).toMatchObject({ code: 0, stderr: '' });

  const worker = run([...entry, ...execForm(final, 'CMD')], settings);
  const isReady = untilLogged(worker, '"msg":"worker ready"');
  try {
    while (!(await isHealthy(ports))) expect(worker.exitCode).toBeNull();
    await isReady;
    for (const port of [admin, http]) expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const page = await fetch(`http://127.0.0.1:${http}/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const events = await ended(run([...entry, 'status', '--json'], settings));
    expect(JSON.parse(events.stdout)).toMatchObject({ ready: true });
    expect(await readdir(inRoot(final, '/data'))).not.toEqual([]);
  } finally {
    const stoppedMs = performance.now();
    worker.kill(textsOf(final, 'STOPSIGNAL')[0] as NodeJS.Signals);
    if (worker.exitCode === null) await once(worker, 'close');
    expect(performance.now() - stoppedMs).toBeLessThan(GRACE_MS);
  }
  expect(worker.exitCode).toBe(0);
  expect(await isHealthy(ports)).toBe(false); // the check can fail
  expect(await contentsOf(app)).toEqual(before); // works with a read-only root
});

function rootOf(stage: Stage): string {
  return join(folder, 'stages', stage.name);
}

/** An absolute path of the stage. */
function inRoot(stage: Stage, path: string): string {
  return join(rootOf(stage), path);
}

/** Does COPY and RUN in order; the other instructions say how to run it. */
async function build(stage: Stage): Promise<void> {
  let workDirectory = rootOf(stage);
  for (const { name, text } of stage.instructions) {
    if (name === 'WORKDIR') await mkdir((workDirectory = inRoot(stage, text)), { recursive: true });
    else if (name === 'COPY') await copy(workDirectory, text);
    else if (name === 'RUN') await shell(text.replaceAll('/data', inRoot(stage, '/data')), workDirectory);
  }
}

async function copy(workDirectory: string, text: string): Promise<void> {
  const { from, sources, target } = copyOf(text);
  const stage = stages.find((one) => one.name === from);
  for (const source of sources) {
    const path = stage === undefined ? join(ROOT, source) : inRoot(stage, source);
    const place = target.endsWith('/') ? join(workDirectory, target, source) : join(workDirectory, target);
    await mkdir(dirname(place), { recursive: true });
    // links stay as they are, as in an image
    const filter = (file: string): boolean => stage !== undefined || !isIgnored(relative(ROOT, file));
    await cp(path, place, { recursive: true, verbatimSymlinks: true, filter, mode: constants.COPYFILE_FICLONE });
  }
}

/** The machine's programs (npm, sh) behind the pinned node; nothing of the checkout or of the test run that is under way. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = /^(VISAGE_|VITEST|NODE_|npm_(package|lifecycle)_|npm_config_local_prefix$|NATS_URL$|INIT_CWD$)/;
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((path) => !path.startsWith(ROOT) && !path.includes('node_modules'));
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name))),
    PATH: [join(folder, 'bin'), ...PATH].join(delimiter),
  };
}

async function shell(command: string, cwd: string): Promise<void> {
  // the packages are in npm's cache since the checkout was installed: the test is as quick as the disk and needs no network;
  // their hashes are the lock file's either way
  const env = { ...cleanEnvironment(), npm_config_prefer_offline: 'true' };
  const result = await ended(spawn('sh', ['-c', command], { cwd, env }));
  expect(result, `${command}\n${result.stdout}${result.stderr}`).toMatchObject({ code: 0 });
}

/** Starts a command in the final stage with the image's environment, user and working folder; nothing else is on PATH but node. */
function run([program, ...args]: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const image = Object.entries(environmentOf(final)).map(([name, value]) => [name, value.replace(/^\//, `${rootOf(final)}/`)]);
  const cwd = inRoot(final, textsOf(final, 'WORKDIR').at(-1)!);
  return spawn(join(folder, 'bin', program!), args, {
    cwd,
    env: { PATH: join(folder, 'bin'), ...(Object.fromEntries(image) as NodeJS.ProcessEnv), ...env },
    ...AS_USER,
  });
}

async function isHealthy(ports: NodeJS.ProcessEnv): Promise<boolean> {
  const { code } = await ended(run(healthCheckOf(final), ports));
  if (code !== 0) await delay(100);
  return code === 0;
}

/** Every file with the time of its last change. */
async function contentsOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true });
  return Promise.all(entries.sort().map(async (entry) => `${entry} ${(await stat(join(directory, entry))).mtimeMs}`));
}
