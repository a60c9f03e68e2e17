// What the demo runs on: a folder, a server, a worker, a client. Everything it makes it takes away again.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadSettings } from '../definitions/load_settings.ts';
import type { Settings } from '../definitions/settings.ts';
import { ensureServer, type EnsuredServer } from '../server/ensure_server.ts';
import { openClient, type Client } from '../worker/client.ts';
import { removeRoot } from '../worker/remove_root.ts';
import { WorkerProcess, type WorkerFiles } from './demo_worker.ts';
import { WrongUse } from './failure.ts';

const CONFIG = join(import.meta.dirname, '../../config');
export const DEMO_DEFINITIONS = join(CONFIG, 'demo.definitions.yaml');
/** The same and one attribute more, to be applied while the demo runs. */
export const DEMO_THIRTEENTH = join(CONFIG, 'demo.thirteenth.yaml');
const PARTITIONS = 4;
/** The server's own default. The demo kills the worker, not the machine: it has no need of a flush for every message. */
const SYNC_INTERVAL = '2m';

export class DemoRoot {
  readonly folder: string;
  readonly config: string;
  readonly server: EnsuredServer;
  readonly settings: Settings;
  worker: WorkerProcess;
  readonly client: Client;
  private readonly files: WorkerFiles;
  private readonly keep: boolean;

  private constructor(
    made: Pick<DemoRoot, 'folder' | 'config' | 'server' | 'settings' | 'worker' | 'client'>,
    files: WorkerFiles,
    keep: boolean,
  ) {
    ({ folder: this.folder, config: this.config, server: this.server } = made);
    ({ settings: this.settings, worker: this.worker, client: this.client } = made);
    this.files = files;
    this.keep = keep;
  }

  /** @param directory kept afterwards; without it a temporary folder, which is not
   *  @throws VisageError `no_server`, `server_failed`, `demo_worker` … */
  static async start(directory: string | undefined): Promise<DemoRoot> {
    const folder = await folderOf(directory);
    const undo: (() => Promise<unknown>)[] = [];
    if (directory === undefined) undo.push(() => rm(folder, { recursive: true, force: true }));
    try {
      const server = await ensureServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: SYNC_INTERVAL } });
      undo.push(() => server.stop());
      const config = join(folder, 'worker.yaml');
      await writeFile(config, configText(server, folder));
      const files = { config, definitions: DEMO_DEFINITIONS, log: join(folder, 'worker.log') };
      const settings = loadSettings({ file: config, env: {} });
      const worker = await WorkerProcess.start(files);
      undo.push(() => worker.stop());
      const client = await openClient(settings, 'visage demo');
      return new DemoRoot({ folder, config, server, settings, worker, client }, files, directory !== undefined);
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  /** A new worker process on the same data. */
  async restartWorker(): Promise<void> {
    this.worker = await WorkerProcess.start(this.files);
  }

  /** Ends and removes everything; what cannot be ended does not keep the rest. */
  async stop(): Promise<void> {
    await this.worker.stop();
    if (this.server.started === undefined) await removeRoot(this.client).catch(() => undefined);
    await this.client.close().catch(() => undefined);
    await this.server.stop();
    if (!this.keep) await rm(this.folder, { recursive: true, force: true });
  }
}

async function folderOf(directory: string | undefined): Promise<string> {
  if (directory === undefined) return mkdtemp(join(tmpdir(), 'visage-demo-'));
  const folder = resolve(directory);
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new WrongUse(`--directory ${directory} is not empty; the demo begins with nothing`);
  await mkdir(folder, { recursive: true });
  return folder;
}

function configText(server: EnsuredServer, folder: string): string {
  // on a server that others use, a name that nobody has
  const root = server.started === undefined ? `demo-${randomBytes(4).toString('hex')}` : 'visage';
  return [
    '# Written by `visage demo`.',
    `nats: { servers: [${JSON.stringify(server.url)}] }`,
    `root: ${root}`,
    'instance: demo',
    'http: { port: 0 }',
    'admin: { port: 0 }',
    `partitions: ${PARTITIONS}`,
    `dataDirectory: ${JSON.stringify(join(folder, 'data'))}`,
    'log: { maxBytes: 2GB }',
    'checkpoint: { interval: 500ms }',
    '',
  ].join('\n');
}
