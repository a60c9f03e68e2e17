// What a worker shows of itself: one sample a metric and shard, made anew at every scrape from plain numbers.
// WM1: names and labels are the catalogue's (metrics/catalogue.ts); the metrics room refuses others.
// WM2: counters live in meters that outlast the lives of a shard; gauges are read from the life that is there.
import type { HttpMeter, Labels, MetricsSource, Sample, ShardMeter, WorkerMeter } from '../ports/metrics.ts';
import { DENIALS } from '../ports/access.ts';
import { WRITE_OUTCOMES } from '../ports/writes.ts';
import type { StoreStats } from '../ports/profile_store.ts';
import type { ShardStatus } from '../shard/shard_options.ts';
import { newShardMeter, newWorkerMeter } from '../shard/metering.ts';
import { version } from './version.ts';

/** What happened to a shard's lives. */
export type LifeMeter = {
  readonly meter: ShardMeter;
  restarts: number;
  gaps: number;
  rewinds: number;
  fenceConflicts: number;
  takeovers: number;
  readonly halts: Map<string, number>;
};

export function newLifeMeter(): LifeMeter {
  return { meter: newShardMeter(), restarts: 0, gaps: 0, rewinds: 0, fenceConflicts: 0, takeovers: 0, halts: new Map() };
}

const REWINDS = new Set(['log_rewound', 'log_recreated', 'changes_rewound', 'changes_recreated']);

/** A shard halted with this code. */
export function countHalt(life: LifeMeter, code: string): void {
  life.halts.set(code, (life.halts.get(code) ?? 0) + 1);
  if (REWINDS.has(code)) life.rewinds++;
  if (code === 'log_gap') life.gaps++;
  if (code === 'fenced') life.fenceConflicts++;
}

/** One shard as it is now; `status` and `store` are there while it folds. */
export type ShardNow = {
  readonly state: string;
  readonly snapshots: { readonly taken: number; readonly failures: number };
  readonly status: ShardStatus | undefined;
  readonly store: StoreStats | undefined;
};

export type WorkerNow = {
  readonly ready: boolean;
  readonly connected: boolean;
  readonly disconnects: number;
  readonly cacheBudgetBytes: number;
  readonly shards: readonly ShardNow[];
};

export class WorkerMetrics implements MetricsSource {
  readonly meter: WorkerMeter = newWorkerMeter();
  readonly http: HttpMeter = { denied: zeros(DENIALS), written: zeros(WRITE_OUTCOMES), tokenFileFailures: 0 };
  private readonly lives: LifeMeter[] = [];
  private readonly now: () => WorkerNow;

  constructor(now: () => WorkerNow) {
    this.now = now;
  }

  life(shard: number): LifeMeter {
    return (this.lives[shard] ??= newLifeMeter());
  }

