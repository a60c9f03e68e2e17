// Rewrites a shard's LMDB file: what was deleted stays on free pages, and in the gaps of used ones, until something is written over it.
// LC1: every record is put anew into a new file, in order; a copy page by page would carry a few bytes of a page's gaps along.
// LC2: the new file takes the old one's place in one step, flushed before: a crash leaves the one or the other, whole.
// LC3: nobody else has the store open. What a crash has left is thrown away, and it is done again when it is asked for again.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { checkDataFile, dataFile, unreadable } from './data_file.ts';
import { BEFORE_ALL, MAP_SIZE_BYTES, META, openTables, type Table, type Tables } from './lmdb_tables.ts';
import { parseMeta } from './meta_record.ts';

const WORKING = 'compacting';
const DONE = 'compacted.json';
const LOCK_FILE = 'lock.mdb';
const BATCH_BYTES = 4 * 1024 ** 2;
const SLICE_MS = 8;
const SLICE_CHECK = 64;

/** The file has nothing in it that was deleted up to the message `applied`; it was rewritten at `timeMs`. */
export type Compacted = { readonly applied: number; readonly timeMs: number };

/** Rewrites the closed store in `folder`; nothing happens where there is none. Cost: about 3 µs a record, in slices of 8 ms, and as
 *  much room on the disk as the profiles take.  @throws VisageError `store_unreadable` (stop_shard) */
export async function compactStore(folder: string, timeMs: number): Promise<void> {
  const working = join(folder, WORKING);
  try {
    removeUnfinished(folder);
    if (!existsSync(dataFile(folder))) return;
    checkDataFile(folder);
    await mkdir(working);
    const applied = await copyAll(folder, working);
    flush(dataFile(working));
    renameSync(dataFile(working), dataFile(folder));
    rmSync(join(folder, LOCK_FILE), { force: true }); // it is the old file's; LMDB makes a new one
    flush(folder);
    rmSync(working, { recursive: true, force: true });
    writeDone(folder, { applied, timeMs });
  } catch (cause) {
    throw cause instanceof VisageError ? cause : unreadable(folder, cause);
  }
}

/** When the store was last rewritten, and what it held then; undefined: never, or it is not known. */
export function lastCompaction(folder: string): Compacted | undefined {
  try {
    const { applied, timeMs } = JSON.parse(readFileSync(join(folder, DONE), 'utf8')) as Compacted;
    return Number.isSafeInteger(applied) && Number.isSafeInteger(timeMs) ? { applied, timeMs } : undefined;
  } catch {
    return undefined; // not there, or not whole: it is done again
  }
}

/** What a crash in the middle has left. @throws VisageError `store_unreadable` (stop_shard) */
export function removeUnfinished(folder: string): void {
  try {
    rmSync(join(folder, WORKING), { recursive: true, force: true });
    rmSync(join(folder, `${DONE}.new`), { force: true });
  } catch (cause) {
    throw unreadable(folder, cause);
  }
}

async function copyAll(from: string, to: string): Promise<number> {
  const [source, target] = [openTables(from, MAP_SIZE_BYTES), openTables(to, MAP_SIZE_BYTES)];
  try {
    const applied = parseMeta(source.meta.getBinaryFast(META))?.applied ?? 0;
    for (const name of ['heads', 'chunks', 'due', 'meta'] as const) await copyTable(source[name], target, name);
    return applied;
  } finally {
    await source.root.close();
    await target.root.close();
  }
}

async function copyTable(source: Table, target: Tables, name: 'heads' | 'chunks' | 'due' | 'meta'): Promise<void> {
  let batch: { readonly key: string; readonly value: Buffer }[] = [];
  let bytes = 0;
  let copied = 0;
  let sliceMs = performance.now();
  const write = async (): Promise<void> => {
    const records = batch;
    copied += records.length;
    batch = [];
    bytes = 0;
    await target.root.batch(() => {
      for (const { key, value } of records) target[name].put(key, value);
    });
  };
  for (let after = BEFORE_ALL; ;) {
    // a range of a few at a time: none is open while the other store writes
    const page = Array.from(
      source.getRange({ start: after, exclusiveStart: true, limit: SLICE_CHECK }),
      ({ key, value }) => ({ key, value: Buffer.from(value) }), // LMDB's memory is not ours to keep
    );
    if (page.length === 0) break;
    after = page.at(-1)!.key;
    for (const record of page) {
      batch.push(record);
      bytes += record.key.length + record.value.length;
    }
    if (bytes >= BATCH_BYTES) await write();
    if (performance.now() - sliceMs < SLICE_MS) continue;
    await nextTurn(); // the other shards go on
    sliceMs = performance.now();
  }
  await write();
  assert(copied === entriesOf(source) && copied === entriesOf(target[name]), `every record of ${name} is in the new file`);
}

function entriesOf(table: Table): number {
  return (table.getStats() as { readonly entryCount: number }).entryCount;
}

function writeDone(folder: string, done: Compacted): void {
  const path = join(folder, DONE);
  writeFileSync(`${path}.new`, JSON.stringify(done));
  renameSync(`${path}.new`, path);
}

/** A file's bytes, or a folder's names, are on the disk afterwards. */
function flush(path: string): void {
  const opened = openSync(path, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
