// The shard's fold: message → state, effects. Talks only to the cache and the due index.
// S1: nothing here reads a clock: now is the greatest log time applied, or under the event clock the greatest timestamp applied.
// S2: the result is a function of the state and the message. Nothing is iterated in an order that memory decides.
// S3: time moves first, then the message applies.
// S4: a message touches its own profile and lets at most 16 other due profiles expire; a tick at most 256.
// S5: definitions change only by additions; a profile gets what was added when a message comes for it, or when the sweep that
//     every change begins comes to it: at most 32 profiles a control message, in key order.
// S6: so does a delete of a dataset. S7: any change of what this file computes for the same log needs a new FOLD_VERSION (test/unit/shard/golden.test.ts).
import { assert, unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { extendsPlan, type Plan } from '../aggregate/plan.ts';
import { DEFAULT_FOLD_SETTINGS, isFor, parseControl, type ClockMode, type FoldSettings } from '../message/control.ts';
import { decodeMessage, isRefusal, RECORDS_VERSION, splitSubject, type Decoded, type DecodeContext } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Refusal } from '../message/refusal.ts';
import { shardLogPrefix } from '../message/subject.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { Erasures } from '../ports/erasures.ts';
import type { GenerationStart } from '../ports/log.ts';
import type { RevisionStart, ShardMeta } from '../ports/profile_store.ts';
import { ChangeRecorder } from './change_recorder.ts';
import { Deletions } from './deletions.ts';
import type { DueIndex } from './due_index.ts';
import type { DeadLetter, Effects } from './effects.ts';
import { noCounters } from './fold_counters.ts';
import { IdentityFold, UNKEPT_VERSION } from './identity_fold.ts';
import type { ProfileCache } from './profile_cache.ts';

/** The version of everything that `apply` computes. A log, a commit or a state of a later version is refused.
 *  2: values past `exactEvents` are folded; a log of version 1 does not name it, and folds as it did.
 *  3: payloads are checked against schemas; records, deletes.
 *  4: past `exactEvents` of events of one time the first is the earliest.
 *  5: bodies may be MessagePack.
 *  6: a sample of distinct values is none any more once all that was not kept has left. */
export const FOLD_VERSION = UNKEPT_VERSION;
const DUE_PER_MESSAGE = 16;
const DUE_PER_TICK = 256;
/** One event loop has many shards, and each of them sweeps: what comes meanwhile must not wait long. */
const SWEEP_PER_MESSAGE = 32;
const SWEEP_BEFORE_RECORDS = 256;
const NOTHING: Effects = { changes: [], deadLetters: [], appends: [], cut: null, erase: null };

export type FoldOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  readonly cache: ProfileCache;
  readonly due: DueIndex;
  /** Definitions by content hash. Must know every hash before a message that names it is applied. */
  readonly planOf: (hash: string) => Plan;
  readonly erasures: Erasures;
  readonly from: ShardMeta | undefined;
  /** How a later generation began; null for the first. It goes by these definitions and settings from the log's first message on. */
  readonly generation: GenerationStart | null;
};

/** Where a message moves the shard to under the event clock; 0: nowhere. */
export function timeMovedTo(decoded: Decoded): number {
  return decoded.kind === 'event' ? decoded.timestampMs : 0;
}

export class Fold {
  readonly counters = noCounters();
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
  readonly deletions: Deletions;
  /** While profiles are being brought up to the definitions' revision and the last delete of a dataset: the last that was; '' before
   *  the first. Null: all are. */
  sweptTo: IdentityKey | null;
  /** 1, and 0, for the first. */
  readonly generation: number;
  readonly generationFrom: number;
  readonly recorder: ChangeRecorder;
  private readonly shard: number;
  private readonly eventClock: boolean;
  private readonly cache: ProfileCache;
  private readonly due: DueIndex;
  private readonly planOf: (hash: string) => Plan;
  private readonly erasedBy: Erasures;
  private readonly context: { -readonly [K in keyof DecodeContext]: DecodeContext[K] };
  private readonly prefix: string;
  private readonly identities: IdentityFold;

