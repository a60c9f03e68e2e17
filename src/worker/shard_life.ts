// One shard's life, composed: its store, log, sink and driver; or its follower, while somebody else owns it. What the statechart runs.
import { VisageError } from '../base/errors.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { sameSettings } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import type { WorkerMeter } from '../ports/metrics.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { isBetween, rebuild } from '../shard/rebuild.ts';
import { Follower } from '../shard/follow.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import { Shard } from '../shard/shard.ts';
import type { DefinitionsSource, ShardOptions } from '../shard/shard_options.ts';
import { compactStore } from '../store/lmdb_compaction.ts';
import { LmdbStore } from '../store/lmdb_store.ts';
import type { Connection } from '../nats/connection.ts';
import { openChangeSink } from '../stream/change_sink.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import { openDeadLetters } from '../stream/dead_letters.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { bringFolder, FAR_BEHIND } from './bring_folder.ts';
import { erasedThrough } from './erased_through.ts';
import { finishGeneration, generationOf, isBeginning } from './begin_generation.ts';
import { currentGeneration, generationFolder, nextGeneration, removeAllBefore, removeEarlier } from './generation_folders.ts';
import { nodeClock } from './node_clock.ts';
import { openStore } from './open_store.ts';
import type { ShardEraser } from './shard_eraser.ts';
import type { ShardErasures } from './shard_erasures.ts';
import type { ShardLife } from './shard_machine.ts';
import { changeResync, readResync } from './resync.ts';
import { SnapshotKeeper } from './snapshot_keeper.ts';
import type { ShardSnapshots } from './shard_snapshots.ts';
import { unlessConflict } from './unless_conflict.ts';
import type { LifeMeter } from './worker_metrics.ts';

