// Is every page that an LMDB file needs in it? For a file that ends before its last page: pages that were freed before they were ever
// written may be missing, others may not, and LMDB ends the process at the first one that is.
// PW1: reads not more pages than there are, so that a damaged file cannot keep it busy for ever.
// Boundary: the layout of lmdb-js 3.5.6, little-endian: header, offsets, nodes. What is in keys and values is LMDB's.
import { readSync } from 'node:fs';

const HEADER_BYTES = 24;
const FLAGS_AT = 18;
const LOWER_AT = 20;
const BRANCH = 1;
const LEAF = 2;
/** A node: its value is on pages of its own, or is another tree. */
const ON_PAGES = 1;
const TREE = 2;
const NODE_BYTES = 8;
/** Of a tree's record in a node. */
const ROOT_AT = 40;
/** Of a value on pages of its own: how many. */
const COUNT_AT = 16;
export const NO_PAGE = 0xffffffffffffffffn;

export type PagedFile = { readonly file: number; readonly pageBytes: number; readonly pages: bigint };

/** @param roots of the trees to begin with   @throws Error that says what is wrong. Cost: reads every page that is in use */
export function walkPages({ file, pageBytes, pages }: PagedFile, roots: readonly bigint[]): void {
  const page = Buffer.alloc(pageBytes);
  const open = roots.filter((root) => root !== NO_PAGE);
  let visited = 0n;
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (number >= pages) throw new Error('the file is cut short');
    if (++visited > pages) throw new Error('its pages go round in a circle');
    const read = readSync(file, page, 0, pageBytes, number * BigInt(pageBytes));
    const flags = page.readUInt16LE(FLAGS_AT) & (BRANCH | LEAF);
    if (read < pageBytes || page.readBigUInt64LE(0) !== number || (flags !== BRANCH && flags !== LEAF))
      throw new Error(`page ${number} is damaged`);
    for (const next of pagesIn(page, flags === BRANCH)) {
      if (next.first + next.count > pages) throw new Error('the file is cut short');
      if (next.isTree) open.push(next.first);
    }
  }
}

type Named = { readonly first: bigint; readonly count: bigint; readonly isTree: boolean };

/** What a page's nodes point to. @throws RangeError when they lie outside of it */
function* pagesIn(page: Buffer, isBranch: boolean): Iterable<Named> {
  const nodes = page.readUInt16LE(LOWER_AT) >> 1;
  for (let i = 0; i < nodes; i++) {
    const at = HEADER_BYTES + page.readUInt16LE(HEADER_BYTES + 2 * i);
    const flags = page.readUInt16LE(at + 4);
    if (isBranch) {
      yield { first: BigInt(page.readUInt32LE(at)) | (BigInt(flags) << 32n), count: 1n, isTree: true };
      continue;
    }
    const value = at + NODE_BYTES + page.readUInt16LE(at + 6);
    if ((flags & ON_PAGES) !== 0)
      yield { first: page.readBigUInt64LE(value), count: page.readBigUInt64LE(value + COUNT_AT), isTree: false };
    else if ((flags & TREE) !== 0) {
      const root = page.readBigUInt64LE(value + ROOT_AT);
      if (root !== NO_PAGE) yield { first: root, count: 1n, isTree: true };
    }
  }
}
