// One page of a profile's events: of all that count, the first that come after the page before.
// EP1: by timestamp, then sequence; what is held is always the beginning of what was given so far: nothing between two of them is left out.
// EP2: an event past its dataset's time to live as of `nowMs` is not shown: older than now − timeToLive.
// EP3: bounded: at most `limit` events, and about `bytesMax` of them; what does not fit comes on the next page.
import type { EpochMs } from '../base/time.ts';
import type { Plan } from '../aggregate/plan.ts';
import { formatTime } from '../base/time.ts';
import type { EventMessage } from '../message/decode.ts';
import type { ListedEvent } from '../profile/events_page.ts';
import type { EventQuery, Place } from './event_query.ts';
import type { AdmittedEvent } from './identity_events.ts';
import { passes } from './property_filter.ts';

const utf8 = new TextEncoder();

export type EventPageOptions = {
  readonly query: EventQuery;
  /** The definitions whose times to live hold. */
  readonly plan: Plan;
  readonly nowMs: EpochMs;
  /** What the events may take as JSON. */
  readonly bytesMax: number;
};

export class EventPage {
  private readonly held: AdmittedEvent[] = [];
  private readonly options: EventPageOptions;
  private readonly sign: 1 | -1;
  private bytes = 0;
  /** The first of those that were held and had no room any more: nothing from there on is taken. */
  private end: Place | null = null;

  constructor(options: EventPageOptions) {
    this.options = options;
    this.sign = options.query.descending ? -1 : 1;
  }

  /** Cost: O(log held), and O(held) where it comes into the middle */
  take(event: AdmittedEvent): void {
    const place = placeOf(event);
    const { query, plan, nowMs, bytesMax } = this.options;
    if (query.after !== null && this.order(place, query.after) <= 0) return;
    if (this.end !== null && this.order(place, this.end) >= 0) return;
    if (!isAsked(event.message, query) || isPastTimeToLive(event.message, plan, nowMs)) return;
    this.held.splice(this.positionOf(place), 0, event);
    this.bytes += event.bytes;
    while (this.held.length > query.limit || (this.bytes > bytesMax && this.held.length > 1)) this.dropLast();
  }

  /** Cost: JSON.stringify of what is held
   *  @returns `last`: where the page ends when there is more; null when there is not. `events` is empty with a `last` when not even one fits. */
  result(): { readonly events: readonly ListedEvent[]; readonly last: Place | null } {
    const events = this.held.map(listed);
    let room = this.options.bytesMax;
    let fitting = 0;
    while (fitting < events.length) {
      room -= utf8.encode(JSON.stringify(events[fitting])).length + 1;
      if (room < 0) break;
      fitting++;
    }
    const isWhole = fitting === events.length && this.end === null;
    if (isWhole || events.length === 0) return { events, last: null };
    return { events: events.slice(0, fitting), last: placeOf(this.held[Math.max(0, fitting - 1)]!) };
  }

  private dropLast(): void {
    const dropped = this.held.pop()!;
    this.bytes -= dropped.bytes;
    this.end = placeOf(dropped);
  }

  private positionOf(place: Place): number {
    let low = 0;
    let high = this.held.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.order(placeOf(this.held[middle]!), place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private order(a: Place, b: Place): number {
    return this.sign * (a.timestampMs - b.timestampMs || a.sequence - b.sequence);
  }
}

function placeOf({ message, sequence }: AdmittedEvent): Place {
  return { timestampMs: message.timestampMs, sequence };
}

function isAsked({ timestampMs, eventType, body }: EventMessage, query: EventQuery): boolean {
  if (timestampMs < query.startMs || timestampMs >= query.endMs) return false;
  if (query.types !== null && !query.types.has(eventType)) return false;
  return query.filters.every((filter) => passes(body, filter));
}

/** Is the event too old to be shown? A dataset that the definitions no longer have keeps its events. */
export function isPastTimeToLive({ dataset, timestampMs }: EventMessage, plan: Plan, nowMs: EpochMs): boolean {
  const timeToLiveMs = plan.admission.datasets.get(dataset.name)?.timeToLiveMs ?? null;
  return timeToLiveMs !== null && nowMs - timeToLiveMs > timestampMs;
}

function listed({ message, sequence }: AdmittedEvent): ListedEvent {
  const { id, dataset, timestampMs, eventType, body } = message;
  return { _id: id, dataset: dataset.name, timestamp: formatTime(timestampMs), eventType, sequence, event: body };
}
