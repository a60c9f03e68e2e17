// The worker, composed: connections, the data directory, every shard's life, the read API.
import { mkdirSync } from 'node:fs';
import { createActor, type ActorRefFrom } from 'xstate';
import { pino, type Logger } from 'pino';
import { randomBytes } from 'node:crypto';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import { identityKey, partitionOf } from '../message/identity.ts';
import { topologyOf } from '../message/subject.ts';
import type { ReadService, ShardSummary, WorkerStatus } from '../ports/reads.ts';
import { serveNatsApi, type NatsApi } from '../api/nats_api.ts';
import { lockFolder } from '../store/folder_lock.ts';
import { openConnection, type Connection } from '../stream/connection.ts';
import { openMetaBucket } from '../stream/meta_bucket.ts';
import { definitionsCache } from './definitions_cache.ts';
import { refuseDifferent, seedDefinitions } from './seed_definitions.ts';
import { setupRoot } from './setup_root.ts';
import { LiveShard } from './shard_life.ts';
import { reasonOf, shardMachine } from './shard_machine.ts';
import { version } from './version.ts';
import { workerMachine } from './worker_machine.ts';

const READ_TIMEOUT_MS = 5_000;
const EXPORT_WAIT_MS = 30_000;
const EXPORT_POLL_MS = 10;

export type WorkerOptions = {
  readonly settings: Settings;
  /** Becomes live if there is none yet; else it must equal the live one. */
  readonly definitions?: DefinitionsDocument;
  /** Make streams and buckets first. */
  readonly setup?: boolean;
  readonly logger?: Logger;
};

export interface Worker {
  /** Resolves when every shard is active or halted. @throws VisageError when the worker cannot start */
  readonly ready: Promise<void>;
  /** Resolves when the worker has stopped; with the error that stopped it. */
  readonly stopped: Promise<unknown>;
  readonly reads: ReadService;
  /** Commits, checkpoints and closes everything. */
  stop(): Promise<void>;
}

type RunningShard = { readonly life: LiveShard; readonly actor: ActorRefFrom<typeof shardMachine> };

