// What earliest keeps over finite windows: every row that may become the earliest once those before it have left.
// ER1: a row is (last time, first time, sequence) and the value of its earliest event. Of a row that was never joined both times are
//      the same. It is shown until its last time has left: past a bound a value leaves late, by at most what `longestSpan` says.
// ER2: no joined row begins at the time of one before it: it would show the second of two events of one time, which is the earliest
//      of no window. So what is at the last time of a row before it, and thus never shown, goes first.
import { mayJoin, thinUntil } from './thinning.ts';
import { ValuedRows } from './valued_rows.ts';

const STRIDE = 3;

export type EarliestRow = {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly sequence: number;
  readonly value: unknown;
};

export class EarliestRows extends ValuedRows {
  constructor() {
    super(STRIDE);
  }

  /** Takes in an event's value. @returns whether it has a row of its own */
  take(timeMs: number, sequence: number, value: unknown): boolean {
    const next = this.rowFrom(timeMs);
    if (next !== undefined && next.firstMs < next.lastMs && next.firstMs <= timeMs) return false; // a joined row stands for it
    this.insert([timeMs, timeMs, sequence], value);
    return true;
  }

  /** The row that is the earliest since `startMs`. */
  rowFrom(startMs: number): EarliestRow | undefined {
    const found = this.from(startMs);
    if (found === undefined) return undefined;
    const { data, values } = found.chunk;
    const at = found.row * STRIDE;
    return { lastMs: data[at]!, firstMs: data[at + 1]!, sequence: data[at + 2]!, value: values![found.row] };
  }

  /** The longest that a value since `startMs` may stay too long; 0 when none was joined. */
  longestSpan(startMs: number): number {
    let span = 0;
    for (const { data } of this.chunks) {
      for (let i = 0; i < data.length; i += STRIDE) if (data[i]! >= startMs) span = Math.max(span, data[i]! - data[i + 1]!);
    }
    return span;
  }

  /** Joins neighbours until at most three quarters of `rowsMax` are left. */
  thin(rowsMax: number, nowMs: number, starts: readonly number[], withTies = false): void {
    const target = (rowsMax * 3) >> 2;
    if (!withTies) this.dropTies();
    thinUntil((share) => this.join(target, nowMs, starts, share));
  }

  private dropTies(): void {
    const kept: number[] = [];
    const keptValues: unknown[] = [];
    for (const { data, values } of this.chunks) {
      for (let i = 0; i < data.length; i += STRIDE) {
        if (data[i] === kept[kept.length - STRIDE]) continue;
        kept.push(data[i]!, data[i + 1]!, data[i + 2]!);
        keptValues.push(values![i / STRIDE]);
      }
    }
    if (keptValues.length < this.size) this.replaceAll(kept, keptValues);
  }

  private join(target: number, nowMs: number, starts: readonly number[], share: number): boolean {
    const rows = this.chunks.flatMap((chunk) => chunk.data);
    const values = this.chunks.flatMap((chunk) => chunk.values!);
    const kept: number[] = [];
    const keptValues: unknown[] = [];
    let left = values.length;
    for (let row = 0; row < values.length; row++) {
      const at = row * STRIDE;
      kept.push(rows[at]!, rows[at + 1]!, rows[at + 2]!);
      keptValues.push(values[row]);
      if (left <= target || row + 1 === values.length) continue;
      const lastMs = rows[at + STRIDE]!;
      const firstMs = rows[at + 1]!;
      const isSameTime = lastMs === firstMs; // the lower sequence stands for both, and nothing is given up
      if (!isSameTime && !mayJoin({ firstMs, innerLastMs: rows[at]!, lastMs }, nowMs, starts, share)) continue;
      kept[kept.length - STRIDE] = lastMs;
      row++;
      left--;
    }
    this.replaceAll(kept, keptValues);
    return left <= target;
  }
}
