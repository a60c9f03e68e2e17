// A look at an LMDB data file before LMDB gets to see it. lmdb-js 3.5.6 does not refuse a damaged file, it ends the process:
// a wrong first page is a segmentation fault, a file cut short a bus error (both tried). Best effort: pages inside are
// read only where the file ends early.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { errorText, VisageError } from '../base/errors.ts';
import { walkPages, NO_PAGE } from './page_walk.ts';

const DATA_FILE = 'data.mdb';
// offsets in a meta page: the first two pages of the file, of which the one with the greater transaction counts
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const ROOTS_AT = [88, 136];
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_BYTES = 160;
const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** Pages at the end that were freed before they were ever written need not be in the file. */
const UNWRITTEN_PAGES = 256n;

export function dataFile(folder: string): string {
  return join(folder, DATA_FILE);
}

/** Passes when there is no file yet, or an empty one. @throws VisageError `store_unreadable` */
export function checkDataFile(folder: string): void {
  let file: number;
  try {
    file = openSync(dataFile(folder), 'r');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw unreadable(folder, cause);
  }
  try {
    const size = fstatSync(file).size;
    if (size > 0) checkMetaPages(file, BigInt(size));
  } catch (cause) {
    throw unreadable(folder, cause);
  } finally {
    closeSync(file);
  }
}

function checkMetaPages(file: number, size: bigint): void {
  const first = readMeta(file, 0);
  const pageBytes = first.readUInt32LE(PAGE_SIZE_AT);
  if (pageBytes < 512 || pageBytes > 65_536) throw new Error('the first page is damaged');
  const second = readMeta(file, pageBytes);
  const newest = first.readBigUInt64LE(TRANSACTION_AT) > second.readBigUInt64LE(TRANSACTION_AT) ? first : second;
  const pages = size / BigInt(pageBytes);
  const roots = ROOTS_AT.map((at) => newest.readBigUInt64LE(at));
  const lastPage = newest.readBigUInt64LE(LAST_PAGE_AT);
  if (lastPage >= pages + UNWRITTEN_PAGES || roots.some((root) => root !== NO_PAGE && root >= pages))
    throw new Error('the file is cut short');
  if (lastPage >= pages) walkPages({ file, pageBytes, pages }, roots);
}

function readMeta(file: number, at: number): Buffer {
  const meta = Buffer.alloc(META_BYTES);
  const read = readSync(file, meta, 0, META_BYTES, at);
  if (read < META_BYTES) throw new Error('the file is cut short');
  if (meta.readUInt32LE(MAGIC_AT) !== MAGIC || meta.readUInt32LE(MAGIC_AT + 4) !== VERSION) {
    throw new Error('it is not an LMDB file, or one of another version');
  }
  return meta;
}

/** For whatever goes wrong with a shard's folder. */
export function unreadable(folder: string, cause: unknown): VisageError {
  return new VisageError(
    'store_unreadable',
    `the store in ${folder} cannot be read (${errorText(cause)}): check the disk and the folder's permissions; when it is damaged, move the folder away: the shard is rebuilt from the log or a snapshot`,
    { cause, kind: 'stop_shard' },
  );
}
