// A shard's LMDB environment: one folder, four tables, binary values, keys as text of one byte a character.
// LT1: nothing here or above uses `env.transaction` with an async function: on lmdb-js 3.5.6 it hung for good.
// LT2: `eventTurnBatching` is off: with it, a failed commit also rejects a promise that nobody can reach.
// LT3: never noSync, and no overlapping sync: that keeps the pages of one more generation from being used again, which took
//      the file from 1.6 to 2.5 times its profiles, and was no faster (docs/adr/0013).
// LT4: a file with an empty list of freed pages (a compacted copy) gets one entry before anything else is written. LMDB keeps the list in a
//      tree of its own, and looks for room in it while it replaces its only entry: it reads past an empty page then, and ends the process.
import { open, type RootDatabase, type Transaction } from 'lmdb';

/** What the store uses of lmdb's Database; its own types leave out the options of `getBinaryFast`. */
export interface Table {
  /** Valid until the next read of any table; undefined when there is none. */
  getBinaryFast(key: string, options?: { readonly transaction: Transaction }): Buffer | undefined;
  getRange(options: RangeFrom): Iterable<{ readonly key: string; readonly value: Buffer }>;
  getKeys(options: RangeFrom): Iterable<string>;
  put(key: string, value: Uint8Array): unknown;
  remove(key: string): unknown;
  prefetch(keys: readonly string[]): Promise<void>;
  getStats(): object;
}

export type RangeFrom = {
  readonly start: string;
  readonly exclusiveStart: boolean;
  readonly limit: number;
  readonly transaction?: Transaction;
};

/** Before every key: a range that begins after this has all of them. */
export const BEFORE_ALL = '\0';
/** Key of the one record in `meta` that lasts. */
export const META = 'meta';
const FREED = 'freed';
/** Address space to begin with: neither memory nor disk. */
export const MAP_SIZE_BYTES = 16 * 1024 ** 3;

export type Tables = {
  readonly root: RootDatabase<Buffer, Uint8Array>;
  readonly heads: Table;
  readonly chunks: Table;
  /** Due key → nothing. */
  readonly due: Table;
  readonly meta: Table;
};

/** Characters 0–255 to bytes and back: no buffer per key. */
const keyEncoder = {
  writeKey(key: string, target: Uint8Array, start: number): number {
    for (let i = 0; i < key.length; i++) target[start + i] = key.charCodeAt(i);
    return start + key.length;
  },
  readKey(source: Buffer, start: number, end: number): string {
    return source.toString('latin1', start, end);
  },
};

export function openTables(folder: string, mapSizeBytes: number): Tables {
  const root = open<Buffer, Uint8Array>({
    path: folder,
    noSubdir: false, // else a folder with a dot in its name is taken for a file
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: 4,
    mapSize: mapSizeBytes,
    eventTurnBatching: false,
    overlappingSync: false,
  });
  const table = (name: string): Table => root.openDB(name, { encoding: 'binary', keyEncoder } as object) as unknown as Table;
  return { root, heads: table('profiles'), chunks: table('chunks'), due: table('due'), meta: table('meta') };
}

/** See LT4. Costs a flush, of a file that needs it.
 *  @throws what LMDB says, on a disk that takes no more */
export function beginFreeList({ root, meta }: Tables): void {
  const { free } = root.getStats() as { readonly free: { readonly entryCount: number } };
  if (free.entryCount > 0) return;
  root.transactionSync(() => {
    void meta.put(FREED, new Uint8Array(0));
    void meta.remove(FREED); // what frees pages is the writing
  });
}
