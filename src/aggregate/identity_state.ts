// Everything that is kept about one identity. Plain data; the fold changes it, the store writes it.
import type { IdentityKey } from '../message/identity.ts';
import type { Extremes } from './extremes.ts';
import { Part } from './part.ts';
import type { Measure } from './plan.ts';
import { SeenIds } from './seen_ids.ts';

const NO_PARTS = Object.freeze<Part[]>([]) as Part[];

export class IdentityState {
  readonly key: IdentityKey;
  /** Sequence of the last message that visibly changed the profile; 0 before the first. */
  version = 0;
  /** When something changes next without any message: the earliest due of its parts and latest values. Infinity: never. */
  dueMs = Infinity;
  /** Shard time up to which its windows were advanced. */
  evaluatedMs = 0;
  readonly seen = new SeenIds();
  /** Sorted by measure, then dataset. */
  parts: Part[] = NO_PARTS;

  // What follows belongs to the cache and the checkpoint, and is not stored.
  /** Due as the store's index has it; Infinity when it has no entry. */
  storedDueMs = Infinity;
  /** Approximate memory, as of the last estimate. */
  bytes = 0;
  /** Touched since the clock hand passed. */
  referenced = true;
  dirty = false;
  /** In the checkpoint that is being written, and not encoded yet: must be encoded before it may change. */
  frozen = false;
  /** In the checkpoint that is being written: must stay in memory until it is committed. */
  writing = false;

  constructor(key: IdentityKey) {
    this.key = key;
  }

  /** Position of the first part of a measure; where it would be when there is none. O(1) in the usual case of one dataset. */
  firstPart(measure: number): number {
    const parts = this.parts;
    let at = measure < parts.length ? measure : parts.length;
    while (at < parts.length && parts[at]!.measure < measure) at++;
    while (at > 0 && parts[at - 1]!.measure >= measure) at--;
    return at;
  }

  /** The part of (dataset, measure), made when there is none. */
  partFor(measure: Measure, dataset: number): Part {
    const parts = this.parts;
    for (let at = this.firstPart(measure.index); at < parts.length && parts[at]!.measure === measure.index; at++) {
      if (parts[at]!.dataset === dataset) return parts[at]!;
    }
    const made = new Part(measure, dataset);
    this.addPart(made);
    return made;
  }

  addPart(part: Part): void {
    const { parts } = this;
    let at = this.firstPart(part.measure);
    while (at < parts.length && parts[at]!.measure === part.measure && parts[at]!.dataset < part.dataset) at++;
    if (parts.length === 0) this.parts = [part];
    else if (at === parts.length) parts.push(part);
    else parts.splice(at, 0, part);
  }
}

/** Approximate heap bytes: objects, unboxed doubles with their growth slack, strings. */
export function estimateBytes(state: IdentityState): number {
  let bytes = 360 + state.key.length + listBytes(state.seen.size, 3);
  for (const part of state.parts) {
    bytes += 240 + part.acc.length * 8;
    if (part.ring !== null) bytes += listBytes(part.ring.size, part.ring.stride);
    if (part.extremes !== null) bytes += extremesBytes(part.extremes);
    if (typeof part.recentValue === 'string') bytes += 2 * part.recentValue.length;
    else if (part.recentValue !== undefined) bytes += 64;
  }
  return bytes;
}

function extremesBytes({ low, high }: Extremes): number {
  return 80 + (low === null ? 0 : listBytes(low.size, low.stride)) + (high === null ? 0 : listBytes(high.size, high.stride));
}

function listBytes(rows: number, stride: number): number {
  return 180 + (rows + (rows >> 1)) * stride * 8;
}
