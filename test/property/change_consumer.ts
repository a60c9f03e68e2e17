// What a consumer knows, from changes alone. CC1: it refuses a change that does not go on from what it knows. Runs outside of vitest too.
import assert from 'node:assert/strict';
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
    assert.equal(change.existed, known.version !== 0);
    assert.equal(change.exists, true);
    assert.equal(change.previousVersion, known.version);
    assert.ok(change.sequence > known.version);
    assert.equal(change.count, ++this.count);
    for (const [i, index] of change.attributes.entries()) {
      const { name } = this.planNow().attributes[index]!;
      if (!jsonEqual(known.values.get(name), change.before[i]))
        assert.deepEqual([name, change.before[i]], [name, known.values.get(name)]);
      assert.equal(jsonEqual(change.before[i], change.after[i]), false);
      if (change.after[i] === undefined) known.values.delete(name);
      else known.values.set(name, change.after[i]);
    }
    known.version = change.sequence;
    this.profiles.set(change.key, known);
  }

  /** What it knows of a profile is what a reader sees. */
  expectSame(key: string, view: ProfileView): void {
    const known = this.profiles.get(key)!;
    assert.equal(known.version, view.version);
    const values = Object.fromEntries(Object.entries(view.computed).map(([name, { value }]) => [name, value]));
    if (!jsonEqual(values, Object.fromEntries(known.values))) assert.deepEqual(Object.fromEntries(known.values), values);
  }
}