  *collect(): Iterable<Sample> {
    const now = this.now();
    yield one('build_info', 1, { version, node: process.version });
    yield one('ready', now.ready ? 1 : 0);
    yield one('nats_connected', now.connected ? 1 : 0);
    yield one('nats_disconnects_total', now.disconnects);
    for (const [door, times] of Object.entries(this.meter.readsRefused)) yield one('reads_refused_total', times, { door });
    for (const [reason, times] of Object.entries(this.http.denied)) yield one('http_denied_total', times, { reason });
    for (const [outcome, messages] of Object.entries(this.http.written)) yield one('http_messages_total', messages, { outcome });
    yield one('token_file_failures_total', this.http.tokenFileFailures);
    const { live } = this.meter;
    yield one('live_streams', live.open);
    yield one('live_events_total', live.events);
    yield one('live_resets_total', live.resets);
    for (const [reason, times] of Object.entries(live.cutOff)) yield one('live_cut_off_total', times, { reason });
    yield one('cache_budget_bytes', now.cacheBudgetBytes);
    for (const [state, shards] of Map.groupBy(now.shards, (shard) => shard.state)) yield one('shards', shards.length, { state });
    const { commitSeconds, endToEndSeconds, checkpointSeconds, expiryLatenessSeconds } = this.meter;
    yield { name: 'visage_commit_duration_seconds', labels: {}, histogram: commitSeconds };
    yield { name: 'visage_end_to_end_latency_seconds', labels: {}, histogram: endToEndSeconds };
    yield { name: 'visage_checkpoint_duration_seconds', labels: {}, histogram: checkpointSeconds };
    yield { name: 'visage_expiry_lateness_seconds', labels: {}, histogram: expiryLatenessSeconds };
    for (const [index, shard] of now.shards.entries()) {
      const labels = { shard: String(index) };
      yield* counters(this.life(index), labels);
      yield one('snapshots_total', shard.snapshots.taken, labels);
      yield one('snapshot_failures_total', shard.snapshots.failures, labels);
      yield one('shard_active', shard.state === 'active' ? 1 : 0, labels);
      yield one('shard_halted', shard.state === 'halted' ? 1 : 0, labels);
      if (shard.status !== undefined) yield* gauges(shard.status, labels);
      if (shard.store !== undefined) {
        yield one('store_file_bytes', shard.store.fileBytes, labels);
        yield one('store_used_bytes', shard.store.profileBytes, labels);
        yield one('store_map_bytes', shard.store.mapBytes, labels);
      }
    }
  }
}

/** Each is shown from the beginning. */
function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

function* counters(life: LifeMeter, labels: { readonly shard: string }): Iterable<Sample> {
  const { meter } = life;
  for (const [code, times] of life.halts) yield one('shard_halts_total', times, { ...labels, code });
  yield one('shard_restarts_total', life.restarts, labels);
  yield one('log_gaps_total', life.gaps, labels);
  yield one('log_rewinds_total', life.rewinds, labels);
  yield one('fence_conflicts_total', life.fenceConflicts, labels);
  yield one('shard_takeovers_total', life.takeovers, labels);
  yield one('events_applied_total', meter.eventsApplied, labels);
  yield one('events_replayed_total', meter.eventsReplayed, labels);
  yield one('events_duplicate_total', meter.eventsDuplicate, labels);
  for (const [reason, times] of meter.refused) yield one('events_refused_total', times, { ...labels, reason });
  yield one('records_applied_total', meter.recordsApplied, labels);
  yield one('stale_writes_total', meter.staleWrites, labels);
  yield one('deleted_dropped_total', meter.deletedDropped, labels);
  yield one('primary_mismatches_total', meter.primaryMismatches, labels);
  yield one('dedupe_evicted_total', meter.dedupeEvicted, labels);
  yield one('expiries_total', meter.expiries, labels);
  yield one('ticks_total', meter.ticks, labels);
  yield one('tick_failures_total', meter.tickFailures, labels);
  yield one('changes_total', meter.changes, labels);
  yield one('change_events_total', meter.changeEvents, labels);
  yield one('commits_total', meter.commits, labels);
  yield one('commit_failures_total', meter.commitFailures, labels);
  yield one('checkpoints_total', meter.checkpoints, labels);
  yield one('checkpoint_profiles_total', meter.profilesWritten, labels);
  yield one('cache_misses_total', meter.cacheMisses, labels);
}

function* gauges(status: ShardStatus, labels: Labels): Iterable<Sample> {
  yield one('checkpoint_age_seconds', status.checkpointAgeMs / 1000, labels);
  yield one('lag_messages', status.lag, labels);
  // the server's stamp against this machine's clock: a lag is worth no more than their agreement
  yield one('lag_seconds', status.lag > 0 ? Math.max(0, Date.now() - status.logTimeMs) / 1000 : 0, labels);
  yield one('profiles', status.profiles, labels);
  yield one('cached_profiles', status.cachedProfiles, labels);
  yield one('cached_bytes', status.cachedBytes, labels);
  yield one('dirty_profiles', status.dirtyProfiles, labels);
}

function one(name: string, value: number, labels: Labels = {}): Sample {
  return { name: `visage_${name}`, labels, value };
}
