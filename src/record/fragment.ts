// A fragment: what one dataset says about one identity, as its last write left it; or the tombstone of what it said.
// FR1: order is by `lastUpdatedMs`, then by sequence: an older write is stale, an equal one wins if it came later.
// FR2: a tombstone holds at its `lastUpdatedMs`: what says that it is of then or before stays dead, whenever it arrives. What does not say
//      when it is of comes after what the log has before it.
// FR3: the record is held as text: compact, as it is stored, and parsed by whoever asks.
import type { EpochMs } from '../base/time.ts';
import type { JsonObject } from './json.ts';

export class Fragment {
  /** Index in `Plan.datasets`. */
  readonly dataset: number;
  lastUpdatedMs: EpochMs;
  sequence: number;
  /** The record as JSON; null: a tombstone. */
  text: string | null;
  /** Is the text in a record of its own in the store, as it is now? For the store. */
  stored = false;
  /** Has the store a record of its own for it, whatever is in it? For the store. */
  hasRecord = false;

  constructor(dataset: number, lastUpdatedMs: EpochMs, sequence: number, text: string | null) {
    this.dataset = dataset;
    this.lastUpdatedMs = lastUpdatedMs;
    this.sequence = sequence;
    this.text = text;
  }

  /** Does it hold beyond a delete as of `timeMs`? Only a later tombstone does. */
  outlives(timeMs: EpochMs): boolean {
    return this.text === null && this.lastUpdatedMs > timeMs;
  }

  /** The record; undefined for a tombstone. Cost: JSON.parse */
  record(): JsonObject | undefined {
    return this.text === null ? undefined : (JSON.parse(this.text) as JsonObject);
  }
}

/** As `RecordMessage` has them. */
export type WriteTimes = { readonly lastUpdatedMs: EpochMs; readonly livesPastMs: number };

/** What to do with a write: `apply` it, drop it as `stale` (older than what is there), or as `dead` (at or before a tombstone). */
export function admitWrite(fragment: Fragment | undefined, write: WriteTimes): 'apply' | 'stale' | 'dead' {
  if (fragment === undefined) return 'apply';
  if (fragment.text === null) return write.livesPastMs > fragment.lastUpdatedMs ? 'apply' : 'dead';
  return write.lastUpdatedMs >= fragment.lastUpdatedMs ? 'apply' : 'stale';
}
