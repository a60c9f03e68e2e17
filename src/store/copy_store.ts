// A copy of a shard's LMDB while it works: everything as of one commit, without the pages that are free.
// CP1: LMDB copies under a read transaction of its own, in another thread: what is written meanwhile is not in it.
// CP2: where LMDB has lost sight of a free page (a crash between two of its commits leaves that for good) it refuses to leave out the free
//      ones: the copy has all pages then, as they are.
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { errorText, VisageError } from '../base/errors.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { checkDataFile, dataFile, unreadable } from './data_file.ts';
import { MAP_SIZE_BYTES, META, openTables, type Tables } from './lmdb_tables.ts';
import { parseMeta } from './meta_record.ts';

export type StoreCopy = {
  readonly file: string;
  readonly bytes: number;
  /** What the copy holds. */
  readonly meta: ShardMeta;
};

/** Copies an open store into `folder`, which it makes anew; undefined: nothing was stored yet. Cost: about 200 MB/s of another thread,
 *  as much disk as the profiles take.  @throws VisageError `store_unreadable` (stop_shard) */
export async function copyTables(tables: Tables, folder: string): Promise<StoreCopy | undefined> {
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await backup(tables, folder);
    return await inspectStore(folder);
  } catch (cause) {
    throw cause instanceof VisageError ? cause : unreadable(folder, cause);
  }
}

async function backup({ root }: Tables, folder: string): Promise<void> {
  try {
    await root.backup(folder, true);
  } catch (error) {
    if (!errorText(error).includes('MDB_INCOMPATIBLE')) throw error;
    rmSync(dataFile(folder), { force: true });
    await root.backup(folder, false);
  }
}

/** What the store in `folder` holds, without using it; undefined: nothing. @throws VisageError `store_unreadable` (stop_shard) */
export async function inspectStore(folder: string): Promise<StoreCopy | undefined> {
  let tables: Tables;
  try {
    checkDataFile(folder);
    tables = openTables(folder, MAP_SIZE_BYTES);
  } catch (cause) {
    throw cause instanceof VisageError ? cause : unreadable(folder, cause);
  }
  try {
    const meta = parseMeta(tables.meta.getBinaryFast(META));
    return meta === undefined ? undefined : { file: dataFile(folder), bytes: statSync(dataFile(folder)).size, meta };
  } finally {
    await tables.root.close();
  }
}
