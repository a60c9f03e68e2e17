// What a consumer knows, from changes alone. CC1: it refuses a change that does not go on from what it knows.
import { expect } from 'vitest';
import type { Plan } from '../../src/aggregate/plan.ts';
import { jsonEqual } from '../../src/oracle/json_equal.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import type { Change } from '../../src/shard/effects.ts';

export class ChangeConsumer {
  readonly profiles = new Map<string, { version: number; values: Map<string, unknown> }>();
  count = 0;
  private readonly planNow: () => Plan;

  /** @param planNow the definitions that the changes name their attributes by */
  constructor(planNow: () => Plan) {
    this.planNow = planNow;
  }

  take(change: Change): void {
    const known = this.profiles.get(change.key) ?? { version: 0, values: new Map<string, unknown>() };
    expect(change.created).toBe(known.version === 0);
    expect(change.previousVersion).toBe(known.version);
    expect(change.sequence).toBeGreaterThan(known.version);
    expect(change.count).toBe(++this.count);
    for (const [i, index] of change.attributes.entries()) {
      const { name } = this.planNow().attributes[index]!;
      if (!jsonEqual(known.values.get(name), change.before[i]))
        expect([name, change.before[i]]).toEqual([name, known.values.get(name)]);
      expect(jsonEqual(change.before[i], change.after[i])).toBe(false);
      if (change.after[i] === undefined) known.values.delete(name);
      else known.values.set(name, change.after[i]);
    }
    known.version = change.sequence;
    this.profiles.set(change.key, known);
  }

  /** What it knows of a profile is what a reader sees. */
  expectSame(key: string, view: ProfileView): void {
    const known = this.profiles.get(key)!;
    if (known.version !== view.version) expect(known.version).toBe(view.version);
    const values = Object.fromEntries(Object.entries(view.computed).map(([name, { value }]) => [name, value]));
    if (!jsonEqual(values, Object.fromEntries(known.values))) expect(Object.fromEntries(known.values)).toEqual(values);
  }
}
