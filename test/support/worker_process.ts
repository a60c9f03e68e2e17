// The worker child, from its parent's side.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from './eventually.ts';
import type { Overrides } from './world.ts';

export interface WorkerProcess {
  readonly pid: number;
  /** Rejects when it ends before it is ready. */
  readonly ready: Promise<void>;
  readonly log: string[];
  /** What it said at its end, e.g. `stopped drained`; '' when it was killed. */
  readonly said: () => string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

const SCRIPT = new URL('./worker_child.ts', import.meta.url).pathname;
const ANY_PORTS = { 'http.port': 0, 'admin.port': 0 };
/** What docs/operations.md has an orchestrator wait: with servers away, others to hand over to and a last snapshot. */
const DRAIN_MS_MAX = 90_000;
const END_MS_MAX = 20_000;
const LOG_LINES_MAX = 2_000;

/** @param overrides all settings of the worker: a child knows no world
 *  @param fileKB no file that it writes gets larger: a write beyond fails as on a disk that is full (`sh` counts in 512 bytes or in 1,024) */
export function spawnWorker(overrides: Overrides, { fileKB }: { readonly fileKB?: number } = {}): WorkerProcess {
  const node = [process.execPath, SCRIPT, JSON.stringify({ ...ANY_PORTS, ...overrides })];
  const limited = ['-c', `trap '' XFSZ; ulimit -f ${fileKB}; exec "$0" "$@"`, ...node];
  const [command, args] = fileKB === undefined ? [node[0]!, node.slice(1)] : ['sh', limited];
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const log: string[] = [];
  let last = '';
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  const gone = once(child, 'close');
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (log.push(line) > LOG_LINES_MAX) log.shift();
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (line === 'ready') ready.resolve();
    else last = line;
  });
  child.stdin!.on('error', () => undefined);
  void gone.then(() => ready.reject(new Error(`the worker ended before it was ready: ${last}\n${log.slice(-5).join('\n')}`)));
  return {
    pid: child.pid!,
    ready: ready.promise,
    log,
    said: () => last,
    async kill(signal) {
      child.kill(signal);
      await within(`the worker ends after ${signal}`, signal === 'SIGTERM' ? DRAIN_MS_MAX : END_MS_MAX, gone);
    },
  };
}
