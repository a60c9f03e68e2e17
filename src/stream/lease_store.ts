// Leases in a bucket of NATS: every entry runs out with the bucket's ttl unless it is written again.
// LN1: no entry has a time to live of its own: one that is updated then never runs out (tried).
// LN2: what is there is asked directly, at any replica: it may be a moment old. What decides is the leader's answer to a write.
import type { BatchCallback, JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { apiSubject, type Topology } from '../message/subject.ts';
import type { LeaseEntry, LeaseStore, PutOutcome } from '../ports/leases.ts';
import { notAllowed } from './permission.ts';
import { ANSWER_MS_MAX, answerOf, askAgain, jetstreamManagerOf } from './streams.ts';

/** More than a root has shards and workers. */
const BATCH = 1_024;
const CONFLICTS = [10071, 10164];
/** With a marker of this kind in its place an entry is gone. */
const OPERATION = 'KV-Operation';
const MARKER = 'Nats-Marker-Reason';

/** @throws VisageError `not_set_up`, `unavailable` (retry) */
export async function openLeaseStore(nc: NatsConnection, topology: Topology): Promise<LeaseStore> {
  const bucket = topology.leasesBucket;
  const stream = `KV_${bucket}`;
  const prefix = `$KV.${bucket}.`;
  const hintSubject = apiSubject(topology.root, 'hint');
  const jsm = await jetstreamManagerOf(nc, ANSWER_MS_MAX); // a lost answer must not cost the time that a lease has left
  const ttlMs = await ttlOf(jsm, stream, bucket);

  /** Through the leader; a marker shows as `isGone`. */
  const lastOf = async (key: string): Promise<{ readonly entry: LeaseEntry; readonly isGone: boolean } | undefined> => {
    const question = jsm.streams.getMessage(stream, { last_by_subj: prefix + key });
    const found = await answerOf(`${key} in ${bucket}`, question);
    if (found === null) return undefined;
    const { header, seq: revision, data } = found;
    return {
      entry: { key, value: Buffer.from(data).toString('utf8'), revision },
      isGone: header.has(OPERATION) || header.has(MARKER),
    };
  };

  const write = async (key: string, body: string, revision: number, operation?: string): Promise<number | undefined> => {
    const h = headers();
    h.set('Nats-Expected-Last-Subject-Sequence', String(revision));
    if (operation !== undefined) h.set(OPERATION, operation);
    let answer: { seq?: number; error?: { err_code?: number; description?: string } };
    try {
      answer = (await nc.request(prefix + key, body, { headers: h, timeout: ANSWER_MS_MAX })).json();
    } catch (cause) {
      const text = `${key} in ${bucket} cannot be written: ${errorText(cause)}`;
      throw notAllowed(cause) ?? new VisageError('unavailable', text, { cause, kind: 'retry' });
    }
    if (answer.seq !== undefined && answer.error === undefined) return answer.seq;
    const { err_code: code = 0, description = 'no sequence' } = answer.error ?? {};
    if (CONFLICTS.includes(code)) return undefined;
    throw new VisageError('unavailable', `${key} in ${bucket} cannot be written: ${description} (${code})`, { kind: 'retry' });
  };

  return {
    ttlMs,
    async list() {
      try {
        return await lastOfAll(jsm, stream, prefix);
      } catch (cause) {
        if (/no results|not found|404/i.test(errorText(cause))) return [];
        throw new VisageError('unavailable', `${bucket} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
      }
    },
    async put(key, value, revision): Promise<PutOutcome> {
      let written = await write(key, value, revision);
      if (written !== undefined) return { done: true, revision: written };
      const now = await lastOf(key);
      if (revision > 0 || now?.isGone !== true) return { done: false, now: now?.isGone === true ? undefined : now?.entry };
      written = await write(key, value, now.entry.revision); // over the marker that an earlier entry has left
      return written === undefined ? { done: false, now: undefined } : { done: true, revision: written };
    },
    async remove(key, revision) {
      await write(key, '', revision, 'DEL');
    },
    hint: () => {
      if (!nc.isClosed()) nc.publish(hintSubject);
    },
    onHint(callback) {
      const subscription = nc.subscribe(hintSubject, { callback: (error) => void (error === null && callback()) });
      return () => subscription.unsubscribe();
    },
  };
}

/** With a callback: the client leaves the subscription of an answer that is read without one for good. And with a time limit: the client's
 *  own is over with the first message. */
async function lastOfAll(jsm: JetStreamManager, stream: string, prefix: string): Promise<readonly LeaseEntry[]> {
  const entries: LeaseEntry[] = [];
  const end = Promise.withResolvers<void>();
  const callback: BatchCallback<StoredMsg> = (done, { header, subject, data, seq: revision }) => {
    if (done !== null) return done.err === undefined ? end.resolve() : end.reject(done.err);
    if (header.has(OPERATION) || header.has(MARKER)) return;
    entries.push({ key: subject.slice(prefix.length), value: Buffer.from(data).toString('utf8'), revision });
  };
  const found = await jsm.direct.getLastMessagesFor(stream, { multi_last: [`${prefix}>`], batch: BATCH, callback });
  const late = setTimeout(() => found.stop(new Error('no answer in time')), ANSWER_MS_MAX);
  await end.promise.finally(() => clearTimeout(late));
  return entries;
}

async function ttlOf(jsm: JetStreamManager, stream: string, bucket: string): Promise<number> {
  try {
    const { config } = await askAgain(() => jsm.streams.info(stream));
    return config.max_age / 1e6;
  } catch (cause) {
    if (/not found/i.test(errorText(cause)))
      throw new VisageError('not_set_up', `there is no bucket ${bucket}; run 'visage setup' first`, { cause });
    throw new VisageError('unavailable', `${bucket} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
  }
}
