// Takes messages out of a stream one by one, their bytes overwritten: a purge would leave them in the server's files.
// RM1: what is gone already is no failure: a removal can be begun again. RM2: nothing that is not named is touched.
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject, PROFILE_TOKEN, shardLogPrefix, type Topology } from '../message/subject.ts';
import { scanStream } from './erasure_scan.ts';
import { notAllowed } from './permission.ts';
import { answerOf, jetstreamManagerOf } from './streams.ts';

const IN_FLIGHT = 8;

type OfShard = { readonly nc: NatsConnection; readonly topology: Topology; readonly shard: number };

/** What the log has of an identity before its erase message, with the definitions messages of its shard between, which say what was
 *  admitted.  @param erase the sequence of the erase message  @throws VisageError `unavailable`, `stream_changed` (retry) */
export async function* messagesBefore({
  nc,
  topology: { root, logStream },
  shard,
  key,
  erase,
}: OfShard & { readonly key: IdentityKey; readonly erase: number }): AsyncGenerator<LogMessage> {
  const controls = ['definitions', 'erase'].map((kind) => controlSubject(root, shard, kind));
  // the erase message is read too: with it the reader knows that it has come to the end
  const filter = [`${shardLogPrefix(root, shard)}in.*.${key}`, ...controls];
  for await (const message of scanStream({ nc, stream: logStream, filter, through: erase }))
    if (message.subject !== controls[1]) yield message;
}

/** The messages about whole profiles that ask for an erasure: of one identity, or of all of a shard.
 *  @throws VisageError `unavailable`, `stream_changed` (retry) */
export async function* eraseRequests(of: OfShard, key?: IdentityKey): AsyncGenerator<LogMessage> {
  const { root, logStream } = of.topology;
  const filter = [`${shardLogPrefix(root, of.shard)}in.${PROFILE_TOKEN}.${key ?? '>'}`];
  for await (const message of scanStream({ nc: of.nc, stream: logStream, filter })) yield message;
}

/** The identities that a shard's log has messages of, each once. Cost: one request per 100,000 subjects.
 *  @throws VisageError `unavailable` (retry) */
export async function keysInLog({ nc, topology: { root, logStream }, shard }: OfShard): Promise<ReadonlySet<IdentityKey>> {
  const jsm = await jetstreamManagerOf(nc);
  const prefix = `${shardLogPrefix(root, shard)}in.`;
  const asked = jsm.streams.info(logStream, { subjects_filter: `${prefix}>` });
  const { state } = await answerOf('the subjects of the log', asked);
  const keys = new Set<IdentityKey>();
  for (const subject of Object.keys(state.subjects ?? {})) keys.add(subject.slice(subject.indexOf('.', prefix.length) + 1));
  return keys;
}

/** Overwrites and removes them; resolves when the server has done all. Cost: one request each, 8 at a time.
 *  @throws VisageError `not_removed` · `not_allowed` · `unavailable` (retry): what was removed by then stays removed */
export async function removeMessages(nc: NatsConnection, stream: string, sequences: readonly number[]): Promise<void> {
  const jsm = await jetstreamManagerOf(nc);
  let next = 0;
  const remover = async (): Promise<void> => {
    for (let at = next++; at < sequences.length; at = next++) await removeOne(jsm, stream, sequences[at]!);
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, sequences.length) }, remover));
}

async function removeOne(jsm: JetStreamManager, stream: string, sequence: number): Promise<void> {
  let why: unknown;
  try {
    if (await jsm.streams.deleteMessage(stream, sequence, true)) return;
  } catch (cause) {
    why = notAllowed(cause) ?? cause;
    if (why instanceof VisageError) throw why;
  }
  const left = await answerOf(`message ${sequence} of ${stream}`, jsm.streams.getMessage(stream, { seq: sequence }));
  if (left === null) return; // it was gone already
  const text = `message ${sequence} of ${stream} was not removed: ${why === undefined ? 'the server refused' : errorText(why)}. The stream must allow it (deny_delete: false), and the worker's user too`;
  throw new VisageError('not_removed', text, { cause: why, kind: 'retry' });
}
