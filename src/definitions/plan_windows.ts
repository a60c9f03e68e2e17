// Which windows the attributes of a measure ask for, and which slot of its accumulators each reads.
// PW1: sliding windows ascending, then calendars (day, week, month, then by count), then lifetime: the same set gives the same slots.
import type { AttributeFunction, EventFunction, Measure } from '../aggregate/plan.ts';
import type { CalendarUnit, CalendarWindow, Window, WindowSet } from '../aggregate/window.ts';
import type { AttributeDefinition } from './definitions_document.ts';

type Windowed = { readonly definition: Pick<AttributeDefinition, 'function' | 'window'> };

const UNIT_RANK: Readonly<Record<CalendarUnit, number>> = { day: 0, week: 1, month: 2 };

/** The windows of these functions in the group; null when it has none of them. */
export function windowSet(group: readonly Windowed[], ...functions: readonly EventFunction[]): WindowSet | null {
  const wanted = new Set<AttributeFunction>(functions);
  const windows = group.filter(({ definition }) => wanted.has(definition.function)).map(({ definition }) => definition.window);
  if (windows.length === 0) return null;
  const lengths = windows.flatMap((window) => (window.kind === 'sliding' ? [window.ms] : []));
  const calendars = windows.filter((window) => window.kind === 'calendar');
  const distinct = new Map(calendars.map(({ kind, unit, count }) => [`${unit} ${count}`, { kind, unit, count }]));
  return {
    windows: [...new Set(lengths)].sort((a, b) => a - b),
    calendars: [...distinct.values()].sort(shorterFirst),
    lifetime: windows.some((window) => window.kind === 'lifetime'),
  };
}

function shorterFirst(a: CalendarWindow, b: CalendarWindow): number {
  return UNIT_RANK[a.unit] - UNIT_RANK[b.unit] || a.count - b.count;
}

/** −1 for the functions that read none. */
export function slotOf(function_: AttributeFunction, window: Window, measure: Measure): number {
  if (function_ !== 'count' && function_ !== 'sum' && function_ !== 'average') return -1;
  const { windows, calendars } = measure;
  switch (window.kind) {
    case 'sliding':
      return windows.indexOf(window.ms);
    case 'calendar':
      return windows.length + calendars.findIndex(({ unit, count }) => unit === window.unit && count === window.count);
    case 'lifetime':
      return windows.length + calendars.length;
  }
}
