// The shard's fold: message → state, effects. Talks only to the cache and the due index.
// S1: nothing here reads a clock: now is the greatest log time applied, or under the event clock the greatest timestamp applied.
// S2: the result is a function of the state and the message. Nothing is iterated in an order that memory decides.
// S3: time moves first, then the message applies.
// S4: a message touches its own profile and lets at most 16 other due profiles expire; a tick at most 256.
// S5: definitions change only by additions; a profile gets what was added when an event comes for it, or when the sweep that
//     every change begins comes to it: at most 256 profiles a control message, in key order.
// S6: any change of what this file computes for the same log needs a new FOLD_VERSION (test/unit/shard/golden.test.ts).
import { assert, unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { fnv1a32, hash64 } from '../base/fnv1a.ts';
import { advance, insertValue } from '../aggregate/part.ts';
import { latest } from '../aggregate/attribute_value.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { extendsPlan, type Plan } from '../aggregate/plan.ts';
import { leavesAt } from '../aggregate/window.ts';
import { DEFAULT_FOLD_SETTINGS, isFor, parseControl, type ClockMode, type FoldSettings } from '../message/control.ts';
import { decodeEvent, isRefusal, splitSubject, type DecodeContext, type EventMessage } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Refusal } from '../message/refusal.ts';
import { shardLogPrefix } from '../message/subject.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { GenerationStart } from '../ports/log.ts';
import type { RevisionStart, ShardMeta } from '../ports/profile_store.ts';
import { ChangeRecorder } from './change_recorder.ts';
import type { DueIndex } from './due_index.ts';
import type { DeadLetter, Effects } from './effects.ts';
import type { ProfileCache } from './profile_cache.ts';

/** The version of everything that `apply` computes. A log, a commit or a state of a later version is refused.
 *  2: values past `exactEvents` are folded; a log of version 1 does not name it, and folds as it did. */
export const FOLD_VERSION = 2;
const DUE_PER_MESSAGE = 16;
const DUE_PER_TICK = 256;
const SWEEP_PER_MESSAGE = 256;
const NOTHING: Effects = { changes: [], deadLetters: [], appends: [], cut: null };

export type FoldOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  readonly cache: ProfileCache;
  readonly due: DueIndex;
  /** Definitions by content hash. Must know every hash before a message that names it is applied. */
  readonly planOf: (hash: string) => Plan;
  readonly from: ShardMeta | undefined;
  /** How a later generation began; null for the first. It goes by these definitions and settings from the log's first message on. */
  readonly generation: GenerationStart | null;
};

/** Counters since the start, for metrics and status: not part of the state. */
export type FoldCounters = { events: number; duplicates: number; refused: number; expired: number; dedupeEvicted: number };

export class Fold {
  readonly counters: FoldCounters = { events: 0, duplicates: 0, refused: 0, expired: 0, dedupeEvicted: 0 };
  /** How late each value that left its window did, for whoever measures; emptied by them. Under the event clock nothing is late. */
  readonly lateMs: number[] = [];
  applied: number;
  /** The greatest stamp of the log: what lateness and dedupe go by. */
  logTimeMs: number;
  /** Now. */
  shardTimeMs: number;
  foldVersion: number;
  settings: FoldSettings;
  plan: Plan | null;
  /** Since when each later revision of the definitions is in force. */
  revisions: readonly RevisionStart[];
  /** While profiles are being brought up to the definitions' revision: the last that was; '' before the first. Null: all are. */
  sweptTo: IdentityKey | null;
  profiles: number;
  /** 1, and 0, for the first. */
  readonly generation: number;
  readonly generationFrom: number;
  readonly recorder: ChangeRecorder;
  private readonly shard: number;
  private readonly eventClock: boolean;
  private readonly cache: ProfileCache;
  private readonly due: DueIndex;
  private readonly planOf: (hash: string) => Plan;
  private readonly context: DecodeContext;
  private readonly prefix: string;
  private readonly idHash = new Uint32Array(2);
  /** One for all events: no garbage for each. Doubles from the start. */
  private readonly arrival = { atMs: 0.5, sequence: 0.5, nowMs: 0.5, exactEvents: 0.5 };
  private datasetHashes: readonly number[] = [];

