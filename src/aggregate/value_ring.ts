// The values of one measure in time order: what finite windows count and sum over.
// VR1: rows are sorted by time, whatever order they came in.
// VR2: no row is later than the shard's time, so every window is a suffix of the ring, and where it begins is found by its start:
//      there is no cursor that an insert could invalidate.
// VR3: of a long ring only chunks at which something enters or leaves are unpacked, at most `openMax` of them and the last.
import { CHUNK_ROWS, ChunkList, lengthen, moveNumbers, type Chunk } from './chunk_list.ts';
import { packedFirstMs, packedRowCount, packRows, unpackRows } from './packed_rows.ts';

const PACKED: number[] = [];
const OUTSIDE_MAX = 32;
/** Below this many chunks nothing is packed: most rings stay small, and a packed chunk saves about a kilobyte. */
const PACK_FROM_CHUNKS = 8;

/** What only a long ring has. */
type Long = {
  /** How many chunks may be unpacked beside the last. */
  readonly openMax: number;
  /** Unpacked chunks in the order in which they were opened, the last chunk perhaps among them. */
  readonly open: Chunk[];
  /** First time of each chunk; null: to be looked up anew. */
  firsts: number[] | null;
};

/** Where `seek` found its row. One for all rings: it is read at once. */
export const found = { chunk: 0, offset: 0 };

export class ValueRing extends ChunkList {
  /** Null while the ring is short: usual. */
  private long: Long | null = null;

  /** @param withValues rows are (time, value); without: (time) */
  constructor(withValues: boolean) {
    super(withValues ? 2 : 1);
  }

  override rowsOf(chunk: Chunk): readonly number[] {
    return chunk.packed === null ? chunk.data : unpackRows(chunk.packed, this.stride);
  }

  /** Inserts in time order; after rows of the same time.
   *  @param windows how many windows look at the ring: each has a chunk in which it begins, that stays unpacked   Cost: O(1) at the end, else O(log n) plus one short move. */
  insert(timeMs: number, value: number, windows: number): void {
    this.size++;
    const chunks = this.chunks;
    let at = chunks.length - 1;
    if (at < 0) {
      this.long = null; // all that a long one had has left
      this.addChunk(0, this.row(timeMs, value));
      return;
    }
    if (timeMs < this.firstMs(at)) at = this.chunkFor(timeMs);
    let data = this.dataOf(at);
    if (data.length >= CHUNK_ROWS * this.stride) {
      if (at === chunks.length - 1 && timeMs >= data[data.length - this.stride]!) {
        this.addOpen(chunks.length, this.row(timeMs, value), windows);
        return;
      }
      const half = (CHUNK_ROWS >> 1) * this.stride;
      const upper = data.slice(half);
      data.length = half;
      chunks[at]!.dirty = true;
      this.addOpen(at + 1, upper, windows); // may pack the lower half
      if (timeMs >= upper[0]!) at++;
      data = this.dataOf(at);
    }
    chunks[at]!.dirty = true;
    const offset = this.rowFor(data, timeMs);
    if (offset === 0 && this.long !== null) this.long.firsts = null;
    this.put(chunks[at]!, offset, timeMs, value);
  }

  /** Finds the first of the last `rows` rows: a window that holds so many begins there. Only while there is one chunk; then it needs
   *  no search. @returns its time */
  seekLast(rows: number): number {
    found.chunk = 0;
    found.offset = (this.size - rows) * this.stride;
    return this.chunks[0]!.data[found.offset]!;
  }

  /** Finds the first row at or after `startMs`. @returns its time; NaN when there is none. Cost: O(log n) */
  seek(startMs: number): number {
    const { chunks } = this;
    if (chunks.length === 0) return NaN;
    let at = this.firstMs(0) >= startMs ? 0 : this.chunkBefore(startMs);
    let data = this.dataOf(at);
    let offset = this.rowFrom(data, startMs);
    if (offset === data.length) {
      if (++at === chunks.length) return NaN;
      data = this.dataOf(at);
      offset = 0;
    }
    found.chunk = at;
    found.offset = offset;
    return data[offset]!;
  }

  /** The rows of a chunk, unpacked and kept so for a while. */
  dataOf(at: number): number[] {
    const chunk = this.chunks[at]!;
    if (chunk.packed === null) return chunk.data;
    chunk.data = unpackRows(chunk.packed, this.stride);
    chunk.packed = null;
    if (this.long !== null) {
      this.long.open.push(chunk);
      this.closeSome(this.long);
    }
    return chunk.data;
  }

