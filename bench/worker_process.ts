// A real worker, as an operator starts it: the command in a process of its own, its settings in the environment.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { environmentName, SETTING_KEYS } from '../src/definitions/setting_keys.ts';
import { openClient } from '../src/worker/client.ts';
import { openShardLog } from '../src/stream/shard_log.ts';
import { benchSettings, PARTITIONS, type World } from './world.ts';

const MAIN = new URL('../src/cli/main.ts', import.meta.url).pathname;
const STOP_MS = 60_000;
const POLL_MS = 100;
const LINES_KEPT = 10;
/** Of level error or fatal: a bench that goes on says so. */
const ERROR_LINE = /"level":[56]0/;

export type BenchWorker = {
  readonly pid: number;
  readonly httpPort: number;
  /** Drains it. @throws when it ended otherwise */
  stop(): Promise<void>;
  /** As nobody can be asked to end: SIGKILL. */
  kill(): Promise<void>;
};

/** Resolves when all its shards are active. `more`: settings by key, beside the benches' own. */
export async function startWorker(options: {
  readonly world: World;
  readonly root: string;
  readonly folder: string;
  readonly more?: Readonly<Record<string, string>>;
  /** Flags of its Node, beside the defaults. */
  readonly nodeFlags?: readonly string[];
  /** Variables for what those flags load. */
  readonly environment?: Readonly<Record<string, string>>;
}): Promise<BenchWorker> {
  const { world, root, folder, more = {}, nodeFlags = [], environment = {} } = options;
  const settings = {
    'nats.servers': world.server.url,
    root,
    instance: 'bench',
    partitions: String(PARTITIONS),
    'log.maxBytes': '4GB',
    dataDirectory: folder,
    'http.port': '0', // free ones
    'admin.port': '0',
    ...more,
  };
  // the channel closes when this process is gone, however it went: then the worker ends as well
  const child = spawn(process.execPath, [...nodeFlags, MAIN, 'worker'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...environmentOf(settings), ...environment },
  });
  const httpPort = await ready(child);
  return { pid: child.pid!, httpPort, stop: () => stop(child), kill: () => kill(child) };
}

/** @returns its HTTP port */
function ready(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const last: string[] = [];
    let httpPort = 0;
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (last.push(line) > LINES_KEPT) last.shift();
      if (line.includes('"msg":"worker started"')) ({ httpPort } = JSON.parse(line) as { httpPort: number });
      if (line.includes('"msg":"worker ready"')) resolve(httpPort);
      else if (ERROR_LINE.test(line) || !line.startsWith('{')) console.error(line); // V8's last words are no JSON
    });
    child.once('error', reject);
    child.once('close', (code, signal) => reject(new Error(`the worker ended with ${signal ?? code}:\n${last.join('\n')}`)));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null) throw new Error(`the worker had ended with ${child.exitCode}`);
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  const code = await gone;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`the worker did not drain: it ended with ${code}`);
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** Only what this release knows: an unknown variable is refused. The host's own settings stay out. */
function environmentOf(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('VISAGE_'));
  const known = SETTING_KEYS.filter(({ key }) => settings[key] !== undefined);
  const given = known.map(({ key }) => [environmentName(key), settings[key]]);
  return { ...Object.fromEntries(kept), ...Object.fromEntries(given), VISAGE_LOG_LEVEL: 'info' };
}

/** Resolves when the worker has applied everything that is in its log now. */
export async function caughtUp(world: World, root: string, withinMs: number): Promise<void> {
  const client = await openClient(benchSettings(world, root), 'bench wait');
  try {
    const { nc, topology } = client;
    const lasts: number[] = [];
    for (let shard = 0; shard < PARTITIONS; shard++)
      lasts.push(await (await openShardLog({ nc, reading: nc, topology, shard })).lastForShard());
    for (const endMs = performance.now() + withinMs; performance.now() < endMs;) {
      const { shards } = await client.status();
      if (shards.every(({ shard, applied }) => Number(applied ?? 0) >= lasts[shard]!)) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`the worker did not apply its log within ${withinMs} ms`);
  } finally {
    await client.close();
  }
}

export type CacheFigures = { readonly bytes: number; readonly profiles: number; readonly dirty: number };

/** What the worker says of its cache, over all shards: `bytes` is what the budget is held against. */
export async function cacheOf(world: World, root: string): Promise<CacheFigures> {
  const client = await openClient(benchSettings(world, root), 'bench cache');
  try {
    const { shards } = await client.status();
    const sum = (name: 'cachedBytes' | 'cachedProfiles' | 'dirtyProfiles'): number =>
      shards.reduce((total, shard) => total + Number(shard[name] ?? 0), 0);
    return { bytes: sum('cachedBytes'), profiles: sum('cachedProfiles'), dirty: sum('dirtyProfiles') };
  } finally {
    await client.close();
  }
}
