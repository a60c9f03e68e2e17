// The worker, composed: its pages, connections, the data directory, every shard's life, the read API.
import { mkdirSync } from 'node:fs';
import { createActor } from 'xstate';
import { pino, type Logger } from 'pino';
import { randomBytes } from 'node:crypto';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import { identityKey, isIdentity, partitionOf, type Identity } from '../message/identity.ts';
import { topologyOf } from '../message/subject.ts';
import type { ChangeFeed } from '../ports/changes.ts';
import type { Health, Readiness } from '../ports/health.ts';
import type { ReadService, WorkerStatus } from '../ports/reads.ts';
import { eraseQuery, serveEraseApi, type EraseApi } from '../api/erase_api.ts';
import { forwarder, type Forward } from '../api/forward.ts';
import { serveNatsApi, type NatsApi, type ShardActions } from '../api/nats_api.ts';
import { Ownership } from '../cluster/ownership.ts';
import { lockFolder } from '../store/folder_lock.ts';
import { openChangeFeed, type StreamChangeFeed } from '../stream/change_feed.ts';
import { openIdentityLog, type IdentityLog } from '../stream/identity_log.ts';
import { openLeaseStore } from '../stream/lease_store.ts';
import { openMetaBucket, type MetaBucket } from '../stream/meta_bucket.ts';
import { openSnapshotObjects } from '../stream/snapshot_objects.ts';
import { beginGeneration, finishGeneration } from './begin_generation.ts';
import { Connections } from './connections.ts';
import { definitionsCache, type DefinitionsCache } from './definitions_cache.ts';
import { openErasing, type Erasing } from './erase_service.ts';
import { isYielding, nodeClock } from './node_clock.ts';
import { LiveAdmission } from './live_admission.ts';
import { openAccess } from './http_access.ts';
import { OwnedShards } from './owned_shards.ts';
import { Pages, type Ports } from './pages.ts';
import { readService } from './read_service.ts';
import { haveDefinitions, refuseForLife } from './check_root.ts';
import { folderIdentity } from './folder_identity.ts';
import { routed } from './routed_reads.ts';
import { ShardSnapshots } from './shard_snapshots.ts';
import { setupRoot } from './setup_root.ts';
import { LiveShard } from './shard_life.ts';
import { reasonOf } from './shard_machine.ts';
import { tidyFolders } from './tidy_folders.ts';
import { version } from './version.ts';
import { workerMachine } from './worker_machine.ts';
import { WorkerMetrics } from './worker_metrics.ts';
import { Writes } from './write_service.ts';

export type WorkerOptions = {
  readonly settings: Settings;
  /** Becomes live if there is none yet; else it must equal the live one. */
  readonly definitions?: DefinitionsDocument;
  /** Make streams and buckets first. */
  readonly setup?: boolean;
  /** When the definitions change what is live: begin a new generation of the state; `partial`: also of a log without its beginning. */
  readonly rebuild?: 'whole' | 'partial';
  /** Serve HTTP to other machines without tokens. */
  readonly insecure?: boolean;
  readonly logger?: Logger;
};

/** For its shards to be followed by those that take them over; an orchestrator waits at least so much longer. */
const HAND_OVER_MS = 20_000;
/** For the owner of a shard to copy and store it. */
const SNAPSHOT_MS = 300_000;
const TIDY_MS = 30_000;

export interface Worker {
  /** Resolves when every shard that should be here is active or halted. @throws VisageError when the worker cannot start */
  readonly ready: Promise<void>;
  /** Resolves when the worker has stopped; with the error that stopped it. */
  readonly stopped: Promise<unknown>;
  /** Of any shard, through its owner. */
  readonly reads: ReadService;
  /** What this worker says of itself and of its own shards. */
  status(): WorkerStatus;
  /** Where its pages are served; known soon after its start, before it is ready. */
  readonly ports: Ports;
  /** Commits, checkpoints and closes everything. */
  stop(): Promise<void>;
}

