// Keeps two servers off one store: nats-server itself does not lock its folder. Boundary: the pid file the server writes, and the process table.
// O1: a pid alone proves nothing (it may be reused); the process must also have been started with this store's configuration file.
// O2: two starts within the same few milliseconds are not told apart; this guards against a forgotten or a dying server, not an attack.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import { findOnPath, runCommand } from './run_command.ts';

const POLL_MS = 20;
/** Longer than a server whose parent was killed may live on (5 s until it is killed as well). */
const RELEASE_TIMEOUT_MS = 7_000;

/** Waits until no live server has this store. @throws VisageError `server_store_busy` after `timeoutMs` (7 s) */
export async function waitForFreeStore(pidFile: string, configFile: string, timeoutMs = RELEASE_TIMEOUT_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
    if (!(pid > 0) || pid === process.pid || !(await commandLine(pid)).includes(configFile)) return;
    if (performance.now() > deadline) {
      throw new VisageError(
        'server_store_busy',
        `the nats-server with pid ${pid} already runs on this store; stop it or choose another store folder`,
        { kind: 'usage' },
      );
    }
    await delay(POLL_MS);
  }
}

/** The arguments of a live process, or '' if there is none (a zombie has none either). */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const [ps] = await findOnPath('ps', process.env);
  if (ps === undefined) return '';
  return runCommand(ps, ['-ww', '-o', 'command=', '-p', String(pid)], { env: process.env, timeoutMs: 5_000 }).catch(() => '');
}
