// One shard's life, composed: its store, log, sink and driver. What the statechart runs.
import { VisageError } from '../base/errors.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { sameSettings } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import type { WorkerMeter } from '../ports/metrics.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { isBetween, rebuild } from '../shard/rebuild.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import { Shard } from '../shard/shard.ts';
import type { DefinitionsSource, ShardOptions } from '../shard/shard_options.ts';
import { compactStore } from '../store/lmdb_compaction.ts';
import type { LmdbStore } from '../store/lmdb_store.ts';
import type { Connection } from '../nats/connection.ts';
import { openChangeSink } from '../stream/change_sink.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import { openDeadLetters } from '../stream/dead_letters.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { finishGeneration, generationOf, isBeginning } from './begin_generation.ts';
import { currentGeneration, generationFolder, nextGeneration, removeAllBefore, removeEarlier } from './generation_folders.ts';
import { nodeClock } from './node_clock.ts';
import { openStore } from './open_store.ts';
import type { ShardEraser } from './shard_eraser.ts';
import type { ShardErasures } from './shard_erasures.ts';
import type { ShardLife } from './shard_machine.ts';
import { unlessConflict } from './unless_conflict.ts';
import type { LifeMeter } from './worker_metrics.ts';

const REFRESHES_PER_MAX_AGE = 4;
const DEFINITIONS_IN_FORCE_MS = 30_000;

export type ShardLifeOptions = {
  readonly settings: Settings;
  readonly topology: Topology;
  readonly shard: number;
  readonly owner: string;
  readonly publishing: Connection;
  readonly reading: Connection;
  readonly meta: MetaBucket;
  readonly definitions: DefinitionsSource;
  readonly erasures: ShardErasures;
  readonly eraser: ShardEraser;
  readonly log: ShardLife['log'];
  readonly meter: LifeMeter;
  readonly workerMeter: WorkerMeter;
};

export class LiveShard implements ShardLife {
  shard: Shard | undefined;
  readonly log: ShardLife['log'];
  private readonly options: ShardLifeOptions;
  private running: Promise<void> | undefined;
  private restoring: Promise<void> | undefined;
  private closing: Promise<void> = Promise.resolve();
  private ending = new AbortController();
  /** Ends the work on erasures, which uses the store, before the store is closed. */
  private erasing = new AbortController();
  /** The next life rewrites the store first; and why the last one could not. */
  private compactNext = false;
  private notCompacted: unknown;

  constructor(options: ShardLifeOptions) {
    this.options = options;
    this.log = options.log;
  }

  restore(): Promise<void> {
    this.restoring = this.openAndRestore();
    return this.restoring;
  }

  private async openAndRestore(): Promise<void> {
    this.ending = new AbortController();
    await this.close();
    const { settings, topology, shard, publishing, reading, erasures, meter } = this.options;
    const onErased = erasures.logBegins.bind(erasures);
    const log = await openShardLog({ nc: publishing, reading, topology, shard, onErased });
    const sink = await openChangeSink({ nc: publishing, topology, shard });
    const [starts, last] = await Promise.all([log.generations(), sink.last()]);
    const streams = { log, sink };
    const current = await this.reachGeneration(starts, last, streams);
    await this.compactIfAsked(current);
    const store = await this.openStore(current, log);
    try {
      const generation = startOf(starts, current) ?? startOfStored(current, store.readMeta(), shard);
      this.shard = new Shard(this.shardOptions({ ...streams, store, generation }));
    } catch (error) {
      await store.close();
      throw error;
    }
    await this.shard.restore();
    removeEarlier(settings.dataDirectory, shard, starts, current);
    if (this.shard.gap !== null) {
      meter.gaps++;
      this.log('error', `log gap accepted by policy: sequences ${this.shard.gap.from} to ${this.shard.gap.to}`);
    }
  }

  /** Builds the next generations of the state when the log has begun them. @returns the one to go on with */
  private async reachGeneration(
    starts: readonly GenerationStart[],
    last: LastCommit | undefined,
    streams: Pick<ShardOptions, 'log' | 'sink'>,
  ): Promise<number> {
    const { settings, shard } = this.options;
    const current = currentGeneration(settings.dataDirectory, shard, starts, last);
    const next = nextGeneration(starts, current);
    if (next === undefined) return current;
    const store = await this.openStore(current, streams.log);
    try {
      if (!isBetween(next, last, store.readMeta())) return current;
      this.log('info', `building generation ${next.generation} of the state from the log`);
      const built = await this.openStore(next.generation, streams.log);
      try {
        await rebuild({
          shard: this.shardOptions({ ...streams, store: built, generation: next }),
          next,
          before: { store, generation: startOf(starts, current) },
          signal: this.ending.signal,
        });
      } finally {
        await built.close();
      }
    } finally {
      await store.close();
    }
    return this.reachGeneration(starts, await streams.sink.last(), streams);
  }

  private openStore(generation: number, log: ShardOptions['log']): Promise<LmdbStore> {
    const { settings, shard } = this.options;
    const folder = generationFolder(settings.dataDirectory, shard, generation);
    return openStore({ shard, folder, log, report: (text) => this.log('info', text) });
  }

  /** What was erased leaves the shard's files. That it cannot be done, for want of room perhaps, does not keep the shard from going on. */
  private async compactIfAsked(generation: number): Promise<void> {
    if (!this.compactNext) return;
    const { settings, shard } = this.options;
    this.compactNext = false;
    this.notCompacted = undefined;
    try {
      await compactStore(generationFolder(settings.dataDirectory, shard, generation), nodeClock.wallMs());
      removeAllBefore(settings.dataDirectory, shard, generation);
    } catch (error) {
      this.notCompacted = error;
    }
  }

