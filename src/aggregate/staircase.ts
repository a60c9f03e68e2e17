// The rows that can still be the extreme of a sliding window: for max those that no row at their time or later reaches.
// ST1: times rise strictly from row to row; values fall strictly for max, rise strictly for min.
// ST2: hence the extreme since a start is the first row at or after it: one staircase serves windows of every length.
//      Of equal values the latest row is the one that stays: the value holds until it leaves.
// ST3: which rows are in it depends on the rows that came, never on their order. Times are whole milliseconds.
import { CHUNK_ROWS, ChunkList, type Chunk } from './chunk_list.ts';

const STRIDE = 2; // time, value
/** Neighbours that together have no more rows than this become one chunk: what a new extreme left over must not stay in pieces. */
const JOIN_ROWS = CHUNK_ROWS >> 1;
const OUTSIDE_MAX = 32;

export class Staircase extends ChunkList {
  private readonly high: boolean;

  constructor(direction: 'low' | 'high') {
    super(STRIDE);
    this.high = direction === 'high';
  }

  /** Takes in a row that came in any order. Cost: O(log n) plus the rows that go, each of which goes once.
   *  @returns how many rows it put out; -1: it can never be an extreme, and nothing changed */
  insert(timeMs: number, value: number): number {
    const { chunks } = this;
    if (chunks.length === 0) {
      this.size = 1;
      this.addChunk(0, [timeMs, value]);
      return 0;
    }
    const at = this.chunkFor(timeMs);
    const chunk = chunks[at]!;
    const { data } = chunk;
    const to = offsetFrom(data, timeMs + 1);
    const later = to < data.length ? data[to + 1] : chunks[at + 1]?.data[1];
    if (later !== undefined && this.reaches(later, value)) return -1;
    if (to > 0 && data[to - STRIDE] === timeMs && this.reaches(data[to - 1]!, value)) return -1;
    let from = to;
    while (from > 0 && this.reaches(value, data[from - 1]!)) from -= STRIDE;
    if (from === to) {
      this.size++;
      this.put(at, to, timeMs, value);
      return 0;
    }
    const gone = (to - from) / STRIDE + (from === 0 ? this.cutBefore(at, value) : 0);
    // the new row takes the place of the first that went
    data[from] = timeMs;
    data[from + 1] = value;
    data.copyWithin(from + STRIDE, to);
    data.length -= to - from - STRIDE;
    chunk.dirty = true;
    this.size += 1 - gone;
    this.joinAround(chunk);
    return gone;
  }

  /** The extreme since `startMs`; NaN when there is none. Cost: O(log n). */
  valueFrom(startMs: number): number {
    const chunk = this.chunkFrom(startMs);
    return chunk === undefined ? NaN : chunk.data[offsetFrom(chunk.data, startMs) + 1]!;
  }

  /** The time of the row that holds that extreme, the latest if several did; NaN when there is none. Cost: O(log n). */
  timeFrom(startMs: number): number {
    const chunk = this.chunkFrom(startMs);
    return chunk === undefined ? NaN : chunk.data[offsetFrom(chunk.data, startMs)]!;
  }

  /** Drops the rows before `limitMs`: no window holds them any more. They harm nothing and moving rows is dear, so they go in bulk
   *  (fewer than OUTSIDE_MAX stay), or when they are all that is left. */
  dropBefore(limitMs: number): void {
    let rows = 0;
    for (const { data } of this.chunks) {
      const offset = offsetFrom(data, limitMs);
      rows += offset / STRIDE;
      if (offset < data.length) break;
    }
    if (rows >= OUTSIDE_MAX || (rows > 0 && rows === this.size)) this.dropFront(rows);
  }

  /** At least as extreme? */
  private reaches(value: number, other: number): boolean {
    return this.high ? value >= other : value <= other;
  }

  /** Cuts rows that `value` reaches off the chunks before `at`, from the last one on. @returns how many went */
  private cutBefore(at: number, value: number): number {
    let gone = 0;
    for (let i = at - 1; i >= 0; i--) {
      const chunk = this.chunks[i]!;
      const { data } = chunk;
      let end = data.length;
      while (end > 0 && this.reaches(value, data[end - 1]!)) end -= STRIDE;
      gone += (data.length - end) / STRIDE;
      if (end === 0) {
        this.dropChunk(i);
        continue;
      }
      if (end < data.length) {
        data.length = end;
        chunk.dirty = true;
      }
      break;
    }
    return gone;
  }

  /** A row where none goes: the only way in which a chunk grows. */
  private put(at: number, offset: number, timeMs: number, value: number): void {
    const { chunks } = this;
    let chunk = chunks[at]!;
    let to = offset;
    if (chunk.data.length >= CHUNK_ROWS * STRIDE) {
      if (at === chunks.length - 1 && to === chunk.data.length) {
        this.addChunk(chunks.length, [timeMs, value]);
        return;
      }
      const half = (CHUNK_ROWS >> 1) * STRIDE;
      const right = this.addChunk(at + 1, chunk.data.slice(half));
      chunk.data.length = half;
      chunk.dirty = true;
      if (to > half) {
        chunk = right;
        to -= half;
      }
    }
    const { data } = chunk;
    const end = data.length;
    data.push(0, 0);
    if (to < end) data.copyWithin(to + STRIDE, to, end);
    data[to] = timeMs;
    data[to + 1] = value;
    chunk.dirty = true;
  }

  private joinAround(chunk: Chunk): void {
    if (this.chunks.length === 1) return;
    const at = this.chunks.indexOf(chunk);
    this.joinWithNext(at);
    this.joinWithNext(at - 1);
  }

  private joinWithNext(at: number): void {
    const chunk = this.chunks[at];
    const next = this.chunks[at + 1];
    if (chunk === undefined || next === undefined || chunk.data.length + next.data.length > JOIN_ROWS * STRIDE) return;
    for (let i = 0; i < next.data.length; i++) chunk.data.push(next.data[i]!);
    chunk.dirty = true;
    this.dropChunk(at + 1);
  }

  /** Position of the last chunk that starts at or before the time; 0 when none does. */
  private chunkFor(timeMs: number): number {
    const { chunks } = this;
    let low = 0;
    let high = chunks.length - 1;
    if (chunks[high]!.data[0]! <= timeMs) return high;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (chunks[mid]!.data[0]! <= timeMs) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  /** The chunk that holds the first row at or after the time. */
  private chunkFrom(timeMs: number): Chunk | undefined {
    const { chunks } = this;
    if (chunks.length === 0) return undefined;
    const at = chunks[0]!.data[0]! >= timeMs ? 0 : this.chunkFor(timeMs);
    const { data } = chunks[at]!;
    return data[data.length - STRIDE]! >= timeMs ? chunks[at] : chunks[at + 1];
  }
}

/** Offset of the first row at or after the time; the length when there is none. */
function offsetFrom(data: readonly number[], timeMs: number): number {
  let low = 0;
  let high = data.length / STRIDE;
  if (data[0]! >= timeMs) return 0;
  if (data[data.length - STRIDE]! < timeMs) return data.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (data[mid * STRIDE]! < timeMs) low = mid + 1;
    else high = mid;
  }
  return low * STRIDE;
}
