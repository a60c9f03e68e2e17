// A world for one test: a real nats-server with a store of its own, settings, definitions, workers in this process.
// W1: everything it started it stops; everything it wrote is in one folder, which it removes.
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import type { Settings } from '../../src/definitions/settings.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { openConnection, type Connection } from '../../src/nats/connection.ts';
import { openClient, type Client } from '../../src/worker/client.ts';
import { createWorker, type Worker, type WorkerOptions } from '../../src/worker/create_worker.ts';
import { setupRoot } from '../../src/worker/setup_root.ts';
import { within } from './eventually.ts';

/** Values over all time, over 30 days and over a window that a test can wait for. */
export const DEFINITIONS = `
version: 1
namespaces:
  customerId: { type: person, priority: 1, unique: true }
  email: { type: person, priority: 2 }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object } }
datasets:
  orders: { schema: purchase, profile: true }
  refunds: { schema: purchase, profile: true }
computedAttributes:
  spendLifetime: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: sum, window: lifetime }
  spendShort: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: sum, window: { sliding: SHORT } }
  spend30d: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: sum, window: { sliding: 30d } }
  orders30d: { class: individual, eventTypes: [commerce.purchases], function: count, window: { sliding: 30d } }
  ordersShort: { class: individual, eventTypes: [commerce.purchases], function: count, window: { sliding: SHORT } }
  bigOrders30d: { class: individual, eventTypes: [commerce.purchases], filter: event.commerce.order.priceTotal >= 100.0, function: count, window: { sliding: 30d } }
  lastChannel: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: mostRecent, window: lifetime }
  lastChannelShort: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: mostRecent, window: { sliding: SHORT } }
`;

type StartOptions = Pick<WorkerOptions, 'setup' | 'definitions' | 'rebuild' | 'insecure'>;
export type Overrides = Readonly<Record<string, unknown>>;
export type StartedWorker = {
  readonly worker: Worker;
  /** Every line it logged. */
  readonly log: string[];
};

export interface World {
  readonly folder: string;
  readonly definitionsFile: string;
  readonly document: DefinitionsDocument;
  readonly server: RunningServer;
  settings(overrides?: Overrides): Settings;
  /** Streams, buckets and definitions of the root in `overrides`. */
  setup(overrides?: Overrides, definitions?: DefinitionsDocument | null): Promise<void>;
  /** A worker in this process, without waiting for anything. */
  start(overrides?: Overrides, options?: StartOptions): StartedWorker;
  /** A worker in this process that is ready. */
  startReady(overrides?: Overrides, options?: StartOptions): Promise<StartedWorker>;
  client(overrides?: Overrides): Promise<Client>;
  connect(): Promise<Connection>;
  /** The same store and port. `between` runs while no server runs. */
  restartServer(how: 'stop' | 'kill', between?: () => Promise<void> | void): Promise<void>;
  /** While no server runs under its port: one under another port lets somebody write where nobody else sees it. */
  growApart(write: (nc: Connection) => Promise<void>): Promise<void>;
  stopWorkers(): Promise<void>;
  stop(): Promise<void>;
}

export type WorldOptions = {
  readonly syncInterval?: string;
  readonly shortWindow?: string;
  /** Lines of the server's configuration. */
  readonly server?: (storeDirectory: string) => string;
  /** Servers that somebody else started, e.g. a cluster: the world has none of its own. */
  readonly servers?: readonly string[];
  /** For every setting that a test does not give itself. */
  readonly overrides?: Overrides;
};

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'visage-world-')));
  const definitionsFile = join(folder, 'definitions.yaml');
  await writeFile(definitionsFile, DEFINITIONS.replaceAll('SHORT', options.shortWindow ?? '3s'));
  const document = loadDefinitionsFile(definitionsFile);
  const storeDirectory = join(folder, 'nats');
  const extra = options.server?.(storeDirectory);
  const config = { syncInterval: options.syncInterval ?? '1m', extra }; // only power cuts tell the difference, and faults/ asks for it
  let own = options.servers === undefined ? await startServer({ storeDirectory, config }) : undefined;
  const servers = options.servers ?? [own!.url];
  const server = (): RunningServer => {
    if (own === undefined) throw new Error('this world has no server of its own');
    return own;
  };
  const workers: Worker[] = [];
  const closing: (() => Promise<void>)[] = [];
  const world: World = {
    folder,
    definitionsFile,
    document,
    get server() {
      return server();
    },
    settings: (overrides = {}) =>
      loadSettings({
        env: {},
        overrides: {
          'nats.servers': servers.join(','),
          partitions: 4,
          'log.maxBytes': '1GB',
          dataDirectory: join(folder, 'data'),
          instance: 'test',
          'checkpoint.interval': '200ms',
          'http.port': 0,
          'admin.port': 0,
          ...options.overrides,
          ...overrides,
        },
      }),
    async setup(overrides, definitions = document) {
      const settings = world.settings(overrides);
      const nc = await openConnection(settings.nats, 'test setup');
      try {
        await setupRoot(nc, topologyOf(settings.root), settings, definitions ?? undefined);
      } finally {
        await nc.close();
      }
    },
    start(overrides, start = {}) {
      const log: string[] = [];
      const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
      const worker = createWorker({ settings: world.settings(overrides), logger, ...start });
      workers.push(worker);
      return { worker, log };
    },
    async startReady(overrides, start) {
      const started = world.start(overrides, start);
      await within('the worker is ready', 20_000, started.worker.ready);
      return started;
    },
    async client(overrides) {
      const client = await openClient(world.settings(overrides), 'test');
      closing.push(() => client.close());
      return client;
    },
    async connect() {
      const nc = await openConnection(world.settings().nats, 'test');
      closing.push(() => nc.close());
      return nc;
    },
    async restartServer(how, between) {
      const { port, exited } = server();
      if (how === 'stop') await server().stop();
      else server().kill('SIGKILL');
      await exited;
      await between?.();
      own = await startServer({ storeDirectory, port, config });
    },
    async growApart(write) {
      const apart = await startServer({ storeDirectory, config });
      const nc = await openConnection({ ...world.settings().nats, servers: [apart.url] }, 'test apart');
      await write(nc);
      await nc.close();
      await apart.stop();
    },
    async stopWorkers() {
      await Promise.all(workers.splice(0).map((worker) => within('a worker stops', 20_000, worker.stop())));
    },
    async stop() {
      await world.stopWorkers();
      await Promise.all(closing.map((close) => close()));
      await own?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}
