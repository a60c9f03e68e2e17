// Which definitions each profile has, and since which message: additions reach existing profiles one after the other.
// AC1: a profile that is touched, or made, has the newest definitions from that message on.
// AC2: the others get them from a sweep: each definitions or tick message, the one that added something included, takes the next
//      SWEEP_PROFILES of those that exist, in the order of their keys. AC3: a further addition starts the sweep again.
import type { IdentityKey } from '../message/identity.ts';
import type { OraclePlan } from './recompute.ts';

const SWEEP_PROFILES = 256;

type Had = { readonly sequence: number; readonly plan: OraclePlan };

export class Activation {
  readonly #had = new Map<IdentityKey, Had[]>();
  #newest: OraclePlan | undefined;
  /** The last key that the sweep has been to; undefined when none is under way. */
  #sweptTo: IdentityKey | undefined;

  /** These definitions are in force from here on. */
  use(plan: OraclePlan): void {
    if (this.#newest !== undefined && plan.revision > this.#newest.revision) this.#sweptTo = ''; // before every key
    this.#newest = plan;
  }

  /** The message at `sequence` is an admitted event of this profile. */
  touch(key: IdentityKey, sequence: number): void {
    const had = this.#had.get(key) ?? [];
    if (had.at(-1)?.plan === this.#newest) return;
    had.push({ sequence, plan: this.#newest! });
    this.#had.set(key, had);
  }

  /** The message at `sequence` carries definitions or is a tick. */
  sweep(sequence: number): void {
    const after = this.#sweptTo;
    if (after === undefined) return;
    const next = [...this.#had.keys()]
      .filter((key) => key > after)
      .sort()
      .slice(0, SWEEP_PROFILES);
    for (const key of next) this.touch(key, sequence);
    this.#sweptTo = next.length < SWEEP_PROFILES ? undefined : next.at(-1);
  }

  /** What the profile has after the message at `sequence`; undefined when it did not exist. */
  planAt(key: IdentityKey, sequence: number): OraclePlan | undefined {
    return this.#had.get(key)?.findLast((had) => had.sequence <= sequence)?.plan;
  }
}
