import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../../src/metrics/catalogue.ts';
import { createMetricsPage } from '../../../src/metrics/prometheus.ts';
import type { Sample } from '../../../src/ports/metrics.ts';
import type { ShardStatus } from '../../../src/shard/shard_options.ts';
import { countHalt, newLifeMeter, WorkerMetrics, type ShardNow, type WorkerNow } from '../../../src/worker/worker_metrics.ts';
import { parseMetrics, total } from '../../support/metrics_text.ts';

const STATUS: ShardStatus = {
  shard: 0,
  owner: 'test',
  epoch: 1,
  applied: 10,
  readThrough: 12,
  lag: 2,
  shardTimeMs: 0,
  logTimeMs: 0,
  expiring: false,
  activating: false,
  generation: 1,
  profiles: 3,
  definitions: null,
  events: 10,
  records: 0,
  stale: 0,
  deleted: 0,
  primaryMismatches: 0,
  duplicates: 0,
  refused: 0,
  expired: 0,
  dedupeEvicted: 0,
  changes: 9,
  changeEvents: 8,
  committed: 10,
  commitFailures: 0,
  commitsFailing: false,
  ticks: 0,
  tickFailures: 0,
  ticksFailing: false,
  cachedProfiles: 3,
  cachedBytes: 900,
  dirtyProfiles: 1,
  checkpoint: null,
  checkpointAgeMs: 1_500,
  gap: null,
};
const SNAPSHOTS = { taken: 1, failures: 2 };
const ACTIVE: ShardNow = {
  state: 'active',
  snapshots: SNAPSHOTS,
  status: STATUS,
  store: { fileBytes: 3, profileBytes: 1, mapBytes: 9 },
};
const GONE: ShardNow = { state: 'halted', snapshots: SNAPSHOTS, status: undefined, store: undefined };

function metricsOf(...shards: ShardNow[]): WorkerMetrics {
  const now: WorkerNow = { ready: true, connected: true, disconnects: 2, cacheBudgetBytes: 1_000, shards };
  return new WorkerMetrics(() => now);
}

const valuesOf = (metrics: WorkerMetrics, name: string): unknown[] =>
  [...metrics.collect()]
    .filter((sample) => sample.name === `visage_${name}`)
    .map((sample: Sample) => ('value' in sample ? [sample.labels, sample.value] : sample));

describe('a worker, measured', () => {
  it('fills every metric of the catalogue and no other', async () => {
    const metrics = metricsOf(ACTIVE, GONE);
    const { meter, halts } = metrics.life(0);
    meter.refused.set('schema', 4);
    halts.set('fenced', 1);
    expect(new Set([...metrics.collect()].map(({ name }) => name))).toEqual(new Set(CATALOGUE.map(({ name }) => name)));
    const families = parseMetrics(await createMetricsPage(metrics).text());
    expect(total(families, 'visage_events_refused_total', 'reason="schema"')).toBe(4);
  });

  it('says what each shard is', () => {
    const metrics = metricsOf(ACTIVE, ACTIVE, GONE);
    expect(valuesOf(metrics, 'shards')).toEqual([
      [{ state: 'active' }, 2],
      [{ state: 'halted' }, 1],
    ]);
    expect(valuesOf(metrics, 'shard_active')).toEqual([
      [{ shard: '0' }, 1],
      [{ shard: '1' }, 1],
      [{ shard: '2' }, 0],
    ]);
    expect(valuesOf(metrics, 'shard_halted')).toEqual([
      [{ shard: '0' }, 0],
      [{ shard: '1' }, 0],
      [{ shard: '2' }, 1],
    ]);
    expect(valuesOf(metrics, 'checkpoint_age_seconds')).toEqual([
      [{ shard: '0' }, 1.5],
      [{ shard: '1' }, 1.5],
    ]);
  });

  it('goes on counting when a shard has no life', () => {
    const metrics = metricsOf(GONE);
    metrics.life(0).meter.eventsApplied = 7;
    expect(metrics.life(0)).toBe(metrics.life(0));
    expect(valuesOf(metrics, 'events_applied_total')).toEqual([[{ shard: '0' }, 7]]);
    expect(valuesOf(metrics, 'profiles')).toEqual([]);
  });

  it('shows no age while nothing waits', () => {
    const [waiting, idle] = [STATUS, { ...STATUS, lag: 0 }].map((status) => metricsOf({ ...ACTIVE, status }));
    expect(valuesOf(idle!, 'lag_seconds')).toEqual([[{ shard: '0' }, 0]]);
    const [[, seconds]] = valuesOf(waiting!, 'lag_seconds') as [[unknown, number]];
    expect(seconds).toBeGreaterThan(1_000_000);
    const ahead = metricsOf({ ...ACTIVE, status: { ...STATUS, logTimeMs: Date.now() + 60_000 } });
    expect(valuesOf(ahead, 'lag_seconds')).toEqual([[{ shard: '0' }, 0]]);
  });
});

describe('a halt', () => {
  it.each([
    ['log_rewound', { rewinds: 1, gaps: 0, fenceConflicts: 0 }],
    ['changes_recreated', { rewinds: 1, gaps: 0, fenceConflicts: 0 }],
    ['log_gap', { rewinds: 0, gaps: 1, fenceConflicts: 0 }],
    ['fenced', { rewinds: 0, gaps: 0, fenceConflicts: 1 }],
    ['store_full', { rewinds: 0, gaps: 0, fenceConflicts: 0 }],
  ])('with %s is counted by its code and by its kind', (code, counted) => {
    const life = newLifeMeter();
    countHalt(life, code);
    expect(life).toMatchObject(counted);
    countHalt(life, code);
    expect([...life.halts]).toEqual([[code, 2]]);
  });
});
