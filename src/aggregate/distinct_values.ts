// The different values of a measure, each with the last time it was seen: how many were seen since any start.
// DV1: rows are (last time, hash), in time order; a hash is in at most one row. Hashes have 53 bits: two of 5,000 different values
//      are taken for one with a probability of about 10^-9.
// DV2: past a bound only hashes that divide by 2^level stay, and a count is that of the rest times 2^level: which stay depends on
//      the values alone, never on their order, so samples of two parts can be put together.
import { hash64 } from '../base/fnv1a.ts';
import { ChunkList, CHUNK_ROWS, moveNumbers } from './chunk_list.ts';

const STRIDE = 2;
const LINEAR_ROWS = 24; // up to here a scan beats a table
const words = new Uint32Array(2);

/** A primitive's hash; −1 for what countDistinct does not count. −0 is 0; a text and a number that look the same differ. */
export function distinctHash(value: unknown): number {
  if (typeof value === 'number') {
    if (value - value !== 0) return -1;
    hash64(`n${value + 0}`, words);
  } else if (typeof value === 'string') hash64(`s${value}`, words);
  else if (typeof value === 'boolean') hash64(value ? 'true' : 'false', words);
  else return -1;
  return (words[1]! & 0x1fffff) * 2 ** 32 + words[0]!;
}

export class DistinctValues extends ChunkList {
  /** Only hashes that divide by 2^level are kept. */
  level = 0;
  /** The last time of a value that was not kept; −Infinity: all were. Until it has left, an empty sample is not an exact zero. */
  unkeptMs = -Infinity;
  /** As before fold version 6: the sample stays one until something else is dropped, although all that was not kept has left. */
  unkeptStays = false;
  private lastSeen: Map<number, number> | null = null;

  constructor() {
    super(STRIDE);
  }

  /** The level of what was seen since `startMs`: 0 when all of it was kept. */
  levelFrom(startMs: number): number {
    return this.unkeptMs >= startMs || this.unkeptStays ? this.level : 0;
  }

  /** The time of the last value that was not kept, at or after `startMs`; NaN when there is none. When it leaves, what is left is
   *  everything again. */
  unkeptFrom(startMs: number): number {
    return this.level > 0 && !this.unkeptStays && this.unkeptMs >= startMs ? this.unkeptMs : NaN;
  }

  /** Takes in a value's hash. @returns whether anything changed. Cost: O(log n) plus short moves */
  take(hash: number, timeMs: number, rowsMax: number, unkeptStays = false): boolean {
    if (this.level > 0 && hash % 2 ** this.level !== 0) {
      if (timeMs > this.unkeptMs) this.unkeptMs = timeMs;
      return false;
    }
    const beforeMs = this.lastMs(hash);
    if (beforeMs !== undefined) {
      if (beforeMs >= timeMs) return false;
      this.takeOut(beforeMs, hash);
    }
    this.insert(timeMs, hash);
    this.lastSeen?.set(hash, timeMs);
    if (this.level === 0) this.unkeptStays = unkeptStays;
    while (this.size > rowsMax) this.raiseLevel();
    return true;
  }

  /** How many hashes that divide by 2^level were seen since `startMs`, and by none of the others. Cost: O(rows × others) */
  countUnseen(startMs: number, level: number, others: readonly DistinctValues[]): number {
    let count = 0;
    for (const { data } of this.chunks) {
      for (let i = 0; i < data.length; i += STRIDE) {
        const hash = data[i + 1]!;
        if (data[i]! < startMs || hash % 2 ** level !== 0) continue;
        if (!others.some((other) => other.lastMs(hash)! >= startMs)) count++;
      }
    }
    return count;
  }

  /** How many rows are at or after `startMs`. */
  countFrom(startMs: number): number {
    let count = 0;
    for (let c = this.chunks.length - 1; c >= 0; c--) {
      const { data } = this.chunks[c]!;
      if (data[0]! >= startMs) {
        count += data.length / STRIDE;
        continue;
      }
      for (let i = data.length - STRIDE; i >= 0 && data[i]! >= startMs; i -= STRIDE) count++;
      return count;
    }
    return count;
  }

