// A shard's snapshots: copies of its LMDB in the object store, and the manifest in the meta bucket that says which of them count.
// SN1: an object counts when the manifest names it, and the manifest is changed only from the revision that was read: a zombie's snapshot,
//      of an epoch that is over, loses.
// SN2: a copy is of one checkpoint, and a checkpoint never passes the last commit (I6).
// SN3: what comes back is checked before it takes a folder's place; what is not whole is refused, and the one before is used.
// SN4: one is made, or taken away, at a time: the interval's, an erasure's and the last one share a working folder.
// SN5: two are kept. After an erasure only those that were made after it.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { inspectStore, type StoreCopy } from '../store/copy_store.ts';
import type { LmdbStore } from '../store/lmdb_store.ts';
import { dataFile } from '../store/data_file.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import type { SnapshotObjects } from '../stream/snapshot_objects.ts';

const KEPT = 2;
/** Between two pieces that are sent: the shards of this worker publish on the same machine. */
const PIECE_BYTES = 128 * 1024;

/** Of one snapshot. `sequence`: everything up to there is in it. `sha256` is of the file, in hex. */
export type Snapshot = {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly generation: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly takenAt: string;
};

export type ShardSnapshotsOptions = {
  readonly shard: number;
  readonly dataDirectory: string;
  readonly meta: MetaBucket;
  readonly objects: SnapshotObjects;
  readonly nowMs: () => number;
  readonly report: (level: 'info' | 'warn', text: string) => void;
};

export class ShardSnapshots {
  /** The last one that this worker made. */
  last: Snapshot | undefined;
  private readonly options: ShardSnapshotsOptions;
  private making: Promise<unknown> = Promise.resolve();

  constructor(options: ShardSnapshotsOptions) {
    this.options = options;
  }

  /** Newest first. @throws VisageError `unavailable` (retry) */
  async list(): Promise<readonly Snapshot[]> {
    return (await this.read()).list;
  }

  /** Copies the store and makes the copy count. Nothing happens when nothing is new. @param epoch of the life that has the store
   *  @returns undefined: none was made; a later owner has one, or there is nothing new
   *  @throws VisageError `unavailable` (retry), `stopped` (retry), `store_unreadable` */
  make(store: LmdbStore, epoch: number, signal: AbortSignal): Promise<Snapshot | undefined> {
    const made = this.making.then(() => this.makeNow(store, epoch, signal));
    this.making = made.catch(() => undefined); // whoever asked sees it
    return made;
  }