  private shardOptions(parts: Pick<ShardOptions, 'log' | 'sink' | 'store' | 'generation'>): ShardOptions {
    const { settings, topology, shard, owner, publishing, definitions, erasures, eraser, meter, workerMeter } = this.options;
    return {
      ...parts,
      root: topology.root,
      logStream: topology.logStream,
      shard,
      partitions: settings.partitions,
      clockMode: settings.clock,
      owner,
      clock: nodeClock,
      deadLetters: openDeadLetters({ nc: publishing, topology, shard }),
      definitions,
      erasures,
      onErase: (key) => eraser.askedByMessage(key),
      onWarning: (text) => this.log('warn', text),
      meter: meter.meter,
      workerMeter,
      cacheMaxBytes: Math.floor(settings.cache.maxBytes / settings.partitions),
      tickMs: settings.tickMs,
      commitIntervalMs: settings.commit.intervalMs,
      commitRefreshMs: settings.changes.maxAgeMs === 0 ? Infinity : settings.changes.maxAgeMs / REFRESHES_PER_MAX_AGE,
      checkpointIntervalMs: settings.checkpoint.intervalMs,
      checkpointMaxDirty: settings.checkpoint.maxDirtyProfiles,
      maxClockJumpMs: settings.maxClockJumpMs,
      logGap: settings.logGap,
    };
  }

  async fold(onActive: () => void): Promise<void> {
    const shard = this.shard!;
    const failed = Promise.withResolvers<never>();
    const { signal } = (this.erasing = new AbortController());
    this.running = shard.run(() => {
      this.putDefinitionsInForce(shard)
        .then(onActive)
        .then(() => this.erase(shard, signal))
        .catch((error: unknown) => failed.reject(error));
    });
    await Promise.race([this.running, failed.promise]);
  }

  /** @throws VisageError `compacting` (retry) */
  private async erase(shard: Shard, signal: AbortSignal): Promise<void> {
    const { settings, eraser } = this.options;
    const folder = generationFolder(settings.dataDirectory, shard.options.shard, shard.options.generation?.generation ?? 1);
    try {
      await eraser.work({ shard, folder, signal, notCompacted: this.notCompacted });
    } catch (error) {
      this.compactNext = error instanceof VisageError && error.code === 'compacting';
      throw error;
    }
  }

  async drain(): Promise<void> {
    const shard = this.shard;
    if (shard === undefined) return;
    this.erasing.abort();
    await shard.stop();
    await this.running;
    await shard.drain();
    this.shard = undefined;
  }

  /** A life can be ended while it is still being restored: that is waited for. */
  async abandon(): Promise<void> {
    this.ending.abort();
    await this.restoring?.catch(() => undefined); // its error was reported when it happened
    await this.close();
  }

  /** One close at a time: the next life must not open a store that the last one is still closing. */
  private close(): Promise<void> {
    this.closing = this.closing.then(() => this.closeNow());
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    const shard = this.shard;
    this.shard = undefined;
    if (shard === undefined) return;
    this.erasing.abort();
    shard.abandon();
    await this.running?.catch(() => undefined); // as above
    await shard.ended();
    await shard.options.store.close();
  }

  /** The live definitions and this worker's fold settings, as a control message when the log has others. */
  private async putDefinitionsInForce(shard: Shard): Promise<void> {
    const { meta, settings, publishing, topology } = this.options;
    const log = await openDefinitionsLog(publishing, topology);
    for (;;) {
      // a rebuild has begun and not every log has its message: which definitions are live is not said before
      if (await isBeginning(meta)) await finishGeneration({ nc: publishing, topology, meta, settings });
      const last = await log.last(this.options.shard); // before the live hash: what is made live meanwhile is not gone back from
      const live = await meta.liveDefinitions();
      if (live === undefined)
        throw new VisageError('no_definitions', "there are no definitions yet; run 'visage setup --definitions FILE'");
      const inForce = shard.definitionsInForce;
      const wanted = foldSettingsOf(settings);
      const isSame = inForce.hash === live && sameSettings(inForce.settings, wanted);
      if (isSame && inForce.foldVersion === FOLD_VERSION) return;
      const { generation } = shard.status();
      if (generation !== (await generationOf(meta))) return; // its log has the message of a later one, which comes next
      const control = { kind: 'definitions', hash: live, foldVersion: FOLD_VERSION, settings: wanted, generation } as const;
      const sequence = await unlessConflict(log.append(this.options.shard, control, last?.sequence ?? 0));
      if (sequence !== undefined) return shard.reached(sequence, DEFINITIONS_IN_FORCE_MS);
    }
  }
}

function startOf(starts: readonly GenerationStart[], generation: number): GenerationStart | null {
  return starts.find((start) => start.generation === generation) ?? null;
}

/** The message has aged out of the log: the state itself knows where its generation began. */
function startOfStored(current: number, meta: ShardMeta | undefined, shard: number): GenerationStart | null {
  if (current === 1) return null;
  if (meta !== undefined) {
    const { generation, generationFrom: sequence, definitionsHash, foldVersion, settings } = meta;
    const known = { generation, sequence, hash: definitionsHash ?? '', foldVersion, settings };
    return { kind: 'generation', ...known, stampMs: 0, previous: 0, partialFrom: null };
  }
  throw new VisageError(
    'generation_unknown',
    `shard ${shard}: its state is lost, and the log no longer has the message with which generation ${current} of it began: start once with --rebuild --partial and the definitions`,
    { kind: 'stop_shard' },
  );
}
