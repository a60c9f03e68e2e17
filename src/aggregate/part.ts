// A part: what one dataset's events contribute to one measure of one identity. Taking an identity or a dataset out is
// dropping its parts; a profile's value is a fold over parts (attribute_value.ts).
// PA1: accumulators of a finite window cover exactly the rows that are inside of it, as of the last `advance`, and the tiles whose
//      last row is.
// PA2: `dueMs` is at or before the first instant at which any window of the part loses a row, or an extreme; Infinity when none can.
import { zeros } from './chunk_list.ts';
import { addDecimal, addParts, decompose, parts, toWide } from './decimal_sum.ts';
import { comparable, DUE_UNKNOWN, Extremes } from './extremes.ts';
import { hasKeepers, Keepers } from './keepers.ts';
import type { Measure } from './plan.ts';
import { startsOf } from './thinning.ts';
import { TILE, Tiles } from './tiles.ts';
import { found, ValueRing } from './value_ring.ts';
import { earliestStart, leavesAt, windowStart } from './window.ts';

const FOLD_ROWS_MAX = 64;

/** Numbers per accumulator slot: rows, whole part of the sum, nanos of the sum. */
export const SLOT = 3;

export class Part {
  readonly measure: number;
  readonly dataset: number;
  /** Null when no attribute counts or sums over a finite window. */
  readonly ring: ValueRing | null;
  /** The oldest rows, folded; null while all are in the ring: usual. */
  tiles: Tiles | null = null;
  /** SLOT numbers per finite window (as in the measure: sliding, then calendar), then per lifetime. */
  readonly acc: number[];
  /** Wide lane of a slot's sum; absent in the usual case. */
  wide: Map<number, bigint> | null = null;
  recentMs = -Infinity;
  recentSequence = 0;
  recentValue: unknown = undefined;
  /** Null when no attribute is a min or max: usual. */
  readonly extremes: Extremes | null;
  readonly keepers: Keepers | null;
  dueMs = Infinity;

  constructor(measure: Measure, dataset: number) {
    const finite = measure.windows.length + measure.calendars.length;
    this.measure = measure.index;
    this.dataset = dataset;
    this.ring = finite > 0 ? new ValueRing(measure.sums) : null;
    this.acc = zeros(slotsOf(measure) * SLOT);
    this.extremes = measure.low !== null || measure.high !== null ? new Extremes(measure) : null;
    this.keepers = hasKeepers(measure) ? new Keepers(measure) : null;
  }
}

export function slotsOf(measure: Measure): number {
  return measure.windows.length + measure.calendars.length + (measure.lifetime ? 1 : 0);
}

/** Primitives, or arrays of them, can be a value that is shown; a number must be finite (the door refuses others anyway). */
export function isPlainValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => !Array.isArray(item) && isPlainValue(item));
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}

/** An event for a part: `atMs` its effective time (≤ `nowMs`); `exactEvents`: how many values are kept one by one. */
export type Arrival = {
  readonly atMs: number;
  readonly sequence: number;
  readonly nowMs: number;
  readonly exactEvents: number;
  /** Before fold version 4 `earliest` joined rows of one time to different ones. */
  readonly withTies?: boolean;
  /** Before fold version 6 a count of distinct values went on as a sample after all that was not kept had left. */
  readonly unkeptStays?: boolean;
};

/** Takes in one event's value. `advance` must have brought the part to `nowMs`.
 *  Cost: O(windows), plus O(log n) when out of order. */
export function insertValue(part: Part, measure: Measure, value: unknown, arrival: Arrival): void {
  const { atMs, nowMs } = arrival;
  if (measure.recent || part.keepers !== null) takeShown(part, measure, value, arrival);
  if (part.extremes !== null) takeExtreme(part, part.extremes, measure, value, arrival);
  let number = 0;
  let isNarrow = true;
  if (measure.sums) {
    if (typeof value !== 'number' || value - value !== 0) return;
    number = value + 0;
    isNarrow = decompose(number);
  }
  const sliding = measure.windows;
  const calendars = measure.calendars;
  if (measure.lifetime) addTo(part, sliding.length + calendars.length, measure.sums, isNarrow, number);
  if (part.ring === null) return;
  let heldMs = atMs;
  if (part.tiles !== null && atMs <= part.tiles.endMs()) {
    const at = part.tiles.takeLate(atMs, number, foldingOf(measure, nowMs, arrival.exactEvents));
    heldMs = part.tiles.lastMs(at);
    if (measure.sums) isNarrow = decompose(number); // the scratch was used
  } else if (atMs >= earliestStart(measure, nowMs)) {
    part.ring.insert(atMs, number, sliding.length + calendars.length);
  }
  for (let slot = sliding.length - 1; slot >= 0; slot--) {
    if (heldMs < nowMs - sliding[slot]!) break;
    addTo(part, slot, measure.sums, isNarrow, number);
    const leavesMs = heldMs + sliding[slot]! + 1;
    if (leavesMs < part.dueMs) part.dueMs = leavesMs;
  }
  for (let i = 0; i < calendars.length; i++) {
    if (heldMs < windowStart(calendars[i]!, nowMs)) continue;
    addTo(part, sliding.length + i, measure.sums, isNarrow, number);
    part.dueMs = Math.min(part.dueMs, leavesAt(calendars[i]!, heldMs));
  }
  if (part.ring.size > arrival.exactEvents) foldOldest(part, part.ring, measure, nowMs, arrival.exactEvents);
}

