// The values of one measure in time order: what sliding windows count and sum over.
// VR1: rows are sorted by time, whatever order they came in.
// VR2: no row is later than the shard's time, so every sliding window is a suffix of the ring: a window that holds n rows
//      starts at row size - n, and needs no cursor that an insert could invalidate.
import { CHUNK_ROWS, ChunkList } from './chunk_list.ts';

export class ValueRing extends ChunkList {
  /** @param withValues rows are (time, value); without: (time) */
  constructor(withValues: boolean) {
    super(withValues ? 2 : 1);
  }

  /** Inserts in time order; after rows of the same time. Cost: O(1) at the end, else O(log n) plus one short move. */
  insert(timeMs: number, value: number): void {
    this.size++;
    const chunks = this.chunks;
    let at = chunks.length - 1;
    if (at < 0) {
      this.addChunk(0, this.stride === 2 ? [timeMs, value] : [timeMs]);
      return;
    }
    if (timeMs < chunks[at]!.data[0]!) at = this.chunkFor(timeMs);
    let chunk = chunks[at]!;
    if (chunk.data.length >= CHUNK_ROWS * this.stride) {
      if (at === chunks.length - 1 && timeMs >= chunk.data[chunk.data.length - this.stride]!) {
        this.addChunk(chunks.length, this.stride === 2 ? [timeMs, value] : [timeMs]);
        return;
      }
      const half = (CHUNK_ROWS >> 1) * this.stride;
      const right = this.addChunk(at + 1, chunk.data.slice(half));
      chunk.data.length = half;
      chunk.dirty = true;
      if (timeMs >= right.data[0]!) chunk = right;
    }
    chunk.dirty = true;
    this.put(chunk.data, this.rowFor(chunk.data, timeMs), timeMs, value);
  }

  /** The time of a row. Cost: O(1) for rings of one chunk, else a walk over chunks from the nearer end. */
  timeAt(row: number): number {
    const { chunk, offset } = this.position(row);
    return this.chunks[chunk]!.data[offset]!;
  }

  /** Calls `leave(value)` for every row from `row` on that is earlier than `limitMs`; returns how many there were. */
  leaveBefore(row: number, limitMs: number, leave: (value: number) => void): number {
    let n = 0;
    let { chunk, offset } = this.position(row);
    for (; chunk < this.chunks.length; chunk++, offset = 0) {
      const data = this.chunks[chunk]!.data;
      for (; offset < data.length; offset += this.stride) {
        if (data[offset]! >= limitMs) return n;
        leave(this.stride === 2 ? data[offset + 1]! : 1);
        n++;
      }
    }
    return n;
  }

  private position(row: number): { chunk: number; offset: number } {
    const chunks = this.chunks;
    let left = row * this.stride;
    if (row * 2 <= this.size) {
      let chunk = 0;
      while (left >= chunks[chunk]!.data.length) left -= chunks[chunk++]!.data.length;
      return { chunk, offset: left };
    }
    let fromEnd = (this.size - row) * this.stride;
    let chunk = chunks.length - 1;
    while (fromEnd > chunks[chunk]!.data.length) fromEnd -= chunks[chunk--]!.data.length;
    return { chunk, offset: chunks[chunk]!.data.length - fromEnd };
  }

  /** The last chunk that starts at or before the time. */
  private chunkFor(timeMs: number): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.chunks[mid]!.data[0]! <= timeMs) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  /** Offset of the first row later than the time. */
  private rowFor(data: readonly number[], timeMs: number): number {
    const stride = this.stride;
    let high = data.length / stride;
    if (high === 0 || data[(high - 1) * stride]! <= timeMs) return high * stride;
    let low = 0;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (data[mid * stride]! <= timeMs) low = mid + 1;
      else high = mid;
    }
    return low * stride;
  }

  private put(data: number[], offset: number, timeMs: number, value: number): void {
    const stride = this.stride;
    const end = data.length;
    if (stride === 2) data.push(0, 0);
    else data.push(0);
    if (offset < end) data.copyWithin(offset + stride, offset, end);
    data[offset] = timeMs;
    if (stride === 2) data[offset + 1] = value;
  }
}
