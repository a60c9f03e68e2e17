// Fetches a Debian package and unpacks it, without installing. Boundary: apt-get and dpkg-deb; nothing outside `workDirectory` changes.
// D1: apt runs on state of its own (lists, cache, status): the machine's package database is neither read nor written.
// D2: the mirror and its keys are the machine's own; apt verifies the signature as it does for any package.
// D3: no maintainer script of the package runs and no apt hook of the machine runs.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptMirror, type AptSource, chooseMirrors, parseDeb822, parseOneLine, renderSource } from './apt_sources.ts';
import { type Environment, findOnPath, isExecutable, runCommand } from './run_command.ts';

const MIRRORS_MAX = 3;
const APT_TIMEOUT_MS = 180_000;
const UNPACK_TIMEOUT_MS = 60_000;

/** apt's hooks belong to the machine's package database (they refresh desktop caches, say), and its pinning to the machine's suites. */
const PRIVATE_CONFIGURATION = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
`;

export type DebianOptions = {
  readonly name: string;
  /** The suite to take it from, e.g. `machineSuite()`: a package of the machine's own suite runs with its libraries. */
  readonly suite: string;
  /** An empty folder of the caller's, who removes it afterwards. */
  readonly workDirectory: string;
  readonly env: Environment;
  readonly log: (line: string) => void;
  /** Where apt's configuration is: `/etc/apt`; another only in tests. */
  readonly aptDirectory: string;
};

/** The folder inside `workDirectory` that the package is unpacked in.
 *  @throws Error one line saying what is missing or which mirror refused. Cost: about 3 s and, beside the package, 10 MB of traffic */
export async function fetchDebianPackage(options: DebianOptions): Promise<string> {
  const [aptGet] = await findOnPath('apt-get', options.env);
  const [dpkgDeb] = await findOnPath('dpkg-deb', options.env);
  if (aptGet === undefined || dpkgDeb === undefined) throw new Error('no apt-get and dpkg-deb on PATH');
  const sources = await readSources(options.aptDirectory);
  const mirrors = chooseMirrors(sources, await machineSuite()).slice(0, MIRRORS_MAX);
  let failure: unknown = new Error('the apt configuration names no Debian mirror');
  for (const [i, mirror] of mirrors.entries()) {
    try {
      const directory = join(options.workDirectory, String(i));
      options.log(`fetching ${options.name} from Debian ${options.suite}, unpacked into the cache, not installed`);
      return await fetchFrom(mirror, { ...options, directory, aptGet, dpkgDeb });
    } catch (error) {
      failure = error; // the next mirror may carry the suite; the last failure is the one reported
    }
  }
  throw failure;
}

/** The path of a program of an unpacked package. @throws Error if it has no such program */
export async function programOf(unpacked: string, name: string): Promise<string> {
  for (const folder of ['sbin', 'bin']) {
    const path = join(unpacked, 'usr', folder, name);
    if (await isExecutable(path)) return path;
  }
  throw new Error(`the package holds no ${name}`);
}

/** The release that the machine runs, e.g. bookworm; empty if it does not say. */
export async function machineSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? '';
}

type Fetch = DebianOptions & { readonly directory: string; readonly aptGet: string; readonly dpkgDeb: string };

async function fetchFrom(mirror: AptMirror, { name, suite, directory, env, aptGet, dpkgDeb }: Fetch): Promise<string> {
  const at = (...names: string[]): string => join(directory, ...names);
  for (const folder of ['state', 'lists/partial', 'cache/archives/partial', 'download', 'unpacked'])
    await mkdir(at(folder), { recursive: true });
  await writeFile(at('state', 'status'), '');
  await writeFile(at('private.conf'), PRIVATE_CONFIGURATION);
  await writeFile(at('mirror.sources'), renderSource(mirror, suite));
  const settings = {
    'Dir::State': at('state'),
    'Dir::State::lists': at('lists'),
    'Dir::State::status': at('state', 'status'),
    'Dir::Cache': at('cache'),
    'Dir::Etc::sourcelist': at('mirror.sources'),
    'Dir::Etc::sourceparts': '-',
    // apt's download user usually cannot enter a project's folder; without root there is no such user anyway
    'APT::Sandbox::User': 'root',
  };
  // -c after the machine's own files, so that #clear finds what they set
  const args = [
    '-q',
    '-c',
    at('private.conf'),
    ...Object.entries(settings).flatMap(([option, value]) => ['-o', `${option}=${value}`]),
  ];
  const run = { env, timeoutMs: APT_TIMEOUT_MS, cwd: at('download') };
  await runCommand(aptGet, [...args, 'update'], run);
  await runCommand(aptGet, [...args, 'download', name], run);
  const file = (await readdir(at('download'))).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new Error(`apt-get download ${name} left no package`);
  await runCommand(dpkgDeb, ['-x', at('download', file), at('unpacked')], { env, timeoutMs: UNPACK_TIMEOUT_MS });
  return at('unpacked');
}

async function readSources(directory: string): Promise<AptSource[]> {
  const parts = join(directory, 'sources.list.d');
  const names = await readdir(parts).catch(() => []); // either place may be missing; none at all is reported by the caller
  const files = [join(directory, 'sources.list'), ...names.sort().map((name) => join(parts, name))];
  const sources: AptSource[] = [];
  for (const file of files) {
    const parse = file.endsWith('.sources') ? parseDeb822 : file.endsWith('.list') ? parseOneLine : undefined;
    if (parse !== undefined) sources.push(...parse(await readFile(file, 'utf8').catch(() => '')));
  }
  return sources;
}
