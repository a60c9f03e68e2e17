// The rows that can still be the extreme of a sliding window: for max those that no row at their time or later reaches.
// ST1: times rise strictly from row to row; values fall strictly for max, rise strictly for min.
// ST2: hence the extreme since a start is the first row at or after it: one staircase serves windows of every length.
//      Of equal values the latest row is the one that stays: the value holds until it leaves.
// ST3: which rows are in it depends on the rows that came, never on their order. Times are whole milliseconds.
// ST4: past a bound neighbours are joined, the older the more: the more extreme value then stands at the later time, as if it had
//      happened then, so a value may leave late, by at most what `longestSpan` says. A row that comes later, and happened
//      within the span of a joined one, stands where that does: no window has the one without the other.
import { CHUNK_ROWS, ChunkList, moveNumbers, type Chunk } from './chunk_list.ts';
import { mayJoin, thinUntil } from './thinning.ts';

const STRIDE = 2; // time, value
const OUTSIDE_MAX = 32;

export class Staircase extends ChunkList {
  private readonly high: boolean;
  /** When the value of a joined row happened first, by the row's time; null while none was joined. May name rows that went. */
  spans: Map<number, number> | null = null;

  constructor(direction: 'low' | 'high') {
    super(STRIDE);
    this.high = direction === 'high';
  }

  /** Takes in a row that came in any order. Cost: O(log n) plus the rows that go, each of which goes once.
   *  @returns how many rows it put out; -1: it can never be an extreme, and nothing changed */
  insert(timeMs: number, value: number): number {
    const { spans } = this;
    if (spans === null) return this.place(timeMs, value);
    const standsMs = this.standsAt(timeMs);
    const gone = this.place(standsMs, value);
    if (gone < 0) return gone;
    if (standsMs === timeMs) spans.delete(timeMs);
    else spans.set(standsMs, timeMs);
    return gone;
  }

  /** Where a row of this time would stand: later, when a joined row spans it. */
  standsAt(timeMs: number): number {
    const { spans } = this;
    if (spans === null) return timeMs;
    const rowMs = this.timeFrom(timeMs);
    return (spans.get(rowMs) ?? Infinity) <= timeMs ? rowMs : timeMs;
  }

  private place(timeMs: number, value: number): number {
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
    moveNumbers(data, from + STRIDE, to, data.length);
    data.length -= to - from - STRIDE;
    chunk.dirty = true;
    this.size += 1 - gone;
    this.joinAround(this.chunks.indexOf(chunk));
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
    if (this.chunks.length === 0 || this.chunks[0]!.data[0]! >= limitMs) return;
    let rows = 0;
    for (const { data } of this.chunks) {
      const offset = offsetFrom(data, limitMs);
      rows += offset / STRIDE;
      if (offset < data.length) break;
    }
    if (rows < OUTSIDE_MAX && (rows === 0 || rows < this.size)) return;
    this.dropFront(rows);
    this.forgetSpans();
  }

  /** Joins neighbours until at most three quarters of `rowsMax` are left. @param starts where the windows begin */
  thin(rowsMax: number, nowMs: number, starts: readonly number[]): void {
    const target = (rowsMax * 3) >> 2;
    thinUntil((share) => this.join(target, nowMs, starts, share));
  }

  /** The longest that a value since `startMs` may stay too long; 0 when none was joined. */
  longestSpan(startMs: number): number {
    let span = 0;
    const { spans } = this;
    if (spans === null) return 0;
    for (const { data } of this.chunks) {
      for (let i = 0; i < data.length; i += STRIDE) {
        const timeMs = data[i]!;
        if (timeMs >= startMs) span = Math.max(span, timeMs - (spans.get(timeMs) ?? timeMs));
      }
    }
    return span;
  }

  /** Of rows that went. */
  private forgetSpans(): void {
    const { spans } = this;
    if (spans === null) return;
    const kept = new Map<number, number>();
    for (const { data } of this.chunks) {
      for (let i = 0; i < data.length; i += STRIDE) {
        const firstMs = spans.get(data[i]!);
        if (firstMs !== undefined) kept.set(data[i]!, firstMs);
      }
    }
    this.spans = kept.size === 0 ? null : kept;
  }

  /** Joins row by row with the one after it. @returns are few enough left? */
  private join(target: number, nowMs: number, starts: readonly number[], share: number): boolean {
    const rows = this.chunks.flatMap((chunk) => chunk.data);
    const spans = new Map<number, number>();
    const kept: number[] = [];
    let left = rows.length / STRIDE;
    for (let i = 0; i < rows.length; i += STRIDE) {
      let value = rows[i + 1]!;
      const firstMs = this.spans?.get(rows[i]!) ?? rows[i]!;
      const span = { firstMs, innerLastMs: rows[i]!, lastMs: rows[i + STRIDE]! };
      if (left > target && i + STRIDE < rows.length && mayJoin(span, nowMs, starts, share)) {
        i += STRIDE;
        left--;
      } else value = rows[i + 1]!;
      const timeMs = rows[i]!;
      const first = Math.min(firstMs, this.spans?.get(timeMs) ?? timeMs);
      if (first < timeMs) spans.set(timeMs, first);
      kept.push(timeMs, value);
    }
    this.replaceAll(kept, null);
    this.spans = spans.size === 0 ? null : spans;
    return left <= target;
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
    if (to < end) moveNumbers(data, to + STRIDE, to, end);
    data[to] = timeMs;
    data[to + 1] = value;
    chunk.dirty = true;
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
