// The `definitions` messages of the shards' logs: which is the last, which came when, and a next one.
// DL1: a next one goes in only right after the one that its sender has seen: of two senders one is told, and nothing goes back.
import type { LastForMsgRequest, NextMsgRequest } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { encodeControl, parseControl, type ControlMessage } from '../message/control.ts';
import { controlSubject, type Topology } from '../message/subject.ts';
import { notAllowed } from './permission.ts';
import { answerOf, jetstreamManagerOf, stampOf } from './streams.ts';

const APPEND_TIMEOUT_MS = 5_000;
const WRONG_LAST_SEQUENCE = [10071, 10164];

type DefinitionsControl = Extract<ControlMessage, { readonly kind: 'definitions' }>;
export type DefinitionsEntry = { readonly sequence: number; readonly stampMs: number; readonly control: DefinitionsControl };

export interface DefinitionsLog {
  /** Undefined: the log has none. @throws VisageError `unavailable` (retry) */
  last(shard: number): Promise<DefinitionsEntry | undefined>;
  /** All that the log still has, oldest first. One request each. @throws as `last` */
  all(shard: number): AsyncGenerator<DefinitionsEntry>;
  /** @param after the sequence of the last one; 0: there is none yet   @returns its sequence
   *  @throws VisageError `conflict` (retry): another came first · `append_failed` (retry): it may be in the log or not · `not_allowed` */
  append(shard: number, control: DefinitionsControl, after: number): Promise<number>;
}

export async function openDefinitionsLog(nc: NatsConnection, topology: Topology): Promise<DefinitionsLog> {
  const jsm = await jetstreamManagerOf(nc);
  const subjectOf = (shard: number): string => controlSubject(topology.root, shard, 'definitions');
  const find = async (query: LastForMsgRequest | NextMsgRequest): Promise<DefinitionsEntry | undefined> => {
    // the server knows both; the client's type has the second only for its direct way, which needs another right
    const asked = query as LastForMsgRequest;
    const found = await answerOf('the definitions in the log', jsm.streams.getMessage(topology.logStream, asked));
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
    async append(shard, control, after) {
      const h = headers();
      h.set('Nats-Expected-Last-Subject-Sequence', String(after));
      let answer: { seq?: number; error?: { err_code?: number; description?: string } };
      try {
        const reply = await nc.request(subjectOf(shard), encodeControl(control), { headers: h, timeout: APPEND_TIMEOUT_MS });
        answer = reply.json();
      } catch (cause) {
        throw (
          notAllowed(cause) ??
          new VisageError('append_failed', `cannot append to the log: ${errorText(cause)}`, { cause, kind: 'retry' })
        );
      }
      if (answer.error === undefined && answer.seq !== undefined) return answer.seq;
      const conflict = WRONG_LAST_SEQUENCE.includes(answer.error?.err_code ?? 0);
      const why = conflict ? 'somebody else has appended definitions' : (answer.error?.description ?? 'no sequence');
      throw new VisageError(
        conflict ? 'conflict' : 'append_failed',
        `the log of shard ${shard} did not take the definitions: ${why}`,
        { kind: 'retry' },
      );
    },
  };
}