  constructor(options: FoldOptions) {
    const { from, generation } = options;
    this.shard = options.shard;
    this.eventClock = options.clockMode === 'event';
    this.cache = options.cache;
    this.due = options.due;
    this.planOf = options.planOf;
    this.prefix = shardLogPrefix(options.root, options.shard);
    this.context = { prefixLength: this.prefix.length + 3, shard: options.shard, partitions: options.partitions };
    this.applied = from?.applied ?? 0;
    this.shardTimeMs = from?.shardTimeMs ?? 0;
    this.logTimeMs = from?.logTimeMs ?? 0;
    this.foldVersion = from?.foldVersion ?? FOLD_VERSION;
    this.settings = from?.settings ?? DEFAULT_FOLD_SETTINGS;
    this.revisions = from?.revisions ?? [];
    this.sweptTo = from?.sweptTo ?? null;
    this.profiles = from?.profiles ?? 0;
    this.generation = generation?.generation ?? 1;
    this.generationFrom = generation?.sequence ?? 0;
    this.recorder = new ChangeRecorder(from?.changeCount ?? 0, from?.changeDigest ?? 0, this.generationFrom);
    this.plan = null;
    if (from !== undefined && from.definitionsHash !== null) this.usePlan(options.planOf(from.definitionsHash));
    else if (from === undefined && generation !== null) this.begin(generation);
  }

  /** Applies the next message of the shard's log. Cost: about 3 µs for an event that ten attributes look at.
   *  @throws VisageError (stop_shard) when the message needs a later release; AssertionFailed when an invariant is broken */
  apply(message: LogMessage): Effects {
    assert(message.sequence > this.applied, 'messages are applied in the order of the log, each once');
    if (message.stampMs > this.logTimeMs) this.logTimeMs = message.stampMs;
    if (!this.eventClock) this.shardTimeMs = this.logTimeMs;
    this.applied = message.sequence;
    const kind = message.subject.charCodeAt(this.prefix.length);
    return kind === 105 /* i of in. */ ? this.applyInput(message) : this.applyControl(message);
  }

  private applyInput(message: LogMessage): Effects {
    const decoded = decodeEvent(
      message,
      this.logTimeMs,
      this.plan === null ? null : this.plan.admission,
      this.settings,
      this.context,
    );
    let deadLetters: readonly DeadLetter[] = NOTHING.deadLetters;
    if (this.eventClock && !isRefusal(decoded)) this.moveTime(decoded.timestampMs);
    this.recorder.begin(message.sequence, this.shardTimeMs);
    if (isRefusal(decoded)) deadLetters = [this.refuse(message, decoded)];
    else if (decoded.dataset.profile) this.applyEvent(decoded, message.sequence);
    this.expireOthers(DUE_PER_MESSAGE);
    const changes = this.recorder.end();
    if (changes.length === 0 && deadLetters.length === 0) return NOTHING;
    return { changes, deadLetters, appends: NOTHING.appends, cut: null };
  }

  private refuse(message: LogMessage, why: Refusal): DeadLetter {
    this.counters.refused++;
    const dataset = splitSubject(message.subject, this.context.prefixLength)?.dataset ?? '_';
    return { reason: why.reason, errors: why.errors, message, timeMs: this.logTimeMs, dataset };
  }

  private applyEvent(event: EventMessage, sequence: number): void {
    const plan = this.plan!;
    let state = this.cache.get(event.key, plan);
    const created = state === undefined;
    if (state === undefined) {
      state = this.cache.create(event.key);
      this.profiles++;
    }
    this.cache.willChange(state, plan);
    const isBehind = !created && state.revision < plan.revision;
    if (isBehind) this.recorder.bringUp(state);
    state.revision = plan.revision;
    const wasDue = state.dueMs;
    const expires = wasDue <= this.shardTimeMs;
    if (expires) {
      this.noteLate(wasDue);
      this.recorder.snapshotAll(state);
      this.advanceState(state, plan);
    }
    if (!this.remember(state, event)) {
      this.counters.duplicates++;
      if (expires) this.finish(state, plan, wasDue);
      if (expires || isBehind) this.recorder.compare(state, null);
      return;
    }
    this.counters.events++;
    state.evaluatedMs = this.shardTimeMs;
    this.takeIn(state, event, sequence, expires || isBehind || created);
    this.finish(state, plan, wasDue);
    if (created) this.recorder.created(state, event);
    else this.recorder.compare(state, event);
  }

