// A worker's erasures, composed: the root's secret, the jobs, an eraser for each shard, and who takes requests.
import { VisageError } from '../base/errors.ts';
import { identityKey, partitionOf } from '../message/identity.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Topology } from '../message/subject.ts';
import type { EraseService } from '../ports/erase_service.ts';
import type { Connection } from '../nats/connection.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { EraseJobs } from './erase_jobs.ts';
import { openEraseHash, type EraseHash } from './erase_secret.ts';
import { nodeClock } from './node_clock.ts';
import type { OwnedShards } from './owned_shards.ts';
import { ShardEraser } from './shard_eraser.ts';
import { ShardErasures } from './shard_erasures.ts';
import type { ShardLife } from './shard_machine.ts';
import type { ShardSnapshots } from './shard_snapshots.ts';

export type ErasingShard = { readonly erasures: ShardErasures; readonly eraser: ShardEraser };

export interface Erasing extends EraseService {
  /** How an identity is called once it is erased, and where its id must not stand. */
  readonly hashOf: EraseHash;
  /** What a shard's lives need. @param report says what happens to whom, by hash */
  shard(shard: number, snapshots: ShardSnapshots, report: ShardLife['log']): Promise<ErasingShard>;
}

export type ErasingOptions = {
  /** Not the one that commits go out on: reading letters takes a while. */
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly settings: Settings;
  readonly shards: OwnedShards;
};

/** @throws VisageError `unavailable` (retry), `bad_secret` */
export async function openErasing({ nc, topology, meta, settings, shards }: ErasingOptions): Promise<Erasing> {
  const hashOf = await openEraseHash(meta);
  const jobs = new EraseJobs(nc, topology, meta);
  const erasers: ShardEraser[] = [];
  return {
    hashOf,
    async shard(shard, snapshots, report) {
      const erasures = new ShardErasures(hashOf, nodeClock, (hash) => jobs.isDone(shard, hash));
      const log = await openShardLog({ nc, reading: nc, topology, shard });
      const nowMs = (): number => nodeClock.wallMs();
      const eraser = new ShardEraser({ nc, topology, settings, shard, jobs, erasures, log, snapshots, meta, report, nowMs });
      erasers[shard] = eraser;
      return { erasures, eraser };
    },
    /** Ids of any length are taken: what is too long for a profile was refused, and is among the dead letters. */
    async erase(query) {
      const key = identityKey(query);
      const shard = partitionOf(key, settings.partitions);
      const { definitionsInForce, options } = shards.active(shard); // throws when it is not: what it would not do soon is not promised
      const { hash } = definitionsInForce;
      const known = hash === null ? undefined : options.definitions.planOf(hash).admission.namespaces;
      if (known?.has(query.namespace) !== true)
        throw new VisageError('unknown_namespace', 'no such namespace is defined', { kind: 'usage' });
      return erasers[shard]!.request(key);
    },
  };
}