  constructor(options: FoldOptions) {
    const { from, generation } = options;
    this.shard = options.shard;
    this.eventClock = options.clockMode === 'event';
    this.cache = options.cache;
    this.due = options.due;
    this.planOf = options.planOf;
    this.erasedBy = options.erasures;
    this.prefix = shardLogPrefix(options.root, options.shard);
    this.applied = from?.applied ?? 0;
    this.shardTimeMs = from?.shardTimeMs ?? 0;
    this.logTimeMs = from?.logTimeMs ?? 0;
    this.foldVersion = from?.foldVersion ?? FOLD_VERSION;
    this.context = {
      prefixLength: this.prefix.length + 3,
      shard: options.shard,
      partitions: options.partitions,
      foldVersion: this.foldVersion,
    };
    this.settings = from?.settings ?? DEFAULT_FOLD_SETTINGS;
    this.revisions = from?.revisions ?? [];
    this.sweptTo = from?.sweptTo ?? null;
    this.generation = generation?.generation ?? 1;
    this.generationFrom = generation?.sequence ?? 0;
    this.recorder = new ChangeRecorder(from?.changeCount ?? 0, from?.changeDigest ?? 0, this.generationFrom);
    this.deletions = new Deletions(from);
    const { recorder, deletions, counters, eventClock, settings, foldVersion } = this;
    const profiles = from?.profiles ?? 0;
    this.identities = new IdentityFold({
      ...options,
      recorder,
      deletions,
      counters,
      eventClock,
      settings,
      foldVersion,
      profiles,
    });
    this.plan = null;
    if (from !== undefined && from.definitionsHash !== null) this.usePlan(options.planOf(from.definitionsHash));
    else if (from === undefined && generation !== null) this.begin(generation);
  }

  /** How many profiles there are to see. */
  get profiles(): number {
    return this.identities.profiles;
  }

  /** How late each value that left its window did, for whoever measures; emptied by them. Under the event clock nothing is late. */
  get lateMs(): number[] {
    return this.identities.lateMs;
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
    const decoded = decodeMessage(
      message,
      this.logTimeMs,
      this.plan === null ? null : this.plan.admission,
      this.settings,
      this.context,
    );
    const refused = isRefusal(decoded);
    if (this.eventClock && !refused) this.moveTime(timeMovedTo(decoded));
    this.beginMessage(message.sequence);
    let why: Refusal | undefined;
    let erase: IdentityKey | null = null;
    if (refused) why = decoded;
    else if (decoded.kind === 'event') {
      if (decoded.ranksOther) this.counters.primaryMismatches++;
      if (decoded.dataset.profile) this.identities.event(decoded, message.sequence, this.plan!);
    } else if (decoded.kind === 'record') {
      if (decoded.ranksOther) this.counters.primaryMismatches++;
      why = this.identities.record(decoded, message.sequence, this.plan!);
    } else {
      this.identities.remove(decoded, message.sequence, this.plan!);
      if (decoded.operation === 'erase') erase = decoded.key;
    }
    this.expireOthers(DUE_PER_MESSAGE);
    const changes = this.recorder.end();
    if (changes.length === 0 && why === undefined && erase === null) return NOTHING;
    const deadLetters = why === undefined ? NOTHING.deadLetters : [this.refuse(message, why)];
    return { changes, deadLetters, appends: NOTHING.appends, cut: null, erase };
  }

  private beginMessage(sequence: number): void {
    const { identities, shardTimeMs } = this;
    identities.nowMs = shardTimeMs;
    identities.logTimeMs = this.logTimeMs;
    this.recorder.begin(sequence, shardTimeMs);
  }

  private refuse(message: LogMessage, why: Refusal): DeadLetter {
    this.counters.refused++;
    const dataset = splitSubject(message.subject, this.context.prefixLength)?.dataset ?? '_';
    return { reason: why.reason, errors: why.errors, message, timeMs: this.logTimeMs, dataset };
  }

  /** Under the event clock. What is too far ahead of the log never moves time: one broken tick would empty every window. */
  private moveTime(timeMs: number): void {
    if (timeMs > this.shardTimeMs && timeMs <= this.logTimeMs + this.settings.maxFutureSkewMs) this.shardTimeMs = timeMs;
  }

