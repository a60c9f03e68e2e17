// Snapshots in the object store: files under names, in pieces, each whole or not at all.
// SO1: an object is there when its last message is: what a crash has left of one is never read.
import { Objm, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import type { Topology } from '../message/subject.ts';
import { notAllowed } from './permission.ts';
import { PartitionReader } from './partition_reader.ts';
import { removeMessages } from './removal.ts';
import { answerOf, askAgain, jetstreamManagerOf, mayPass } from './streams.ts';

export interface SnapshotObjects {
  /** @throws VisageError `unavailable` (retry), `not_allowed` */
  put(name: string, bytes: ReadableStream<Uint8Array>): Promise<void>;
  /** Undefined: there is none. Reading it fails where its bytes are not those that were put. */
  get(name: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** @param overwritten nothing of it may be left on the server's disk: slower */
  remove(name: string, overwritten: boolean): Promise<void>;
  names(prefix: string): Promise<readonly string[]>;
}

/** @throws VisageError `not_set_up` */
export async function openSnapshotObjects(nc: NatsConnection, topology: Topology): Promise<SnapshotObjects> {
  const bucket = topology.snapshotsBucket;
  const stream = `OBJ_${bucket}`;
  const jsm = await jetstreamManagerOf(nc);
  let objects: ObjectStore;
  try {
    await askAgain(() => jsm.streams.info(stream));
    objects = await new Objm(nc).open(bucket, { check: false });
  } catch (cause) {
    if (mayPass(cause))
      throw new VisageError('unavailable', `the object store ${bucket} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
    throw new VisageError('not_set_up', `there is no object store ${bucket}; run 'visage setup' first`, { cause });
  }
  /** What the last message of a chunk subject says; undefined: there is none. */
  const chunksOf = async (id: string): Promise<readonly number[]> => {
    const filter = `$O.${bucket}.C.${id}`;
    const last = await answerOf(`a snapshot in ${bucket}`, jsm.streams.getMessage(stream, { last_by_subj: filter }));
    if (last === null) return [];
    const reader = await PartitionReader.open({ nc, stream, filter, after: 0 });
    const sequences: number[] = [];
    try {
      while (sequences.at(-1) !== last.seq) {
        const batch = await reader.next();
        for (const { sequence } of batch?.messages ?? []) sequences.push(sequence);
      }
    } finally {
      await reader.close();
    }
    return sequences;
  };
  const doing = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (cause) {
      if (cause instanceof VisageError) throw cause;
      const text = `${what} in ${bucket}: ${errorText(cause)}`;
      throw notAllowed(cause) ?? new VisageError('unavailable', text, { cause, kind: 'retry' });
    }
  };
  return {
    put: (name, bytes) => doing(`snapshot ${name} cannot be stored`, async () => void (await objects.put({ name }, bytes))),
    get: (name) => doing(`snapshot ${name} cannot be read`, async () => (await objects.get(name))?.data),
    remove: (name, overwritten) =>
      doing(`snapshot ${name} cannot be removed`, async () => {
        const info = await objects.info(name);
        if (info === null || info.deleted) return;
        if (overwritten) await removeMessages(nc, stream, await chunksOf(info.nuid));
        await objects.delete(name);
      }),
    names: (prefix) =>
      doing('snapshots cannot be listed', async () =>
        (await objects.list()).flatMap(({ name, deleted }) => (name.startsWith(prefix) && !deleted ? [name] : [])),
      ),
  };
}