  private async makeNow(store: LmdbStore, epoch: number, signal: AbortSignal): Promise<Snapshot | undefined> {
    signal.throwIfAborted(); // it has waited
    const newest = (await this.list())[0];
    const applied = store.readMeta()?.applied ?? 0;
    if (applied === 0 || isLater(newest, { epoch, sequence: applied })) return undefined;
    const isSame = newest?.sequence === applied && newest.generation === store.readMeta()?.generation;
    if (isSame && (await this.isThere(newest.name))) return undefined; // the object store may have been lost, and the manifest not
    const folder = this.working('copy');
    try {
      const copy = await store.copyTo(folder);
      if (copy === undefined) return undefined;
      signal.throwIfAborted();
      return await this.upload(copy, epoch, signal);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Takes away the snapshots that are older than this sequence. @param epoch as for `make` */
  removeBefore(sequence: number, epoch: number): Promise<void> {
    const removed = this.making.then(() => this.removeBeforeNow(sequence, epoch));
    this.making = removed.catch(() => undefined); // as above
    return removed;
  }

  private async removeBeforeNow(sequence: number, epoch: number): Promise<void> {
    const { meta } = this.options;
    const { list, revision } = await this.read();
    const kept = list.filter((snapshot) => snapshot.sequence >= sequence);
    if (kept.length < list.length) await meta.putAt(this.key, JSON.stringify(kept), revision);
    await this.removeOthers(kept, epoch);
  }

  /** Brings the newest snapshot of a generation that is whole into `folder`, in place of what is there.
   *  @returns what the folder holds now; undefined: there is none, and nothing was changed */
  async restore(folder: string, generation: number, signal: AbortSignal): Promise<ShardMeta | undefined> {
    for (const snapshot of await this.list()) {
      if (snapshot.generation !== generation) continue;
      const working = this.working('restore');
      try {
        const { meta } = await this.download(snapshot, working, signal);
        rmSync(folder, { recursive: true, force: true });
        renameSync(working, folder);
        this.options.report('info', `restored from the snapshot at ${snapshot.sequence}, ${snapshot.bytes} bytes`);
        return meta;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof VisageError && error.kind === 'retry') throw error;
        this.options.report('warn', `the snapshot ${snapshot.name} is not used: ${errorText(error)}`);
      } finally {
        rmSync(working, { recursive: true, force: true });
      }
    }
    return undefined;
  }

  private async upload(copy: StoreCopy, epoch: number, signal: AbortSignal): Promise<Snapshot | undefined> {
    const { shard, objects, nowMs, meta } = this.options;
    const { applied: sequence, generation } = copy.meta;
    const name = `p${shard}/e${epoch}/s${sequence}`;
    const hash = createHash('sha256');
    const file = createReadStream(copy.file, { highWaterMark: PIECE_BYTES, signal });
    const hashed = hashing(hash);
    const sent = pipeline(file, hashed).catch(() => undefined); // the reader of the other end sees it
    await objects.put(name, hashed);
    await sent;
    signal.throwIfAborted();
    const snapshot: Snapshot = {
      name,
      epoch,
      sequence,
      generation,
      bytes: copy.bytes,
      sha256: hash.digest('hex'),
      takenAt: formatTime(nowMs()),
    };
    for (;;) {
      const { list, revision } = await this.read();
      if (isLater(list[0], snapshot)) {
        await objects.remove(name);
        return undefined;
      }
      const kept = [snapshot, ...list.filter((other) => other.name !== name)].slice(0, KEPT);
      try {
        await meta.putAt(this.key, JSON.stringify(kept), revision);
      } catch (error) {
        if (error instanceof VisageError && error.code === 'conflict') continue;
        throw error;
      }
      this.last = snapshot;
      await this.removeOthers(kept, epoch);
      return snapshot;
    }
  }

  private async download(snapshot: Snapshot, working: string, signal: AbortSignal): Promise<StoreCopy> {
    const { objects, shard } = this.options;
    const bytes = await objects.get(snapshot.name);
    if (bytes === undefined) throw new Error('it is not in the object store');
    mkdirSync(working, { recursive: true });
    const hash = createHash('sha256');
    const hashed = hashing(hash);
    await pipeline(bytes, hashed, createWriteStream(dataFile(working), { flush: true }), { signal });
    if (hash.digest('hex') !== snapshot.sha256) throw new Error('its checksum is not the one that the manifest has');
    const copy = await inspectStore(working);
    if (copy?.meta.applied !== snapshot.sequence || copy.meta.shard !== shard)
      throw new Error('it does not hold what the manifest says');
    return copy;
  }

  /** What no manifest names: older ones, and what a crash or a zombie has left. */
  private async removeOthers(kept: readonly Snapshot[], epoch: number): Promise<void> {
    const { objects, shard } = this.options;
    for (const name of await objects.names(`p${shard}/`)) {
      const ofEpoch = Number(/\/e(\d+)\//.exec(name)?.[1]);
      if (ofEpoch <= epoch && !kept.some((snapshot) => snapshot.name === name)) await objects.remove(name);
    }
  }

  private async isThere(name: string): Promise<boolean> {
    return (await this.options.objects.names(name)).includes(name);
  }

  private async read(): Promise<{ readonly list: readonly Snapshot[]; readonly revision: number }> {
    const { value, revision } = await this.options.meta.entry(this.key);
    return { list: value === undefined ? [] : (JSON.parse(value) as Snapshot[]), revision };
  }

  private get key(): string {
    return `snapshot.${this.options.shard}`;
  }

  private working(what: string): string {
    return join(this.options.dataDirectory, `shard-${this.options.shard}.${what}`);
  }
}

/** Passes everything on, and into the hash. */
function hashing(hash: Hash): Transform {
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      setImmediate(done, null, piece); // the shards have their turn
    },
  });
}

function isLater(known: Snapshot | undefined, than: Pick<Snapshot, 'epoch' | 'sequence'>): boolean {
  if (known === undefined) return false;
  return known.epoch > than.epoch || (known.epoch === than.epoch && known.sequence > than.sequence);
}
