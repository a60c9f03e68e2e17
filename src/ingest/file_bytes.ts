// The bytes of a file, unpacked when it is gzip (by its first two bytes, not by its name).
// FB1: memory is bounded: one chunk of the file, and what it unpacks to, at a time.
// FB2: what could be unpacked before a damage is handed out before the damage is reported.
// FB3: a file that is not the one that was hashed is an error: rows would get each other's numbers.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { errorText, VisageError } from '../base/errors.ts';

const CHUNK_BYTES = 64 * 1024;
const GZIP_CHUNK_BYTES = 16 * 1024; // may unpack to a thousand times as much
const HASH_CHUNK_BYTES = 1024 * 1024;

/** `hash`: SHA-256 of the file as it lies on disk, in hex. */
export type FileFacts = { readonly path: string; readonly hash: string; readonly bytes: number };

/** @returns null when the signal came before its end */
export async function hashFile(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: HASH_CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    if (signal?.aborted === true) return null;
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, hash: hash.digest('hex'), bytes };
}

export class FileBytes {
  /** Bytes of the file that were read so far. */
  read = 0;
  private readonly facts: FileFacts;

  constructor(facts: FileFacts) {
    this.facts = facts;
  }

  /** @throws VisageError `damaged_gzip`, `file_changed` */
  async *chunks(): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    const isGzip = await startsAsGzip(this.facts.path);
    const raw = this.raw(hash, isGzip ? GZIP_CHUNK_BYTES : CHUNK_BYTES);
    if (isGzip) yield* unpacked(raw);
    else yield* raw;
    if (hash.digest('hex') !== this.facts.hash)
      throw new VisageError('file_changed', `${this.facts.path} was changed while it was read`, { kind: 'usage' });
  }

  private async *raw(hash: Hash, chunkBytes: number): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(this.facts.path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>) {
      this.read += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  }
}

async function startsAsGzip(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 1 }) as AsyncIterable<Buffer>)
    return chunk[0] === 0x1f && chunk[1] === 0x8b;
  return false;
}

/** Driven by hand: a pipeline would drop what is unpacked already when it meets the damage. */
async function* unpacked(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  let out: Buffer[] = [];
  let damage: Error | undefined;
  let wake = (): void => undefined;
  gunzip.on('data', (chunk: Buffer) => void out.push(chunk));
  gunzip.on('error', (error) => {
    damage ??= error;
    wake(); // what was being written is never called back
  });
  const until = (begin: (done: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      if (damage === undefined) begin(resolve);
      else resolve();
    });
  const taken = (): Buffer[] => {
    const chunks = out;
    out = [];
    return chunks;
  };
  try {
    let packedBytes = 0;
    let isOver = false;
    for await (const chunk of packed) {
      if (!isOver) await until((done) => gunzip.write(chunk, () => done()));
      yield* taken();
      packedBytes += chunk.length;
      isOver ||= gunzip.bytesWritten < packedBytes; // it takes no more than the last member
      const rest = isOver ? chunk.subarray(-Math.min(chunk.length, packedBytes - gunzip.bytesWritten)) : [];
      if (rest.some((byte) => byte !== 0)) damage ??= new Error('more than padding follows its end');
      if (damage !== undefined) break;
    }
    // at padding (zeros) the stream has ended by itself, and said so already
    await until((done) => (gunzip.readableEnded ? done() : void gunzip.once('end', done).end()));
    yield* taken();
    if (damage !== undefined) throw damagedGzip(damage);
  } finally {
    gunzip.destroy();
  }
}

function damagedGzip(cause: Error): VisageError {
  const cut = (cause as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
  const what = cut ? 'the gzip file ends too early' : `the gzip file is damaged (${errorText(cause)})`;
  return new VisageError('damaged_gzip', what, { cause, kind: 'usage' });
}
