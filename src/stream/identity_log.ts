// What the log has about one identity: its own messages and what decided about them, from the beginning of the log.
// IL1: in the order of the log, through the stream's leader: a replica may not have the newest yet.
import type { NatsConnection } from '@nats-io/transport-node';
import type { StreamInfo } from '@nats-io/jetstream';
import type { EpochMs } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import { controlSubject, shardLogPrefix, type Topology } from '../message/subject.ts';
import type { LogReader } from '../ports/log.ts';
import { PartitionReader } from './partition_reader.ts';
import { answerOf, jetstreamManagerOf, stampOf } from './streams.ts';

/** Control messages that decide what an event of the identity counts for. */
const DECIDING = ['definitions'] as const;

export interface IdentityLog {
  /** Its first sequence, and when that message was stored; Infinity when the log is empty.
   *  @throws VisageError `unavailable` (retry) */
  beginning(): Promise<{ readonly sequence: number; readonly timeMs: EpochMs }>;
  open(shard: number, key: IdentityKey): Promise<LogReader>;
}

export async function openIdentityLog(options: { nc: NatsConnection; topology: Topology }): Promise<IdentityLog> {
  const { nc, topology } = options;
  const { root, logStream } = topology;
  const jsm = await jetstreamManagerOf(nc);
  return {
    async beginning() {
      const { state }: StreamInfo = await answerOf('the state of the log', jsm.streams.info(logStream));
      // an empty stream names a time in the year 1
      return { sequence: state.first_seq, timeMs: state.messages === 0 ? Infinity : stampOf(state.first_ts) };
    },
    open(shard, key) {
      const filter = [`${shardLogPrefix(root, shard)}in.*.${key}`, ...DECIDING.map((kind) => controlSubject(root, shard, kind))];
      return PartitionReader.open({ nc, stream: logStream, filter, after: 0 });
    },
  };
}