const REFRESHES_PER_MAX_AGE = 4;
const DEFINITIONS_IN_FORCE_MS = 30_000;
/** Less than an orchestrator waits. */
const LAST_SNAPSHOT_MS = 8_000;

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
  readonly snapshots: ShardSnapshots;
  /** How many bytes its cache may take. */
  readonly cacheMaxBytes: () => number;
  /** Asks the shard's owner for a snapshot as of now. */
  readonly askSnapshot: () => Promise<void>;
  /** The worker ends, and there is nobody to take the shard over. */
  readonly isLast: () => boolean;
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
  private follower: Follower | undefined;
  private following: Promise<void> = Promise.resolve();
  /** Up to where its folder stood when it was last looked at. */
  storedThrough = 0;
  readonly keeper: SnapshotKeeper;

  constructor(options: ShardLifeOptions) {
    this.options = options;
    this.log = options.log;
    const { settings, snapshots, shard } = options;
    this.keeper = new SnapshotKeeper({ snapshots, shard, intervalMs: settings.snapshot.intervalMs, report: options.log });
  }

  /** The last one that was taken here, for status. */
  get lastSnapshot(): { readonly sequence: number; readonly takenAt: string; readonly bytes: number } | null {
    const { last } = this.options.snapshots;
    return last === undefined ? null : { sequence: last.sequence, takenAt: last.takenAt, bytes: last.bytes };
  }

  async follow(onPrepared: () => void): Promise<void> {
    const { signal } = (this.ending = new AbortController());
    // in this turn: who ends it waits for all of it, from its first step on
    this.following = this.close().then(() => this.followUntilEnded(signal, onPrepared));
    await this.following;
  }

  private async followUntilEnded(signal: AbortSignal, onPrepared: () => void): Promise<void> {
    signal.throwIfAborted();
    const { settings, shard } = this.options;
    const streams = await this.openStreams();
    const [starts, last] = await Promise.all([streams.log.generations(), streams.sink.last()]);
    const current = currentGeneration(settings.dataDirectory, shard, starts, last);
    await this.bring(current, streams.log);
    if ((await streams.log.lastForShard()) - this.storedThrough > FAR_BEHIND) {
      await Promise.race([this.options.askSnapshot(), aborted(signal)]);
      signal.throwIfAborted();
      await this.bring(current, streams.log);
    }
    const store = await this.openStore(current, streams.log);
    try {
      const generation = startOf(starts, current) ?? startOfStored(current, store.readMeta(), shard);
      const { gapThrough, adopted } = await readResync(this.options.meta, shard);
      signal.throwIfAborted(); // nothing is awaited from here until the follower listens for it
      const follower = new Follower({ ...this.shardOptions({ ...streams, store, generation }), gapThrough, adopted });
      this.follower = follower;
      signal.addEventListener('abort', () => follower.stop(), { once: true });
      await follower.run(() => {
        this.storedThrough = follower.applied;
        onPrepared();
      });
      this.storedThrough = follower.applied;
    } finally {
      this.follower = undefined;
      await store.close();
    }
  }

  /** The follower's last step: what the owner has committed is in the folder then. One that is still bringing the state here has no last
   *  step: it is ended. */
  private async finishFollowing(ending: AbortController): Promise<void> {
    if (this.follower === undefined) ending.abort();
    else this.follower.finish();
    await this.following.catch(() => undefined); // its error was reported when it happened
    this.following = Promise.resolve();
  }

  restore(): Promise<void> {
    this.restoring = this.openAndRestore();
    return this.restoring;
  }

  private async openAndRestore(): Promise<void> {
    const following = this.ending;
    const { signal } = (this.ending = new AbortController());
    await this.finishFollowing(following);
    await this.close();
    signal.throwIfAborted();
    const { settings, shard, meter, meta } = this.options;
    const streams = await this.openStreams();
    const [starts, last] = await Promise.all([streams.log.generations(), streams.sink.last()]);
    const { gapThrough, adopted, rebuild: asked } = await readResync(meta, shard);
    const current = await this.reachGeneration(starts, last, streams, asked);
    if (asked !== null && current >= asked) await changeResync(meta, shard, { rebuild: null });
    await this.compactIfAsked(current);
    await this.bring(current, streams.log);
    const store = await this.openStore(current, streams.log);
    try {
      const generation = startOf(starts, current) ?? startOfStored(current, store.readMeta(), shard);
      this.shard = new Shard({ ...this.shardOptions({ ...streams, store, generation }), gapThrough, adopted });
    } catch (error) {
      await store.close();
      throw error;
    }
    signal.throwIfAborted(); // a shard that was lost meanwhile must not fence off its new owner
    await this.shard.restore();
    removeEarlier(settings.dataDirectory, shard, starts, current);
    if (this.shard.gap !== null) {
      meter.gaps++;
      this.log('error', `log gap accepted by policy: sequences ${this.shard.gap.from} to ${this.shard.gap.to}`);
    }
  }

  private async openStreams(): Promise<Pick<ShardOptions, 'log' | 'sink'>> {
    const { topology, shard, publishing, reading, erasures } = this.options;
    const onErased = erasures.logBegins.bind(erasures);
    const log = await openShardLog({ nc: publishing, reading, topology, shard, onErased });
    return { log, sink: await openChangeSink({ nc: publishing, topology, shard }) };
  }

  private async bring(generation: number, log: ShardOptions['log']): Promise<void> {
    const { settings, shard, meta, snapshots } = this.options;
    this.storedThrough = await bringFolder({
      folder: generationFolder(settings.dataDirectory, shard, generation),
      generation,
      log,
      snapshots,
      erasedThrough: await erasedThrough(meta, shard),
      signal: this.ending.signal,
      report: (level, text, error) => this.log(level, text, error),
    });
  }

  /** Builds the next generations of the state when the log has begun them.
   *  @param asked the generation that an operator wants, whatever came of the one before  @returns the one to go on with */
  private async reachGeneration(
    starts: readonly GenerationStart[],
    last: LastCommit | undefined,
    streams: Pick<ShardOptions, 'log' | 'sink'>,
    asked: number | null,
  ): Promise<number> {
    const { settings, shard } = this.options;
    const current = currentGeneration(settings.dataDirectory, shard, starts, last);
    const next = nextGeneration(starts, current);
    if (next === undefined) return current;
    const asIs = asked !== null && asked >= next.generation;
    await this.bring(current, streams.log); // what was told before is what the later one is compared with
    const store = await this.openStore(current, streams.log);
    try {
      if (!asIs && !isBetween(next, last, store.readMeta())) return current;
      this.log('info', `building generation ${next.generation} of the state from the log`);
      const built = await this.openStore(next.generation, streams.log);
      try {
        await rebuild({
          shard: this.shardOptions({ ...streams, store: built, generation: next }),
          next,
          before: { store, generation: startOf(starts, current) },
          asIs,
          signal: this.ending.signal,
        });
      } finally {
        await built.close();
      }
    } finally {
      await store.close();
    }
    return this.reachGeneration(starts, await streams.sink.last(), streams, asked);
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
      cacheMaxBytes: this.options.cacheMaxBytes(),
      tickMs: settings.tickMs,
      commitIntervalMs: settings.commit.intervalMs,
      commitRefreshMs: settings.changes.maxAgeMs === 0 ? Infinity : settings.changes.maxAgeMs / REFRESHES_PER_MAX_AGE,
      checkpointIntervalMs: settings.checkpoint.intervalMs,
      checkpointMaxDirty: settings.checkpoint.maxDirtyProfiles,
      maxClockJumpMs: settings.maxClockJumpMs,
      logGap: settings.logGap,
      gapThrough: 0,
      adopted: null,
    };
  }

  async fold(onActive: () => void): Promise<void> {
    const shard = this.shard!;
    const failed = Promise.withResolvers<never>();
    const { signal } = (this.erasing = new AbortController());
    this.running = shard.run(() => {
      this.putDefinitionsInForce(shard)
        .then(onActive)
        .then(() => Promise.all([this.erase(shard, signal), this.keeper.keep(shard, signal)]))
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
    const { applied, epoch } = shard.position;
    this.storedThrough = applied;
    this.shard = undefined;
    if (this.options.isLast()) await this.keepLast(shard, epoch);
  }

  /** Whoever comes next may have another disk. Its own folder is whole in any case. */
  private async keepLast({ options }: Shard, epoch: number): Promise<void> {
    const { settings, shard, snapshots } = this.options;
    const store = LmdbStore.open(generationFolder(settings.dataDirectory, shard, options.generation?.generation ?? 1));
    try {
      await snapshots.make(store, epoch, AbortSignal.any([this.ending.signal, AbortSignal.timeout(LAST_SNAPSHOT_MS)]));
    } catch (error) {
      this.log('warn', 'no snapshot was taken at the end', error);
    } finally {
      await store.close();
    }
  }

  /** A life can be ended while it is still being restored: that is waited for. */
  async abandon(): Promise<void> {
    this.ending.abort();
    this.follower?.stop();
    await this.following.catch(() => undefined); // its error was reported when it happened
    await this.restoring?.catch(() => undefined); // as above
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
      const { generation } = shard.position;
      if (generation !== (await generationOf(meta, this.options.shard))) return; // its log has the message of a later one, which comes next
      const control = { kind: 'definitions', hash: live, foldVersion: FOLD_VERSION, settings: wanted, generation } as const;
      const sequence = await unlessConflict(log.append(this.options.shard, control, last?.sequence ?? 0));
      if (sequence !== undefined) return shard.reads.reached(sequence, DEFINITIONS_IN_FORCE_MS);
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