function takeShown(part: Part, measure: Measure, value: unknown, arrival: Arrival): void {
  const { atMs, sequence, nowMs, exactEvents, withTies = false, unkeptStays = false } = arrival;
  // of a measure without value it is shown only that there was an event
  const shown = measure.hasValue ? value : true;
  const isPlain = isPlainValue(shown);
  if (measure.recent && isPlain && (atMs > part.recentMs || (atMs === part.recentMs && sequence > part.recentSequence))) {
    part.recentMs = atMs;
    part.recentSequence = sequence;
    part.recentValue = shown;
  }
  if (part.keepers === null) return;
  const leavesMs = part.keepers.take(
    measure,
    { value, atMs, sequence, nowMs, rowsMax: exactEvents, withTies, unkeptStays },
    isPlain,
  );
  if (leavesMs === DUE_UNKNOWN) part.dueMs = dueOf(part, measure, nowMs);
  else if (leavesMs < part.dueMs) part.dueMs = leavesMs;
}

function takeExtreme(part: Part, extremes: Extremes, measure: Measure, value: unknown, arrival: Arrival): void {
  const number = comparable(measure, value);
  if (number !== number) return;
  const leavesMs = extremes.take(measure, number, arrival.atMs, arrival.nowMs, arrival.exactEvents);
  if (isDueWithRing(part, extremes)) return;
  if (leavesMs === DUE_UNKNOWN) part.dueMs = dueOf(part, measure, arrival.nowMs);
  else if (leavesMs < part.dueMs) part.dueMs = leavesMs;
}

/** Then the due of the ring is never later than that of the extremes. */
function isDueWithRing(part: Part, extremes: Extremes): boolean {
  return extremes.isWithinRing && part.ring !== null && part.tiles === null;
}

function foldingOf(measure: Measure, nowMs: number, exactEvents: number): Parameters<Tiles['fold']>[2] {
  return { nowMs, starts: startsOf(measure, nowMs), exactEvents };
}

/** Folds the oldest rows of a ring that has more than it may keep: what is visible does not change by it. */
function foldOldest(part: Part, ring: ValueRing, measure: Measure, nowMs: number, exactEvents: number): void {
  ring.dropBefore(earliestStart(measure, nowMs), 1); // what no window holds is not folded
  const folding = foldingOf(measure, nowMs, exactEvents);
  while (ring.size > exactEvents) {
    part.tiles ??= new Tiles();
    const rows = ring.takeFront(Math.max(1, Math.min(FOLD_ROWS_MAX, exactEvents >> 3)));
    part.tiles.fold(rows, ring.stride, folding);
  }
  part.dueMs = dueOf(part, measure, nowMs);
}

/** Lets every row leave whose time has come. @param fromMs the `nowMs` of the last advance or insert
 *  Cost: O(rows that leave × windows they leave + windows × log n) */
export function advance(part: Part, measure: Measure, fromMs: number, nowMs: number): void {
  if (part.dueMs > nowMs) return;
  let dueMs = part.ring === null ? Infinity : advanceRing(part, part.ring, measure, fromMs, nowMs);
  if (part.extremes !== null) {
    part.extremes.advance(measure, nowMs);
    if (!isDueWithRing(part, part.extremes)) dueMs = Math.min(dueMs, part.extremes.dueMs(measure, nowMs));
  }
  if (part.keepers !== null) dueMs = Math.min(dueMs, part.keepers.advance(measure, nowMs));
  part.dueMs = dueMs;
}

/** @returns when a window of the ring loses something next */
function advanceRing(part: Part, ring: ValueRing, measure: Measure, fromMs: number, nowMs: number): number {
  const sliding = measure.windows;
  const { calendars } = measure;
  let dueMs = Infinity;
  for (let slot = 0; slot < sliding.length; slot++) {
    if (part.acc[slot * SLOT]! === 0) continue;
    const ms = sliding[slot]!;
    const outMs = leave(part, ring, measure, slot, fromMs - ms, nowMs - ms) + ms + 1;
    if (outMs < dueMs) dueMs = outMs; // never true for NaN
  }
  for (let i = 0; i < calendars.length; i++) {
    const slot = sliding.length + i;
    const window = calendars[i]!;
    if (part.acc[slot * SLOT]! === 0) continue;
    const heldMs = leave(part, ring, measure, slot, windowStart(window, fromMs), windowStart(window, nowMs));
    if (heldMs === heldMs) dueMs = Math.min(dueMs, leavesAt(window, heldMs));
  }
  const limitMs = earliestStart(measure, nowMs);
  ring.dropBefore(limitMs);
  if (part.tiles !== null) {
    part.tiles.dropBefore(limitMs);
    if (part.tiles.count === 0) part.tiles = null;
  }
  return dueMs;
}

