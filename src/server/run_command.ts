// Finds and runs the programs this room borrows: nats-server, go, apt-get, dpkg-deb. Boundary: node:child_process, nothing else.
// R1: a program is looked up in the caller's PATH alone; an empty PATH finds nothing, whatever the C library would fall back to.
// R2: no run is without a deadline or with unbounded output.
import { execFile } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

const OUTPUT_BYTES_MAX = 1024 * 1024;

export type Environment = Readonly<Record<string, string | undefined>>;

export type RunOptions = {
  readonly env: Environment;
  readonly timeoutMs: number;
  readonly cwd?: string;
};

/** Every executable of that name on `env.PATH`, in PATH's order. Relative entries are skipped: they change with the folder. */
export async function findOnPath(name: string, env: Environment): Promise<string[]> {
  const found: string[] = [];
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, name);
    if (await isExecutable(path)) found.push(path);
  }
  return found;
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false; // absent, unreadable and not executable are one answer here: look elsewhere
  }
}

/** Runs `path` to its end and returns its standard output.
 *  @throws Error whose one-line message names the program and the last line it wrote */
export function runCommand(path: string, args: readonly string[], options: RunOptions): Promise<string> {
  const settings = {
    // English, whatever the developer's language: version lines and failures are parsed and shown
    env: { ...options.env, LC_ALL: 'C' },
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: OUTPUT_BYTES_MAX,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  };
  return new Promise((resolve, reject) => {
    execFile(path, [...args], settings, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const lastLine = `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? '';
      const why = error.killed === true ? `took more than ${options.timeoutMs} ms` : lastLine === '' ? error.message : lastLine;
      reject(new Error(`${path} ${args.at(-1) ?? ''}: ${why}`, { cause: error }));
    });
  });
}
