// What a checkpoint says of the state it holds, beside the profiles.
import type { FrozenMeta } from './checkpointer.ts';
import type { Fold } from './fold.ts';
import { FORMAT_VERSION } from './recovery.ts';
import type { ShardOptions } from './shard_options.ts';

/** What the fold does not know of itself. */
export type MetaContext = Pick<FrozenMeta, 'readThrough' | 'fingerprint' | 'logCreated' | 'changesCreated' | 'epoch' | 'endedBy'>;

export function frozenMeta(
  fold: Fold,
  options: Pick<ShardOptions, 'shard' | 'partitions' | 'clockMode'>,
  context: MetaContext,
): FrozenMeta {
  return {
    formatVersion: FORMAT_VERSION,
    shard: options.shard,
    partitions: options.partitions,
    clock: options.clockMode,
    foldVersion: fold.foldVersion,
    definitionsHash: fold.plan?.hash ?? null,
    settings: fold.settings,
    applied: fold.applied,
    shardTimeMs: fold.shardTimeMs,
    logTimeMs: fold.logTimeMs,
    changeCount: fold.recorder.count,
    changeDigest: fold.recorder.digest,
    profiles: fold.profiles,
    revisions: fold.revisions,
    datasetDeletes: fold.deletions.datasets,
    eraseMarks: fold.deletions.marks,
    erasures: fold.deletions.erasures,
    sweptTo: fold.sweptTo,
    generation: fold.generation,
    generationFrom: fold.generationFrom,
    ...context,
  };
}
