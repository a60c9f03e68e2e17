// Prometheus and promtool for tests: from PATH, else the cache, else Debian's package, unpacked into the cache. And one that runs.
// P1: nothing is installed. P2: the cache gets a folder by one rename: concurrent callers see none or a whole one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parse, stringify } from 'yaml';
import { fetchDebianPackage, machineSuite, programOf } from '../../src/server/debian_package.ts';
import { findOnPath, isExecutable } from '../../src/server/run_command.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free_port.ts';

const CACHE = process.env.VISAGE_CACHE ?? join(import.meta.dirname, '../../.cache');
const SHIPPED = join(import.meta.dirname, '../../config/prometheus');
const PROGRAMS = ['prometheus', 'promtool'] as const;

export type Prometheus = { readonly prometheus: string; readonly promtool: string };

/** @throws Error one line that says why it cannot be had. Cost: nothing when found; about 10 s and 60 MB of traffic the first time */
export async function findPrometheus(): Promise<Prometheus> {
  const [prometheus, promtool] = await Promise.all(PROGRAMS.map(async (name) => (await findOnPath(name, process.env))[0]));
  if (prometheus !== undefined && promtool !== undefined) return { prometheus, promtool };
  const suite = await machineSuite();
  const folder = join(CACHE, `prometheus-${suite}`);
  const cached = { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
  if (await isExecutable(cached.prometheus)) return cached;
  await mkdir(CACHE, { recursive: true });
  const workDirectory = await mkdtemp(join(CACHE, 'prometheus-work-'));
  try {
    const log = (): void => undefined;
    const unpacked = await fetchDebianPackage({
      name: 'prometheus',
      suite,
      workDirectory,
      env: process.env,
      log,
      aptDirectory: '/etc/apt',
    });
    const programs = dirname(await programOf(unpacked, 'prometheus'));
    await rename(programs, folder).catch(async (error: unknown) => {
      if (!(await isExecutable(cached.prometheus))) throw error; // another process was first
    });
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
  return cached;
}

export type RunningPrometheus = {
  /** The `data` of an answer. @throws Error with what Prometheus says of a question that it cannot answer */
  api<T>(path: string): Promise<T>;
  stop(): Promise<void>;
};

/** The shipped configuration and rules with other targets, every second. `instance`: what they are called, else as their address.
 *  Resolves when it answers. */
export async function startPrometheus(options: {
  readonly program: string;
  readonly folder: string;
  readonly scraped: readonly { readonly target: string; readonly instance?: string }[];
}): Promise<RunningPrometheus> {
  const { program, folder, scraped } = options;
  const shipped = parse(await readFile(join(SHIPPED, 'prometheus.yml'), 'utf8')) as {
    global: Record<string, string>;
    scrape_configs: { static_configs: { targets: string[]; labels?: Record<string, string> }[] }[];
  };
  shipped.global = { scrape_interval: '1s', evaluation_interval: '1s' };
  shipped.scrape_configs[0]!.static_configs = scraped.map(({ target, instance }) => ({
    targets: [target],
    ...(instance === undefined ? {} : { labels: { instance } }),
  }));
  await writeFile(join(folder, 'prometheus.yml'), stringify(shipped));
  await copyFile(join(SHIPPED, 'rules.yaml'), join(folder, 'rules.yaml'));
  const address = `127.0.0.1:${await freePort()}`;
  const flags = { 'config.file': 'prometheus.yml', 'storage.tsdb.path': 'tsdb', 'web.listen-address': address };
  const child = spawn(
    program,
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const log = text(child.stderr);
  const isReady = async (): Promise<boolean> => (await fetch(`http://${address}/-/ready`)).ok;
  await eventually('Prometheus is ready', isReady).catch(async (error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`Prometheus did not start: ${await log}`, { cause: error });
  });
  return {
    async api<T>(path: string): Promise<T> {
      const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as { data: T; error?: string };
      if (answer.error !== undefined) throw new Error(`Prometheus: ${answer.error}`);
      return answer.data;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
}
