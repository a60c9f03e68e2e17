// From parts to values: an attribute's value is a fold over the parts of its measure. Reads only.
// AV1: a value never depends on the order of parts.
import { formatTime } from '../base/time.ts';
import { readDecimal, readWide } from './decimal_sum.ts';
import type { IdentityState } from './identity_state.ts';
import { SLOT, type Part } from './part.ts';
import type { Attribute, Plan } from './plan.ts';

/** The value as of the state's last advance; undefined when absent. Cost: O(datasets that have it). */
export function attributeValue(state: IdentityState, attribute: Attribute): unknown {
  switch (attribute.function) {
    case 'count': {
      let count = 0;
      const { parts } = state;
      const { measure, slot } = attribute;
      for (let i = state.firstPart(measure); i < parts.length && parts[i]!.measure === measure; i++)
        count += parts[i]!.acc[slot * SLOT]!;
      return count;
    }
    case 'sum':
      return sumValue(state, attribute);
    case 'mostRecent':
      return latest(state, attribute)?.recentValue;
    case 'min':
    case 'max': {
      const value = extreme(state, attribute);
      if (value !== value) return undefined;
      return attribute.timestamps ? formatTime(value) : value;
    }
  }
}

function sumValue(state: IdentityState, attribute: Attribute): number {
  const at = attribute.slot * SLOT;
  let whole = 0;
  let nanos = 0;
  let wide: bigint | null = null;
  let n = 0;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const part = parts[i]!;
    const partWide = part.wide?.get(attribute.slot);
    if (++n > 2 || partWide !== undefined) wide ??= 0n; // three wholes could leave 2^53: add them as BigInt
    if (wide !== null) {
      wide += (BigInt(part.acc[at + 1]!) * 10n ** 9n + BigInt(part.acc[at + 2]!)) * 10n ** 331n + (partWide ?? 0n);
    } else {
      whole += part.acc[at + 1]!;
      nanos += part.acc[at + 2]!;
    }
  }
  return wide === null ? readDecimal(whole, nanos) : readWide(whole, nanos, wide);
}

/** The part that holds the latest value of a mostRecent attribute, if it is inside the window. */
export function latest(state: IdentityState, attribute: Attribute): Part | undefined {
  let best: Part | undefined;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const part = parts[i]!;
    if (part.recentValue === undefined) continue;
    if (
      best === undefined ||
      part.recentMs > best.recentMs ||
      (part.recentMs === best.recentMs && part.recentSequence > best.recentSequence)
    )
      best = part;
  }
  if (best === undefined || best.recentMs < windowStart(state, attribute)) return undefined;
  return best;
}

/** The extreme over all parts; NaN when there is none. */
function extreme(state: IdentityState, attribute: Attribute): number {
  const direction = attribute.function === 'max' ? 'high' : 'low';
  const startMs = windowStart(state, attribute);
  let best = NaN;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const value = parts[i]!.extremes!.value(direction, startMs);
    if (best !== best || (direction === 'high' ? value > best : value < best)) best = value;
  }
  return best;
}

/** The instant at which the last row that holds the extreme of a sliding window leaves. */
function extremeLeaves(state: IdentityState, attribute: Attribute, windowMs: number): number {
  const value = extreme(state, attribute);
  if (value !== value) return Infinity;
  const direction = attribute.function === 'max' ? 'high' : 'low';
  const startMs = windowStart(state, attribute);
  let heldMs = -Infinity;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const extremes = parts[i]!.extremes!;
    if (extremes.value(direction, startMs) === value) heldMs = Math.max(heldMs, extremes[direction]!.timeFrom(startMs));
  }
  return heldMs + windowMs + 1;
}

/** Latest values and extremes don't move when a window does, so the state says up to when it was advanced. */
function windowStart(state: IdentityState, attribute: Attribute): number {
  return attribute.window.kind === 'lifetime' ? -Infinity : state.evaluatedMs - attribute.window.ms;
}

/** When the attribute changes by itself: the first instant at which a value that it rests on leaves its window. Infinity: never. */
export function nextChange(state: IdentityState, attribute: Attribute, plan: Plan): number {
  if (attribute.window.kind === 'lifetime') return Infinity;
  if (attribute.function === 'mostRecent') {
    const part = latest(state, attribute);
    return part === undefined ? Infinity : part.recentMs + attribute.window.ms + 1;
  }
  if (attribute.function === 'min' || attribute.function === 'max') return extremeLeaves(state, attribute, attribute.window.ms);
  let next = Infinity;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const part = parts[i]!;
    const held = part.acc[attribute.slot * SLOT]!;
    if (held === 0) continue;
    const leavesMs = part.ring!.timeAt(part.ring!.size - held) + plan.measures[part.measure]!.windows[attribute.slot]! + 1;
    if (leavesMs < next) next = leavesMs;
  }
  return next;
}

/** Equal as a reader sees it: primitives by value, arrays element by element. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((item, i) => item === (b as unknown[])[i]);
}