  /** The time of the first row at or after `startMs`; NaN when there is none. */
  timeFrom(startMs: number): number {
    for (const { data } of this.chunks) {
      if (data[data.length - STRIDE]! < startMs) continue;
      let i = 0;
      while (data[i]! < startMs) i += STRIDE;
      return data[i]!;
    }
    return NaN;
  }

  dropBefore(limitMs: number): void {
    while (this.chunks.length > 0) {
      const { data } = this.chunks[0]!;
      let offset = 0;
      while (offset < data.length && data[offset]! < limitMs) {
        this.lastSeen?.delete(data[offset + 1]!);
        offset += STRIDE;
      }
      if (offset === 0) break;
      this.dropFront(offset / STRIDE);
    }
    if (this.unkeptMs >= limitMs) return;
    // what is left is everything again
    this.level = 0;
    this.unkeptMs = -Infinity;
  }

  private lastMs(hash: number): number | undefined {
    if (this.size > LINEAR_ROWS) return (this.lastSeen ??= this.tableOf()).get(hash);
    this.lastSeen = null;
    for (const { data } of this.chunks) for (let i = 0; i < data.length; i += STRIDE) if (data[i + 1] === hash) return data[i];
    return undefined;
  }

  private tableOf(): Map<number, number> {
    const table = new Map<number, number>();
    for (const { data } of this.chunks) for (let i = 0; i < data.length; i += STRIDE) table.set(data[i + 1]!, data[i]!);
    return table;
  }

  private takeOut(timeMs: number, hash: number): void {
    for (let c = 0; c < this.chunks.length; c++) {
      const chunk = this.chunks[c]!;
      const { data } = chunk;
      if (data[data.length - STRIDE]! < timeMs) continue;
      for (let i = 0; i < data.length && data[i]! <= timeMs; i += STRIDE) {
        if (data[i] !== timeMs || data[i + 1] !== hash) continue;
        this.size--;
        if (data.length === STRIDE) this.dropChunk(c);
        else {
          moveNumbers(data, i, i + STRIDE, data.length);
          data.length -= STRIDE;
          chunk.dirty = true;
          this.joinAround(c); // else values that are seen again leave a chunk for each row
        }
        return;
      }
    }
  }

  private insert(timeMs: number, hash: number): void {
    this.size++;
    let c = this.chunks.length - 1;
    if (c < 0) {
      this.addChunk(0, [timeMs, hash]);
      return;
    }
    while (c > 0 && this.chunks[c]!.data[0]! > timeMs) c--;
    let chunk = this.chunks[c]!;
    if (chunk.data.length >= CHUNK_ROWS * STRIDE) {
      const half = (CHUNK_ROWS >> 1) * STRIDE;
      const upper = this.addChunk(c + 1, chunk.data.slice(half));
      chunk.data.length = half;
      chunk.dirty = true;
      if (timeMs >= upper.data[0]!) chunk = upper;
    }
    const { data } = chunk;
    let offset = data.length;
    while (offset > 0 && data[offset - STRIDE]! > timeMs) offset -= STRIDE;
    data.push(0, 0);
    moveNumbers(data, offset + STRIDE, offset, data.length - STRIDE);
    data[offset] = timeMs;
    data[offset + 1] = hash;
    chunk.dirty = true;
  }

  private raiseLevel(): void {
    this.level++;
    const rows = this.chunks.flatMap((chunk) => chunk.data);
    const kept: number[] = [];
    for (let i = 0; i < rows.length; i += STRIDE) {
      if (rows[i + 1]! % 2 ** this.level === 0) kept.push(rows[i]!, rows[i + 1]!);
      else if (rows[i]! > this.unkeptMs) this.unkeptMs = rows[i]!;
    }
    this.replaceAll(kept, null);
    this.lastSeen = null;
  }
}
