// The events that one computed value is made from, and which of them decide it.
// CE1: an event counts when it is in the window as of `nowMs`, the measure looks at its type and matches it, and the function can use
//      its value. The measure is that of the definitions in force when the event arrived: what came before the attribute does not count.
// CE2: nothing here reads aggregates: values come from the fold, this is what they must agree with.
import { unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { formatTime, type EpochMs } from '../base/time.ts';
import { comparable } from '../aggregate/extremes.ts';
import { isPlainValue } from '../aggregate/part.ts';
import type { Attribute, Measure, Plan } from '../aggregate/plan.ts';
import { windowStart } from '../aggregate/window.ts';
import type { EventBody } from '../message/admission.ts';
import { isPastTimeToLive } from './event_page.ts';
import type { AdmittedEvent } from './identity_events.ts';

export type CountedEvent = {
  readonly id: string;
  readonly dataset: string;
  readonly atMs: EpochMs;
  readonly arrivedMs: EpochMs;
  readonly sequence: number;
  /** Undefined for count and exists. */
  readonly value: unknown;
  /** Past its dataset's time to live: it counts, and is not shown. */
  readonly agedOut: boolean;
  decides: boolean;
};

/** What is held at once, by a cautious estimate. */
const HELD_BYTES_MAX = 64 * 1024 ** 2;
const EVENT_BYTES = 200;

export type CountedEventsOptions = {
  readonly attribute: Attribute;
  /** The view's time. */
  readonly nowMs: EpochMs;
  /** The message that made the attribute live; 0 when it was from the beginning. */
  readonly liveAfter: number;
  /** The definitions whose times to live hold. */
  readonly plan: Plan;
};

export class CountedEvents {
  private readonly events: CountedEvent[] = [];
  private readonly options: CountedEventsOptions;
  private readonly startMs: EpochMs;
  private bytes = 0;
  private plan: Plan | null = null;
  private measure: Measure | undefined;

  constructor(options: CountedEventsOptions) {
    this.options = options;
    this.startMs = windowStart(options.attribute.window, options.nowMs);
  }

  /** @throws VisageError `too_much_history` (refuse) */
  take(event: AdmittedEvent): void {
    const { attribute, nowMs, liveAfter } = this.options;
    const { message, sequence, atMs, arrivedMs } = event;
    if (atMs < this.startMs || atMs > nowMs || sequence <= liveAfter) return;
    const measure = this.measureIn(event.plan);
    if (measure === undefined) return;
    const looking = event.plan.byEventType.get(message.eventType) ?? event.plan.anyEventType;
    if (!looking.includes(measure.index) || !measure.matches(message.body)) return;
    const used = valueFor(attribute, measure, message.body);
    if (used === undefined) return;
    this.bytes += EVENT_BYTES + 2 * message.id.length + sizeOf(used.value);
    if (this.bytes > HELD_BYTES_MAX)
      throw new VisageError('too_much_history', 'the events that count are too many, or their values too long, to be explained', {
        kind: 'refuse',
      });
    const { id, dataset } = message;
    const agedOut = isPastTimeToLive(message, this.options.plan, nowMs);
    this.events.push({ id, dataset: dataset.name, atMs, arrivedMs, sequence, value: used.value, agedOut, decides: false });
  }

  /** Newest first, those that decide marked. Cost: O(n log n) */
  newestFirst(): readonly CountedEvent[] {
    this.events.sort((a, b) => b.atMs - a.atMs || b.sequence - a.sequence);
    mark(this.events, this.options.attribute);
    return this.events;
  }

  /** The attribute's measure as those definitions have it; undefined when they do not have the attribute. */
  private measureIn(plan: Plan): Measure | undefined {
    if (plan === this.plan) return this.measure;
    const { name, revision } = this.options.attribute;
    const attribute = plan.attributes.find((other) => other.name === name && other.revision === revision);
    this.plan = plan;
    this.measure = attribute === undefined ? undefined : plan.measures[attribute.measure];
    return this.measure;
  }
}

/** What the function takes from an event; undefined when it cannot use it. */
function valueFor(attribute: Attribute, measure: Measure, body: EventBody): { readonly value: unknown } | undefined {
  const value = measure.hasValue ? measure.valueOf(body) : undefined;
  switch (attribute.function) {
    case 'count':
      // it shares the ring of a sum over the same value, where there is one
      return measure.sums && !isFiniteNumber(value) ? undefined : { value: undefined };
    case 'exists':
      return measure.hasValue && !isPlainValue(value) ? undefined : { value: undefined };
    case 'sum':
    case 'average':
      return isFiniteNumber(value) ? { value } : undefined;
    case 'min':
    case 'max': {
      const number = comparable(measure, value);
      if (number !== number) return undefined;
      return { value: attribute.timestamps ? formatTime(number) : number };
    }
    case 'mostRecent':
    case 'earliest':
    case 'list':
      return isPlainValue(value) ? { value } : undefined;
    case 'countDistinct':
      return isPlainValue(value) && !Array.isArray(value) ? { value } : undefined;
    case 'expression':
      return undefined;
    default:
      return unreachable(attribute.function);
  }
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && value - value === 0;
}

/** `events`: newest first; of equal times the higher sequence first. */
function mark(events: readonly CountedEvent[], attribute: Attribute): void {
  switch (attribute.function) {
    case 'mostRecent':
    case 'exists': // it becomes false when its latest event leaves
      if (events.length > 0) events[0]!.decides = true;
      return;
    case 'earliest':
      if (events.length > 0) events.at(-1)!.decides = true;
      return;
    case 'list':
      for (const event of events.slice(0, attribute.limit)) event.decides = true;
      return;
    case 'countDistinct': {
      const seen = new Set<unknown>();
      for (const event of events) {
        event.decides = !seen.has(event.value);
        seen.add(event.value);
      }
      return;
    }
    case 'min':
    case 'max':
      return markExtreme(events, attribute.function === 'max');
    case 'count':
    case 'sum':
    case 'average':
    case 'expression':
      return; // every event does
    default:
      return unreachable(attribute.function);
  }
}

function markExtreme(events: readonly CountedEvent[], highest: boolean): void {
  // times are written in one form, in which the order of texts is that of the instants
  const isBetter = (a: unknown, b: unknown): boolean => (highest ? (a as number) > (b as number) : (a as number) < (b as number));
  let best: unknown;
  for (const { value } of events) if (best === undefined || isBetter(value, best)) best = value;
  for (const event of events) event.decides = event.value === best;
}

/** Approximate heap bytes. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length;
  return Array.isArray(value) ? value.reduce<number>((sum, item) => sum + 16 + sizeOf(item), 16) : 0;
}
