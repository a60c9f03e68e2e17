// The event ids that an identity remembers, in order of arrival, as 64-bit hashes: an id counts once within the horizon.
// SI1: an id is remembered while log time - arrival ≤ horizon, and at most `cap` of them, oldest out first.
// SI2: arrival is log time, so it never goes back: the list is sorted by arrival.
import { CHUNK_ROWS, ChunkList, lengthen } from './chunk_list.ts';

const STRIDE = 3; // low word, high word, arrival
const LINEAR = 24; // up to here a scan beats a table

export class SeenIds extends ChunkList {
  /** Rows at the front of the first chunk that are forgotten but not moved out yet: moving costs more than all the rest. */
  private dead = 0;
  /** Rows moved out of the first chunk: positions stay aligned to CHUNK_ROWS. */
  private headGap = 0;
  /** Open addressing: ordinal + 1 of a row; stale ordinals (< dropped) are passed over and leave at the next rebuild. */
  private table: Int32Array | null = null;
  private used = 0;
  private dropped = 0;

  constructor() {
    super(STRIDE);
  }

  /** Forgets what arrived before `limitMs`. */
  expire(limitMs: number): void {
    while (this.size > 0 && this.chunks[0]!.data[this.dead * STRIDE + 2]! < limitMs) this.drop();
  }

  has(low: number, high: number): boolean {
    if (this.size <= LINEAR) {
      let from = this.dead * STRIDE;
      for (const chunk of this.chunks) {
        const data = chunk.data;
        for (let i = from; i < data.length; i += STRIDE) if (data[i] === low && data[i + 1] === high) return true;
        from = 0;
      }
      return false;
    }
    const table = this.table ?? this.rebuild();
    const mask = table.length - 1;
    for (let slot = low & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
      const row = table[slot]! - 1 - this.dropped;
      if (row < 0) continue;
      const at = row + this.dead + this.headGap;
      const chunk = at >> 7;
      const data = this.chunks[chunk]!.data;
      const offset = (chunk === 0 ? row + this.dead : at & (CHUNK_ROWS - 1)) * STRIDE;
      if (data[offset] === low && data[offset + 1] === high) return true;
    }
    return false;
  }

  /** Remembers an id that arrived now. @returns how many fell out because of the cap */
  add(low: number, high: number, arrivalMs: number, cap: number): number {
    let last = this.chunks[this.chunks.length - 1];
    if (last === undefined || last.data.length / STRIDE + (this.chunks.length === 1 ? this.headGap : 0) >= CHUNK_ROWS) {
      last = this.addChunk(this.chunks.length, []);
      if (this.chunks.length === 1) this.headGap = 0;
    }
    const data = lengthen(last, STRIDE);
    const at = data.length - STRIDE;
    data[at] = low;
    data[at + 1] = high;
    data[at + 2] = arrivalMs;
    last.dirty = true;
    this.size++;
    if (this.table !== null) this.enter(low, this.dropped + this.size);
    let out = 0;
    while (this.size > cap) {
      this.drop();
      out++;
    }
    return out;
  }

  /** Forgets all. */
  clear(): void {
    while (this.size > 0) this.drop();
    this.compact();
    this.table = null;
  }

  /** Moves forgotten rows out: what the store sees is what is remembered. */
  compact(): void {
    if (this.dead === 0) return;
    const rows = this.dead;
    this.dead = 0;
    this.headGap += rows;
    this.size += rows;
    this.dropFront(rows);
  }

  /** After the chunks were filled by the store. */
  loaded(): void {
    this.dead = 0;
    this.headGap = this.chunks.length > 1 ? CHUNK_ROWS - this.chunks[0]!.data.length / STRIDE : 0;
    this.table = null;
    this.dropped = 0;
  }

  /** Forgets the oldest. */
  private drop(): void {
    const first = this.chunks[0]!;
    this.size--;
    this.dead++;
    this.dropped++;
    first.dirty = true;
    if (this.dead * STRIDE === first.data.length) {
      this.dropChunk(0);
      this.dead = 0;
      this.headGap = 0;
    }
    if (this.size <= LINEAR) {
      this.table = null;
      this.dropped = 0;
    }
  }

  private enter(low: number, ordinal: number): void {
    if ((this.used + 1) * 2 > this.table!.length) {
      this.rebuild();
      return;
    }
    const mask = this.table!.length - 1;
    let slot = low & mask;
    while (this.table![slot] !== 0) slot = (slot + 1) & mask;
    this.table![slot] = ordinal;
    this.used++;
  }

  private rebuild(): Int32Array {
    let capacity = 128;
    while (capacity < this.size * 4) capacity *= 2;
    this.table = new Int32Array(capacity);
    this.used = 0;
    this.dropped = 0;
    let ordinal = 0;
    let from = this.dead * STRIDE;
    for (const chunk of this.chunks) {
      for (let i = from; i < chunk.data.length; i += STRIDE) this.enter(chunk.data[i]!, ++ordinal);
      from = 0;
    }
    return this.table;
  }
}
