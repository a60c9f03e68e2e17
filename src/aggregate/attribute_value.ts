// From parts to values: an attribute's value is a fold over the parts of its measure, or an expression over other attributes. Reads only.
// AV1: a value never depends on the order of parts, nor on how events are spread over them.
// AV2: an attribute of a later revision than the state's is absent.
import { assert } from '../base/assert.ts';
import { formatTime } from '../base/time.ts';
import { parseIdentityKey } from '../message/identity.ts';
import { readDecimal, readMean, readWide } from './decimal_sum.ts';
import type { DistinctValues } from './distinct_values.ts';
import type { IdentityState } from './identity_state.ts';
import { mergedRecord } from './merged_record.ts';
import { SLOT, type Part } from './part.ts';
import type { Attribute, Plan } from './plan.ts';
import { windowStart } from './window.ts';

/** The value of an attribute over events as of the state's last advance; undefined when absent. Cost: O(datasets that have it) */
export function attributeValue(state: IdentityState, attribute: Attribute): unknown {
  if (attribute.revision > state.revision) return undefined;
  switch (attribute.function) {
    case 'count':
      return heldRows(state, attribute);
    case 'sum':
      return sumValue(state, attribute, 1);
    case 'average': {
      const rows = heldRows(state, attribute);
      return rows === 0 ? undefined : sumValue(state, attribute, rows);
    }
    case 'mostRecent':
      return latest(state, attribute)?.recentValue;
    case 'exists':
      return latest(state, attribute) !== undefined;
    case 'min':
    case 'max': {
      const value = extreme(state, attribute);
      if (value !== value) return undefined;
      return attribute.timestamps ? formatTime(value) : value;
    }
    case 'earliest':
      return earliest(state, attribute)?.value;
    case 'list':
      return listValues(state, attribute);
    case 'countDistinct':
      return distinct(state, attribute).value;
    case 'expression':
      assert(false, 'an expression is evaluated over the values of other attributes');
  }
}

/** All values by attribute index, expressions too; undefined when absent. Cost: O(attributes) */
export function allValues(state: IdentityState, plan: Plan): unknown[] {
  const values: unknown[] = [];
  for (const attribute of plan.attributes)
    values.push(attribute.expression === null ? attributeValue(state, attribute) : undefined);
  if (plan.expressions.length === 0) return values;
  const inputs = {
    valueOf: (index: number) => values[index],
    identity: () => parseIdentityKey(state.key),
    record: () => mergedRecord(state, plan, plan.policy),
  };
  for (const index of plan.expressions) {
    const attribute = plan.attributes[index]!;
    if (attribute.revision <= state.revision) values[index] = attribute.expression!.evaluate(inputs);
  }
  return values;
}

/** The parts of an attribute's measure. */
export function partsOf(state: IdentityState, attribute: Attribute): Part[] {
  const { parts } = state;
  const found: Part[] = [];
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++)
    found.push(parts[i]!);
  return found;
}

/** Some values don't move when a window does, so the state says up to when it was advanced. */
export function startOf(state: IdentityState, attribute: Attribute): number {
  return windowStart(attribute.window, state.evaluatedMs);
}

function heldRows(state: IdentityState, { measure, slot }: Attribute): number {
  let rows = 0;
  const { parts } = state;
  for (let i = state.firstPart(measure); i < parts.length && parts[i]!.measure === measure; i++)
    rows += parts[i]!.acc[slot * SLOT]!;
  return rows;
}

/** The exact sum divided by a number of rows, rounded once. */
function sumValue(state: IdentityState, attribute: Attribute, rows: number): number {
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
  if (rows > 1) return readMean(whole, nanos, wide ?? 0n, rows);
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
  if (best === undefined || best.recentMs < startOf(state, attribute)) return undefined;
  return best;
}

/** The extreme over all parts; NaN when there is none. */
export function extreme(state: IdentityState, attribute: Attribute): number {
  const direction = attribute.function === 'max' ? 'high' : 'low';
  const startMs = startOf(state, attribute);
  let best = NaN;
  const { parts } = state;
  for (let i = state.firstPart(attribute.measure); i < parts.length && parts[i]!.measure === attribute.measure; i++) {
    const value = parts[i]!.extremes!.value(direction, startMs);
    if (best !== best || (direction === 'high' ? value > best : value < best)) best = value;
  }
  return best;
}

