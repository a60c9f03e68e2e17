// What the benches share: a server with a filled log, arms as child processes, the oracle's verdict, the result file.
import { createHash } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import type { DefinitionsDocument } from '../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { loadSettings } from '../src/definitions/load_settings.ts';
import type { Settings } from '../src/definitions/settings.ts';
import { inputSubject, topologyOf } from '../src/message/subject.ts';
import { ShardOracle } from '../src/oracle/brute_force.ts';
import { compareExport, type ExportedProfile } from '../src/oracle/compare.ts';
import type { GeneratedEvent } from '../src/oracle/generate.ts';
import { startServer, type RunningServer } from '../src/server/start_server.ts';
import { openConnection } from '../src/nats/connection.ts';
import { openClient } from '../src/worker/client.ts';
import { setupRoot } from '../src/worker/setup_root.ts';
import { newResultPath } from './result_files.ts';

/** The ten attributes that every run was measured with, whatever the example has by now. */
export const DEFINITIONS = new URL('./definitions.yaml', import.meta.url).pathname;
export const PARTITIONS = 16;
const IN_FLIGHT = 4_000;

type SyncInterval = '2m' | 'always';

export type World = {
  readonly server: RunningServer;
  readonly folder: string;
  readonly syncInterval: string;
  stop(): Promise<void>;
};

export async function startWorld(name: string, syncInterval: SyncInterval): Promise<World> {
  const folder = join(tmpdir(), `visage-bench-${name}-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return worldIn(folder, syncInterval);
}

/** The same server again, with what it has; flushing otherwise from now on. */
export async function restartServer({ server, folder }: World, syncInterval: SyncInterval): Promise<World> {
  await server.stop();
  return worldIn(folder, syncInterval);
}

async function worldIn(folder: string, syncInterval: SyncInterval): Promise<World> {
  const server = await startServer({ storeDirectory: join(folder, 'nats'), config: { syncInterval } });
  return {
    server,
    folder,
    syncInterval,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function benchSettings(world: World, root: string): Settings {
  return loadSettings({
    env: {},
    overrides: {
      'nats.servers': world.server.url,
      root,
      partitions: String(PARTITIONS),
      'log.maxBytes': '4GB',
      dataDirectory: join(world.folder, 'unused'),
    },
  });
}

export type Sendable = Pick<GeneratedEvent, 'dataset' | 'namespace' | 'id' | 'body'>;

/** Sets a root up and fills its log. */
export async function fillLog(
  world: World,
  root: string,
  events: Iterable<Sendable>,
  definitions: DefinitionsDocument = loadDefinitionsFile(DEFINITIONS),
): Promise<void> {
  const settings = benchSettings(world, root);
  const nc = await openConnection(settings.nats, 'bench fill');
  await setupRoot(nc, topologyOf(root), settings, definitions);
  const inFlight = new Set<Promise<unknown>>();
  for (const event of events) {
    const sent = nc.request(inputSubject(root, event.dataset, event), event.body, { timeout: 60_000 });
    inFlight.add(sent);
    void sent.finally(() => inFlight.delete(sent)).catch(() => undefined);
    if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
  await nc.close();
}

export type ArmResult = {
  readonly events: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly [figure: string]: number;
};

/** Runs one arm in a process of its own: no arm inherits another's heap. */
export async function runArm(arm: string, parameters: Readonly<Record<string, unknown>>, profileTo?: string): Promise<ArmResult> {
  const flags = profileTo === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profileTo];
  const lines = await runChild<ArmResult>(new URL('./arm_child.ts', import.meta.url), [arm, JSON.stringify(parameters)], flags);
  return lines[lines.length - 1]!;
}

/** Runs a script in a process of its own. @returns the JSON lines that it printed: at least one */
export function runChild<Line>(script: URL, args: readonly string[], nodeFlags: readonly string[] = []): Promise<Line[]> {
  const child = spawn(process.execPath, [...nodeFlags, script.pathname, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    const lines: Line[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && lines.length > 0) resolve(lines);
      else reject(new Error(`${script.pathname} ${args.join(' ').slice(0, 100)} ended with ${code}`));
    });
  });
}

/** Recomputes every profile from the log by brute force and compares it with what the arm exported. Throws at the first difference. */
export async function checkExport(world: World, root: string, exportFile: string): Promise<number> {
  const views = new Map<number, ExportedProfile[]>();
  let count = 0;
  for (const line of readFileSync(exportFile, 'utf8').split('\n')) {
    if (line === '') continue;
    const view = JSON.parse(line) as ExportedProfile & { shard: number };
    const list = views.get(view.shard) ?? [];
    list.push(view);
    views.set(view.shard, list);
    count++;
  }
  const settings = benchSettings(world, root);
  const plan = compilePlan(loadDefinitionsFile(DEFINITIONS));
  const client = await openClient(settings, 'bench check');
  for (let shard = 0; shard < PARTITIONS; shard++) {
    const oracle = new ShardOracle({ root, shard, partitions: PARTITIONS, planOf: () => plan });
    for await (const message of client.readLog(shard)) oracle.feed(message);
    const differences = compareExport(views.get(shard) ?? [], { oracles: [oracle] });
    if (differences.length > 0)
      throw new Error(
        `the arm's result is wrong: ${differences.length} differences in shard ${shard}, e.g. ${JSON.stringify(differences[0])}`,
      );
  }
  await client.close();
  return count;
}

/** A hash of every profile's values over all time: the same seed must give the same, whatever was optimised. (What is in a sliding window
 *  depends on the hour of the run.) */
export function hashExport(exportFile: string): string {
  const values = readFileSync(exportFile, 'utf8')
    .split('\n')
    .map((line) => JSON.parse(line) as { profile: { id: string }; computed: Record<string, { value: unknown }> })
    .map((view) =>
      JSON.stringify([
        view.profile.id,
        Object.entries(view.computed)
          .filter(([name]) => /Lifetime$|^last/.test(name))
          .map(([name, { value }]) => [name, value]),
      ]),
    )
    .sort();
  return createHash('sha256').update(values.join('\n')).digest('hex').slice(0, 16);
}

/** `world`: null where there was no server. */
export function writeResult(
  bench: string,
  result: Readonly<Record<string, unknown>>,
  world: Pick<World, 'server' | 'syncInterval'> | null,
  seed: number,
): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const head = {
    bench,
    commit,
    measuredOn: new Date().toISOString().slice(0, 10),
    node: process.version,
    server: world?.server.version ?? 'none',
    syncInterval: world?.syncInterval ?? 'none',
    cpu: `${cpus().length} × ${cpus()[0]!.model}`,
    seed,
  };
  const path = newResultPath(bench);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...head, ...result }, null, 2)}\n`);
  console.log(`written: ${path}`);
}
