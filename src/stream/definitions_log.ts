// The `definitions` messages of the shards' logs: which is the last, which came when, and a next one.
// DL1: a next one goes in only right after the one that its sender has seen: of two senders one is told, and nothing goes back.
import type { LastForMsgRequest, NextMsgRequest } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { encodeControl, parseControl, type DefinitionsMessage } from '../message/control.ts';
import { controlSubject, type Topology } from '../message/subject.ts';
import { appendControl } from './shard_log.ts';
import { answerOf, jetstreamManagerOf, stampOf } from './streams.ts';

export type DefinitionsEntry = { readonly sequence: number; readonly stampMs: number; readonly control: DefinitionsMessage };

export interface DefinitionsLog {
  /** Undefined: the log has none. @throws VisageError `unavailable` (retry) */
  last(shard: number): Promise<DefinitionsEntry | undefined>;
  /** All that the log still has, oldest first. One request each. @throws as `last` */
  all(shard: number): AsyncGenerator<DefinitionsEntry>;
  /** @param after the sequence of the last one; 0: there is none yet   @returns its sequence
   *  @throws VisageError `conflict` (retry): another came first · `append_failed` (retry): it may be in the log or not · `not_allowed` */
  append(shard: number, control: DefinitionsMessage, after: number): Promise<number>;
}

export async function openDefinitionsLog(nc: NatsConnection, topology: Topology): Promise<DefinitionsLog> {
  const jsm = await jetstreamManagerOf(nc);
  const subjectOf = (shard: number): string => controlSubject(topology.root, shard, 'definitions');
  const find = async (query: LastForMsgRequest | NextMsgRequest): Promise<DefinitionsEntry | undefined> => {
    // the server knows both; the client's type has the second only for its direct way, which needs another right
    const asked = query as LastForMsgRequest;
    const found = await answerOf('the definitions in the log', () => jsm.streams.getMessage(topology.logStream, asked));
    if (found === null) return undefined;
    const control = parseControl('definitions', found.data);
    if (control.kind !== 'definitions') return undefined;
    return { sequence: found.seq, stampMs: stampOf(found.timestamp), control };
  };
  return {
    last: (shard) => find({ last_by_subj: subjectOf(shard) }),
    async *all(shard) {
      for (let after = 0; ;) {
        const entry = await find({ seq: after + 1, next_by_subj: subjectOf(shard) });
        if (entry === undefined) return;
        yield entry;
        after = entry.sequence;
      }
    },
    append: (shard, control, after) => appendControl(nc, subjectOf(shard), encodeControl(control), after),
  };
}
