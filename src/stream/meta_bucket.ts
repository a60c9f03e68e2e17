// What belongs to a root and is not in the log: number of partitions, clock, definitions by content hash, positions of ingested files.
// MB1: a definitions document is never changed under its hash, and its hash is checked when it is read.
// MB2: keys are read through the leader. Who may not (that right is for all keys at once, secrets too) reads those that it may by a
//      direct get, which may be a moment old.
import { createHash } from 'node:crypto';
import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV, type KvEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import type { EpochMs } from '../base/time.ts';
import type { ClockMode } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import { notAllowed } from './permission.ts';
import { answerOf, askAgain, mayPass } from './streams.ts';

const LIVE = 'definitions.live';
const WRONG_LAST_SEQUENCE = [10071, 10164];

export interface MetaBucket {
  get(key: string): Promise<string | undefined>;
  /** The value with its revision: 0 when the key never had one. */
  entry(key: string): Promise<{ readonly value: string | undefined; readonly revision: number }>;
  /** Puts the value if the key is still at `revision`. @returns the new revision
   *  @throws VisageError `conflict` (retry) · `unavailable` (retry): it may be written or not · `not_allowed` */
  putAt(key: string, value: string, revision: number): Promise<number>;
  /** Puts the value if there is none. @returns what is there now */
  createOrGet(key: string, value: string): Promise<string>;
  partitions(): Promise<number>;
  clock(): Promise<ClockMode>;
  /** Hash of the live definitions; undefined before the first. */
  liveDefinitions(): Promise<string | undefined>;
  /** With when it became that, by the server's clock; null: nobody has written it. */
  liveSince(): Promise<{ readonly hash: string | undefined; readonly sinceMs: EpochMs | null }>;
  /** Makes this document the live one if there is none. @returns the hash that is live now */
  seedDefinitions(hash: string, canonical: string): Promise<string>;
  /** Makes this document the live one in place of the one with the hash `before`. Repeating it is harmless.
   *  @throws VisageError `conflict` (retry): another one is live by now · `unavailable` (retry) · `not_allowed` */
  replaceDefinitions(before: string, hash: string, canonical: string): Promise<void>;
  /** @throws VisageError `no_definitions`, `corrupt_definitions` */
  definitions(hash: string): Promise<string>;
}

/** @throws VisageError `not_set_up`, `not_allowed` · `unavailable` (retry) */
export async function openMetaBucket(nc: NatsConnection, topology: Topology): Promise<MetaBucket> {
  const kv = await openBucket(nc, topology.metaBucket);
  const direct = await new Kvm(nc).open(topology.metaBucket, { allow_direct: true });
  const read = async (key: string): Promise<KvEntry | null> => {
    try {
      return await kv.get(key);
    } catch (cause) {
      if (notAllowed(cause) === undefined) throw cause;
    }
    return direct.get(key);
  };
  const find = (key: string): Promise<KvEntry | null> => answerOf(`${key} in ${topology.metaBucket}`, () => read(key));
  const get = async (key: string): Promise<string | undefined> => {
    const entry = await find(key);
    return entry === null || entry.operation !== 'PUT' ? undefined : entry.string();
  };
  const createOrGet = (key: string, value: string): Promise<string> =>
    askAgain(async () => {
      const live = await get(key);
      if (live !== undefined) return live;
      try {
        await kv.create(key, value);
        return value;
      } catch (cause) {
        const now = await get(key); // somebody else was first; or it was written, and the answer lost
        if (now !== undefined) return now;
        throw new VisageError('setup_failed', `cannot write ${key} to ${topology.metaBucket}: ${errorText(cause)}`, { cause });
      }
    });
  const entryOf: MetaBucket['entry'] = async (key) => {
    const entry = await find(key);
    if (entry === null) return { value: undefined, revision: 0 };
    return { value: entry.operation === 'PUT' ? entry.string() : undefined, revision: entry.revision };
  };
  const putAt: MetaBucket['putAt'] = async (key, value, revision) => {
    try {
      return await kv.put(key, value, { previousSeq: revision });
    } catch (cause) {
      const conflict = cause instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(cause.code);
      throw (
        notAllowed(cause) ??
        new VisageError(
          conflict ? 'conflict' : 'unavailable',
          `${key} in ${topology.metaBucket} cannot be written: ${conflict ? 'somebody else has written it' : errorText(cause)}`,
          { cause, kind: 'retry' },
        )
      );
    }
  };
  return {
    get,
    entry: entryOf,
    putAt,
    createOrGet,
    partitions: async () => Number(await required('partitions')),
    clock: async () => ((await required('clock')) === 'event' ? 'event' : 'log'),
    liveDefinitions: () => get(LIVE),
    async liveSince() {
      const entry = await find(LIVE);
      if (entry === null || entry.operation !== 'PUT') return { hash: undefined, sinceMs: null };
      return { hash: entry.string(), sinceMs: entry.created.getTime() };
    },
    async seedDefinitions(hash, canonical) {
      await createOrGet(`definitions.${hash}`, canonical);
      return createOrGet(LIVE, hash);
    },
    async replaceDefinitions(before, hash, canonical) {
      await createOrGet(`definitions.${hash}`, canonical);
      const { value, revision } = await entryOf(LIVE);
      if (value === hash) return;
      if (value !== before)
        throw new VisageError('conflict', `other definitions are live in ${topology.metaBucket} by now`, { kind: 'retry' });
      await putAt(LIVE, hash, revision);
    },
    async definitions(hash) {
      const text = await get(`definitions.${hash}`);
      if (text === undefined)
        throw new VisageError(
          'no_definitions',
          `the definitions ${hash.slice(0, 12)} that the log names are not in ${topology.metaBucket}: restore the bucket`,
          { kind: 'stop_shard' },
        );
      if (createHash('sha256').update(text).digest('hex') !== hash) {
        throw new VisageError(
          'corrupt_definitions',
          `the definitions under ${hash.slice(0, 12)} in ${topology.metaBucket} are not what the hash says: restore the bucket`,
          { kind: 'stop_shard' },
        );
      }
      return text;
    },
  };

  async function required(key: string): Promise<string> {
    const value = await get(key);
    if (value === undefined)
      throw new VisageError('not_set_up', `${topology.metaBucket} has no ${key}; run 'visage setup' first`);
    return value;
  }
}

/** That nobody answers does not mean that it is not there. */
async function openBucket(nc: NatsConnection, name: string): Promise<KV> {
  const kv = await new Kvm(nc).open(name); // without its option for direct reads: those may come from a replica that is behind
  try {
    await askAgain(() => kv.status());
  } catch (cause) {
    if (notAllowed(cause) !== undefined) return kv; // who may not ask may read some keys all the same
    if (mayPass(cause))
      throw new VisageError('unavailable', `the bucket ${name} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
    throw new VisageError('not_set_up', `there is no bucket ${name}; run 'visage setup' first`, { cause });
  }
  return kv;
}
