// The command line as users run it: a process of its own. The built program if it is up to date (run_all.ts builds it), else the sources.
import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(import.meta.dirname, '../..');
const BUILT = join(ROOT, 'dist/cli/main.js');

export const PROGRAM = isUpToDate() ? BUILT : join(ROOT, 'src/cli/main.ts');

/** Workers of tests never compete for a port. */
const ANY_PORTS = { VISAGE_HTTP_PORT: '0', VISAGE_ADMIN_PORT: '0' };

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Starts `visage …args`; settings come from the arguments alone. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('VISAGE_') && name !== 'NATS_URL');
  return spawn(process.execPath, [PROGRAM, ...args], { env: { ...Object.fromEntries(clean), ...ANY_PORTS, ...env } });
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: await code, stdout, stderr };
}

/** A line of a page, as a shell in that folder runs it. */
export function runLine(line: string, folder: string): Promise<Ended> {
  const command = line.replaceAll('npx visage', `'${process.execPath}' '${PROGRAM}'`);
  return ended(spawn('sh', ['-c', command], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }));
}

export function visage(args: readonly string[], input = ''): Promise<Ended> {
  const child = start(args);
  child.stdin!.on('error', () => undefined); // it may end without reading
  child.stdin!.end(input);
  return ended(child);
}

/** Waits for a line of its stderr; whatever else it says there is kept from being lost in a full pipe. */
export function untilLogged(child: ChildProcess, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(words)) resolve();
    });
    child.once('close', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

function isUpToDate(): boolean {
  try {
    const builtMs = statSync(BUILT).mtimeMs;
    return globSync('src/**/*.{ts,js,css,html,svg}', { cwd: ROOT }).every(
      (file) => statSync(join(ROOT, file)).mtimeMs <= builtMs,
    );
  } catch {
    return false;
  }
}
