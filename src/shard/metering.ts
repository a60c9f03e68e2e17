// What a shard tells its meters: at the end of a slice, of a commit, of a checkpoint, and when somebody asks. Never per event.
// ME1: what the fold counts is a life's own; the meter adds up what each life counted since it was last looked at.
// ME2: what a start replays, up to the last commit, is counted apart. A refusal is counted once, however many lives send it.
import { Histogram } from '../base/histogram.ts';
import type { ShardMeter, WorkerMeter } from '../ports/metrics.ts';
import type { CheckpointResult } from './checkpointer.ts';
import type { SealedCommit } from './commit_builder.ts';
import type { Fold } from './fold.ts';
import { noCounters, type FoldCounters } from './fold_counters.ts';

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300] as const;

export function newShardMeter(): ShardMeter {
  return {
    eventsApplied: 0,
    eventsReplayed: 0,
    eventsDuplicate: 0,
    recordsApplied: 0,
    staleWrites: 0,
    deletedDropped: 0,
    primaryMismatches: 0,
    dedupeEvicted: 0,
    expiries: 0,
    changes: 0,
    changeEvents: 0,
    commits: 0,
    commitFailures: 0,
    ticks: 0,
    tickFailures: 0,
    checkpoints: 0,
    profilesWritten: 0,
    cacheMisses: 0,
    refused: new Map(),
    refusedThrough: 0,
  };
}

export function newWorkerMeter(): WorkerMeter {
  return {
    commitSeconds: new Histogram(SECONDS),
    checkpointSeconds: new Histogram(SECONDS),
    endToEndSeconds: new Histogram(SECONDS),
    expiryLatenessSeconds: new Histogram(SECONDS),
    readsRefused: { nats: 0, http: 0 },
    live: { open: 0, events: 0, resets: 0, cutOff: { slow: 0, stalled: 0 } },
  };
}

/** What a life has counted up to now. */
export type LifeCounts = {
  readonly changes: number;
  readonly cacheMisses: number;
  readonly commitFailures: number;
  readonly ticks: number;
  readonly tickFailures: number;
};

export class Metering {
  private readonly shard: ShardMeter;
  private readonly worker: WorkerMeter;
  private seen: FoldCounters & LifeCounts;

  constructor(shard: ShardMeter, worker: WorkerMeter, start: LifeCounts) {
    this.shard = shard;
    this.worker = worker;
    this.seen = { ...noCounters(), ...start };
  }

  /** Adds what the life counted since the last look. `replaying`: what it applied was committed by an earlier life.
   *  `onTime`: nothing is late because nobody was there. */
  look(fold: Fold, life: LifeCounts, is: { readonly replaying: boolean; readonly onTime: boolean }): void {
    const { shard, seen } = this;
    const { counters, lateMs } = fold;
    if (!is.replaying) {
      shard.eventsApplied += counters.events - seen.events;
      shard.eventsDuplicate += counters.duplicates - seen.duplicates;
      shard.recordsApplied += counters.records - seen.records;
      shard.staleWrites += counters.stale - seen.stale;
      shard.deletedDropped += counters.deleted - seen.deleted;
      shard.primaryMismatches += counters.primaryMismatches - seen.primaryMismatches;
      shard.dedupeEvicted += counters.dedupeEvicted - seen.dedupeEvicted;
      shard.expiries += counters.expired - seen.expired;
      shard.changes += life.changes - seen.changes;
    } else {
      shard.eventsReplayed += counters.events - seen.events;
    }
    if (is.onTime) for (let i = 0; i < lateMs.length; i++) this.worker.expiryLatenessSeconds.observe(lateMs[i]! / 1000);
    lateMs.length = 0;
    shard.cacheMisses += life.cacheMisses - seen.cacheMisses;
    shard.commitFailures += life.commitFailures - seen.commitFailures;
    shard.ticks += life.ticks - seen.ticks;
    shard.tickFailures += life.tickFailures - seen.tickFailures;
    this.seen = { ...counters, ...life };
  }

  refused(reason: string, sequence: number): void {
    const { shard } = this;
    if (sequence <= shard.refusedThrough) return;
    shard.refusedThrough = sequence;
    shard.refused.set(reason, (shard.refused.get(reason) ?? 0) + 1);
  }

  /** `wallMs`: now, by this machine's clock; what the server stamped is by the server's. */
  committed(commit: SealedCommit, tookMs: number, wallMs: number): void {
    const { shard, worker } = this;
    shard.commits++;
    shard.changeEvents += commit.events.length;
    worker.commitSeconds.observe(tookMs / 1000);
    for (const [stampMs, changes] of commit.stamps) worker.endToEndSeconds.observe(Math.max(0, wallMs - stampMs) / 1000, changes);
  }

  checkpointed(result: CheckpointResult): void {
    this.shard.checkpoints++;
    this.shard.profilesWritten += result.profiles;
    this.worker.checkpointSeconds.observe(result.tookMs / 1000);
  }
}