/** Starts a worker: it takes its share of the root's shards, beside the other workers of the root. */
export function createWorker(options: WorkerOptions): Worker {
  const { settings } = options;
  const logger = options.logger ?? pino({ name: 'visage' });
  const owner = `${settings.instance}-${randomBytes(4).toString('hex')}`;
  const topology = topologyOf(settings.root);
  const startedAt = formatTime(Date.now());
  const shards = new OwnedShards(settings.cache.maxBytes);
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
  let ownership: Ownership | undefined;
  let erasing: Erasing | undefined;
  let forward: Forward | undefined;
  let feed: StreamChangeFeed | undefined;
  let tidying: NodeJS.Timeout | undefined;
  let draining = false;

  const local = readService({
    partitions: settings.partitions,
    shards,
    draining: () => draining,
    log: () => identityLog,
    definitions: () => definitions,
    about: () => ({ instance: settings.instance, version, pid: process.pid, startedAt, ready: health.readiness().ready }),
  });
  const { reads, erase } = routed({
    partitions: settings.partitions,
    local,
    localErase: () => erasing,
    shards,
    forward: () => forward,
    members: () => ownership?.members.values() ?? [],
    ownerOf: (shard) => ownership?.ownerOf(shard)?.owner,
    instance: settings.instance,
    draining: () => draining,
  });
  const health: Health = {
    readiness: () => readinessOf({ connected: connections.up, draining, shards, complete: ownership?.complete === true }),
  };
  const metrics = new WorkerMetrics(() => ({
    ready: health.readiness().ready,
    connected: connections.up,
    disconnects: connections.disconnects,
    cacheBudgetBytes: settings.cache.maxBytes,
    shards: shards.now(),
  }));
  const onDefect = (error: unknown, requestId?: string): void =>
    logger.error({ ...logOf(error), ...(requestId === undefined ? {} : { requestId }) }, 'a request failed');
  const { readsRefused, live } = metrics.meter;
  const { written } = metrics.http;
  /** Undefined: nobody can be called so, or the worker does not know yet how. */
  const pseudonymOf = (identity: Identity): { readonly shard: number; readonly hash: string } | undefined => {
    if (erasing === undefined || !isIdentity(identity)) return undefined;
    const key = identityKey(identity);
    return { shard: partitionOf(key, settings.partitions), hash: erasing.hashOf(key) };
  };
  const writes = new Writes({
    topology,
    partitions: settings.partitions,
    live: new LiveAdmission(() => definitions),
    erase,
    connect: () => connections.open('write'),
    pseudonymOf,
  });
  const changes: ChangeFeed = {
    async subscribe(query, listener) {
      if (feed !== undefined) return feed.subscribe(query, listener);
      throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    },
  };
  const pages = new Pages({
    settings,
    health,
    metrics,
    reads,
    writes,
    changes,
    live,
    version,
    openAccess: () =>
      openAccess({
        http: settings.http,
        insecure: options.insecure === true,
        log: (level, event, figures) => logger[level](figures, event),
        meter: metrics.http,
      }),
    audit: (entry) => logger.info({ audit: entry }, 'somebody deletes or erases'),
    onRefused: () => readsRefused.http++,
    isBusy: isYielding,
    onWritten: (outcome, messages) => void (written[outcome] += messages),
    onDefect,
  });

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
    const following = await connections.open('changes');
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
    feed = await openChangeFeed({ nc: following, topology, partitions: settings.partitions, onDefect });
    const loaded = (definitions = definitionsCache(meta, (warning) => logger.warn(warning)));
    const erasures = (erasing = await openErasing({ nc: lookups, topology, meta, settings, shards }));
    const objects = await openSnapshotObjects(lookups, topology);
    for (let shard = 0; shard < settings.partitions; shard++) {
      const log: LiveShard['log'] = (level, event, error) =>
        logger[level]({ shard, ...(error === undefined ? {} : logOf(error)) }, event);
      const meter = metrics.life(shard);
      const snapshots = new ShardSnapshots({
        shard,
        dataDirectory: settings.dataDirectory,
        meta,
        objects,
        nowMs: nodeClock.wallMs,
        report: log,
      });
      const life = new LiveShard({
        settings,
        topology,
        shard,
        owner,
        publishing,
        reading,
        meta,
        definitions: loaded,
        ...(await erasures.shard(shard, snapshots, log)),
        snapshots,
        cacheMaxBytes: () => shards.cacheShare,
        askSnapshot: async () => void (await forward?.toShard(shard, 'snapshot', {}, SNAPSHOT_MS)),
        isLast: () => draining && ownership?.isAlone === true,
        log,
        meter,
        workerMeter: metrics.meter,
      });
      shards.add(life, meter, settled, (error) => logger.error(logOf(error), 'shard lifecycle failed'));
    }
    await tidy(meta);
    tidying = setInterval(() => void tidy(meta), TIDY_MS);
    shards.start();
    const doors = (api = serveNatsApi({
      nc: asking,
      root: settings.root,
      owner,
      reads,
      local,
      actions,
      onRefused: () => readsRefused.nats++,
      onDefect,
    }));
    eraseApi = serveEraseApi({ nc: asking, root: settings.root, service: erase, onDefect });
    forward = forwarder(asking, settings.root);
    const owning = (ownership = new Ownership({
      partitions: settings.partitions,
      me: { instance: settings.instance, owner, folder: folderIdentity(settings.dataDirectory) },
      store: await openLeaseStore(asking, topology),
      clock: nodeClock,
      host: shards,
      log: (level, event, figures = {}) => logger[level](figures, event),
      onTurn: settled,
      onConflict: (error) => stopFor(error),
    }));
    shards.isTrusted = (shard) => owning.isTrusted(shard);
    shards.onHere = (shard, isHere) => (isHere ? doors.open(shard) : doors.leave(shard));
    shards.onPrepared = () => owning.poke();
    shards.onEnded = (shard) => owning.ended(shard);
    owning.start();
    logger.info(
      { instance: settings.instance, owner, partitions: settings.partitions, root: settings.root, version, ...served },
      'worker started',
    );
  };

  let starting: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    draining = true;
    await starting?.catch(() => undefined); // the statechart has its error
    if (ownership?.isAlone === false) api?.retire();
    await ownership?.drain(HAND_OVER_MS);
    api?.close();
    eraseApi?.close();
    clearInterval(tidying);
    await shards.stop();
    ownership?.abandon();
    await Promise.all([api?.answered(), writes.close()]); // what was taken in is answered while the log can be reached
    feed?.close(); // as late as this: who comes again at once must not come to this worker
    await connections.close();
    await pages.close();
    unlock?.();
  };

  /** After every step of a shard's life, and of the ownership: is the worker ready? */
  function settled(): void {
    if (ownership?.complete === true && shards.settled) ready.resolve();
  }

  function stopWith(code: string, why: string): void {
    stopFor(new VisageError(code, why));
  }

  function stopFor(error: VisageError): void {
    if (actor.getSnapshot().status !== 'active') return;
    machineError ??= error;
    actor.send({ type: 'STOP' });
  }

  /** What was erased is not left in folders of shards that are elsewhere. */
  async function tidy(meta: MetaBucket): Promise<void> {
    try {
      for (const name of await tidyFolders(settings.dataDirectory, meta, (shard) => shards.isInUse(shard)))
        logger.info({ folder: name }, 'a folder that is older than an erasure was removed');
    } catch (error) {
      logger.warn(logOf(error), 'folders could not be looked through; trying again');
    }
  }

  /** What others ask of this worker as the owner of a shard. */
  const actions: ShardActions = {
    snapshot: (shard) => shards.lifeOf(shard).keeper.take(),
    resync: (shard) => Promise.resolve({ halted: shards.resync(shard) }),
    erase: (_, query) => {
      if (erasing === undefined) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
      return erasing.erase(eraseQuery(query));
    },
  };

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
    status: () => local.status() as WorkerStatus,
    get ports() {
      return pages.ports;
    },
    stop: async () => {
      if (actor.getSnapshot().status === 'active') actor.send({ type: 'STOP' });
      await stopped.promise;
    },
  };
}