/** An event that is shown. `heldMs`: the time that keeps it in its window; later than `atMs` only past `exactEvents`. */
export type Shown = { readonly atMs: number; readonly heldMs: number; readonly sequence: number; readonly value: unknown };

/** The earliest over all parts; undefined when there is none. */
export function earliest(state: IdentityState, attribute: Attribute): Shown | undefined {
  const startMs = startOf(state, attribute);
  let best: Shown | undefined;
  for (const { keepers } of partsOf(state, attribute)) {
    let found: Shown | undefined;
    if (startMs === -Infinity) {
      const { firstMs, firstSequence, firstValue } = keepers!;
      if (firstValue !== undefined) found = { atMs: firstMs, heldMs: firstMs, sequence: firstSequence, value: firstValue };
    } else {
      const row = keepers!.earliest!.rowFrom(startMs);
      if (row !== undefined) found = { atMs: row.firstMs, heldMs: row.lastMs, sequence: row.sequence, value: row.value };
    }
    if (found !== undefined && (best === undefined || isBefore(found, best))) best = found;
  }
  return best;
}

/** The latest values over all parts, newest first. */
export function listed(state: IdentityState, attribute: Attribute): Shown[] {
  const startMs = startOf(state, attribute);
  const parts = partsOf(state, attribute);
  const found: Shown[] = [];
  for (const { keepers } of parts) {
    const { chunks } = keepers!.list!;
    let left = attribute.limit;
    for (let c = chunks.length - 1; c >= 0 && left > 0; c--) {
      const { data, values } = chunks[c]!;
      for (let row = values!.length - 1; row >= 0 && left > 0 && data[row * 2]! >= startMs; row--, left--)
        found.push({ atMs: data[row * 2]!, heldMs: data[row * 2]!, sequence: data[row * 2 + 1]!, value: values![row] });
    }
  }
  if (parts.length < 2) return found; // in order already
  return found.sort((a, b) => (isBefore(a, b) ? 1 : -1)).slice(0, attribute.limit);
}

/** As `listed`, the values alone: without an object a value where one dataset has them all. */
function listValues(state: IdentityState, attribute: Attribute): unknown[] {
  const parts = partsOf(state, attribute);
  if (parts.length > 1) return listed(state, attribute).map(({ value }) => value);
  const startMs = startOf(state, attribute);
  const found: unknown[] = [];
  const chunks = parts[0]?.keepers!.list!.chunks ?? [];
  for (let c = chunks.length - 1; c >= 0; c--) {
    const { data, values } = chunks[c]!;
    for (let row = values!.length - 1; row >= 0; row--) {
      if (found.length === attribute.limit || data[row * 2]! < startMs) return found;
      found.push(values![row]);
    }
  }
  return found;
}

/** How many different values over all parts. Past `exactEvents` an estimate: that many `sampled` ones, times 2^level. */
export function distinct(
  state: IdentityState,
  attribute: Attribute,
): { readonly value: number; readonly sampled: number; readonly level: number } {
  const startMs = startOf(state, attribute);
  const sets: DistinctValues[] = partsOf(state, attribute).map(({ keepers }) => keepers!.distinct!);
  const level = sets.reduce((most, set) => Math.max(most, set.levelFrom(startMs)), 0);
  // the largest counts as it is, each other one by what the ones before it lack: as a rule little
  sets.sort((a, b) => b.size - a.size);
  let sampled = 0;
  for (let i = 0; i < sets.length; i++) {
    const isPlain = i === 0 && sets[0]!.levelFrom(startMs) === level;
    sampled += isPlain ? sets[0]!.countFrom(startMs) : sets[i]!.countUnseen(startMs, level, sets.slice(0, i));
  }
  return { value: sampled * 2 ** level, sampled, level };
}

function isBefore(a: Shown, b: Shown): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

/** Equal as a reader sees it: primitives by value, arrays element by element. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((item, i) => sameValue(item, (b as unknown[])[i]));
}
