// Measures and attributes as literals, with what a test leaves out: nobody asks for it.
import type { Attribute, Measure } from '../../../src/aggregate/plan.ts';
import type { CalendarUnit, Window, WindowSet } from '../../../src/aggregate/window.ts';

export const DAY = 86_400_000;
export const LIFETIME: Window = { kind: 'lifetime' };
export const sliding = (ms: number): Window => ({ kind: 'sliding', ms });
export const calendar = (unit: CalendarUnit, count = 1): WindowSet['calendars'][number] => ({ kind: 'calendar', unit, count });

export function windowSet(windows: readonly number[], lifetime = false, calendars: WindowSet['calendars'] = []): WindowSet {
  return { windows, calendars, lifetime };
}

/** Every window of a set. */
export function windowsOf({ windows, calendars, lifetime }: WindowSet): Window[] {
  return [...windows.map(sliding), ...calendars, ...(lifetime ? [LIFETIME] : [])];
}

export function measureOf(shape: Partial<Measure> = {}): Measure {
  return {
    index: 0,
    id: 0,
    text: '',
    revision: 1,
    matches: () => true,
    valueOf: () => undefined,
    hasValue: true,
    windows: [],
    calendars: [],
    lifetime: false,
    sums: false,
    low: null,
    high: null,
    timestamps: false,
    recent: false,
    earliest: null,
    distinct: null,
    listLimit: 0,
    list: null,
    attributes: [],
    ...shape,
  };
}

export function attributeOf(shape: Partial<Attribute> & Pick<Attribute, 'function'>): Attribute {
  return {
    index: 0,
    name: 'a',
    path: 'computed.a',
    window: LIFETIME,
    measure: 0,
    slot: -1,
    timestamps: false,
    limit: 0,
    revision: 1,
    audience: false,
    expression: null,
    ...shape,
  };
}
