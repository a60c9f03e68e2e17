// What the rarer functions keep of a part: earliest, list and countDistinct. A part has it only when one of them is on its measure.
// KE1: a value is a primitive or an array of primitives, countDistinct takes primitives; anything else is no match.
import { DistinctValues, distinctHash } from './distinct_values.ts';
import { EarliestRows } from './earliest_rows.ts';
import { DUE_UNKNOWN } from './extremes.ts';
import type { Measure } from './plan.ts';
import { startsOf } from './thinning.ts';
import { ValuedRows } from './valued_rows.ts';
import { earliestStart, firstLeave, firstOut, hasFinite, type WindowSet } from './window.ts';

const LIST_STRIDE = 2; // time, sequence

/** One event's value, and now. */
export type Taken = {
  readonly value: unknown;
  readonly atMs: number;
  readonly sequence: number;
  readonly nowMs: number;
  readonly rowsMax: number;
  readonly withTies: boolean;
  readonly unkeptStays: boolean;
};

export class Keepers {
  readonly earliest: EarliestRows | null;
  readonly list: ValuedRows | null;
  readonly distinct: DistinctValues | null;
  /** The earliest of all time; undefined: no value yet, or nobody asks. */
  firstMs = Infinity;
  firstSequence = 0;
  firstValue: unknown = undefined;

  constructor(measure: Measure) {
    this.earliest = hasFinite(measure.earliest) ? new EarliestRows() : null;
    this.list = measure.listLimit > 0 ? new ValuedRows(LIST_STRIDE) : null;
    this.distinct = measure.distinct !== null ? new DistinctValues() : null;
  }

  /** Takes in a value. @returns the first instant at which a window loses it; Infinity when none does; DUE_UNKNOWN when another row
   *  moved or went. Cost: O(log n) */
  take(measure: Measure, taken: Taken, isPlain: boolean): number {
    const { atMs, sequence, value, nowMs } = taken;
    let dueMs = Infinity;
    if (isPlain) {
      if (measure.earliest?.lifetime === true) this.takeFirst(taken);
      if (this.earliest !== null) dueMs = this.takeEarliest(this.earliest, measure.earliest!, taken);
      if (this.list !== null) {
        this.list.insert([atMs, sequence], value);
        dueMs = Math.min(dueMs, firstLeave(measure.list!, atMs, nowMs));
        if (this.list.size > measure.listLimit) {
          this.list.dropFront(this.list.size - measure.listLimit);
          dueMs = DUE_UNKNOWN;
        }
      }
    }
    if (this.distinct !== null) {
      const hash = distinctHash(value);
      const startMs = measure.distinct!.lifetime ? -Infinity : earliestStart(measure.distinct!, nowMs);
      const isInside = atMs >= startMs;
      if (this.distinct.level > 0) this.distinct.dropBefore(startMs); // what was not kept may have left, with nothing due
      const { size } = this.distinct;
      if (hash >= 0 && isInside) {
        const changed = this.distinct.take(hash, atMs, taken.rowsMax, taken.unkeptStays);
        if (changed && this.distinct.size <= size) dueMs = DUE_UNKNOWN;
        // what is not kept has to leave too: then what is left is everything again
        else if (changed || this.distinct.unkeptFrom(atMs) === atMs)
          dueMs = Math.min(dueMs, firstLeave(measure.distinct!, atMs, nowMs));
      }
    }
    return dueMs;
  }

  /** Drops what no window holds any more. @returns as `dueMs` */
  advance(measure: Measure, nowMs: number): number {
    this.earliest?.dropBefore(earliestStart(measure.earliest!, nowMs));
    if (this.list !== null && !measure.list!.lifetime) this.list.dropBefore(earliestStart(measure.list!, nowMs));
    if (this.distinct !== null && !measure.distinct!.lifetime) this.distinct.dropBefore(earliestStart(measure.distinct!, nowMs));
    return this.dueMs(measure, nowMs);
  }

  /** The first instant after `nowMs` at which a window loses a row; Infinity: none does. */
  dueMs(measure: Measure, nowMs: number): number {
    const { earliest, list, distinct } = this;
    return Math.min(
      earliest === null ? Infinity : firstOut(measure.earliest!, nowMs, earliest),
      list === null ? Infinity : firstOut(measure.list!, nowMs, list),
      distinct === null ? Infinity : firstOut(measure.distinct!, nowMs, distinct),
      distinct === null ? Infinity : firstOut(measure.distinct!, nowMs, { timeFrom: (startMs) => distinct.unkeptFrom(startMs) }),
    );
  }

  private takeFirst({ atMs, sequence, value }: Taken): void {
    if (atMs > this.firstMs || (atMs === this.firstMs && sequence > this.firstSequence)) return;
    this.firstMs = atMs;
    this.firstSequence = sequence;
    this.firstValue = value;
  }

  private takeEarliest(rows: EarliestRows, set: WindowSet, { atMs, sequence, value, nowMs, rowsMax, withTies }: Taken): number {
    if (atMs < earliestStart(set, nowMs) || !rows.take(atMs, sequence, value)) return Infinity;
    if (rows.size > rowsMax) rows.thin(rowsMax, nowMs, startsOf(set, nowMs), withTies);
    return firstLeave(set, atMs, nowMs);
  }
}

export function hasKeepers(measure: Measure): boolean {
  return measure.earliest !== null || measure.listLimit > 0 || measure.distinct !== null;
}
