// A shard's profiles in LMDB.
// LS1: everything of a checkpoint, meta last, is queued in one turn as one batch, which LMDB's writer thread makes one transaction.
// LS2: a batch that was left half queued (a defect) would be written all the same: a mark that its end takes away refuses the store then.
// LS3: no buffer of LMDB's memory outlives the call that read it.
import { mkdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import { errorText, VisageError } from '../base/errors.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type {
  Checkpoint,
  DueEntry,
  EncodedProfile,
  ProfileStore,
  ShardMeta,
  StoreSnapshot,
  StoreStats,
} from '../ports/profile_store.ts';
import { copyTables, type StoreCopy } from './copy_store.ts';
import { checkDataFile, dataFile, unreadable } from './data_file.ts';
import { decodeProfile } from './decode_profile.ts';
import { dueKey, parseDueKey } from './due_key.ts';
import { encodeProfile } from './encode_profile.ts';
import { LmdbSnapshot, TableChunks } from './lmdb_snapshot.ts';
import { packMeta, parseMeta } from './meta_record.ts';
import { beginFreeList, BEFORE_ALL, MAP_SIZE_BYTES, META, openTables, type Tables } from './lmdb_tables.ts';
import type { ProfileRecords } from './records.ts';

export type LmdbStoreOptions = {
  /** Address space to begin with; LMDB grows it when needed. Costs neither memory nor disk. */
  readonly mapSizeBytes?: number;
  /** Files larger than this don't fit into memory, so that `prefetch` is worth its price. Default: half of memory. */
  readonly prefetchAboveBytes?: number;
};

/** LMDB takes 1,978; room for a due or the name of a chunk. */
const KEY_MAX = 1_960;
const HALF_WRITTEN = 'half_written';
const NOTHING = Buffer.alloc(0);
const PAGE_BYTES = 4_096;
/** After a failed write lmdb-js never finishes closing. */
const CLOSE_FAILED_MS = 1_000;
const FULL_BELOW_BYTES = 16 * 1024 ** 2;

export class LmdbStore implements ProfileStore {
  private readonly folder: string;
  private readonly tables: Tables;
  private readonly chunkSource: TableChunks;
  private readonly snapshots = new Set<LmdbSnapshot>();
  private readonly prefetchAboveBytes: number;
  private fileBytes: number;
  private prefetched = 0;
  private writing: Promise<unknown> | null = null;
  private readonly copying = new Set<Promise<unknown>>();
  private failed = false;
  private closed = false;

  /** @throws VisageError `store_unreadable`, `store_write_failed` (stop_shard) */
  static open(folder: string, options: LmdbStoreOptions = {}): LmdbStore {
    try {
      mkdirSync(folder, { recursive: true });
      checkDataFile(folder);
      const store = new LmdbStore(folder, openTables(folder, options.mapSizeBytes ?? MAP_SIZE_BYTES), options);
      store.makeWritable();
      return store;
    } catch (thrown) {
      throw thrown instanceof VisageError ? thrown : unreadable(folder, thrown);
    }
  }

  private constructor(folder: string, tables: Tables, options: LmdbStoreOptions) {
    this.folder = folder;
    this.tables = tables;
    this.chunkSource = new TableChunks(tables.chunks, undefined);
    this.fileBytes = statSync(dataFile(folder)).size;
    this.prefetchAboveBytes = options.prefetchAboveBytes ?? Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2;
    if (tables.meta.getBinaryFast(HALF_WRITTEN) !== undefined) {
      void tables.root.close();
      throw new Error('a checkpoint was written in part');
    }
  }

  private makeWritable(): void {
    try {
      beginFreeList(this.tables);
    } catch (cause) {
      void this.tables.root.close();
      const text = `nothing can be written to ${this.folder}: ${errorText(cause)}`;
      throw new VisageError('store_write_failed', text, { cause, kind: 'stop_shard' });
    }
  }

  readMeta(): ShardMeta | undefined {
    return this.reading(() => parseMeta(this.tables.meta.getBinaryFast(META)));
  }

  get(key: IdentityKey, plan: Plan): IdentityState | undefined {
    this.assertOpen();
    if (key.length > KEY_MAX) return undefined; // none is stored, and lmdb would write past its buffer
    try {
      const head = this.tables.heads.getBinaryFast(key);
      return head === undefined ? undefined : decodeProfile(key, head, head.length, plan, this.chunkSource);
    } catch (thrown) {
      throw this.readError(thrown);
    }
  }

  /** LMDB's own prefetch is a trip to another thread, 45 µs a call, or 0.4 to 5 µs a key in batches of 1,000 to 10; a read from the
   *  page cache takes 0.7 µs. So it is used only where a read may have to wait for the disk: when the file is larger than memory, or
   *  until as many keys were asked for since the start as the file has pairs of pages. */
  async prefetch(keys: readonly IdentityKey[]): Promise<void> {
    const cold = this.prefetched * 2 * PAGE_BYTES < this.fileBytes;
    if (keys.length === 0 || this.closed || (!cold && this.fileBytes <= this.prefetchAboveBytes)) return;
    this.prefetched += keys.length;
    await this.tables.heads.prefetch(keys);
  }

  keysAfter(after: IdentityKey, limit: number): readonly IdentityKey[] {
    const start = after === '' ? BEFORE_ALL : after;
    return this.reading(() => Array.from(this.tables.heads.getKeys({ start, exclusiveStart: true, limit })));
  }

