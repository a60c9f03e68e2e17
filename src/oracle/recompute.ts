// A profile's computed values at one instant, from all of its events: every attribute looks at every event, every time.
// R1: nothing is kept from one call to the next. R2: no order is assumed of the events.
// Boundary: of the plan it uses what definitions compiled (event types, filters, values) and what the user wrote (function, window).
import { formatTime, parseRfc3339, type EpochMs } from '../base/time.ts';
import type { Admission, EventBody } from '../message/decode.ts';
import { exactSum } from './exact_sum.ts';

/** What the oracle needs of compiled definitions. `Plan` of the product is one; spelled out here because this room does not
 *  see the room `aggregate`. */
export type OraclePlan = {
  readonly admission: Admission;
  readonly measures: readonly {
    readonly matches: (event: EventBody) => boolean;
    readonly valueOf: (event: EventBody) => unknown;
  }[];
  readonly attributes: readonly OracleAttribute[];
  /** Measures (indexes) that look at this event type; `anyEventType` for the types that are not in here. */
  readonly byEventType: ReadonlyMap<string, readonly number[]>;
  readonly anyEventType: readonly number[];
};

export type OracleAttribute = {
  readonly name: string;
  readonly function: 'count' | 'sum' | 'min' | 'max' | 'mostRecent';
  readonly window: { readonly kind: 'sliding'; readonly ms: number } | { readonly kind: 'lifetime' };
  readonly measure: number;
  /** Do min and max compare texts as RFC 3339 times? Else numbers. */
  readonly timestamps: boolean;
};

/** An event that counts: admitted, of a dataset that takes part in profiles, no duplicate. */
export type CountedEvent = {
  readonly sequence: number;
  readonly atMs: EpochMs;
  readonly eventType: string;
  readonly body: EventBody;
};

/** `nextLeavesMs`: the first instant at which an event that the value was made from is outside of the window, if nothing else happens
 *  (the value may stay the same then); `nextChangeAt` is the same instant as text, but for min and max that at which the last event
 *  with that very value leaves: the value changes then. Neither for lifetime and empty windows. */
export type ExpectedValue = { value: unknown; timestamp?: string; nextChangeAt?: string; nextLeavesMs?: EpochMs };

/** Values by attribute name; an absent value has no key. Cost: O(attributes × events). Source: design/semantics.md §7 */
export function recompute(plan: OraclePlan, events: readonly CountedEvent[], timeMs: EpochMs): Record<string, ExpectedValue> {
  const values: Record<string, ExpectedValue> = {};
  for (const attribute of plan.attributes) {
    const value = valueOf(plan, attribute, events, timeMs);
    if (value !== undefined) values[attribute.name] = value;
  }
  return values;
}

function valueOf(
  plan: OraclePlan,
  attribute: OracleAttribute,
  events: readonly CountedEvent[],
  timeMs: EpochMs,
): ExpectedValue | undefined {
  const inside = events.filter((event) => inWindow(attribute, event, timeMs) && passes(plan, attribute, event));
  const measure = plan.measures[attribute.measure]!;
  switch (attribute.function) {
    case 'count':
      return { value: inside.length, ...leaving(attribute, inside) };
    case 'sum': {
      const summed: CountedEvent[] = [];
      const numbers: number[] = [];
      for (const event of inside) {
        const value = measure.valueOf(event.body);
        if (typeof value !== 'number' || !Number.isFinite(value)) continue;
        summed.push(event);
        numbers.push(value);
      }
      return { value: exactSum(numbers), ...leaving(attribute, summed) };
    }
    case 'min':
    case 'max':
      return extreme(attribute, inside, (event) => measure.valueOf(event.body));
    case 'mostRecent': {
      let latest: CountedEvent | undefined;
      for (const event of inside) {
        if ((latest === undefined || isLater(event, latest)) && isShowable(measure.valueOf(event.body))) latest = event;
      }
      if (latest === undefined) return undefined;
      return { value: measure.valueOf(latest.body), timestamp: formatTime(latest.atMs), ...leaving(attribute, [latest]) };
    }
  }
}

function extreme(
  attribute: OracleAttribute,
  inside: readonly CountedEvent[],
  valueOf: (event: CountedEvent) => unknown,
): ExpectedValue | undefined {
  const compared: CountedEvent[] = [];
  let best = NaN;
  let last: CountedEvent | undefined;
  for (const event of inside) {
    const number = attribute.timestamps ? timeOf(valueOf(event)) : finite(valueOf(event));
    if (number === undefined) continue;
    compared.push(event);
    const better = attribute.function === 'min' ? number < best : number > best;
    if (last !== undefined && !better && !(number === best && event.atMs > last.atMs)) continue;
    best = number;
    last = event;
  }
  if (last === undefined) return undefined;
  const value = attribute.timestamps ? formatTime(best) : best + 0; // −0 is 0
  const { nextLeavesMs } = leaving(attribute, compared);
  return nextLeavesMs === undefined ? { value } : { value, ...leaving(attribute, [last]), nextLeavesMs };
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A time that RFC 3339 can write in UTC; an offset can carry it out of the years 0000 to 9999. */
function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? parseRfc3339(value) : NaN;
  return !Number.isNaN(ms) && /^\d{4}-/.test(formatTime(ms)) ? ms : undefined;
}

/** Both ends are inside. */
function inWindow(attribute: OracleAttribute, event: CountedEvent, timeMs: EpochMs): boolean {
  if (attribute.window.kind === 'lifetime') return true;
  return timeMs - attribute.window.ms <= event.atMs && event.atMs <= timeMs;
}

function passes(plan: OraclePlan, attribute: OracleAttribute, event: CountedEvent): boolean {
  const looking = plan.byEventType.get(event.eventType) ?? plan.anyEventType;
  return looking.includes(attribute.measure) && plan.measures[attribute.measure]!.matches(event.body);
}

function isLater(a: CountedEvent, b: CountedEvent): boolean {
  return a.atMs > b.atMs || (a.atMs === b.atMs && a.sequence > b.sequence);
}

function isShowable(value: unknown): boolean {
  return isPrimitive(value) || (Array.isArray(value) && value.every(isPrimitive));
}

function isPrimitive(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}

/** An event at t is inside up to and including t + window, so it leaves one millisecond later. */
function leaving(attribute: OracleAttribute, inside: readonly CountedEvent[]): { nextLeavesMs?: EpochMs; nextChangeAt?: string } {
  if (attribute.window.kind === 'lifetime' || inside.length === 0) return {};
  const oldestMs = inside.reduce((oldest, event) => Math.min(oldest, event.atMs), Infinity);
  const nextLeavesMs = oldestMs + attribute.window.ms + 1;
  return { nextLeavesMs, nextChangeAt: formatTime(nextLeavesMs) };
}
