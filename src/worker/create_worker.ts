// The worker, composed: its pages, connections, the data directory, every shard's life, the read API.
import { mkdirSync } from 'node:fs';
import { createActor } from 'xstate';
import { pino, type Logger } from 'pino';
import { randomBytes } from 'node:crypto';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import { topologyOf, type Topology } from '../message/subject.ts';
import type { Health, Readiness } from '../ports/health.ts';
import type { ReadService } from '../ports/reads.ts';
import { serveEraseApi, type EraseApi } from '../api/erase_api.ts';
import { serveNatsApi, type NatsApi } from '../api/nats_api.ts';
import { lockFolder } from '../store/folder_lock.ts';
import type { Connection } from '../nats/connection.ts';
import { openIdentityLog, type IdentityLog } from '../stream/identity_log.ts';
import { openMetaBucket, type MetaBucket } from '../stream/meta_bucket.ts';
import { beginGeneration, finishGeneration } from './begin_generation.ts';
import { Connections } from './connections.ts';
import { definitionsCache, type DefinitionsCache } from './definitions_cache.ts';
import { openErasing } from './erase_service.ts';
import { OwnedShards } from './owned_shards.ts';
import { Pages, type Ports } from './pages.ts';
import { readService } from './read_service.ts';
import { refuseDifferent, seedDefinitions } from './seed_definitions.ts';
import { setupRoot } from './setup_root.ts';
import { LiveShard } from './shard_life.ts';
import { reasonOf } from './shard_machine.ts';
import { version } from './version.ts';
import { workerMachine } from './worker_machine.ts';
import { WorkerMetrics } from './worker_metrics.ts';

export type WorkerOptions = {
  readonly settings: Settings;
  /** Becomes live if there is none yet; else it must equal the live one. */
  readonly definitions?: DefinitionsDocument;
  /** Make streams and buckets first. */
  readonly setup?: boolean;
  /** When the definitions change what is live: begin a new generation of the state; `partial`: also of a log without its beginning. */
  readonly rebuild?: 'whole' | 'partial';
  readonly logger?: Logger;
};

export interface Worker {
  /** Resolves when every shard is active or halted. @throws VisageError when the worker cannot start */
  readonly ready: Promise<void>;
  /** Resolves when the worker has stopped; with the error that stopped it. */
  readonly stopped: Promise<unknown>;
  readonly reads: ReadService;
  /** Where its pages are served; known soon after its start, before it is ready. */
  readonly ports: Ports;
  /** Commits, checkpoints and closes everything. */
  stop(): Promise<void>;
}

/** Starts a worker that owns every shard of the root. */
export function createWorker(options: WorkerOptions): Worker {
  const { settings } = options;
  const logger = options.logger ?? pino({ name: 'visage' });
  const owner = `${settings.instance}-${randomBytes(4).toString('hex')}`;
  const topology = topologyOf(settings.root);
  const startedAt = formatTime(Date.now());
  const shards = new OwnedShards();
  const connections = new Connections(
    settings,
    (level, event, figures) => logger[level](figures, event),
    (purpose) =>
      stopWith('connection_closed', `the connection to NATS (${purpose}) was given up: are the credentials still valid?`),
  );
  const ready = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<unknown>();
  ready.promise.catch(() => undefined); // whoever asks sees it
  let api: NatsApi | undefined;
  let eraseApi: EraseApi | undefined;
  let identityLog: IdentityLog | undefined;
  let definitions: DefinitionsCache | undefined;
  let unlock: (() => void) | undefined;
  let draining = false;

  const reads = readService({
    partitions: settings.partitions,
    shards,
    draining: () => draining,
    log: () => identityLog,
    definitions: () => definitions,
    about: () => ({ instance: settings.instance, version, pid: process.pid, startedAt, ready: health.readiness().ready }),
  });
  const health: Health = { readiness: () => readinessOf({ connected: connections.up, draining, shards }) };
  const metrics = new WorkerMetrics(() => ({
    ready: health.readiness().ready,
    connected: connections.up,
    disconnects: connections.disconnects,
    cacheBudgetBytes: settings.cache.maxBytes,
    shards: shards.now(),
  }));
  const onDefect = (error: unknown): void => logger.error(logOf(error), 'a request failed');
  const { readsRefused } = metrics.meter;
  const pages = new Pages({ settings, health, metrics, reads, onRefused: () => readsRefused.http++, onDefect });

  const start = async (): Promise<void> => {
    const served = await pages.open(); // first: an orchestrator asks from the beginning
    mkdirSync(settings.dataDirectory, { recursive: true });
    unlock = lockFolder(settings.dataDirectory);
    const [publishing, reading, asking, lookups] = [
      await connections.open('publish'),
      await connections.open('read'),
      await connections.open('api'),
      await connections.open('lookup'),
    ];
    const { setup, rebuild, definitions: file } = options;
    // with --rebuild, definitions that differ are not for setup to refuse
    if (setup === true) await setupRoot(publishing, topology, settings, rebuild === undefined ? file : undefined);
    const meta = await openMetaBucket(asking, topology);
    await refuseForLife(meta, settings);
    const root = { nc: asking, topology, meta, settings };
    await finishGeneration(root);
    if (rebuild !== undefined && file !== undefined) {
      const begun = await beginGeneration(root, file, rebuild === 'partial');
      if (begun === undefined) logger.info('the definitions are the live ones, or the first: there is nothing to rebuild');
      else logger.info(begun, 'a new generation of the state begins');
    }
    await haveDefinitions({ nc: asking, topology, meta, settings, document: options.definitions });
    identityLog = await openIdentityLog({ nc: lookups, topology });
    const loaded = (definitions = definitionsCache(meta, (warning) => logger.warn(warning)));
    const erasing = await openErasing({ nc: lookups, topology, meta, settings, shards });
    for (let shard = 0; shard < settings.partitions; shard++) {
      const log: LiveShard['log'] = (level, event, error) =>
        logger[level]({ shard, ...(error === undefined ? {} : logOf(error)) }, event);
      const meter = metrics.life(shard);
      const life = new LiveShard({
        settings,
        topology,
        shard,
        owner,
        publishing,
        reading,
        meta,
        definitions: loaded,
        ...(await erasing.shard(shard, log)),
        log,
        meter,
        workerMeter: metrics.meter,
      });
      shards.add(life, meter, settled, (error) => logger.error(logOf(error), 'shard lifecycle failed'));
    }
    shards.start();
    api = serveNatsApi({ nc: asking, root: settings.root, reads, onRefused: () => readsRefused.nats++, onDefect });
    eraseApi = serveEraseApi({ nc: asking, root: settings.root, service: erasing, onDefect });
    logger.info(
      { instance: settings.instance, owner, partitions: settings.partitions, root: settings.root, version, ...served },
      'worker started',
    );
  };

  let starting: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    draining = true;
    await starting?.catch(() => undefined); // the statechart has its error
    api?.close();
    eraseApi?.close();
    await shards.stop();
    await api?.answered();
    await connections.close();
    await pages.close();
    unlock?.();
  };

  /** After every step of a shard's life: is the worker ready; is there anything left to do? */
  function settled(): void {
    if (shards.count < settings.partitions) return;
    if (shards.settled) ready.resolve();
    if (shards.allFenced) stopWith('fenced', 'another worker has taken over every shard; this one stops');
  }

  function stopWith(code: string, why: string): void {
    if (actor.getSnapshot().status !== 'active') return;
    machineError ??= new VisageError(code, why);
    actor.send({ type: 'STOP' });
  }

  let machineError: unknown;
  const actor = createActor(workerMachine, { input: { life: { start: () => (starting = start()), drain } } });
  actor.subscribe({
    complete: () => {
      machineError ??= actor.getSnapshot().context.error;
      if (machineError !== undefined)
        ready.reject(machineError instanceof Error ? machineError : new Error(errorText(machineError)));
      else ready.resolve();
      stopped.resolve(machineError);
    },
  });
  actor.start();
  return {
    ready: ready.promise,
    stopped: stopped.promise,
    reads,
    get ports() {
      return pages.ports;
    },
    stop: async () => {
      if (actor.getSnapshot().status === 'active') actor.send({ type: 'STOP' });
      await stopped.promise;
    },
  };
}

