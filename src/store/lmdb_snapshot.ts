// A consistent look at a shard's LMDB: one read transaction, under which every read goes on seeing what was committed when it began.
import { parseMeta } from './meta_record.ts';
import type { Transaction } from 'lmdb';
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ShardMeta, StoreSnapshot } from '../ports/profile_store.ts';
import { unreadable } from './data_file.ts';
import { decodeProfile, type ChunkSource } from './decode_profile.ts';
import { BEFORE_ALL, META, type Table, type Tables } from './lmdb_tables.ts';
import type { ChunkKey } from './records.ts';

/** Less than every identity key; LMDB has no empty keys. */

export class LmdbSnapshot implements StoreSnapshot {
  readonly meta: ShardMeta;
  private readonly tables: Tables;
  private readonly folder: string;
  private readonly transaction: Transaction;
  private readonly chunks: TableChunks;
  private readonly closed: () => void;
  private open = true;

  /** @throws VisageError `store_empty` (retry) */
  constructor(tables: Tables, folder: string, closed: () => void) {
    this.tables = tables;
    this.folder = folder;
    this.closed = closed;
    tables.root.resetReadTxn();
    this.transaction = tables.root.useReadTransaction();
    this.chunks = new TableChunks(tables.chunks, this.transaction);
    try {
      const meta = parseMeta(tables.meta.getBinaryFast(META, { transaction: this.transaction }));
      if (meta === undefined) throw new VisageError('store_empty', 'nothing was stored yet', { kind: 'retry' });
      this.meta = meta;
    } catch (thrown) {
      this.transaction.done();
      throw thrown;
    }
  }

  page(after: IdentityKey, limit: number, plan: Plan): readonly IdentityState[] {
    assert(this.open, 'the snapshot is open');
    try {
      const range = this.tables.heads.getRange({
        start: after === '' ? BEFORE_ALL : after,
        exclusiveStart: true,
        limit,
        transaction: this.transaction,
      });
      // all heads first: reading a chunk would move the cursor's memory
      return Array.from(range).map(({ key, value }) => decodeProfile(key, value, value.length, plan, this.chunks));
    } catch (thrown) {
      throw thrown instanceof VisageError ? thrown : unreadable(this.folder, thrown);
    }
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.transaction.done();
    this.closed();
  }
}

/** Chunk records as LMDB has them, valid until the next read. */
export class TableChunks implements ChunkSource {
  bytes: Buffer = Buffer.alloc(0);
  private readonly table: Table;
  private readonly options: { readonly transaction: Transaction } | undefined;

  constructor(table: Table, transaction: Transaction | undefined) {
    this.table = table;
    this.options = transaction === undefined ? undefined : { transaction };
  }

  read(key: ChunkKey): number {
    const found = this.table.getBinaryFast(key, this.options);
    if (found === undefined) return -1;
    this.bytes = found;
    return found.length;
  }
}
