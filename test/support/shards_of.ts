// A customer for every shard.
import { identityKey, partitionOf } from '../../src/message/identity.ts';

/** By shard: an id in the namespace customerId that hashes to it. */
export function shardsOf(partitions: number): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (let n = 0; found.size < partitions; n++) {
    const id = `s-${n}`;
    const shard = partitionOf(identityKey({ namespace: 'customerId', id }), partitions);
    if (!found.has(shard)) found.set(shard, id);
  }
  return found;
}