  /** Drops rows before `limitMs`: no window holds them any more. They harm nothing and moving rows is dear, so they go in bulk
   *  (fewer than `bulk` stay), or when they are all that is left. */
  dropBefore(limitMs: number, bulk = OUTSIDE_MAX): void {
    const { chunks } = this;
    while (chunks.length > 1 && this.firstMs(1) < limitMs) {
      this.size -= this.rowCount(0);
      this.dropChunk(0);
    }
    if (chunks.length === 0 || this.firstMs(0) >= limitMs) return;
    const data = this.dataOf(0);
    const outside = this.rowFrom(data, limitMs) / this.stride;
    if (outside < bulk && outside < this.size) return;
    if (outside * this.stride === data.length) {
      this.size -= outside;
      this.dropChunk(0);
    } else {
      this.dropFront(outside);
    }
  }

  /** Takes the first rows out, at most `rows` and at most a chunk's. @returns them */
  takeFront(rows: number): number[] {
    const data = this.dataOf(0);
    const taken = data.slice(0, Math.min(rows, this.size) * this.stride);
    this.dropFront(taken.length / this.stride);
    return taken;
  }

  /** After the chunks were filled by the store. */
  loaded(windows: number): void {
    if (this.chunks.length < PACK_FROM_CHUNKS) return;
    this.long = { openMax: windows + 2, open: [], firsts: null };
    for (let i = 0; i < this.chunks.length - 1; i++) this.pack(this.chunks[i]!);
  }

  protected override dropChunk(at: number): void {
    const { long } = this;
    if (long !== null) {
      const opened = long.open.indexOf(this.chunks[at]!);
      if (opened >= 0) long.open.splice(opened, 1);
      if (at === 0) long.firsts?.shift();
      else long.firsts = null;
    }
    super.dropChunk(at);
  }

  override dropFront(rows: number): void {
    super.dropFront(rows);
    const firsts = this.long?.firsts ?? null;
    const first = this.chunks[0];
    // a packed one has lost no row: only those before it went
    if (firsts !== null && first?.packed === null) firsts[0] = first.data[0]!;
  }

  private addOpen(at: number, data: number[], windows: number): void {
    const { long } = this;
    const chunk = this.addChunk(at, data);
    if (long === null) {
      if (this.chunks.length < PACK_FROM_CHUNKS) return;
      this.long = { openMax: windows + 2, open: [...this.chunks], firsts: null };
      this.closeSome(this.long);
      return;
    }
    if (at === this.chunks.length - 1) long.firsts?.push(data[0]!);
    else long.firsts?.splice(at, 0, data[0]!);
    long.open.push(chunk);
    this.closeSome(long);
  }

  /** Windows move forward, so the chunk that was opened first is most likely behind all of them. */
  private closeSome({ open, openMax }: Long): void {
    const last = this.chunks[this.chunks.length - 1];
    while (open.length > openMax) this.pack(open[0] === last ? open.splice(1, 1)[0]! : open.shift()!);
  }

  private pack(chunk: Chunk): void {
    if (chunk.packed !== null) return;
    chunk.packed = packRows(chunk.data, this.stride);
    chunk.data = PACKED;
  }

  private firstMs(at: number): number {
    const { long } = this;
    return long === null ? this.chunks[at]!.data[0]! : (long.firsts ??= this.lookUpFirsts())[at]!;
  }

  private lookUpFirsts(): number[] {
    return this.chunks.map(({ packed, data }) => (packed === null ? data[0]! : packedFirstMs(packed)));
  }

  private rowCount(at: number): number {
    const chunk = this.chunks[at]!;
    return chunk.packed === null ? chunk.data.length / this.stride : packedRowCount(chunk.packed);
  }

  private row(timeMs: number, value: number): number[] {
    return this.stride === 2 ? [timeMs, value] : [timeMs];
  }

  /** The last chunk that starts at or before the time; 0 when none does. */
  private chunkFor(timeMs: number): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.firstMs(mid) <= timeMs) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  /** The last chunk that starts before the time: the first row at or after it is in there, or begins the next. */
  private chunkBefore(timeMs: number): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.firstMs(mid) < timeMs) low = mid;
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

  /** Offset of the first row at or after the time; the length when there is none. */
  private rowFrom(data: readonly number[], timeMs: number): number {
    if (data[0]! >= timeMs) return 0;
    const stride = this.stride;
    let low = 0;
    let high = data.length / stride;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (data[mid * stride]! < timeMs) low = mid + 1;
      else high = mid;
    }
    return low * stride;
  }

  private put(chunk: Chunk, offset: number, timeMs: number, value: number): void {
    const stride = this.stride;
    const end = chunk.data.length;
    const data = lengthen(chunk, stride);
    if (offset < end) moveNumbers(data, offset + stride, offset, end);
    data[offset] = timeMs;
    if (stride === 2) data[offset + 1] = value;
  }
}
