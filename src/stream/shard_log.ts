// The shard's log on JetStream.
// SL1: messages that an erasure has removed are read as holes, and are no gap. SL2: so are those that an operator has skipped.
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { assert } from '../base/assert.ts';
import { errorText, VisageError } from '../base/errors.ts';
import { parseControl, type ErasedMessage } from '../message/control.ts';
import { fingerprint } from '../message/fingerprint.ts';
import { controlSubject, shardLogPrefix, type Topology } from '../message/subject.ts';
import type { GenerationStart, LogReader, ShardLog, StreamState } from '../ports/log.ts';
import { firstBeforeHoles, HoleReader, holesAfter, readErased, readSkips, SkippingReader } from './holes.ts';
import { PartitionReader } from './partition_reader.ts';
import { notAllowed } from './permission.ts';
import { answerOf, jetstreamManagerOf, stampOf } from './streams.ts';

const APPEND_TIMEOUT_MS = 5_000;
const WRONG_LAST_SEQUENCE = [10071, 10164];

/** `nc` publishes and asks; `reading` only reads: a flood of messages must not delay an acknowledgement. */
export async function openShardLog(options: {
  nc: NatsConnection;
  reading: NatsConnection;
  topology: Topology;
  shard: number;
  /** Hears of what was removed, at each `open`, before the first message is read. */
  onErased?: (erased: readonly ErasedMessage[], after: number) => void;
}): Promise<ShardLog> {
  const { nc, reading, topology, shard } = options;
  const jsm = await jetstreamManagerOf(nc);
  const prefix = shardLogPrefix(topology.root, shard);
  /** Undefined until they are read. */
  let skipped: ReadonlySet<number> | undefined;
  return {
    open: async (after): Promise<LogReader> => {
      const erased = await readErased(reading, topology, shard);
      skipped = await readSkips(reading, topology, shard);
      options.onErased?.(erased, after);
      const hole = controlSubject(topology.root, shard, 'hole');
      const holes = holesAfter(erased, hole, after);
      const all = await PartitionReader.open({ nc: reading, stream: topology.logStream, filter: `${prefix}>`, after });
      const reader = skipped.size === 0 ? all : new SkippingReader(all, skipped, hole);
      return holes.length === 0 ? reader : new HoleReader(reader, holes);
    },
    append: (kind, body, after) => appendControl(nc, controlSubject(topology.root, shard, kind), body, after),
    state: () => logState(nc, topology),
    lastForShard: async () => {
      const question = jsm.streams.getMessage(topology.logStream, { last_by_subj: `${prefix}>` });
      return (await answerOf('the end of the log', question))?.seq ?? 0;
    },
    generations: async () => {
      const found: GenerationStart[] = [];
      const subject = controlSubject(topology.root, shard, 'generation');
      let question = jsm.streams.getMessage(topology.logStream, { last_by_subj: subject });
      for (;;) {
        const message = await answerOf('a generation of the log', question);
        if (message === null || message.subject !== subject) return found.reverse();
        const control = parseControl('generation', message.data);
        assert(control.kind === 'generation', 'a generation subject has generation messages');
        found.push({ ...control, sequence: message.seq, stampMs: stampOf(message.timestamp) });
        if (control.previous === 0) return found.reverse();
        question = jsm.streams.getMessage(topology.logStream, { seq: control.previous });
      }
    },
    fingerprintAt: async (sequence) => {
      skipped ??= await readSkips(reading, topology, shard);
      if (skipped.has(sequence)) return undefined; // a hole was applied there, or the message itself, before it was skipped
      const question = jsm.streams.getMessage(topology.logStream, { seq: sequence });
      const found = await answerOf(`message ${sequence} of the log`, question);
      return found === null
        ? undefined
        : fingerprint({ stampMs: stampOf(found.timestamp), subject: found.subject, body: found.data });
    },
  };
}

/** Publishes and reads the acknowledgement itself: the client's own publish would retry, and might append twice.
 *  @param after the last sequence of the subject, when it must still be that
 *  @throws VisageError `append_failed` (retry): it may be in the log or not · `conflict` (retry) · `not_allowed` */
export async function appendControl(nc: NatsConnection, subject: string, body: Uint8Array, after?: number): Promise<number> {
  const h = headers();
  if (after !== undefined) h.set('Nats-Expected-Last-Subject-Sequence', String(after));
  let answer: { seq?: number; error?: { err_code?: number; description?: string } };
  try {
    answer = (await nc.request(subject, body, { headers: h, timeout: APPEND_TIMEOUT_MS })).json();
  } catch (cause) {
    throw (
      notAllowed(cause) ??
      new VisageError('append_failed', `cannot append to the log: ${errorText(cause)}`, { cause, kind: 'retry' })
    );
  }
  if (answer.error === undefined && answer.seq !== undefined) return answer.seq;
  const { err_code: code = 0, description = 'no sequence' } = answer.error ?? {};
  if (WRONG_LAST_SEQUENCE.includes(code))
    throw new VisageError('conflict', `somebody else has appended to ${subject}`, { kind: 'retry' });
  throw new VisageError('append_failed', `the log refused a control message: ${description} (${code})`, { kind: 'retry' });
}

/** As `streamState`; messages at the log's beginning that were removed count as there: what they were is known.
 *  @throws as `streamState` */
export async function logState(nc: NatsConnection, topology: Topology): Promise<StreamState> {
  const state = await streamState(await jetstreamManagerOf(nc), topology.logStream);
  if (state.firstSequence <= 1) return state;
  const firstSequence = firstBeforeHoles(state.firstSequence, await readErased(nc, topology, null));
  return { ...state, firstSequence };
}

/** @throws VisageError `no_stream` · `unavailable` (retry) */
export async function streamState(jsm: JetStreamManager, stream: string): Promise<StreamState> {
  let info: StreamInfo;
  try {
    info = await jsm.streams.info(stream);
  } catch (cause) {
    if (/not found/i.test(errorText(cause)))
      throw new VisageError('no_stream', `there is no stream ${stream}; run 'visage setup' first`, { cause });
    throw new VisageError('unavailable', `stream ${stream} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
  }
  return { created: String(info.created), firstSequence: info.state.first_seq, lastSequence: info.state.last_seq };
}