/** What was chosen at setup is for life. @throws VisageError `partitions_changed`, `clock_changed` (usage) */
async function refuseForLife(meta: MetaBucket, settings: Settings): Promise<void> {
  const partitions = await meta.partitions();
  if (partitions !== settings.partitions) {
    throw new VisageError(
      'partitions_changed',
      `partitions is ${settings.partitions} in the settings, but root '${settings.root}' was set up with ${partitions}: the number is for life. Set it back`,
      { kind: 'usage' },
    );
  }
  const clock = await meta.clock();
  if (clock !== settings.clock)
    throw new VisageError(
      'clock_changed',
      `clock is ${settings.clock} in the settings, but root '${settings.root}' was set up with ${clock}: the clock is for life. Set it back`,
      { kind: 'usage' },
    );
}

/** Makes the document live if none is. @throws VisageError `no_definitions`, `definitions_differ` */
async function haveDefinitions(options: {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly settings: Settings;
  readonly document: DefinitionsDocument | undefined;
}): Promise<void> {
  const { meta, document } = options;
  const live = await meta.liveDefinitions();
  if (document !== undefined) {
    if (live === undefined) await seedDefinitions({ ...options, document });
    else await refuseDifferent(meta, live, document);
  } else if (live === undefined) {
    throw new VisageError(
      'no_definitions',
      "there are no definitions yet; run 'visage setup --definitions FILE' or start with --definitions FILE",
    );
  }
}

/** Ready to be sent to: connected, and no shard that is on its way. A halted shard waits for a person, not for traffic. */
function readinessOf(now: { readonly connected: boolean; readonly draining: boolean; readonly shards: OwnedShards }): Readiness {
  const reasons: string[] = [];
  if (now.draining) reasons.push('the worker is stopping');
  if (!now.connected) reasons.push('not connected to NATS');
  if (now.shards.count === 0) reasons.push('starting');
  const waiting = now.shards.states().filter((state) => state !== 'active' && state !== 'halted');
  if (waiting.length > 0) reasons.push(`${waiting.length} of ${now.shards.count} shards are ${[...new Set(waiting)].join(', ')}`);
  return { ready: reasons.length === 0, reasons, degraded: now.shards.troubles() };
}

/** An expected failure is one line with a code; a defect comes with its stack. Neither holds personal data. */
function logOf(error: unknown): { code: string; reason: string; stack?: string } {
  const { reason, reasonCode } = reasonOf(error);
  const stack = error instanceof Error && !(error instanceof VisageError) ? error.stack : undefined;
  return { code: reasonCode ?? 'defect', reason: reason ?? '', ...(stack === undefined ? {} : { stack }) };
}
