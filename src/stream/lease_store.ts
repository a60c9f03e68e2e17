// Leases in a bucket of NATS: every entry runs out with the bucket's ttl unless it is written again.
// LN1: no entry has a time to live of its own: one that is updated then never runs out (tried).
// LN2: what is there is asked directly, at any replica: it may be a moment old. What decides is the leader's answer to a write.
import type { JetStreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { apiSubject, type Topology } from '../message/subject.ts';
import type { LeaseEntry, LeaseStore, PutOutcome } from '../ports/leases.ts';
import { notAllowed } from './permission.ts';
import { answerOf, askAgain, jetstreamManagerOf } from './streams.ts';

const TIMEOUT_MS = 2_000;
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
  const jsm = await jetstreamManagerOf(nc);
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
      answer = (await nc.request(prefix + key, body, { headers: h, timeout: TIMEOUT_MS })).json();
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
      const entries: LeaseEntry[] = [];
      try {
        const found = await jsm.direct.getLastMessagesFor(stream, { multi_last: [`${prefix}>`], batch: 1024 });
        for await (const message of found) {
          if (message.header.has(OPERATION) || message.header.has(MARKER)) continue;
          const value = Buffer.from(message.data).toString('utf8');
          entries.push({ key: message.subject.slice(prefix.length), value, revision: message.seq });
        }
      } catch (cause) {
        if (/no results|not found|404/i.test(errorText(cause))) return entries;
        throw new VisageError('unavailable', `${bucket} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
      }
      return entries;
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