  /** @param known the values before are taken already, or there are none */
  private takeIn(state: IdentityState, event: EventMessage, sequence: number, known: boolean): void {
    const plan = this.plan!;
    const { arrival } = this;
    arrival.atMs = this.eventClock ? event.timestampMs : event.atMs;
    arrival.sequence = sequence;
    arrival.nowMs = this.shardTimeMs;
    arrival.exactEvents = this.settings.exactEvents;
    const measures = plan.byEventType.get(event.eventType) ?? plan.anyEventType;
    for (let i = 0; i < measures.length; i++) {
      const measure = plan.measures[measures[i]!]!;
      if (!measure.matches(event.body)) continue;
      const value = measure.hasValue ? measure.valueOf(event.body) : undefined;
      if (!known) this.recorder.snapshot(state, measure.attributes);
      insertValue(state.partFor(measure, event.dataset.index), measure, value, arrival);
    }
  }

  /** Is this the first time that the identity sees this id of this dataset? If so, it is remembered. */
  private remember(state: IdentityState, event: EventMessage): boolean {
    const { settings, idHash } = this;
    hash64(event.id, idHash);
    const low = (idHash[0]! ^ this.datasetHashes[event.dataset.index]!) >>> 0;
    const high = idHash[1]!;
    state.seen.expire(this.logTimeMs - settings.dedupeHorizonMs);
    if (state.seen.has(low, high)) return false;
    this.counters.dedupeEvicted += state.seen.add(low, high, this.logTimeMs, settings.dedupeIds);
    return true;
  }

  /** Under the event clock. What is too far ahead of the log never moves time: one broken tick would empty every window. */
  private moveTime(timeMs: number): void {
    if (timeMs > this.shardTimeMs && timeMs <= this.logTimeMs + this.settings.maxFutureSkewMs) this.shardTimeMs = timeMs;
  }

  private applyControl(message: LogMessage): Effects {
    const control = parseControl(message.subject.slice(this.prefix.length + 4), message.body);
    if (control.kind === 'generation') return this.passGeneration(control.generation);
    if (control.kind === 'tick' && control.timeMs !== undefined && this.eventClock) this.moveTime(control.timeMs);
    this.recorder.begin(message.sequence, this.shardTimeMs);
    if (control.kind === 'definitions' && isFor(control, this.generation)) {
      if (control.foldVersion > FOLD_VERSION) {
        throw new VisageError(
          'newer_fold',
          `the log asks for fold version ${control.foldVersion}; this release knows ${FOLD_VERSION}: start a later release`,
          { kind: 'stop_shard' },
        );
      }
      this.foldVersion = control.foldVersion;
      this.settings = control.settings;
      this.changeDefinitions(this.planOf(control.hash), message.sequence);
    }
    if (control.kind !== 'cut') this.sweep();
    this.expireOthers(control.kind === 'tick' ? DUE_PER_TICK : DUE_PER_MESSAGE);
    const changes = this.recorder.end();
    switch (control.kind) {
      case 'tick':
      case 'definitions': {
        // the continuation of a bounded message; the driver's own timer would find the rest too, later
        const isDone = this.sweptTo === null && (control.kind === 'definitions' || this.due.earliest() > this.shardTimeMs);
        return { changes, deadLetters: [], appends: isDone ? NOTHING.appends : [{ shard: this.shard, kind: 'tick' }], cut: null };
      }
      case 'cut':
        return { changes, deadLetters: [], appends: NOTHING.appends, cut: control.id };
      default:
        return unreachable(control);
    }
  }

  /** The state of a generation begins before its message, so the message itself changes nothing. */
  private passGeneration(generation: number): Effects {
    assert(generation <= this.generation, 'the message of a later generation is never applied to the state of an earlier one');
    return NOTHING;
  }

