// Rows of numbers with a value of any kind each, in the order of their times: what list and earliest keep.
// VA1: sorted by the first number of a row (a time), then by the last (the sequence of its message).
// VA2: a chunk has as many values as rows.
import { CHUNK_ROWS, ChunkList, type Chunk } from './chunk_list.ts';

export class ValuedRows extends ChunkList {
  /** Takes in a row. Cost: O(log n) plus one short move */
  insert(row: readonly number[], value: unknown): void {
    const { chunks, stride } = this;
    const timeMs = row[0]!;
    const sequence = row[stride - 1]!;
    this.size++;
    if (chunks.length === 0) {
      this.addChunk(0, row.slice(), [value]);
      return;
    }
    let at = chunks.length - 1;
    while (at > 0 && this.isBefore(timeMs, sequence, chunks[at]!.data, 0)) at--;
    let chunk = chunks[at]!;
    if (chunk.values!.length >= CHUNK_ROWS) {
      const half = CHUNK_ROWS >> 1;
      const upper = this.addChunk(at + 1, chunk.data.slice(half * stride), chunk.values!.slice(half));
      chunk.data.length = half * stride;
      chunk.values!.length = half;
      chunk.dirty = true;
      if (!this.isBefore(timeMs, sequence, upper.data, 0)) chunk = upper;
    }
    let offset = chunk.data.length;
    while (offset > 0 && this.isBefore(timeMs, sequence, chunk.data, offset - stride)) offset -= stride;
    chunk.data.splice(offset, 0, ...row);
    chunk.values!.splice(offset / stride, 0, value);
    chunk.dirty = true;
  }

  /** Position of the first row at or after `startMs`: chunk and row; undefined when there is none. */
  from(startMs: number): { readonly chunk: Chunk; readonly row: number } | undefined {
    for (const chunk of this.chunks) {
      const { data } = chunk;
      if (data[data.length - this.stride]! < startMs) continue;
      let row = 0;
      while (data[row * this.stride]! < startMs) row++;
      return { chunk, row };
    }
    return undefined;
  }

  /** The time of that row; NaN when there is none. */
  timeFrom(startMs: number): number {
    const found = this.from(startMs);
    return found === undefined ? NaN : found.chunk.data[found.row * this.stride]!;
  }

  /** Drops the rows before `limitMs`. */
  dropBefore(limitMs: number): void {
    while (this.chunks.length > 0) {
      const { data } = this.chunks[0]!;
      let offset = 0;
      while (offset < data.length && data[offset]! < limitMs) offset += this.stride;
      if (offset === 0) return;
      this.dropFront(offset / this.stride);
    }
  }

  private isBefore(timeMs: number, sequence: number, data: readonly number[], offset: number): boolean {
    const otherMs = data[offset]!;
    return timeMs < otherMs || (timeMs === otherMs && sequence < data[offset + this.stride - 1]!);
  }
}