  private applyControl(message: LogMessage): Effects {
    const control = parseControl(message.subject.slice(this.prefix.length + 4), message.body);
    if (control.kind === 'generation') return this.passGeneration(control.generation);
    if ((control.kind === 'tick' || control.kind === 'hole') && control.timeMs !== undefined && this.eventClock)
      this.moveTime(control.timeMs);
    this.beginMessage(message.sequence);
    if (control.kind === 'definitions' && isFor(control, this.generation)) {
      if (control.foldVersion > FOLD_VERSION) {
        throw new VisageError(
          'newer_fold',
          `the log asks for fold version ${control.foldVersion}; this release knows ${FOLD_VERSION}: start a later release`,
          { kind: 'stop_shard' },
        );
      }
      this.useVersion(control.foldVersion, control.settings);
      this.changeDefinitions(this.planOf(control.hash), message.sequence);
    }
    if (control.kind === 'deleteDataset') this.deleteDataset(control.dataset, message.sequence);
    if (control.kind === 'erase') this.erase(control.hash, message.sequence);
    if (control.kind === 'erased' && control.part === control.parts) this.deletions.dropMark(control.erase);
    if (control.kind !== 'cut' && control.kind !== 'hole') this.sweep();
    this.expireOthers(control.kind === 'tick' ? DUE_PER_TICK : DUE_PER_MESSAGE);
    const changes = this.recorder.end();
    const effects = { ...NOTHING, changes };
    switch (control.kind) {
      case 'tick':
      case 'definitions':
      case 'deleteDataset': {
        // the continuation of a bounded message; the driver's own timer would find the rest too, later
        const isDone = this.sweptTo === null && (control.kind !== 'tick' || this.due.earliest() > this.shardTimeMs);
        return isDone ? effects : { ...effects, appends: [{ shard: this.shard, kind: 'tick' }] };
      }
      case 'erase':
      case 'erased':
      case 'skip': // says nothing but where a hole is
      case 'hole':
        return effects;
      case 'cut':
        return { ...effects, cut: control.id };
      default:
        return unreachable(control);
    }
  }

  private deleteDataset(dataset: string, sequence: number): void {
    if (this.plan?.admission.datasets.has(dataset) !== true) return;
    this.deletions.addDataset({ dataset, sequence, timeMs: this.shardTimeMs }, this.plan);
    this.sweptTo = '';
  }

  private erase(hash: string, sequence: number): void {
    if (this.plan === null) return;
    const { recorder } = this;
    const left = this.identities.erase(hash, sequence, this.plan);
    const recorded = this.erasedBy.recordedAt(sequence);
    if (recorded !== undefined) {
      recorder.count = recorded.changeCount;
      recorder.digest = recorded.changeDigest;
      left.version = recorded.version;
    }
    const { count: changeCount, digest: changeDigest } = recorder;
    this.deletions.addMark({ sequence, changeCount, changeDigest, version: left.version });
  }

  private useVersion(foldVersion: number, settings: FoldSettings): void {
    this.settings = this.identities.settings = settings;
    this.foldVersion = this.identities.foldVersion = foldVersion;
    this.context.foldVersion = foldVersion;
  }

  /** The state of a generation begins before its message, so the message itself changes nothing. */
  private passGeneration(generation: number): Effects {
    assert(generation <= this.generation, 'the message of a later generation is never applied to the state of an earlier one');
    return NOTHING;
  }

  private begin({ foldVersion, settings, hash, partialFrom }: GenerationStart): void {
    if (partialFrom !== null) this.revisions = [{ revision: 1, sequence: partialFrom.sequence - 1, timeMs: partialFrom.timeMs }];
    this.useVersion(foldVersion, settings);
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

  /** Brings the next profiles up to the definitions' revision and the last delete of a dataset. */
  private sweep(): void {
    const { plan } = this;
    if (plan === null || this.sweptTo === null) return;
    const limit = this.foldVersion < RECORDS_VERSION ? SWEEP_BEFORE_RECORDS : SWEEP_PER_MESSAGE;
    const keys = this.cache.keysAfter(this.sweptTo, limit);
    for (const key of keys) {
      const state = this.cache.get(key, plan);
      assert(state !== undefined, 'a profile that has a key is there');
      this.identities.bringUp(state, plan);
    }
    this.sweptTo = keys.length < limit ? null : keys[keys.length - 1]!;
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
      this.identities.letExpire(state, plan);
    }
  }

  private usePlan(plan: Plan): void {
    this.plan = plan;
    this.identities.usePlan(plan);
    this.deletions.usePlan(plan);
    this.recorder.usePlan(plan);
  }
}
