// Finds a nats-server for a developer's machine, or fetches one into the project's cache. Boundary: files and child processes; starts nothing.
// F1: a binary enters the cache by one rename and only after it has said its version there: concurrent callers see none or a whole one.
// F2: nothing outside the cache is written; nothing is installed.
// F3: a way that fails is skipped with a line to `log`; only when all have failed does the caller see an error, and it says what to run.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorText, VisageError } from '../base/errors.ts';
import { type DebianOptions, fetchDebianPackage, programOf } from './debian_package.ts';
import { type Environment, findOnPath, isExecutable, runCommand } from './run_command.ts';

/** Older servers silently ignore headers and settings that the product relies on. */
const VERSION_MIN = [2, 11] as const;
const GO_VERSION_MIN = [1, 25] as const;
const GO_PACKAGE = 'github.com/nats-io/nats-server/v2@v2.15.1';
/** The stable suites carry 2.9 and 2.10; this one has a server that is new enough and needs only a libc of 2.34. */
const DEBIAN_SUITE = 'forky';
const VERSION_TIMEOUT_MS = 10_000;
const GO_INSTALL_TIMEOUT_MS = 600_000;
const WORK_PREFIX = 'work-';
const WORK_AGE_MAX_MS = 60 * 60 * 1000;

export type ServerBinary = { readonly path: string; readonly version: string };

export type FindOptions = {
  /** The folder that holds the cached binary; default `$VISAGE_CACHE/nats-server`, else `<project>/.cache/nats-server`. */
  readonly cacheDirectory?: string | undefined;
  /** Default `process.env`. Only PATH and VISAGE_CACHE are read; the programs that are run inherit all of it. */
  readonly env?: Environment | undefined;
  readonly log?: ((line: string) => void) | undefined;
  /** Where apt's configuration is; another only in tests. Default `/etc/apt`. */
  readonly aptDirectory?: string | undefined;
};

/** A nats-server of 2.11 or newer: from PATH, else the cache, else built by Go 1.25 or newer, else Debian's package, unpacked.
 *  @returns an absolute path and the version it reports, e.g. `2.15.1`
 *  @throws VisageError `no_server`: one line with the command to run; its `cause` lists why each way failed
 *  Cost: 30 ms when found; about 3 s when unpacked from Debian; a minute or two when built. */
export async function findServerBinary(options: FindOptions = {}): Promise<ServerBinary> {
  const env = options.env ?? process.env;
  const log = options.log ?? ((): void => undefined);
  const cache = resolve(options.cacheDirectory ?? defaultCacheDirectory(env));
  const failures: string[] = [];
  const failed = (way: string, why: string): void => {
    failures.push(`${way}: ${why}`);
    log(`nats-server, ${way}: ${why}`);
  };

  for (const path of await findOnPath('nats-server', env)) {
    const binary = await newEnough(path, env).catch((error: unknown) => failed('on PATH', errorText(error)));
    if (binary !== undefined) return binary;
  }
  const cached = join(cache, 'nats-server');
  if (await isExecutable(cached)) {
    const binary = await newEnough(cached, env).catch((error: unknown) => failed('in the cache', errorText(error)));
    if (binary !== undefined) return binary;
  }
  const ways: readonly [string, (workDirectory: string) => Promise<string>][] = [
    ['built by Go', (workDirectory) => installWithGo(workDirectory, env, log)],
    [
      "Debian's package",
      (workDirectory) => unpackFromDebian({ workDirectory, env, log, aptDirectory: options.aptDirectory ?? '/etc/apt' }),
    ],
  ];
  for (const [way, provide] of ways) {
    try {
      return await provideInto(cache, provide, env);
    } catch (error) {
      failed(way, errorText(error));
    }
  }
  throw new VisageError(
    'no_server',
    `no nats-server ${VERSION_MIN.join('.')} or newer was found and none could be fetched; ${advice()}`,
    {
      cause: new Error(failures.join('; ')),
    },
  );
}