/** Ready to be sent to: connected, and no shard that is on its way. A halted shard waits for a person, not for traffic. */
function readinessOf(now: {
  readonly connected: boolean;
  readonly draining: boolean;
  readonly shards: OwnedShards;
  /** Every shard that should be here is. */
  readonly complete: boolean;
}): Readiness {
  const reasons: string[] = [];
  if (now.draining) reasons.push('the worker is stopping');
  if (!now.connected) reasons.push('not connected to NATS');
  if (now.shards.count === 0) reasons.push('starting');
  if (now.shards.count > 0 && !now.complete) reasons.push('taking its share of the shards');
  const waiting = now.shards.states().filter((state) => state !== 'active' && state !== 'halted');
  if (waiting.length > 0)
    reasons.push(`${waiting.length} of ${now.shards.states().length} shards are ${[...new Set(waiting)].join(', ')}`);
  return { ready: reasons.length === 0, reasons, degraded: now.shards.troubles() };
}

/** An expected failure is one line with a code; a defect comes with its stack. Neither holds personal data. */
function logOf(error: unknown): { code: string; reason: string; stack?: string } {
  const { reason, reasonCode } = reasonOf(error);
  const stack = error instanceof Error && !(error instanceof VisageError) ? error.stack : undefined;
  return { code: reasonCode ?? 'defect', reason: reason ?? '', ...(stack === undefined ? {} : { stack }) };
}
