// The ids that make a later message of an identity a duplicate, of events and records alike, in order of arrival.
// Source: design/semantics.md §3
import type { EpochMs } from '../base/time.ts';
import type { FoldSettings } from '../message/control.ts';

export class RememberedIds {
  /** A Map keeps the order in which keys were added, which is the order of arrival. */
  readonly #arrivedMs = new Map<string, EpochMs>();

  /** What is older than the horizon when something arrives is forgotten for good, also if the horizon grows later. */
  has(id: string, nowMs: EpochMs, { dedupeHorizonMs }: FoldSettings): boolean {
    for (const [old, arrivedMs] of this.#arrivedMs) {
      if (nowMs - arrivedMs <= dedupeHorizonMs) break;
      this.#arrivedMs.delete(old);
    }
    return this.#arrivedMs.has(id);
  }

  add(id: string, nowMs: EpochMs, { dedupeIds }: FoldSettings): void {
    this.#arrivedMs.set(id, nowMs);
    for (const oldest of this.#arrivedMs.keys()) {
      if (this.#arrivedMs.size <= dedupeIds) return;
      this.#arrivedMs.delete(oldest);
    }
  }
}
