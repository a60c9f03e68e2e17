// When a value changes by itself, and how exact it is. Reads only.
// NC1: the next change is the first instant at which something that the value rests on leaves its window.
import { assert } from '../base/assert.ts';
import { distinct, earliest, extreme, latest, listed, partsOf, startOf } from './attribute_value.ts';
import type { IdentityState } from './identity_state.ts';
import { firstHeld, SLOT, type Part } from './part.ts';
import type { Attribute, Measure, Plan } from './plan.ts';
import { leavesAt } from './window.ts';

/** By attribute index; Infinity: never, or absent. Cost: O(attributes × log n) */
export function nextChanges(state: IdentityState, plan: Plan): number[] {
  const next: number[] = [];
  for (const attribute of plan.attributes)
    next.push(
      attribute.expression === null && attribute.revision <= state.revision ? nextChange(state, attribute, plan) : Infinity,
    );
  for (const index of plan.expressions) {
    const { expression, revision } = plan.attributes[index]!;
    if (revision > state.revision) continue;
    for (const input of expression!.inputs) next[index] = Math.min(next[index]!, next[input]!);
  }
  return next;
}

function nextChange(state: IdentityState, attribute: Attribute, plan: Plan): number {
  if (attribute.window.kind === 'lifetime') return Infinity;
  const heldMs = heldBy(state, attribute);
  if (heldMs === undefined) return rowLeaves(state, attribute, plan.measures[attribute.measure]!);
  return heldMs === heldMs ? leavesAt(attribute.window, heldMs) : Infinity;
}

/** The time that leaves the window first, of those that the value rests on; NaN when there is none. Undefined: it rests on rows. */
function heldBy(state: IdentityState, attribute: Attribute): number | undefined {
  const startMs = startOf(state, attribute);
  switch (attribute.function) {
    case 'mostRecent':
    case 'exists':
      return latest(state, attribute)?.recentMs ?? NaN;
    case 'min':
    case 'max':
      return extremeHeld(state, attribute, startMs);
    case 'earliest':
      return earliest(state, attribute)?.heldMs ?? NaN;
    case 'list':
      return listed(state, attribute).at(-1)?.heldMs ?? NaN;
    case 'countDistinct':
      return distinctHeld(state, attribute, startMs);
    case 'count':
    case 'sum':
    case 'average':
      return undefined;
    case 'expression':
      assert(false, 'an expression rests on other attributes');
  }
}

/** When the first row that counts leaves. */
function rowLeaves(state: IdentityState, attribute: Attribute, { windows, calendars }: Measure): number {
  const { measure, slot, window } = attribute;
  const finite = windows.length + calendars.length;
  const { parts } = state;
  let nextMs = Infinity;
  for (let i = state.firstPart(measure); i < parts.length && parts[i]!.measure === measure; i++) {
    const part = parts[i]!;
    if (!(part.acc[slot * SLOT]! > 0)) continue;
    // where no other window holds anything, it is what the part is due for: nothing is to be looked up
    const leavesMs = isDueFor(part, slot, finite) ? part.dueMs : leavesAt(window, firstHeld(part, startOf(state, attribute)));
    if (leavesMs < nextMs) nextMs = leavesMs;
  }
  return nextMs;
}

/** A tile that has taken in something late stays longer than the part was due for. */
function isDueFor({ acc, extremes, keepers, tiles }: Part, slot: number, finite: number): boolean {
  if (extremes !== null || keepers !== null || tiles !== null) return false;
  for (let other = 0; other < finite; other++) if (other !== slot && acc[other * SLOT]! > 0) return false;
  return true;
}

/** The last row that holds the extreme. */
function extremeHeld(state: IdentityState, attribute: Attribute, startMs: number): number {
  const value = extreme(state, attribute);
  if (value !== value) return NaN;
  const direction = attribute.function === 'max' ? 'high' : 'low';
  let heldMs = -Infinity;
  for (const { extremes } of partsOf(state, attribute)) {
    if (extremes!.value(direction, startMs) === value) heldMs = Math.max(heldMs, extremes![direction]!.timeFrom(startMs));
  }
  return heldMs;
}

/** A value that another dataset has seen later stays when its row here leaves. */
function distinctHeld(state: IdentityState, attribute: Attribute, startMs: number): number {
  const sets = partsOf(state, attribute).map(({ keepers }) => keepers!.distinct!);
  // when the last value that was not kept leaves, what is left is everything again
  let firstMs = NaN;
  for (const set of sets) {
    const unkeptMs = set.unkeptFrom(startMs);
    if (unkeptMs === unkeptMs && !(firstMs <= unkeptMs)) firstMs = unkeptMs;
  }
  if (sets.length === 1) {
    const heldMs = sets[0]!.timeFrom(startMs);
    return firstMs <= heldMs || heldMs !== heldMs ? firstMs : heldMs;
  }
  const { level } = distinct(state, attribute);
  const lastSeen = new Map<number, number>();
  for (const { chunks } of sets) {
    for (const { data } of chunks) {
      for (let i = 0; i < data.length; i += 2) {
        const hash = data[i + 1]!;
        if (data[i]! >= startMs && hash % 2 ** level === 0)
          lastSeen.set(hash, Math.max(data[i]!, lastSeen.get(hash) ?? -Infinity));
      }
    }
  }
  for (const timeMs of lastSeen.values()) if (!(firstMs <= timeMs)) firstMs = timeMs;
  return firstMs;
}

/** `tiled`: the value is that of a window whose start is off by at most `hopMs`. `sampled`: estimated from this share of the values. */
export type Inexact =
  | { readonly mode: 'tiled'; readonly hopMs: number }
  | { readonly mode: 'sampled'; readonly share: number; readonly standardError: number };

/** What was given up of an attribute to stay within `exactEvents`; undefined when it is exact. */
export function precisionOf(state: IdentityState, attribute: Attribute): Inexact | undefined {
  if (attribute.expression !== null || attribute.revision > state.revision) return undefined;
  if (attribute.function === 'countDistinct') {
    const { level, sampled } = distinct(state, attribute);
    if (level === 0) return undefined;
    return { mode: 'sampled', share: 2 ** -level, standardError: 1 / Math.sqrt(Math.max(1, sampled)) };
  }
  if (attribute.window.kind === 'lifetime') return undefined;
  const startMs = startOf(state, attribute);
  const { parts } = state;
  let spanMs = 0;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const part = parts[i]!;
    switch (attribute.function) {
      case 'count':
      case 'sum':
      case 'average':
        spanMs = Math.max(spanMs, part.tiles?.longestSpan(startMs) ?? 0);
        break;
      case 'min':
      case 'max':
        spanMs = Math.max(spanMs, part.extremes![attribute.function === 'max' ? 'high' : 'low']!.longestSpan(startMs));
        break;
      case 'earliest':
        spanMs = Math.max(spanMs, part.keepers!.earliest!.longestSpan(startMs));
        break;
      default:
        return undefined;
    }
  }
  return spanMs === 0 ? undefined : { mode: 'tiled', hopMs: spanMs };
}
