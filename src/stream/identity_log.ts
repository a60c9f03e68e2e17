// What the log has about one identity: its own messages and what decided about them, from the beginning of the log.
// IL1: in the order of the log, through the stream's leader: a replica may not have the newest yet.
// IL2: what an operator has skipped counts for nothing here either.
import type { NatsConnection } from '@nats-io/transport-node';
import type { StreamInfo } from '@nats-io/jetstream';
import type { EpochMs } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import { controlSubject, shardLogPrefix, type Topology } from '../message/subject.ts';
import type { LogReader } from '../ports/log.ts';
import { readSkips, SkippingReader } from './holes.ts';
import { PartitionReader } from './partition_reader.ts';
import { logState } from './shard_log.ts';
import { answerOf, jetstreamManagerOf, stampOf } from './streams.ts';

/** Control messages that decide what counts for any identity; those about erased ones are many, and matter to few. */
const DECIDING = ['definitions', 'deleteDataset'] as const;

export interface IdentityLog {
  /** Its first sequence, erased messages included, and when the first message that is there was stored; Infinity when the log is empty.
   *  @throws VisageError `unavailable` (retry) */
  beginning(): Promise<{ readonly sequence: number; readonly timeMs: EpochMs }>;
  /** Events, records, messages about the whole profile; definitions, deletes of datasets.
   *  @param erasures those of whomever too: what was never deleted was never erased */
  open(shard: number, key: IdentityKey, erasures: boolean): Promise<LogReader>;
}

export async function openIdentityLog(options: { nc: NatsConnection; topology: Topology }): Promise<IdentityLog> {
  const { nc, topology } = options;
  const { root, logStream } = topology;
  const jsm = await jetstreamManagerOf(nc);
  return {
    async beginning() {
      const { state }: StreamInfo = await answerOf('the state of the log', jsm.streams.info(logStream));
      // what an erasure removed is not lost: the log says what it was
      const sequence = state.first_seq <= 1 ? state.first_seq : (await logState(nc, topology)).firstSequence;
      // an empty stream names a time in the year 1
      return { sequence, timeMs: state.messages === 0 ? Infinity : stampOf(state.first_ts) };
    },
    async open(shard, key, erasures) {
      const kinds = erasures ? [...DECIDING, 'erase'] : DECIDING;
      const filter = [`${shardLogPrefix(root, shard)}in.*.${key}`, ...kinds.map((kind) => controlSubject(root, shard, kind))];
      const skipped = await readSkips(nc, topology, shard);
      const reader = await PartitionReader.open({ nc, stream: logStream, filter, after: 0 });
      return skipped.size === 0 ? reader : new SkippingReader(reader, skipped, controlSubject(root, shard, 'hole'));
    },
  };
}