/** Takes out what was inside a window that began at `startMs` and is not when it begins at `limitMs`.
 *  @returns the time that keeps the oldest of the rest in it; NaN when there is none */
function leave(part: Part, ring: ValueRing, measure: Measure, slot: number, startMs: number, limitMs: number): number {
  if (part.tiles !== null && startMs < limitMs) leaveTiles(part, part.tiles, measure, slot, startMs, limitMs);
  const { acc } = part;
  const at = slot * SLOT;
  const isShort = part.tiles === null && ring.chunks.length === 1;
  const firstMs = isShort ? ring.seekLast(acc[at]!) : ring.seek(startMs);
  if (!(firstMs < limitMs)) return part.tiles === null ? firstMs : firstHeld(part, limitMs);
  for (let { chunk, offset } = found; chunk < ring.chunks.length; chunk++, offset = 0) {
    const data = ring.dataOf(chunk);
    for (; offset < data.length; offset += ring.stride) {
      if (data[offset]! >= limitMs) return part.tiles === null ? data[offset]! : firstHeld(part, limitMs);
      acc[at]!--;
      if (!measure.sums) continue;
      const spill = addDecimal(acc, at + 1, data[offset + 1]!, -1);
      if (spill !== null) addWide(part, slot, spill);
    }
  }
  return NaN;
}

function leaveTiles(part: Part, tiles: Tiles, measure: Measure, slot: number, startMs: number, limitMs: number): void {
  const { acc } = part;
  const at = slot * SLOT;
  for (let i = tiles.from(startMs); i < tiles.count && tiles.lastMs(i) < limitMs; i++) {
    acc[at]! -= tiles.rows(i);
    if (!measure.sums) continue;
    parts[0] = tiles.data[i * TILE + 3]!;
    parts[1] = tiles.data[i * TILE + 4]!;
    const spill = addParts(acc, at + 1, -1);
    if (spill !== null) addWide(part, slot, spill);
    const wide = tiles.wideOf(i);
    if (wide !== 0n) addWide(part, slot, -wide);
  }
}

/** When a finite window of the part loses something next. Cost: O(windows × log n) */
export function dueOf(part: Part, measure: Measure, nowMs: number): number {
  let dueMs = Infinity;
  if (part.ring !== null) {
    const sliding = measure.windows;
    for (let slot = 0; slot < sliding.length; slot++) {
      if (part.acc[slot * SLOT]! === 0) continue;
      const leavesMs = firstHeld(part, nowMs - sliding[slot]!) + sliding[slot]! + 1;
      if (leavesMs < dueMs) dueMs = leavesMs;
    }
    for (let i = 0; i < measure.calendars.length; i++) {
      if (part.acc[(sliding.length + i) * SLOT]! === 0) continue;
      const window = measure.calendars[i]!;
      dueMs = Math.min(dueMs, leavesAt(window, firstHeld(part, windowStart(window, nowMs))));
    }
  }
  if (part.extremes !== null && !isDueWithRing(part, part.extremes)) dueMs = Math.min(dueMs, part.extremes.dueMs(measure, nowMs));
  if (part.keepers !== null) dueMs = Math.min(dueMs, part.keepers.dueMs(measure, nowMs));
  return dueMs;
}

/** The time that keeps the oldest of what a window holds in it: that of a row, or of the last row of a tile. NaN when there is none. */
export function firstHeld(part: Part, startMs: number): number {
  if (part.tiles !== null) {
    const at = part.tiles.from(startMs);
    if (at < part.tiles.count) return part.tiles.lastMs(at);
  }
  return part.ring!.seek(startMs);
}

/** Adds a value; `isNarrow`: its decimal is in `parts`. */
function addTo(part: Part, slot: number, sums: boolean, isNarrow: boolean, value: number): void {
  const at = slot * SLOT;
  part.acc[at]!++;
  if (!sums) return;
  const spill = isNarrow ? addParts(part.acc, at + 1, 1) : toWide(value);
  if (spill !== null) addWide(part, slot, spill);
}

function addWide(part: Part, slot: number, spill: bigint): void {
  part.wide ??= new Map();
  const wide = (part.wide.get(slot) ?? 0n) + spill;
  if (wide === 0n) part.wide.delete(slot);
  else part.wide.set(slot, wide);
  if (part.wide.size === 0) part.wide = null;
}
