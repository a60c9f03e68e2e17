// Change events of single profiles for those who look at them: any worker has those of any profile, the change stream is for all.
// CF1: one reader per shard that somebody looks at, shared by all of them: it begins with the first and ends with the last.
import type { NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { identityKey, partitionOf } from '../message/identity.ts';
import type { Topology } from '../message/subject.ts';
import type { ChangeFeed } from '../ports/changes.ts';
import { parsePosition } from './change_position.ts';
import { ShardChanges, Subscriber } from './shard_changes.ts';
import { jetstreamManagerOf } from './streams.ts';
import { Turns } from './turns.ts';

/** Each goes through all that a shard has said since. */
const CATCH_UPS_MAX = 4;

export interface StreamChangeFeed extends ChangeFeed {
  /** Ends everybody's events; nobody else is taken. */
  close(): void;
}

export async function openChangeFeed(options: {
  readonly nc: NatsConnection;
  readonly topology: Topology;
  readonly partitions: number;
  /** Hears of errors that are no VisageError. */
  readonly onDefect: (error: unknown) => void;
}): Promise<StreamChangeFeed> {
  const { nc, topology, partitions, onDefect } = options;
  const jsm = await jetstreamManagerOf(nc);
  const turns = new Turns({ atOnce: CATCH_UPS_MAX, waiting: Infinity, busy }); // bounded by how many may look at all
  const shards = new Map<number, ShardChanges>();
  let closed = false;
  const begin = (shard: number): ShardChanges => {
    const onEnd = (): void => void (shards.get(shard) === begun && shards.delete(shard));
    const begun = new ShardChanges({ nc, jsm, topology, turns, shard, onEnd, onDefect });
    shards.set(shard, begun);
    return begun;
  };
  return {
    async subscribe(query, listener) {
      const shard = partitionOf(identityKey(query), partitions);
      const from = query.from === undefined ? undefined : parsePosition(query.from);
      if (closed) throw new VisageError('stopped', 'the worker is stopping; try again', { kind: 'retry' });
      return (shards.get(shard) ?? begin(shard)).join(new Subscriber(query, listener), from);
    },
    close() {
      closed = true;
      for (const shard of [...shards.values()]) shard.end();
    },
  };
}

function busy(): VisageError {
  return new VisageError('too_many_streams', 'too many read what they have missed; try again', { kind: 'retry' });
}
