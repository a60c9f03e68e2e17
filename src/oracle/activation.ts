// Which definitions each state has, since which message, and up to which delete of a dataset it was cleared: additions and clearing
// reach existing states one after the other.
// AC1: a state that is touched, or made, has the newest definitions and is cleared from that message on.
// AC2: the others get there by a sweep: each sweeping control message, the one that began it included, takes the next SWEEP_STATES of those
//      that exist, in the order of their keys, whether there is a profile to see or not. AC3: a further beginning starts it again.
import type { IdentityKey } from '../message/identity.ts';
import type { OraclePlan } from './recompute.ts';

const SWEEP_STATES = 32;
/** In a log of before records. */
const SWEEP_STATES_FIRST = 256;
const RECORDS_VERSION = 3;

/** `clearedTo`: the sequence of the last dataset delete that it knows. `plan` undefined: from there on there is no such state. */
type Had = { readonly sequence: number; readonly plan: OraclePlan | undefined; readonly clearedTo: number };

export class Activation {
  readonly #had = new Map<IdentityKey, Had[]>();
  #newest: OraclePlan | undefined;
  #lastDelete = 0;
  /** The last key that the sweep has been to; undefined when none is under way. */
  #sweptTo: IdentityKey | undefined;

  /** These definitions are in force from here on. */
  use(plan: OraclePlan): void {
    if (this.#newest !== undefined && plan.revision > this.#newest.revision) this.#sweptTo = ''; // before every key
    this.#newest = plan;
  }

  /** The message at `sequence` deletes a dataset. */
  clear(sequence: number): void {
    this.#lastDelete = sequence;
    this.#sweptTo = '';
  }

  /** The message at `sequence` is about this state, or makes it. */
  touch(key: IdentityKey, sequence: number): void {
    const had = this.#had.get(key) ?? [];
    const last = had.at(-1);
    if (last?.plan === this.#newest && last?.clearedTo === this.#lastDelete) return;
    had.push({ sequence, plan: this.#newest, clearedTo: this.#lastDelete });
    this.#had.set(key, had);
  }

  /** The message at `sequence` removes this state. */
  remove(key: IdentityKey, sequence: number): void {
    this.#had.get(key)?.push({ sequence, plan: undefined, clearedTo: 0 });
  }

  /** The message at `sequence` is one that sweeps. `foldVersion`: in force then. */
  sweep(sequence: number, foldVersion: number): void {
    const states = foldVersion < RECORDS_VERSION ? SWEEP_STATES_FIRST : SWEEP_STATES;
    const after = this.#sweptTo;
    if (after === undefined || this.#newest === undefined) return;
    const next = [...this.#had.keys()]
      .filter((key) => key > after && this.#had.get(key)!.at(-1)!.plan !== undefined)
      .sort()
      .slice(0, states);
    for (const key of next) this.touch(key, sequence);
    this.#sweptTo = next.length < states ? undefined : next.at(-1);
  }

  /** What the state has after the message at `sequence`; undefined when there is none. */
  at(key: IdentityKey, sequence: number): { readonly plan: OraclePlan; readonly clearedTo: number } | undefined {
    const had = this.#had.get(key)?.findLast((each) => each.sequence <= sequence);
    return had?.plan === undefined ? undefined : { plan: had.plan, clearedTo: had.clearedTo };
  }
}
