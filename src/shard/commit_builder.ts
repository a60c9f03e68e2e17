// Packs changes into commits: per profile one change event, folded over the messages of a commit.
// CB1: a commit holds exactly the changes after the previous commit's position up to its own.
// CB2: its size is bounded before it is encoded, by an upper bound on every piece; past COMMIT_BYTES_MAX it is closed.
// CB3: a profile whose version moved is in the commit even when the net change is nothing: otherwise its chain would break.
// CB4: the trace of an event is that of its first cause that has one. Where commits are cut, and so which causes an event folds, depends on
//      time: the trace is shown, and no part of what a replay is held to.
import type { Plan } from '../aggregate/plan.ts';
import { isErasedKey, type IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { traceOf, type Trace } from '../message/trace.ts';
import { ALL_CHANGES, type Position } from '../ports/profile_store.ts';
import type { LeafChange } from '../record/leaf_changes.ts';
import type { Cause, Change } from './effects.ts';

const COMMIT_BYTES_MAX = 512 * 1024;
/** A change event that may be larger carries paths only. */
export const EVENT_BYTES_MAX = 128 * 1024;
const CAUSES_MAX = 20;
/** A commit that cannot get out for long: what comes then is measured with the last of these. */
const STAMPS_MAX = 1_024;
/** The fixed text of an event and of a cause, with their numbers at full length (test/unit/shard/commit_builder.test.ts holds them to it). */
const EVENT_BASE_BYTES = 480;
const CAUSE_BASE_BYTES = 80;

export type PendingEvent = {
  readonly key: IdentityKey;
  readonly previousVersion: number;
  /** Was there a profile to see at its previous change event, is there one after this? */
  readonly existed: boolean;
  exists: boolean;
  version: number;
  ordinal: number;
  timeMs: number;
  readonly causes: Cause[];
  causeCount: number;
  readonly attributes: number[];
  readonly before: unknown[];
  readonly after: unknown[];
  /** Leaves of what records say, by path; null: none changed. */
  leaves: Map<string, LeafChange> | null;
  bytes: number;
  /** Of its first cause that has one. */
  trace: Trace | null;
  /** Who entered and exited, when that is not for the values to tell: an attribute became an audience, or is none any more. */
  readonly audiences?: { readonly entered: readonly string[]; readonly exited: readonly string[] };
};

/** Where a commit ends, and the shard's running values there. */
export type CommitPoint = {
  readonly sequence: number;
  readonly ordinal: number;
  readonly message: LogMessage | null;
  readonly count: number;
  readonly digest: number;
  readonly plan: Plan | null;
  readonly foldVersion: number;
};

/** `stamps`: when the messages of its changes were stored, and how many changes each stamp has: what latency is measured by. */
export type SealedCommit = CommitPoint & {
  readonly events: readonly PendingEvent[];
  readonly stamps: readonly (readonly [stampMs: number, changes: number])[];
};

export class CommitBuilder {
  private readonly sourceLength: number;
  private pending = new Map<IdentityKey, PendingEvent>();
  private bytes = 2;
  private stamps: [number, number][] = [];
  private readonly point: { -readonly [K in keyof CommitPoint]: CommitPoint[K] };
  /** Something happened that a commit must pass although no change was visible (a dead letter, a checkpoint). */
  private wanted = false;
  private readonly sealed: SealedCommit[] = [];

  constructor(options: { sourceLength: number; start: CommitPoint }) {
    this.sourceLength = options.sourceLength;
    this.point = { ...options.start };
  }

  get isEmpty(): boolean {
    return this.pending.size === 0 && !this.wanted && this.sealed.length === 0;
  }

  get pendingEvents(): number {
    return this.pending.size;
  }

  /** Commits that are closed because they were full. */
  get sealedCount(): number {
    return this.sealed.length;
  }

  /** One message was applied: takes in its changes, from the `skip`-th on (those before are in an earlier commit). */
  add(changes: readonly Change[], skip: number, message: LogMessage, plan: Plan | null, foldVersion: number): void {
    const point = this.point;
    const trace = skip < changes.length ? traceOf(message) : null;
    for (let i = skip; i < changes.length; i++) {
      const change = changes[i]!;
      // what is said of an identity after it was erased is no part of what was said before
      if (isErasedKey(change.key) && this.pending.size > 0) this.close();
      let found = this.pending.get(change.key);
      // one that is too large already costs nothing more, but holds more and more leaves
      if (found !== undefined && found.bytes >= EVENT_BYTES_MAX && change.leaves !== null) {
        this.close();
        found = undefined;
      }
      const caused = trace !== null && change.causes.some(isSent) ? trace : null;
      let cost = this.costOf(change, found, caused, plan!);
      if (this.bytes + cost > COMMIT_BYTES_MAX && this.pending.size > 0) {
        this.close();
        found = undefined; // in the next commit it is an event of its own
        cost = this.costOf(change, found, caused, plan!);
      }
      this.bytes += cost;
      this.merge(change, found, i + 1, cost, caused);
      const last = this.stamps[this.stamps.length - 1];
      if (last !== undefined && (last[0] === message.stampMs || this.stamps.length >= STAMPS_MAX)) last[1]++;
      else this.stamps.push([message.stampMs, 1]);
      point.sequence = message.sequence;
      point.ordinal = i + 1;
      point.message = message;
      point.plan = plan;
      point.foldVersion = foldVersion;
      point.count = change.count;
      point.digest = change.digest;
    }
    point.sequence = message.sequence;
    point.ordinal = ALL_CHANGES;
    point.message = message;
    point.plan = plan;
    point.foldVersion = foldVersion;
  }

  /** The next commit must reach here, even if nothing visible changed. */
  want(): void {
    this.wanted = true;
  }

  /** The next commit to publish; undefined when there is nothing to say. */
  take(): SealedCommit | undefined {
    if (this.sealed.length > 0) return this.sealed.shift();
    if (this.isEmpty) return undefined;
    this.close();
    return this.sealed.shift();
  }

  private close(): void {
    this.sealed.push({ ...this.point, events: [...this.pending.values()], stamps: this.stamps });
    this.stamps = [];
    this.pending = new Map();
    this.bytes = 2;
    this.wanted = false;
  }

  private merge(change: Change, found: PendingEvent | undefined, ordinal: number, cost: number, trace: Trace | null): void {
    if (found === undefined) {
      this.pending.set(change.key, {
        key: change.key,
        previousVersion: change.previousVersion,
        existed: change.existed,
        exists: change.exists,
        version: change.sequence,
        ordinal,
        timeMs: change.timeMs,
        causes: change.causes,
        causeCount: change.causes.length,
        attributes: change.attributes, // a change's arrays are its own: the commit takes them over
        before: change.before,
        after: change.after,
        leaves: change.leaves === null ? null : new Map(change.leaves.map((leaf) => [leaf.path, leaf])),
        bytes: cost,
        trace,
      });
      return;
    }
    found.exists = change.exists;
    found.version = change.sequence;
    found.ordinal = ordinal;
    found.timeMs = change.timeMs;
    found.bytes += cost;
    found.trace ??= trace;
    found.causeCount += change.causes.length;
    for (const cause of change.causes) if (found.causes.length < CAUSES_MAX) found.causes.push(cause);
    for (let i = 0; i < change.attributes.length; i++) {
      const index = change.attributes[i]!;
      const at = found.attributes[i] === index ? i : found.attributes.indexOf(index);
      if (at >= 0) {
        found.after[at] = change.after[i];
      } else {
        found.attributes.push(index);
        found.before.push(change.before[i]);
        found.after.push(change.after[i]);
      }
    }
    if (change.leaves !== null) mergeLeaves(found, change.leaves);
  }

  /** Upper bound of the bytes that this change adds. */
  private costOf(change: Change, found: PendingEvent | undefined, trace: Trace | null, plan: Plan): number {
    let bytes =
      found === undefined ? EVENT_BASE_BYTES + (change.key.indexOf('%') < 0 ? 2 : 8) * change.key.length + this.sourceLength : 0;
    if (trace !== null && (found === undefined || found.trace === null)) bytes += traceBytes(trace);
    const causes = found?.causes.length ?? 0;
    for (let i = 0; i < change.causes.length && causes + i < CAUSES_MAX; i++) {
      const cause = change.causes[i]!;
      bytes += CAUSE_BASE_BYTES + causeTextBytes(cause);
    }
    for (let i = 0; i < change.attributes.length; i++) {
      const index = change.attributes[i]!;
      const at = found === undefined ? -1 : found.attributes[i] === index ? i : found.attributes.indexOf(index);
      if (at >= 0) bytes += Math.max(0, sizeOf(change.after[i]) - sizeOf(found!.after[at]));
      else {
        const { path, audience } = plan.attributes[index]!;
        bytes += 40 + (audience ? 2 : 1) * path.length + sizeOf(change.before[i]) + sizeOf(change.after[i]);
      }
    }
    const room = EVENT_BYTES_MAX - (found?.bytes ?? 0);
    if (change.leaves !== null) bytes += leavesCost(change.leaves, found?.leaves ?? null, room - bytes);
    return Math.max(0, Math.min(bytes, room)); // past EVENT_BYTES_MAX the event is truncated
  }
}

/** Did the message itself say it? Others that it only lets expire are none of its trace's business. */
function isSent({ kind }: Cause): boolean {
  return kind === 'event' || kind === 'record' || kind === 'delete';
}

function traceBytes({ parent, state }: Trace): number {
  return 20 + parent.length + (state === null ? 0 : 20 + 2 * state.length);
}

function causeTextBytes(cause: Cause): number {
  switch (cause.kind) {
    case 'event':
      return cause.dataset.length + 6 * cause._id.length;
    case 'record':
      return 30 + cause.dataset.length + 6 * (cause._id?.length ?? 0);
    case 'deleteDataset':
      return cause.dataset.length + 16;
    case 'delete':
    case 'erase':
    case 'expiry':
    case 'definitions':
      return 0;
  }
}

/** Of one commit: each leaf as it was before the first change and is after the last. */
function mergeLeaves(event: PendingEvent, leaves: readonly LeafChange[]): void {
  const all = (event.leaves ??= new Map());
  for (const leaf of leaves) {
    const earlier = all.get(leaf.path);
    all.set(leaf.path, earlier === undefined ? leaf : { path: leaf.path, before: earlier.before, after: leaf.after });
  }
}

/** Upper bound; past `room` it does not matter by how much. */
function leavesCost(leaves: readonly LeafChange[], known: ReadonlyMap<string, LeafChange> | null, room: number): number {
  let bytes = 0;
  for (const { path, before, after } of leaves) {
    if (bytes > room) return bytes;
    const earlier = known?.get(path);
    if (earlier === undefined) bytes += 40 + 6 * path.length + sizeOf(before) + sizeOf(after);
    else bytes += Math.max(0, sizeOf(after) - sizeOf(earlier.after));
  }
  return bytes;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'number') return 25;
  if (typeof value === 'string') return value.length <= 256 ? 2 + 6 * value.length : 3 * JSON.stringify(value).length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + 1 + sizeOf(item), 2);
  // an object is inside of an array: only there it is part of a leaf
  return typeof value === 'object' && value !== null ? 3 * JSON.stringify(value).length : 5;
}

/** Is position `a` at or past `b`? */
export function reaches(a: Position, b: Position): boolean {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  return a.ordinal === ALL_CHANGES || (b.ordinal !== ALL_CHANGES && a.ordinal >= b.ordinal);
}
