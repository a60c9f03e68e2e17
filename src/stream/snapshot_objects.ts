// Snapshots in the object store: files under names, in pieces, each whole or not at all.
// SO1: an object is there when its last message is: what a crash has left of one is never read.
import { Objm, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Topology } from '../message/subject.ts';
import { notAllowed } from './permission.ts';
import { scanStream } from './erasure_scan.ts';
import { removeMessages } from './removal.ts';
import { jetstreamManagerOf } from './streams.ts';

export interface SnapshotObjects {
  /** @throws VisageError `unavailable` (retry), `not_allowed` */
  put(name: string, bytes: ReadableStream<Uint8Array>): Promise<void>;
  /** Its bytes, or what is left of them; undefined: there is none. Whoever reads them checks them. */
  get(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
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
    await jsm.streams.info(stream);
    objects = await new Objm(nc).open(bucket, { check: false });
  } catch (cause) {
    throw new VisageError('not_set_up', `there is no object store ${bucket}; run 'visage setup' first`, { cause });
  }
  /** Piece by piece, as they are asked for: the client's own way holds all of them that have come in memory, and waits for ever where none is. */
  async function* chunks(id: string): AsyncGenerator<LogMessage> {
    yield* scanStream({ nc, stream, filter: [`$O.${bucket}.C.${id}`] });
  }
  const chunksOf = async (id: string): Promise<readonly number[]> => {
    const sequences: number[] = [];
    for await (const { sequence } of chunks(id)) sequences.push(sequence);
    return sequences;
  };
  async function* bytesOf(id: string): AsyncGenerator<Uint8Array> {
    for await (const { body } of chunks(id)) yield body;
  }
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
    get: (name) =>
      doing(`snapshot ${name} cannot be read`, async () => {
        const info = await objects.info(name);
        return info === null || info.deleted ? undefined : bytesOf(info.nuid);
      }),
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
