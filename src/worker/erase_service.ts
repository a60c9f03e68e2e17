// Who is to be erased, to the shard that owns them.
import { identityKey, partitionOf } from '../message/identity.ts';
import type { EraseService } from '../ports/erase_service.ts';
import type { OwnedShards } from './owned_shards.ts';
import type { ShardEraser } from './shard_eraser.ts';

/** Ids of any length are taken: what is too long for a profile was refused, and is among the dead letters. */
export function eraseService(options: {
  readonly partitions: number;
  readonly shards: OwnedShards;
  /** By shard. */
  readonly erasers: readonly ShardEraser[];
}): EraseService {
  return {
    erase(query) {
      const key = identityKey(query);
      const shard = partitionOf(key, options.partitions);
      options.shards.active(shard); // throws when it is not: what it would not do soon is not promised
      return options.erasers[shard]!.request(key);
    },
  };
}
