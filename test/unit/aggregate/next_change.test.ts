// When a counted value changes by itself: as it is looked up row by row, also where it is read off the part.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import { nextChanges } from '../../../src/aggregate/next_change.ts';
import { advance, firstHeld, insertValue, Part, SLOT } from '../../../src/aggregate/part.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { leavesAt, windowStart, type Window } from '../../../src/aggregate/window.ts';
import { attributeOf, calendar, DAY, measureOf, sliding } from './plan_parts.ts';

const START = Date.UTC(2026, 0, 31);
const MONTH = calendar('month');

test.each([
  ['every value', 10_000],
  ['past exactEvents', 16],
])('%s: it is when the first row, or tile, that counts leaves', (_, exactEvents) => {
  let tiled = 0;
  const windows = fc.constantFrom<readonly number[]>([30 * DAY], [7 * DAY, 30 * DAY]);
  const calendars = fc.constantFrom<readonly (typeof MONTH)[]>([], [MONTH]);
  const step = fc.record({
    afterMs: fc.integer({ min: 1, max: DAY }),
    lateMs: fc.integer({ min: 0, max: 29 * DAY }),
    isLate: fc.boolean(),
  });
  fc.assert(
    fc.property(windows, calendars, fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), (lengths, units, steps) => {
      const all: Window[] = [...lengths.map(sliding), ...units];
      const attributes = all.map((window, slot) => attributeOf({ function: 'count', window, slot, index: slot }));
      const measure = measureOf({ windows: lengths, calendars: units, hasValue: false });
      const plan = { attributes, expressions: [], measures: [measure] } as unknown as Plan;
      const part = new Part(measure, 0);
      const state = new IdentityState('customerId.ada');
      state.addPart(part);
      let nowMs = START;
      let sequence = 0;
      for (const { afterMs, lateMs, isLate } of steps) {
        const fromMs = nowMs;
        nowMs += afterMs;
        advance(part, measure, fromMs, nowMs);
        state.evaluatedMs = nowMs;
        insertValue(part, measure, undefined, {
          atMs: isLate ? nowMs - lateMs : nowMs,
          sequence: ++sequence,
          nowMs,
          exactEvents,
        });
        if (part.tiles !== null) tiled++;
        const expected = all.map((window, slot) =>
          part.acc[slot * SLOT]! > 0 ? leavesAt(window, firstHeld(part, windowStart(window, nowMs))) : Infinity,
        );
        expect(nextChanges(state, plan)).toEqual(expected);
      }
    }),
    { numRuns: 300, endOnFailure: true }, // making it smaller would take minutes
  );
  expect(tiled > 0).toBe(exactEvents < 100); // some came past what is kept one by one
});
