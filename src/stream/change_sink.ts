// Commits on JetStream: one message on the shard's change subject, fenced by the sequence of the one before.
// SK1: the fence is the exact subject: a wildcard leaks (measured).
// SK2: any answer but a clean acknowledgement proves nothing: the last message of the subject is read through the leader.

import type { StoredMsg } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { changesSubject, type Topology } from '../message/subject.ts';
import type { ChangeSink, CommitHeader, CommitOutcome, LastCommit } from '../ports/change_sink.ts';
import { streamState } from './shard_log.ts';
import { ANSWER_MS_MAX, answerOf, jetstreamManagerOf } from './streams.ts';

export async function openChangeSink(options: { nc: NatsConnection; topology: Topology; shard: number }): Promise<ChangeSink> {
  const { nc, topology, shard } = options;
  const jsm = await jetstreamManagerOf(nc, ANSWER_MS_MAX);
  const subject = changesSubject(topology.root, shard);

  const last = async (): Promise<LastCommit | undefined> => {
    const question = jsm.streams.getMessage(topology.changesStream, { last_by_subj: subject });
    const found = await answerOf(`the last commit on ${subject}`, question);
    return found === null ? undefined : { streamSequence: found.seq, header: readHeader(found, subject) };
  };

  /** What is true, whatever the answer was? */
  const settle = async (header: CommitHeader, previous: LastCommit | undefined, why: string): Promise<CommitOutcome> => {
    let now: LastCommit | undefined;
    try {
      now = await last();
    } catch (error) {
      if (error instanceof VisageError && error.kind !== 'retry') throw error; // somebody else wrote there: trying again would not help
      return { kind: 'unavailable', why: `${why}; ${errorText(error)}` };
    }
    if (now?.streamSequence === previous?.streamSequence) return { kind: 'unavailable', why };
    if (previous !== undefined && (now === undefined || now.streamSequence < previous.streamSequence)) {
      const text = `${topology.changesStream} no longer has the commit ${previous.streamSequence} of shard ${shard}: it was emptied, made again or rewound`;
      throw new VisageError('changes_moved', text, { kind: 'retry' }); // the next life looks closer, and halts
    }
    if (now !== undefined && isOurs(now.header, header)) return { kind: 'committed', streamSequence: now.streamSequence };
    return { kind: 'fenced', by: `${now!.header.owner}, epoch ${now!.header.epoch}` };
  };

  return {
    last,
    state: () => streamState(jsm, topology.changesStream),
    async publish(header, body, previous) {
      const h = writeHeader(header);
      h.set('Nats-Expected-Last-Subject-Sequence', String(previous?.streamSequence ?? 0));
      let why: string;
      try {
        const answer = await nc.request(subject, body, { headers: h, timeout: ANSWER_MS_MAX });
        const ack: { seq?: number; duplicate?: boolean; error?: { err_code?: number; description?: string } } = answer.json();
        if (ack.error === undefined && ack.seq !== undefined && ack.duplicate !== true)
          return { kind: 'committed', streamSequence: ack.seq };
        why = `${ack.error?.description ?? 'no sequence'} (${ack.error?.err_code ?? 0})`;
      } catch (error) {
        why = errorText(error);
      }
      return settle(header, previous, why);
    },
  };
}

function isOurs(found: CommitHeader, sent: CommitHeader): boolean {
  const same = found.position.sequence === sent.position.sequence && found.position.ordinal === sent.position.ordinal;
  return same && found.owner === sent.owner && found.epoch === sent.epoch && found.changeCount === sent.changeCount;
}

function writeHeader(header: CommitHeader): MsgHdrs {
  const h = headers();
  h.set('Content-Type', 'application/cloudevents-batch+json');
  h.set('Visage-Epoch', String(header.epoch));
  h.set('Visage-Owner', header.owner);
  h.set('Visage-Position', `${header.position.sequence}/${header.position.ordinal}`);
  h.set('Visage-Change-Count', String(header.changeCount));
  h.set('Visage-Change-Digest', String(header.changeDigest));
  if (header.definitionsHash !== null) h.set('Visage-Definitions', header.definitionsHash);
  h.set('Visage-Fold', String(header.foldVersion));
  if (header.generation > 1) h.set('Visage-Generation', String(header.generation));
  h.set('Visage-Log-Created', header.logCreated);
  if (header.fingerprint !== '') h.set('Visage-Log-Fingerprint', header.fingerprint);
  return h;
}

function readHeader(found: StoredMsg, subject: string): CommitHeader {
  const h = headerOf(found);
  const [sequence, ordinal] = (h?.get('Visage-Position') ?? '').split('/').map(Number);
  const epoch = Number(h?.get('Visage-Epoch') || NaN);
  if (h === undefined || sequence === undefined || ordinal === undefined || !Number.isSafeInteger(epoch)) {
    throw new VisageError(
      'foreign_commit',
      `the last message on ${subject} is not a commit of Visage: somebody else publishes there. Remove it, and the permission`,
      { kind: 'stop_shard' },
    );
  }
  return {
    epoch,
    owner: h.get('Visage-Owner'),
    position: { sequence, ordinal },
    changeCount: Number(h.get('Visage-Change-Count')),
    changeDigest: Number(h.get('Visage-Change-Digest')),
    definitionsHash: h.get('Visage-Definitions') || null,
    foldVersion: Number(h.get('Visage-Fold')),
    generation: Number(h.get('Visage-Generation') || 1),
    logCreated: h.get('Visage-Log-Created'),
    fingerprint: h.get('Visage-Log-Fingerprint'),
  };
}

/** Undefined when it is none: the client throws at bytes that the server stores. */
function headerOf(found: StoredMsg): MsgHdrs | undefined {
  try {
    return found.header;
  } catch {
    return undefined;
  }
}
