// The oldest part of a long ring, folded: a tile is a run of neighbouring rows of which only count and sum are kept.
// TI1: tiles are in time order and do not overlap; every row of the ring is later than or at the end of the last tile.
// TI2: a tile is in a window as a whole, as long as its last row is: so a value is that of a window that begins up to a tile earlier.
// TI3: past a bound neighbours are joined, the older the more.
import type { EpochMs } from '../base/time.ts';
import { addDecimal, addParts, parts } from './decimal_sum.ts';
import { mayJoin, thinUntil } from './thinning.ts';

const TILES_MAX = 512;
const TILES_MAX_LEAST = 16;
const RUN_ROWS_MAX = 64;

/** Numbers of a tile: first time, last time, rows, whole part and nanos of the sum. */
export const TILE = 5;

/** When and how far to fold: `exactEvents` bounds the tiles too, `starts` is where the windows begin now. */
export type Folding = { readonly nowMs: EpochMs; readonly starts: readonly number[]; readonly exactEvents: number };

export class Tiles {
  /** TILE numbers each. */
  data: number[] = [];
  /** Wide lane of each tile's sum; null while no tile has one. */
  wide: bigint[] | null = null;

  get count(): number {
    return this.data.length / TILE;
  }

  firstMs(at: number): EpochMs {
    return this.data[at * TILE]!;
  }

  lastMs(at: number): EpochMs {
    return this.data[at * TILE + 1]!;
  }

  rows(at: number): number {
    return this.data[at * TILE + 2]!;
  }

  wideOf(at: number): bigint {
    return this.wide?.[at] ?? 0n;
  }

  /** End of the last tile; −Infinity when there is none. */
  endMs(): EpochMs {
    return this.count === 0 ? -Infinity : this.lastMs(this.count - 1);
  }

  /** The first tile whose last row is at or after `startMs`; `count` when there is none. */
  from(startMs: EpochMs): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.lastMs(mid) < startMs) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Takes in the oldest rows of the ring, in time order. */
  fold(rows: readonly number[], stride: number, folding: Folding): void {
    const { nowMs, starts } = folding;
    for (let i = 0; i < rows.length; i += stride) {
      const timeMs = rows[i]!;
      let at = this.count - 1;
      if (at < 0 || !this.fits(at, timeMs, nowMs, starts)) this.insertAt(++at, timeMs);
      this.add(at, timeMs, stride === 2 ? rows[i + 1]! : 0);
    }
    this.joinSome(folding);
  }

  /** Takes in a row that came late, at or before the end of the last tile. @returns the tile that has it now */
  takeLate(timeMs: EpochMs, value: number, folding: Folding): number {
    const at = this.from(timeMs);
    if (this.firstMs(at) > timeMs) this.insertAt(at, timeMs);
    this.add(at, timeMs, value);
    return this.joinSome(folding) ? this.from(timeMs) : at;
  }

  /** Drops the tiles that no window holds any more. */
  dropBefore(limitMs: EpochMs): void {
    const gone = this.from(limitMs);
    if (gone === 0) return;
    this.data.splice(0, gone * TILE);
    this.wide?.splice(0, gone);
  }

  /** The longest span of a tile that is in a window which begins at `startMs`; 0 when none is. */
  longestSpan(startMs: EpochMs): number {
    let span = 0;
    for (let at = this.from(startMs); at < this.count; at++) span = Math.max(span, this.lastMs(at) - this.firstMs(at));
    return span;
  }

  /** May a row of the ring go on the last tile? Rows of one time never part: no window has some of them only. */
  private fits(at: number, timeMs: EpochMs, nowMs: EpochMs, starts: readonly number[]): boolean {
    const innerLastMs = this.lastMs(at);
    if (timeMs === innerLastMs) return true;
    return this.rows(at) < RUN_ROWS_MAX && mayJoin({ firstMs: this.firstMs(at), innerLastMs, lastMs: timeMs }, nowMs, starts);
  }

  private insertAt(at: number, timeMs: EpochMs): void {
    this.data.splice(at * TILE, 0, timeMs, timeMs, 0, 0, 0);
    this.wide?.splice(at, 0, 0n);
  }

  private add(at: number, timeMs: EpochMs, value: number): void {
    const { data } = this;
    if (timeMs > data[at * TILE + 1]!) data[at * TILE + 1] = timeMs;
    data[at * TILE + 2]!++;
    if (value === 0) return;
    const spill = addDecimal(data, at * TILE + 3, value, 1);
    if (spill !== null) this.addWide(at, spill);
  }

  private addWide(at: number, spill: bigint): void {
    this.wide ??= new Array<bigint>(this.count).fill(0n);
    this.wide[at]! += spill;
  }

  /** @returns whether there were too many */
  private joinSome({ nowMs, starts, exactEvents }: Folding): boolean {
    const most = Math.max(TILES_MAX_LEAST, Math.min(TILES_MAX, exactEvents));
    if (this.count <= most) return false;
    const target = (most * 3) >> 2;
    thinUntil((share) => {
      for (let at = 0; at + 1 < this.count && this.count > target; at++) {
        const span = { firstMs: this.firstMs(at), innerLastMs: this.lastMs(at), lastMs: this.lastMs(at + 1) };
        if (mayJoin(span, nowMs, starts, share)) this.joinWithNext(at);
      }
      return this.count <= target;
    });
    return true;
  }

  private joinWithNext(at: number): void {
    const { data } = this;
    const a = at * TILE;
    const b = a + TILE;
    data[a + 1] = data[b + 1]!;
    data[a + 2]! += data[b + 2]!;
    parts[0] = data[b + 3]!;
    parts[1] = data[b + 4]!;
    const spill = addParts(data, a + 3, 1);
    data.splice(b, TILE);
    const wide = this.wide?.splice(at + 1, 1)[0] ?? 0n;
    if (spill !== null) this.addWide(at, spill);
    if (wide !== 0n) this.addWide(at, wide);
  }
}
