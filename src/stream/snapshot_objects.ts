// Snapshots in the object store: files under names, in pieces, each whole or not at all. In the store's own form, so that its tools read them.
// SO1: an object is there when its description is, its last message: what a crash has left of one is never read.
// SO2: what is removed is overwritten: somebody may be in it who is to be erased later, and a purge leaves the bytes on the server's disk.
//      Nothing is left of it, no mark either: there would be more of those every ten minutes.
// SO3: the pieces say whose they are: `p3/e7/s99` has `$O.<bucket>.C.p3.e7.s99.<id>`, so that what was never finished is found.
// Why not the client's own: it tries pieces again, which may be there twice then; holds all that it reads; purges; and keeps marks.
import { createHash } from 'node:crypto';
import { headers, nuid, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Topology } from '../message/subject.ts';
import { scanStream } from './erasure_scan.ts';
import { notAllowed } from './permission.ts';
import { removeMessages } from './removal.ts';
import { answerOf, askAgain, jetstreamManagerOf, mayPass } from './streams.ts';

/** The server takes 1 MB as it comes. */
const PIECE_BYTES = 128 * 1024;
const PUBLISH_MS = 5_000;

export interface SnapshotObjects {
  /** @throws VisageError `unavailable` (retry), `not_allowed`: nothing is left of it, or what a later `remove` finds */
  put(name: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Its bytes, or what is left of them; undefined: there is none. Whoever reads them checks them. */
  get(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Nothing of it is left on the server's disk. Cost: a request a piece, eight at a time */
  remove(name: string): Promise<void>;
  /** Also of those that were never finished. */
  names(prefix: string): Promise<readonly string[]>;
}

type Description = { readonly nuid: string };

/** @throws VisageError `not_set_up` */
export async function openSnapshotObjects(nc: NatsConnection, topology: Topology): Promise<SnapshotObjects> {
  const bucket = topology.snapshotsBucket;
  const stream = `OBJ_${bucket}`;
  const [descriptions, pieces] = [`$O.${bucket}.M.`, `$O.${bucket}.C.`];
  const jsm = await jetstreamManagerOf(nc);
  try {
    await askAgain(() => jsm.streams.info(stream));
  } catch (cause) {
    if (mayPass(cause))
      throw new VisageError('unavailable', `the object store ${bucket} cannot be read: ${errorText(cause)}`, {
        cause,
        kind: 'retry',
      });
    throw new VisageError('not_set_up', `there is no object store ${bucket}; run 'visage setup' first`, { cause });
  }
  const publish = async (subject: string, body: Uint8Array | string, h = headers()): Promise<void> => {
    const answer: { error?: { description?: string } } = (
      await nc.request(subject, body, { headers: h, timeout: PUBLISH_MS })
    ).json();
    if (answer.error !== undefined) throw new Error(answer.error.description);
  };
  /** As one that a tool has put may have any. */
  const describe = async (name: string): Promise<{ readonly seq: number; readonly description: Description } | undefined> => {
    const subject = descriptions + encoded(name);
    const found = await answerOf(`${name} in ${bucket}`, jsm.streams.getMessage(stream, { last_by_subj: subject }));
    return found === null ? undefined : { seq: found.seq, description: found.json() };
  };
  const subjects = async (filter: string): Promise<readonly string[]> => {
    const { state } = await answerOf(`what ${bucket} has`, jsm.streams.info(stream, { subjects_filter: filter }));
    return Object.keys(state.subjects ?? {});
  };
  async function* messages(filter: string): AsyncGenerator<LogMessage> {
    yield* scanStream({ nc, stream, filter: [filter] });
  }
  async function* bytesOf(id: string): AsyncGenerator<Uint8Array> {
    for await (const { body } of messages(pieces + id)) yield body;
  }
  const removePieces = async (filter: string): Promise<void> => {
    const sequences: number[] = [];
    for await (const { sequence } of messages(filter)) sequences.push(sequence);
    await removeMessages(nc, stream, sequences);
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
    put: (name, bytes) =>
      doing(`snapshot ${name} cannot be stored`, async () => {
        const id = `${tokens(name)}.${nuid.next()}`;
        try {
          const hash = createHash('sha256');
          let [size, chunks] = [0, 0];
          for await (const piece of bytes) {
            hash.update(piece);
            await publish(pieces + id, piece);
            size += piece.length;
            chunks++;
          }
          const about = { name, bucket, nuid: id, size, chunks, digest: `SHA-256=${padded(hash.digest('base64url'))}` };
          const h = headers();
          h.set('Nats-Rollup', 'sub');
          const text = { ...about, options: { max_chunk_size: PIECE_BYTES }, mtime: new Date().toISOString(), deleted: false };
          await publish(descriptions + encoded(name), JSON.stringify(text), h);
        } catch (cause) {
          await removePieces(pieces + id).catch(() => undefined); // the first error says more; they are found again
          throw cause;
        }
      }),
    get: (name) =>
      doing(`snapshot ${name} cannot be read`, async () => {
        const found = await describe(name);
        return found === undefined ? undefined : bytesOf(found.description.nuid);
      }),
    remove: (name) =>
      doing(`snapshot ${name} cannot be removed`, async () => {
        const found = await describe(name);
        if (found !== undefined) await removeMessages(nc, stream, [found.seq]);
        await removePieces(`${pieces}${tokens(name)}.>`);
      }),
    names: (prefix) =>
      doing('snapshots cannot be listed', async () => {
        const described = (await subjects(`${descriptions}>`)).map((subject) => decoded(subject.slice(descriptions.length)));
        const begun = (await subjects(`${pieces}>`)).map((subject) => named(subject.slice(pieces.length)));
        return [...new Set([...described, ...begun])].filter((name) => name.startsWith(prefix));
      }),
  };
}

/** `p3/e7/s99` → `p3.e7.s99`. */
function tokens(name: string): string {
  return name.replaceAll('/', '.');
}

/** The name in `p3.e7.s99.<id>`. */
function named(id: string): string {
  return id.slice(0, id.lastIndexOf('.')).replaceAll('.', '/');
}

function padded(base64: string): string {
  return base64 + '='.repeat((4 - (base64.length % 4)) % 4);
}

function encoded(name: string): string {
  return padded(Buffer.from(name).toString('base64url'));
}

function decoded(token: string): string {
  return Buffer.from(token, 'base64url').toString('utf8');
}
