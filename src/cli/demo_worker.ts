// The demo's worker: a process of its own, so that kill -9 is a real one.
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { VisageError } from '../base/errors.ts';

const READY_MS = 30_000;
const STOP_MS = 8_000;
/** This very program: main.ts in a checkout, main.js when built. */
const MAIN = join(import.meta.dirname, `main${extname(import.meta.filename)}`);

export type WorkerFiles = { readonly config: string; readonly definitions: string; readonly log: string };

export class WorkerProcess {
  /** Settles when the process is gone. */
  readonly exited: Promise<void>;
  private readonly child: ChildProcess;
  private readonly log: WriteStream;
  private readonly ready = Promise.withResolvers<void>();
  private gone = false;
  /** Where its pages are; 0 until it has said so. */
  httpPort = 0;
  private lastLine = '';

  private constructor(files: WorkerFiles) {
    this.log = createWriteStream(files.log, { flags: 'a' });
    this.log.on('error', () => undefined); // its log is a convenience
    this.ready.promise.catch(() => undefined); // whoever starts it sees it
    this.child = spawn(
      process.execPath,
      [...process.execArgv, MAIN, 'worker', '--setup', '--definitions', files.definitions, '--config', files.config],
      // the channel closes when this process is gone, however it went: then the worker ends as well
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: workerEnvironment(), detached: true },
    );
    this.exited = new Promise((resolve) => {
      const done = (why: string): void => {
        this.gone = true;
        this.log.end();
        this.ready.reject(new VisageError('demo_worker', `the worker ${why}: ${this.lastLine}`));
        resolve();
      };
      this.child.once('close', (code, signal) => done(`ended with ${signal ?? code}`));
      this.child.once('error', (error) => done(`could not be started: ${error.message}`));
    });
    createInterface({ input: this.child.stderr! }).on('line', (line) => this.onLine(line));
  }

  /** Resolves when its shards are active or halted. @throws VisageError `demo_worker` with its last line */
  static async start(files: WorkerFiles): Promise<WorkerProcess> {
    const worker = new WorkerProcess(files);
    const timer = setTimeout(
      () =>
        worker.ready.reject(
          new VisageError('demo_worker', `the worker was not ready within ${READY_MS / 1000} s; see ${files.log}`),
        ),
      READY_MS,
    );
    try {
      await worker.ready.promise;
      return worker;
    } catch (error) {
      await worker.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    if (!this.gone) this.child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM; kill -9 when that takes too long. */
  async stop(): Promise<void> {
    if (this.gone) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }

  private onLine(line: string): void {
    this.log.write(`${line}\n`);
    this.lastLine = line.replace(/^error: /, '');
    if (line.includes('"msg":"worker started"')) this.httpPort = Number(/"httpPort":(\d+)/.exec(line)?.[1] ?? 0);
    if (line.includes('"msg":"worker ready"')) this.ready.resolve();
  }
}

/** Settings come from the demo's file alone. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('VISAGE_'));
  return { ...Object.fromEntries(kept), VISAGE_LOG_LEVEL: 'info' };
}
