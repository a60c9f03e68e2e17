// A part: what one dataset's events contribute to one measure of one identity. Taking an identity or a dataset out is
// dropping its parts; a profile's value is a fold over parts (attribute_value.ts).
// PA1: accumulators of a sliding window cover exactly the rows with now - w ≤ time ≤ now, as of the last `advance`.
// PA2: `dueMs` is the first instant at which any window of the part loses a row, or an extreme; Infinity when none can.
import type { Measure } from './plan.ts';
import { addDecimal } from './decimal_sum.ts';
import { comparable, DUE_UNKNOWN, Extremes } from './extremes.ts';
import { ValueRing } from './value_ring.ts';

const OUTSIDE_MAX = 32;

/** Numbers per accumulator slot: rows, whole part of the sum, nanos of the sum. */
export const SLOT = 3;

export class Part {
  readonly measure: number;
  readonly dataset: number;
  /** Null when no attribute counts or sums over a sliding window. */
  readonly ring: ValueRing | null;
  /** SLOT numbers per sliding window (ascending), then per lifetime. */
  readonly acc: number[];
  /** Wide lane of a slot's sum; absent in the usual case. */
  wide: Map<number, bigint> | null = null;
  recentMs = -Infinity;
  recentSequence = 0;
  recentValue: unknown = undefined;
  /** Null when no attribute is a min or max: usual. */
  readonly extremes: Extremes | null;
  dueMs = Infinity;

  constructor(measure: Measure, dataset: number) {
    this.measure = measure.index;
    this.dataset = dataset;
    this.ring = measure.windows.length > 0 ? new ValueRing(measure.sums) : null;
    this.acc = zeros(slotsOf(measure) * SLOT);
    this.extremes = measure.low !== null || measure.high !== null ? new Extremes(measure) : null;
  }
}

/** An array of exactly `length` zeros whose elements are unboxed doubles from the start: no later change of kind, no slack. */
function zeros(length: number): number[] {
  while (ZEROS.length <= length) {
    const zero = [0.5];
    zero.pop();
    for (let i = 0; i < ZEROS.length; i++) zero.push(0);
    ZEROS.push(zero);
  }
  return ZEROS[length]!.slice();
}

const ZEROS: number[][] = [];

export function slotsOf(measure: Measure): number {
  return measure.windows.length + (measure.lifetime ? 1 : 0);
}

/** Primitives, or arrays of them, can be a latest value; a number must be finite (the door refuses others anyway). */
export function isPlainValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => !Array.isArray(item) && isPlainValue(item));
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}

/** Takes in one event's value at its effective time (≤ now). `advance` must have brought the part to `nowMs`.
 *  Cost: O(windows), plus O(log n) when out of order. */
export function insertValue(part: Part, measure: Measure, value: unknown, atMs: number, sequence: number, nowMs: number): void {
  if (
    measure.recent &&
    isPlainValue(value) &&
    (atMs > part.recentMs || (atMs === part.recentMs && sequence > part.recentSequence))
  ) {
    part.recentMs = atMs;
    part.recentSequence = sequence;
    part.recentValue = value;
  }
  if (part.extremes !== null) insertExtreme(part, part.extremes, measure, value, atMs, nowMs);
  let number = 1;
  if (measure.sums) {
    if (typeof value !== 'number' || value - value !== 0) return;
    number = value;
  }
  const windows = measure.windows;
  const last = windows.length - 1;
  if (measure.lifetime) addTo(part, last + 1, measure.sums, number, 1);
  if (last < 0 || atMs < nowMs - windows[last]!) return;
  part.ring!.insert(atMs, number);
  for (let slot = last; slot >= 0; slot--) {
    const startMs = nowMs - windows[slot]!;
    if (atMs < startMs) break;
    addTo(part, slot, measure.sums, number, 1);
    const leavesMs = atMs + windows[slot]! + 1;
    if (leavesMs < part.dueMs) part.dueMs = leavesMs;
  }
}

function insertExtreme(part: Part, extremes: Extremes, measure: Measure, value: unknown, atMs: number, nowMs: number): void {
  const number = comparable(measure, value);
  if (number !== number) return;
  const leavesMs = extremes.take(measure, number, atMs, nowMs);
  if (leavesMs === DUE_UNKNOWN) part.dueMs = Math.min(ringDue(part, measure), extremes.dueMs(measure, nowMs));
  else if (leavesMs < part.dueMs) part.dueMs = leavesMs;
}

/** When the ring loses its next row, between two advances. */
function ringDue(part: Part, measure: Measure): number {
  let dueMs = Infinity;
  for (let slot = 0; slot < measure.windows.length; slot++) {
    const held = part.acc[slot * SLOT]!;
    if (held > 0) dueMs = Math.min(dueMs, part.ring!.timeAt(part.ring!.size - held) + measure.windows[slot]! + 1);
  }
  return dueMs;
}

/** Lets every row leave whose time has come. Cost: O(rows that leave × windows they leave). */
export function advance(part: Part, measure: Measure, nowMs: number): void {
  if (part.dueMs > nowMs) return;
  const dueMs = part.ring === null ? Infinity : advanceRing(part, part.ring, measure, nowMs);
  part.dueMs = part.extremes === null ? dueMs : Math.min(dueMs, part.extremes.advance(measure, nowMs));
}

/** @returns when the ring loses its next row */
function advanceRing(part: Part, ring: ValueRing, measure: Measure, nowMs: number): number {
  const windows = measure.windows;
  let dueMs = Infinity;
  for (let slot = 0; slot < windows.length; slot++) {
    const held = part.acc[slot * SLOT]!;
    if (held === 0) continue;
    const first = ring.size - held;
    const left = ring.leaveBefore(first, nowMs - windows[slot]!, (value) => addTo(part, slot, measure.sums, value, -1));
    if (left < held) {
      const leavesMs = ring.timeAt(first + left) + windows[slot]! + 1;
      if (leavesMs < dueMs) dueMs = leavesMs;
    }
  }
  const outside = ring.size - part.acc[(windows.length - 1) * SLOT]!;
  // rows that no window holds harm nothing: dropped in bulk, or when they are all that is left
  if (outside >= OUTSIDE_MAX || outside === ring.size) ring.dropFront(outside);
  return dueMs;
}

function addTo(part: Part, slot: number, sums: boolean, value: number, sign: 1 | -1): void {
  const at = slot * SLOT;
  part.acc[at]! += sign;
  if (!sums) return;
  const spill = addDecimal(part.acc, at + 1, value, sign);
  if (spill === null) return;
  part.wide ??= new Map();
  const wide = (part.wide.get(slot) ?? 0n) + spill;
  if (wide === 0n) part.wide.delete(slot);
  else part.wide.set(slot, wide);
  if (part.wide.size === 0) part.wide = null;
}
