// What a shard is made of, and what it says about itself.
import type { Plan } from '../aggregate/plan.ts';
import type { ClockMode } from '../message/control.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ChangeSink, DeadLetterSink } from '../ports/change_sink.ts';
import type { Clock } from '../ports/clock.ts';
import type { ErasureSource } from '../ports/erasures.ts';
import type { GenerationStart, ShardLog } from '../ports/log.ts';
import type { ShardMeter, WorkerMeter } from '../ports/metrics.ts';
import type { ProfileStore } from '../ports/profile_store.ts';
import type { CheckpointResult } from './checkpointer.ts';
import type { GapReport } from './recovery.ts';

/** Definitions by content hash: `load` fetches and compiles, `planOf` must then know it. */
export interface DefinitionsSource {
  load(hash: string): Promise<void>;
  planOf(hash: string): Plan;
}

export type ShardOptions = {
  readonly root: string;
  readonly logStream: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  readonly owner: string;
  readonly clock: Clock;
  readonly log: ShardLog;
  readonly sink: ChangeSink;
  readonly deadLetters: DeadLetterSink;
  readonly store: ProfileStore;
  readonly definitions: DefinitionsSource;
  readonly meter: ShardMeter;
  readonly workerMeter: WorkerMeter;
  readonly cacheMaxBytes: number;
  readonly tickMs: number;
  readonly commitIntervalMs: number;
  readonly commitRefreshMs: number;
  readonly checkpointIntervalMs: number;
  readonly checkpointMaxDirty: number;
  readonly maxClockJumpMs: number;
  readonly logGap: 'halt' | 'continue';
  /** Messages up to here may be missing in the log: an operator has accepted that. */
  readonly gapThrough: number;
  /** See recovery.ts. */
  readonly adopted: { readonly log: string; readonly changes: string } | null;
  readonly erasures: ErasureSource;
  /** A message asks for this identity to be erased. Told when it is applied by an active shard, at least once. */
  readonly onErase: (key: IdentityKey) => void;
  /** Told what a person should know, and nobody has to act on. */
  readonly onWarning: (text: string) => void;
  /** How the state's generation began; null for the first. */
  readonly generation: GenerationStart | null;
};

export type ShardStatus = {
  readonly shard: number;
  readonly owner: string;
  readonly epoch: number;
  readonly applied: number;
  readonly readThrough: number;
  readonly lag: number;
  readonly shardTimeMs: number;
  readonly logTimeMs: number;
  /** Values are due to leave their windows and have not left yet. */
  readonly expiring: boolean;
  /** Profiles wait for attributes that were added to the definitions, or for what a deleted dataset said to be taken out. */
  readonly activating: boolean;
  readonly profiles: number;
  readonly definitions: string | null;
  readonly generation: number;
  readonly events: number;
  readonly records: number;
  readonly stale: number;
  readonly deleted: number;
  readonly primaryMismatches: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly expired: number;
  readonly dedupeEvicted: number;
  readonly changes: number;
  /** Change events published by this life; fewer than changes where commits fold. */
  readonly changeEvents: number;
  readonly committed: number;
  readonly commitFailures: number;
  readonly commitsFailing: boolean;
  readonly ticks: number;
  readonly tickFailures: number;
  readonly ticksFailing: boolean;
  readonly cachedProfiles: number;
  readonly cachedBytes: number;
  readonly dirtyProfiles: number;
  readonly checkpoint: CheckpointResult | null;
  /** Since the first applied message that no checkpoint has; 0: they have everything. */
  readonly checkpointAgeMs: number;
  readonly gap: GapReport;
};
