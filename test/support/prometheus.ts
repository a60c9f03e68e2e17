// Prometheus and promtool for tests: from PATH, else the cache, else Debian's package, unpacked into the cache.
// P1: nothing is installed. P2: the cache gets a folder by one rename: concurrent callers see none or a whole one.
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fetchDebianPackage, machineSuite, programOf } from '../../src/server/debian_package.ts';
import { findOnPath, isExecutable } from '../../src/server/run_command.ts';

const CACHE = process.env.VISAGE_CACHE ?? join(import.meta.dirname, '../../.cache');
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