/** Runs `provide` in a work folder of its own inside the cache (one file system, so that the rename is atomic). */
async function provideInto(
  cache: string,
  provide: (workDirectory: string) => Promise<string>,
  env: Environment,
): Promise<ServerBinary> {
  await mkdir(cache, { recursive: true });
  await removeAbandonedWork(cache);
  const workDirectory = await mkdtemp(join(cache, WORK_PREFIX));
  try {
    const fetched = await provide(workDirectory);
    const { version } = await newEnough(fetched, env); // before the rename: one that this machine cannot run must not enter the cache
    const path = join(cache, 'nats-server');
    await rename(fetched, path);
    return { path, version };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** A caller that was killed while it fetched leaves its work folder behind; an hour is longer than any fetch takes. */
async function removeAbandonedWork(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(WORK_PREFIX)) continue;
    const path = join(cache, name);
    const changed = await stat(path).catch(() => undefined); // its owner may be removing it right now
    if (changed !== undefined && Date.now() - changed.mtimeMs > WORK_AGE_MAX_MS) await rm(path, { recursive: true, force: true });
  }
}

async function installWithGo(workDirectory: string, env: Environment, log: (line: string) => void): Promise<string> {
  const [go] = await findOnPath('go', env);
  if (go === undefined) throw new Error('no go on PATH');
  const reported = await runCommand(go, ['version'], { env, timeoutMs: VERSION_TIMEOUT_MS });
  const version = /go(\d+)\.(\d+)/.exec(reported);
  if (!atLeast(version, GO_VERSION_MIN)) throw new Error(`${reported.trim()} is older than ${GO_VERSION_MIN.join('.')}`);
  log(`building ${GO_PACKAGE} into the cache`);
  // GOFLAGS: a developer's -mod=vendor would refuse a package with a version
  const goEnv = { ...env, GOBIN: workDirectory, GOFLAGS: '' };
  await runCommand(go, ['install', GO_PACKAGE], { env: goEnv, timeoutMs: GO_INSTALL_TIMEOUT_MS, cwd: workDirectory });
  return join(workDirectory, 'nats-server');
}

async function unpackFromDebian(options: Omit<DebianOptions, 'name' | 'suite'>): Promise<string> {
  const unpacked = await fetchDebianPackage({ ...options, name: 'nats-server', suite: DEBIAN_SUITE });
  return programOf(unpacked, 'nats-server');
}

async function newEnough(path: string, env: Environment): Promise<ServerBinary> {
  const reported = (await runCommand(path, ['--version'], { env, timeoutMs: VERSION_TIMEOUT_MS })).trim();
  const version = /v?((\d+)\.(\d+)\.\d+\S*)/.exec(reported);
  const numbers = version === null ? null : [version[0], version[2], version[3]];
  if (version === null || !atLeast(numbers, VERSION_MIN)) throw new Error(`'${reported}' is older than ${VERSION_MIN.join('.')}`);
  return { path, version: version[1]! };
}

/** `match` holds the major and minor number at 1 and 2, as a regular expression leaves them. */
function atLeast(match: readonly (string | undefined)[] | null, minimum: readonly [number, number]): boolean {
  if (match === null) return false;
  const major = Number(match[1]);
  return major > minimum[0] || (major === minimum[0] && Number(match[2]) >= minimum[1]);
}

function advice(): string {
  const command =
    process.platform === 'darwin'
      ? '`brew install nats-server`'
      : `\`go install ${GO_PACKAGE}\` (Go ${GO_VERSION_MIN.join('.')} or newer)`;
  return `install one on PATH with ${command}, or set NATS_URL to a running server`;
}

function defaultCacheDirectory(env: Environment): string {
  const root = env['VISAGE_CACHE'];
  if (root !== undefined && root !== '') return join(root, 'nats-server');
  // up to the package's own folder: this file is two levels below it as source, and may be elsewhere once built
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json')) && dirname(directory) !== directory) directory = dirname(directory);
  return join(directory, '.cache', 'nats-server');
}