  private begin({ foldVersion, settings, hash, partialFrom }: GenerationStart): void {
    if (partialFrom !== null) this.revisions = [{ revision: 1, sequence: partialFrom.sequence - 1, timeMs: partialFrom.timeMs }];
    this.foldVersion = foldVersion;
    this.settings = settings;
    this.usePlan(this.planOf(hash));
  }

  private changeDefinitions(plan: Plan, sequence: number): void {
    const before = this.plan;
    if (before !== null && before.hash !== plan.hash) {
      if (!extendsPlan(before, plan)) {
        throw new VisageError(
          'definitions_changed',
          `the log of shard ${this.shard} carries other definitions at ${sequence} that do not only add to those in force: start the workers with --rebuild`,
          { kind: 'stop_shard' },
        );
      }
      for (let revision = before.revision + 1; revision <= plan.revision; revision++)
        this.revisions = [...this.revisions, { revision, sequence, timeMs: this.shardTimeMs }];
      if (plan.revision > before.revision) this.sweptTo = '';
    }
    this.usePlan(plan);
  }

  /** Brings the next profiles up to the definitions' revision. */
  private sweep(): void {
    const { plan } = this;
    if (plan === null || this.sweptTo === null) return;
    const keys = this.cache.keysAfter(this.sweptTo, SWEEP_PER_MESSAGE);
    for (const key of keys) {
      const state = this.cache.get(key, plan);
      assert(state !== undefined, 'a profile that has a key is there');
      if (state.revision >= plan.revision) continue;
      this.cache.willChange(state, plan);
      this.recorder.bringUp(state);
      if (state.dueMs <= this.shardTimeMs) this.expire(state, plan);
      this.recorder.compare(state, null);
    }
    this.sweptTo = keys.length < SWEEP_PER_MESSAGE ? null : keys[keys.length - 1]!;
  }

  /** Lets due profiles expire in (due, key) order. */
  private expireOthers(limit: number): void {
    const plan = this.plan;
    if (plan === null) return;
    for (let n = 0; n < limit;) {
      const entry = this.due.popDue(this.shardTimeMs);
      if (entry === undefined) return;
      const state = this.cache.get(entry.key, plan);
      if (state === undefined || state.dueMs !== entry.dueMs) continue; // no longer true: it was moved or dealt with
      n++;
      this.cache.willChange(state, plan);
      this.expire(state, plan);
      this.recorder.compare(state, null);
    }
  }

  private expire(state: IdentityState, plan: Plan): void {
    const wasDue = state.dueMs;
    this.counters.expired++;
    this.noteLate(wasDue);
    this.recorder.snapshotAll(state);
    this.advanceState(state, plan);
    this.finish(state, plan, wasDue);
  }

  private noteLate(dueMs: number): void {
    if (!this.eventClock) this.lateMs.push(this.shardTimeMs - dueMs);
  }

  private advanceState(state: IdentityState, plan: Plan): void {
    const { evaluatedMs, parts } = state;
    for (const part of parts) advance(part, plan.measures[part.measure]!, evaluatedMs, this.shardTimeMs);
    state.evaluatedMs = this.shardTimeMs;
  }

  /** Works out the profile's due anew, and tells the index when it moved. */
  private finish(state: IdentityState, plan: Plan, wasDue: number): void {
    let dueMs = Infinity;
    for (const part of state.parts) if (part.dueMs < dueMs) dueMs = part.dueMs;
    for (const attribute of plan.finiteLatest) {
      const part = latest(state, attribute);
      if (part !== undefined) dueMs = Math.min(dueMs, leavesAt(attribute.window, part.recentMs));
    }
    assert(dueMs > this.shardTimeMs, 'what is due was dealt with');
    state.dueMs = dueMs;
    if (dueMs !== wasDue) this.due.push(dueMs, state.key);
  }

  private usePlan(plan: Plan): void {
    this.plan = plan;
    this.datasetHashes = plan.datasets.map((name) => fnv1a32(name));
    this.recorder.usePlan(plan);
  }
}
