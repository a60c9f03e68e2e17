// Why a computed value is what it is: the profile's view, the events behind the value, and what the log no longer has.
// EX1: value, next change, since and precision are the view's own; the events are those up to the view's sequence, in the window as
//      of the view's time: list and value agree.
// EX2: what cannot be listed is said, never passed over: what the log has lost, and how many are past their time to live.
import { unreachable } from '../base/assert.ts';
import { formatDuration, formatTime, parseRfc3339, type DurationMs, type EpochMs } from '../base/time.ts';
import type { Attribute, Plan } from '../aggregate/plan.ts';
import { leavesAt, windowStart, type Window } from '../aggregate/window.ts';
import type { ClockMode, FoldSettings } from '../message/control.ts';
import type { ExplainedEvent, ExplainedWindow, Explanation } from '../profile/explanation.ts';
import type { ComputedValue, ProfileView } from '../profile/view.ts';
import type { CountedEvent } from './counted_events.ts';

/** Where the log begins now: its first sequence, and when that message was stored; Infinity when there is none. */
export type LogBeginning = { readonly sequence: number; readonly timeMs: EpochMs };

export type ExplainOptions = {
  readonly plan: Plan;
  readonly attribute: Attribute;
  readonly view: ProfileView;
  /** Newest first, those past their time to live too; none for an expression. */
  readonly events: readonly CountedEvent[];
  /** At most so many are listed. */
  readonly limit: number;
  readonly beginning: LogBeginning;
  /** The message that made the attribute live; 0 when it was from the beginning. */
  readonly liveAfter: number;
  readonly clockMode: ClockMode;
  readonly settings: Pick<FoldSettings, 'maxFutureSkewMs' | 'dedupeHorizonMs'>;
};

/** Cost: O(events) */
export function explain(options: ExplainOptions): Explanation {
  const { plan, attribute, view, events, limit } = options;
  const { profile, version, shard, sequence, time } = view;
  const entry: Partial<ComputedValue> = valueIn(view, attribute.name) ?? {};
  const isExpression = attribute.expression !== null;
  const shown = events.filter(({ agedOut }) => !agedOut);
  const agedOut = events.length - shown.length;
  const listed = pick(shown, limit);
  return {
    profile,
    field: attribute.name,
    function: attribute.function,
    ...(isExpression ? {} : { window: windowText(attribute.window), range: rangeOf(attribute.window, parseRfc3339(time), time) }),
    ...entry,
    version,
    shard,
    sequence,
    time,
    counted: events.length,
    ...(agedOut === 0 ? {} : { agedOut }),
    events: listed.map((event) => explained(event, attribute)),
    ...(listed.length < shown.length ? { truncated: true } : {}),
    ...(isExpression ? { inputs: inputsOf(attribute, plan, view) } : missingOf(options)),
  };
}

/** The newest, but those that decide first of all. */
function pick(events: readonly CountedEvent[], limit: number): readonly CountedEvent[] {
  if (events.length <= limit) return events;
  const deciding = events.filter((event) => event.decides).slice(0, limit);
  const others = events.filter((event) => !event.decides).slice(0, limit - deciding.length);
  return [...deciding, ...others].sort((a, b) => b.atMs - a.atMs || b.sequence - a.sequence);
}

function explained(event: CountedEvent, attribute: Attribute): ExplainedEvent {
  const leavesMs = leavesAt(attribute.window, event.atMs);
  return {
    _id: event.id,
    dataset: event.dataset,
    timestamp: formatTime(event.atMs),
    ...(event.value === undefined ? {} : { value: event.value }),
    sequence: event.sequence,
    ...(leavesMs === Infinity ? {} : { leavesAt: formatTime(leavesMs) }),
    ...(event.decides ? { decides: true } : {}),
  };
}

/** Names may be `constructor`. */
function valueIn(view: ProfileView, name: string): ComputedValue | undefined {
  return Object.hasOwn(view.computed, name) ? view.computed[name] : undefined;
}

function inputsOf(attribute: Attribute, plan: Plan, view: ProfileView): NonNullable<Explanation['inputs']> {
  const names = attribute.expression!.inputs.map((index) => plan.attributes[index]!.name);
  return Object.fromEntries(names.map((name) => [name, valueIn(view, name) ?? {}]));
}

function windowText(window: Window): string {
  switch (window.kind) {
    case 'sliding':
      return formatDuration(window.ms);
    case 'calendar':
      return `calendar ${window.unit}, ${window.count}`;
    case 'lifetime':
      return 'lifetime';
    default:
      return unreachable(window);
  }
}

function rangeOf(window: Window, nowMs: EpochMs, to: string): ExplainedWindow {
  switch (window.kind) {
    case 'sliding':
      return { kind: 'sliding', length: formatDuration(window.ms), from: formatTime(windowStart(window, nowMs)), to };
    case 'calendar': {
      const from = formatTime(windowStart(window, nowMs));
      return { kind: 'calendar', unit: window.unit, count: window.count, from, to };
    }
    case 'lifetime':
      return { kind: 'lifetime', to };
    default:
      return unreachable(window);
  }
}

/** What went with the beginning of the log, if it did. */
function missingOf(options: ExplainOptions): { missing?: string } {
  const { beginning, events, settings } = options;
  if (beginning.sequence <= 1) return {};
  const beginsAt = beginning.timeMs === Infinity ? '' : ` (${formatTime(beginning.timeMs)})`;
  const begins = `the log begins at sequence ${beginning.sequence}${beginsAt}`;
  if (reachesBefore(options)) return { missing: `${begins}; events before are gone: values stay, they cannot be listed` };
  const knownMs: DurationMs = beginning.timeMs + settings.dedupeHorizonMs;
  if (!events.some((event) => event.arrivedMs <= knownMs)) return {};
  const horizon = formatDuration(settings.dedupeHorizonMs);
  return { missing: `${begins}; an event that came within ${horizon} after may repeat one that is gone, and not have counted` };
}

/** May an event that is gone be in the window? Its effective time is at most that of the first message that is left; under the event
 *  clock a little more. What came before the attribute was live never counted. */
function reachesBefore({ attribute, view, beginning, liveAfter, clockMode, settings }: ExplainOptions): boolean {
  if (liveAfter >= beginning.sequence) return false;
  const skewMs = clockMode === 'event' ? settings.maxFutureSkewMs : 0;
  return windowStart(attribute.window, parseRfc3339(view.time)) <= beginning.timeMs + skewMs;
}
