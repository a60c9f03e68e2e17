// One shard's life, composed: its store, log, sink and driver. What the statechart runs.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { VisageError } from '../base/errors.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { sameSettings } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import type { WorkerMeter } from '../ports/metrics.ts';
import { Shard } from '../shard/shard.ts';
import type { DefinitionsSource } from '../shard/shard_options.ts';
import { LmdbStore } from '../store/lmdb_store.ts';
import type { Connection } from '../nats/connection.ts';
import { openChangeSink } from '../stream/change_sink.ts';
import { openDeadLetters } from '../stream/dead_letters.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { nodeClock } from './node_clock.ts';
import { controlBody } from './seed_definitions.ts';
import type { ShardLife } from './shard_machine.ts';
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

  constructor(options: ShardLifeOptions) {
    this.options = options;
    this.log = options.log;
  }

  restore(): Promise<void> {
    this.restoring = this.openAndRestore();
    return this.restoring;
  }

  private async openAndRestore(): Promise<void> {
    await this.close();
    const { settings, topology, shard, owner, publishing, reading, definitions, meter, workerMeter } = this.options;
    const folder = join(settings.dataDirectory, `shard-${shard}`);
    mkdirSync(folder, { recursive: true });
    const store = LmdbStore.open(folder);
    try {
      const log = await openShardLog({ nc: publishing, reading, topology, shard });
      const sink = await openChangeSink({ nc: publishing, topology, shard });
      this.shard = new Shard({
        root: topology.root,
        logStream: topology.logStream,
        shard,
        partitions: settings.partitions,
        clockMode: settings.clock,
        owner,
        clock: nodeClock,
        log,
        sink,
        deadLetters: openDeadLetters({ nc: publishing, topology, shard }),
        store,
        definitions,
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
      });
    } catch (error) {
      await store.close();
      throw error;
    }
    await this.shard.restore();
    if (this.shard.gap !== null) {
      meter.gaps++;
      this.log('error', `log gap accepted by policy: sequences ${this.shard.gap.from} to ${this.shard.gap.to}`);
    }
  }

  async fold(onActive: () => void): Promise<void> {
    const shard = this.shard!;
    const failedInForce = Promise.withResolvers<never>();
    this.running = shard.run(() => {
      this.putDefinitionsInForce(shard).then(onActive, (error: unknown) => failedInForce.reject(error));
    });
    await Promise.race([this.running, failedInForce.promise]);
  }

  async drain(): Promise<void> {
    const shard = this.shard;
    if (shard === undefined) return;
    await shard.stop();
    await this.running;
    await shard.drain();
    this.shard = undefined;
  }

  /** A life can be ended while it is still being restored: that is waited for. */
  async abandon(): Promise<void> {
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
    shard.abandon();
    await this.running?.catch(() => undefined); // as above
    await shard.ended();
    await shard.options.store.close();
  }

  /** The live definitions and this worker's fold settings, as a control message when the log has others. */
  private async putDefinitionsInForce(shard: Shard): Promise<void> {
    const { meta, settings } = this.options;
    const live = await meta.liveDefinitions();
    if (live === undefined)
      throw new VisageError('no_definitions', "there are no definitions yet; run 'visage setup --definitions FILE'");
    const inForce = shard.definitionsInForce;
    if (inForce.hash === live && sameSettings(inForce.settings, foldSettingsOf(settings))) return;
    const sequence = await shard.options.log.append('definitions', controlBody(live, settings));
    await shard.reached(sequence, DEFINITIONS_IN_FORCE_MS);
  }
}
