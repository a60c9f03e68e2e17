// A list of fixed-width rows of numbers, cut into chunks, so that an update touches (and the store rewrites) one chunk only.
// Rows live in plain arrays of doubles: V8 keeps those unboxed, 8 bytes a number, and they cost the collector nothing.
// CL1: chunks are never empty; `size` is the number of rows in all of them.
// CL2: a chunk's id is never used again within its list, so the store can name chunks by it.

export const CHUNK_ROWS = 128;

/** `dirty`: changed since it was last encoded. `stored`: the store holds a record of its own for it. */
export type Chunk = { readonly id: number; readonly data: number[]; dirty: boolean; stored: boolean };

export class ChunkList {
  readonly stride: number;
  readonly chunks: Chunk[] = [];
  size = 0;
  nextId = 1;
  /** Ids of dropped chunks whose records the store still holds. */
  removed: number[] = [];

  constructor(stride: number) {
    this.stride = stride;
  }

  /** The last chunk, made if there is none or it is full. */
  tail(): Chunk {
    const last = this.chunks[this.chunks.length - 1];
    if (last !== undefined && last.data.length < CHUNK_ROWS * this.stride) return last;
    return this.addChunk(this.chunks.length, []);
  }

  addChunk(at: number, data: number[]): Chunk {
    const chunk: Chunk = { id: this.nextId++, data, dirty: true, stored: false };
    if (at === this.chunks.length) this.chunks.push(chunk);
    else this.chunks.splice(at, 0, chunk);
    return chunk;
  }

  /** Drops the first `rows` rows. Cost: O(rows) over chunk boundaries, one short move inside a chunk. */
  dropFront(rows: number): void {
    let left = rows * this.stride;
    this.size -= rows;
    while (left > 0) {
      const first = this.chunks[0]!;
      if (left < first.data.length) {
        first.data.copyWithin(0, left);
        first.data.length -= left;
        first.dirty = true;
        return;
      }
      left -= first.data.length;
      if (first.stored) this.removed.push(first.id);
      this.chunks.shift();
    }
  }
}