  /** @throws VisageError `key_too_long` (stop_shard) */
  encode(state: IdentityState, plan: Plan): EncodedProfile {
    if (state.key.length > KEY_MAX) {
      throw new VisageError('key_too_long', `an identity of ${state.key.length} bytes cannot be stored; ${KEY_MAX} can`, {
        kind: 'stop_shard',
      });
    }
    return encodeProfile(state, plan);
  }

  beginCheckpoint(): Promise<Checkpoint> {
    const collected: ProfileRecords[] = [];
    return Promise.resolve({
      put: (profiles) => {
        for (const profile of profiles) collected.push(profile as ProfileRecords);
      },
      commit: (meta) => this.commit(collected, meta),
    });
  }

  scanDue(after: DueEntry, limit: number): readonly DueEntry[] {
    return this.reading(() =>
      Array.from(
        this.tables.due.getKeys({ start: dueKey(after.dueMs, after.key), exclusiveStart: true, limit }),
        (key: string): DueEntry => parseDueKey(key),
      ),
    );
  }

  /** @throws VisageError `store_empty` (retry) before the first checkpoint */
  snapshot(): StoreSnapshot {
    return this.reading(() => {
      const snapshot = new LmdbSnapshot(this.tables, this.folder, () => this.snapshots.delete(snapshot));
      this.snapshots.add(snapshot);
      return snapshot;
    });
  }

  /** Copies what is committed into `folder`, while the store goes on being used. @throws as `copyTables` */
  copyTo(folder: string): Promise<StoreCopy | undefined> {
    const copying = copyTables(this.tables, folder).finally(() => this.copying.delete(copying));
    this.copying.add(copying);
    return copying;
  }

  stats(): StoreStats {
    this.assertOpen();
    let profileBytes = 0;
    for (const table of [this.tables.heads, this.tables.chunks]) {
      const stats = table.getStats() as Record<string, number>;
      profileBytes +=
        (stats['treeBranchPageCount']! + stats['treeLeafPageCount']! + stats['overflowPages']!) * stats['pageSize']!;
    }
    const { mapSize } = this.tables.root.getStats() as Record<string, number>;
    return { fileBytes: statSync(dataFile(this.folder)).size, profileBytes, mapBytes: mapSize! };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const snapshot of [...this.snapshots]) snapshot.close();
    await this.writing?.catch(() => undefined); // whoever commits sees it
    await Promise.allSettled(this.copying); // whoever asked sees how they end; LMDB ends the process when it is closed under one
    const closing = this.tables.root.close();
    await (this.failed ? Promise.race([closing, delay(CLOSE_FAILED_MS)]) : closing);
  }

  private async commit(profiles: readonly ProfileRecords[], meta: ShardMeta): Promise<void> {
    this.assertOpen();
    assert(this.writing === null, 'one checkpoint at a time');
    const metaBytes = packMeta(meta);
    let bytes = metaBytes.length;
    for (const profile of profiles) bytes += profile.bytes;
    this.failed = true; // until it is committed
    try {
      this.writing = this.tables.root.batch(() => this.queue(profiles, metaBytes));
      await this.writing;
    } catch (cause) {
      throw await this.writeError(cause, bytes);
    } finally {
      this.writing = null;
    }
    this.failed = false;
    this.fileBytes = statSync(dataFile(this.folder)).size;
  }

  /** Inside a batch, which keeps what was put when something throws: so everything was checked by `encode`. */
  private queue(profiles: readonly ProfileRecords[], meta: Buffer): void {
    const { heads, chunks, due } = this.tables;
    this.tables.meta.put(HALF_WRITTEN, NOTHING);
    for (const profile of profiles) {
      if (profile.head.length === 0) heads.remove(profile.key);
      else heads.put(profile.key, profile.head);
      for (const key of profile.removed) chunks.remove(key);
      for (const chunk of profile.chunks) chunks.put(chunk.key, chunk.bytes);
      if (profile.dueBeforeMs === profile.dueMs) continue;
      if (profile.dueBeforeMs !== Infinity) due.remove(dueKey(profile.dueBeforeMs, profile.key));
      if (profile.dueMs !== Infinity) due.put(dueKey(profile.dueMs, profile.key), NOTHING);
    }
    this.tables.meta.put(META, meta);
    this.tables.meta.remove(HALF_WRITTEN);
  }

  private async writeError(thrown: unknown, bytes: number): Promise<VisageError> {
    // lmdb-js gives the reason as a promise, and that promise may never settle
    const reason = (thrown as { commitError?: Promise<unknown> }).commitError;
    const cause = await Promise.race([reason?.catch((error: unknown) => error), delay(100)]).then((found) => found ?? thrown);
    const disk = await statfs(this.folder).catch(() => undefined);
    // a disk that is full in the middle of a write shows as an input/output error
    if (disk !== undefined && disk.bavail * disk.bsize < bytes + FULL_BELOW_BYTES) {
      return new VisageError(
        'store_full',
        `the disk with ${this.folder} is full: a checkpoint of ${bytes} bytes was not written`,
        {
          cause,
          kind: 'stop_shard',
        },
      );
    }
    return new VisageError('store_write_failed', `a checkpoint was not written to ${this.folder}: ${errorText(cause)}`, {
      cause,
      kind: 'stop_shard',
    });
  }

  /** Not `store_unreadable`: nobody has to look at a disk. */
  private assertOpen(): void {
    assert(!this.closed, 'the store is open');
  }

  private reading<T>(read: () => T): T {
    this.assertOpen();
    try {
      return read();
    } catch (thrown) {
      throw this.readError(thrown);
    }
  }

  private readError(thrown: unknown): unknown {
    return thrown instanceof VisageError ? thrown : unreadable(this.folder, thrown);
  }
}