/** Starts a worker that owns every shard of the root. */
export function createWorker(options: WorkerOptions): Worker {
  const { settings } = options;
  const logger = options.logger ?? pino({ name: 'visage' });
  const owner = `${settings.instance}-${randomBytes(4).toString('hex')}`;
  const topology = topologyOf(settings.root);
  const startedAt = formatTime(Date.now());
  const shards: RunningShard[] = [];
  const ready = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<unknown>();
  ready.promise.catch(() => undefined); // whoever asks sees it
  let connections: Connection[] = [];
  let api: NatsApi | undefined;
  let unlock: (() => void) | undefined;
  let draining = false;

  const open = async (purpose: string): Promise<Connection> => {
    const nc = await openConnection(settings.nats, `visage ${settings.instance} ${purpose}`);
    connections.push(nc);
    return nc;
  };

  const start = async (): Promise<void> => {
    mkdirSync(settings.dataDirectory, { recursive: true });
    unlock = lockFolder(settings.dataDirectory);
    const [publishing, reading, asking] = [await open('publish'), await open('read'), await open('api')];
    if (options.setup === true) await setupRoot(publishing, topology, settings, options.definitions);
    const meta = await openMetaBucket(asking, topology);
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
    if (options.definitions !== undefined) {
      const live = await meta.liveDefinitions();
      if (live === undefined) await seedDefinitions({ nc: asking, topology, meta, settings, document: options.definitions });
      else await refuseDifferent(meta, live, options.definitions);
    } else if ((await meta.liveDefinitions()) === undefined) {
      throw new VisageError(
        'no_definitions',
        "there are no definitions yet; run 'visage setup --definitions FILE' or start with --definitions FILE",
      );
    }
    const definitions = definitionsCache(meta);
    for (let shard = 0; shard < settings.partitions; shard++) {
      const log: LiveShard['log'] = (level, event, error) =>
        logger[level]({ shard, ...(error === undefined ? {} : logOf(error)) }, event);
      const life = new LiveShard({ settings, topology, shard, owner, publishing, reading, meta, definitions, log });
      const actor = createActor(shardMachine, { input: { life } });
      shards.push({ life, actor });
      actor.subscribe({
        next: settled,
        complete: settled,
        error: (error) => logger.error(logOf(error), 'shard lifecycle failed'),
      });
    }
    for (const shard of shards) shard.actor.start();
    api = serveNatsApi({
      nc: asking,
      root: settings.root,
      reads,
      onDefect: (error) => logger.error(logOf(error), 'a read failed'),
    });
    logger.info({ instance: settings.instance, owner, partitions, root: settings.root, version }, 'worker started');
  };

  let starting: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    await starting?.catch(() => undefined); // the statechart has its error
    draining = true;
    api?.close();
    await Promise.all(shards.map((shard) => ended(shard)));
    await api?.answered();
    await Promise.all(connections.map((nc) => nc.close()));
    connections = [];
    unlock?.();
  };

  /** After every step of a shard's life: is the worker ready; is there anything left to do? */
  function settled(): void {
    const states = shards.map((shard) => stateName(shard.actor));
    if (states.every((state) => state === 'active' || state === 'halted')) ready.resolve();
    if (states.length === settings.partitions && shards.every((shard) => fencedOff(shard))) {
      machineError = new VisageError('fenced', 'another worker has taken over every shard; this one stops');
      actor.send({ type: 'STOP' });
    }
  }

  const reads: ReadService = {
    async profile(query) {
      const key = identityKey(query);
      return activeShard(partitionOf(key, settings.partitions)).get(
        key,
        query.after ?? 0,
        Math.min(query.timeoutMs ?? READ_TIMEOUT_MS, 30_000),
      );
    },
    async exportPage(query) {
      for (let waited = 0; ; waited += EXPORT_POLL_MS) {
        try {
          return activeShard(query.shard).exports.page(query.cut, query.after);
        } catch (error) {
          if (!(error instanceof VisageError) || error.kind !== 'retry' || waited >= EXPORT_WAIT_MS) throw error;
        }
        if (draining) throw new VisageError('stopped', 'the worker is stopping; try again', { kind: 'retry' });
        await new Promise((resolve) => setTimeout(resolve, EXPORT_POLL_MS));
      }
    },
    status: (): WorkerStatus => ({
      instance: settings.instance,
      version,
      pid: process.pid,
      startedAt,
      ready: shards.length > 0 && shards.every((shard) => ['active', 'halted'].includes(stateName(shard.actor))),
      shards: shards.map((shard, index) => summary(shard, index)),
    }),
  };

  function activeShard(index: number): NonNullable<LiveShard['shard']> {
    const shard = shards[index];
    if (shard === undefined) throw new VisageError('no_such_shard', `there is no shard ${index}`, { kind: 'usage' });
    const state = stateName(shard.actor);
    if (state === 'halted')
      throw new VisageError(
        'shard_halted',
        `shard ${index} is halted: ${reasonOf(shard.actor.getSnapshot().context.error).reason}`,
        { kind: 'stop_shard' },
      );
    if (state !== 'active' || shard.life.shard === undefined)
      throw new VisageError('shard_not_ready', `shard ${index} is ${state}; try again`, { kind: 'retry' });
    return shard.life.shard;
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
    stop: async () => {
      if (actor.getSnapshot().status === 'active') actor.send({ type: 'STOP' });
      await stopped.promise;
    },
  };
}

function stateName(actor: RunningShard['actor']): string {
  const value = actor.getSnapshot().value;
  return typeof value === 'string' ? value : Object.values(value)[0]!;
}

function fencedOff(shard: RunningShard): boolean {
  return stateName(shard.actor) === 'halted' && reasonOf(shard.actor.getSnapshot().context.error).reasonCode === 'fenced';
}

function summary(shard: RunningShard, index: number): ShardSummary {
  const state = stateName(shard.actor);
  const status = state === 'active' || state === 'replaying' ? shard.life.shard?.status() : undefined;
  return { ...status, shard: index, state, ...reasonOf(shard.actor.getSnapshot().context.error) };
}

function ended(shard: RunningShard): Promise<void> {
  return new Promise((resolve) => {
    if (shard.actor.getSnapshot().status !== 'active') return resolve();
    shard.actor.subscribe({ complete: resolve, error: () => resolve() });
    shard.actor.send({ type: 'STOP' });
  });
}

/** An expected failure is one line with a code; a defect comes with its stack. Neither holds personal data. */
function logOf(error: unknown): { code: string; reason: string; stack?: string } {
  const { reason, reasonCode } = reasonOf(error);
  const stack = error instanceof Error && !(error instanceof VisageError) ? error.stack : undefined;
  return { code: reasonCode ?? 'defect', reason: reason ?? '', ...(stack === undefined ? {} : { stack }) };
}
