// What a message does to one identity: its event counts, its record changes, it is deleted or erased; and what leaves it by itself.
// The fold says what time it is, which definitions are in force, and what was deleted; it decides who is next.
// IF1: a state is opened for the recorder first, brought to the present, changed, and settled: due again, and compared.
// IF2: what is deleted of a dataset is taken out before a message for the profile applies. Values that leave by themselves before the
//      sweep comes leave as they were seen: readers see nothing of the dataset from its delete on.
// IF3: data as of a tombstone's time or before is dead, whenever it arrives: it counts nothing and is not remembered.
import { assert } from '../base/assert.ts';
import { fnv1a32, hash64 } from '../base/fnv1a.ts';
import type { IdentityState, Tombstone } from '../aggregate/identity_state.ts';
import { advance, insertValue } from '../aggregate/part.ts';
import type { Plan } from '../aggregate/plan.ts';
import { stateDueMs } from '../aggregate/state_due.ts';
import type { DatasetRule } from '../message/admission.ts';
import type { FoldSettings } from '../message/control.ts';
import type { EventMessage, ProfileMessage, RecordMessage } from '../message/decode.ts';
import { erasedKey, type IdentityKey } from '../message/identity.ts';
import type { Refusal } from '../message/refusal.ts';
import type { Erasures } from '../ports/erasures.ts';
import { admitWrite } from '../record/fragment.ts';
import type { CausedBy, ChangeRecorder } from './change_recorder.ts';
import { clearDatasets, deleteProfile, eraseState, isVisible } from './deletes.ts';
import type { Deletions } from './deletions.ts';
import type { DueIndex } from './due_index.ts';
import type { FoldCounters } from './fold_counters.ts';
import type { ProfileCache } from './profile_cache.ts';
import { resultOf, writeFragment } from './record_writes.ts';

export type IdentityFoldOptions = {
  readonly cache: ProfileCache;
  readonly due: DueIndex;
  readonly erasures: Erasures;
  readonly recorder: ChangeRecorder;
  readonly deletions: Deletions;
  readonly counters: FoldCounters;
  readonly eventClock: boolean;
  readonly profiles: number;
  readonly settings: FoldSettings;
  readonly foldVersion: number;
};

/** Since then `earliest` goes by ER2. */
const TIES_VERSION = 4;
/** Since then a sample of distinct values is none any more once all that was not kept has left. */
export const UNKEPT_VERSION = 6;

export class IdentityFold {
  /** Now, the greatest stamp of the log, and the settings and version in force: the fold sets them. */
  nowMs = 0;
  logTimeMs = 0;
  settings: FoldSettings;
  foldVersion: number;
  /** How many there are to see. */
  profiles: number;
  /** How late each value that left its window did. */
  readonly lateMs: number[] = [];
  private readonly cache: ProfileCache;
  private readonly due: DueIndex;
  private readonly erasedBy: Erasures;
  private readonly recorder: ChangeRecorder;
  private readonly deletions: Deletions;
  private readonly counters: FoldCounters;
  private readonly eventClock: boolean;
  private readonly idHash = new Uint32Array(2);
  /** One for all events: no garbage for each. Doubles from the start. */
  private readonly arrival = { atMs: 0.5, sequence: 0.5, nowMs: 0.5, exactEvents: 0.5, withTies: false, unkeptStays: false };
  private datasetHashes: readonly number[] = [];

  constructor(options: IdentityFoldOptions) {
    this.cache = options.cache;
    this.due = options.due;
    this.erasedBy = options.erasures;
    this.recorder = options.recorder;
    this.deletions = options.deletions;
    this.counters = options.counters;
    this.eventClock = options.eventClock;
    this.profiles = options.profiles;
    this.settings = options.settings;
    this.foldVersion = options.foldVersion;
  }

  usePlan(plan: Plan): void {
    this.datasetHashes = plan.datasets.map((name) => fnv1a32(name));
  }

  /** An admitted event of a dataset that takes part in profiles. */
  event(event: EventMessage, sequence: number, plan: Plan): void {
    let state = this.cache.get(event.key, plan);
    const isNew = state === undefined;
    if (state === undefined) {
      const erased = this.erased(event.key, plan);
      if (this.isDead(event.timestampMs, event.dataset, erased?.tombstone ?? null)) return;
      state = this.create(event.key, erased, plan);
    }
    const wasDue = state.dueMs;
    const known = isNew || this.bringToPresent(state, plan);
    if (this.isDead(event.timestampMs, event.dataset, state.tombstone) || !this.remember(state, event.dataset, event.id)) {
      this.settle(state, plan, wasDue, null);
      return;
    }
    this.counters.events++;
    state.evaluatedMs = this.nowMs;
    state.addEventDataset(event.dataset.index);
    this.takeIn(state, event, { sequence, known: known || !state.visible }, plan);
    this.show(state, true);
    this.settle(state, plan, wasDue, event);
  }

  /** @returns why it is refused, if it is: what a write makes of a record must be what the schema allows */
  record(write: RecordMessage, sequence: number, plan: Plan): Refusal | undefined {
    const { dataset, key, id, lastUpdatedMs } = write;
    if (!dataset.profile) return write.operation === 'create' ? resultOf(write, undefined, this.settings).refusal : undefined;
    let state = this.cache.get(key, plan);
    const erased = state === undefined ? this.erased(key, plan) : null;
    const tombstone = (state ?? erased)?.tombstone ?? null;
    const wasDue = state?.dueMs ?? Infinity;
    if (state !== undefined) this.bringToPresent(state, plan, write.operation === 'delete');
    const result = this.takesWrite(state, tombstone, write)
      ? resultOf(write, state?.fragmentOf(dataset.index), this.settings)
      : undefined;
    if (result === undefined || result.refusal !== undefined) {
      if (state !== undefined) this.settle(state, plan, wasDue, null);
      return result?.refusal;
    }
    const { text } = result;
    state ??= this.create(key, erased, plan);
    if (id !== null) this.remember(state, dataset, id);
    this.recorder.snapshotRecord(state);
    writeFragment(state, { dataset: dataset.index, lastUpdatedMs, sequence, text });
    this.counters.records++;
    this.showWhatIsLeft(state);
    this.settle(state, plan, wasDue, write);
    return undefined;
  }

  /** Not what is deleted, repeated or stale. */
  private takesWrite(state: IdentityState | undefined, tombstone: Tombstone | null, write: RecordMessage): boolean {
    const { dataset, id } = write;
    if (this.isDead(write.livesPastMs, dataset, tombstone)) return false;
    if (state === undefined) return true;
    if (id !== null && this.isRemembered(state, dataset, id)) return false;
    const admitted = admitWrite(state.fragmentOf(dataset.index), write);
    if (admitted === 'stale') this.counters.stale++;
    else if (admitted === 'dead') this.counters.deleted++;
    return admitted === 'apply';
  }

  /** Everything of the profile goes; a tombstone stays. */
  remove(message: ProfileMessage, sequence: number, plan: Plan): void {
    const { key } = message;
    let state = this.cache.get(key, plan);
    const wasDue = state?.dueMs ?? Infinity;
    if (state === undefined) state = this.create(key, this.erased(key, plan), plan);
    else this.bringToPresent(state, plan, true);
    deleteProfile(state, { sequence, timeMs: this.nowMs });
    this.show(state, false);
    this.settle(state, plan, wasDue, message);
  }

  /** Brings a profile up to the definitions and the deletes that it lacks. */
  bringUp(state: IdentityState, plan: Plan): void {
    if (state.revision >= plan.revision && state.clearedTo >= this.deletions.last) return;
    const wasDue = state.dueMs;
    if (wasDue <= this.nowMs) this.counters.expired++;
    this.bringToPresent(state, plan);
    this.settle(state, plan, wasDue, null);
  }

  /** What is due of a profile leaves its windows, nothing else happens to it. */
  letExpire(state: IdentityState, plan: Plan): void {
    const wasDue = state.dueMs;
    this.cache.willChange(state, plan);
    this.recorder.open(state.visible);
    this.counters.expired++;
    this.expire(state, plan);
    this.settle(state, plan, wasDue, null);
  }

  /** Takes an identity out of the state. @returns the tombstone that it leaves: it names the identity by its hash, and knows the version
   *  at which its chain of change events ended */
  erase(hash: string, sequence: number, plan: Plan): IdentityState {
    const key = this.erasedBy.keyOf(hash);
    const state = key === undefined ? undefined : this.cache.get(key, plan);
    const name = erasedKey(hash);
    let left = this.cache.get(name, plan);
    if (left === undefined) {
      left = this.cache.create(name, plan);
      this.deletions.erasures++;
    }
    this.cache.willChange(left, plan);
    left.visible = false;
    left.revision = plan.revision;
    left.clearedTo = this.deletions.last;
    left.evaluatedMs = this.nowMs;
    left.tombstone = { sequence, timeMs: this.nowMs };
    if (state === undefined) return left;
    this.cache.willChange(state, plan);
    this.recorder.open(state.visible);
    this.show(state, false);
    this.recorder.compare(state, { kind: 'erasure', name });
    left.version = state.version;
    eraseState(state);
    return left;
  }

  /** A new state, with nothing to see yet. */
  private create(key: IdentityKey, erased: IdentityState | null, plan: Plan): IdentityState {
    const state = this.cache.create(key, plan);
    state.visible = false;
    state.revision = plan.revision;
    state.clearedTo = this.deletions.last;
    state.evaluatedMs = this.nowMs;
    if (erased !== null) {
      state.tombstone = erased.tombstone;
      state.version = erased.version;
    }
    this.cache.willChange(state, plan);
    this.recorder.open(false);
    return state;
  }

  /** Takes out what is deleted, gives what was added, lets leave what is due.
   *  @param mayVanish afterwards there may be nothing to see any more   @returns are all values before taken? */
  private bringToPresent(state: IdentityState, plan: Plan, mayVanish = false): boolean {
    this.cache.willChange(state, plan);
    this.recorder.open(state.visible);
    if (mayVanish && state.visible) this.recorder.mayVanish(state);
    const cleared = state.clearedTo < this.deletions.last && this.clear(state, plan);
    let known = cleared;
    if (state.revision < plan.revision) {
      this.recorder.bringUp(state);
      known = true;
    }
    if (state.dueMs <= this.nowMs) {
      this.expire(state, plan);
      known = true;
    } else if (cleared) this.advanceState(state, plan); // what is shown now may have left long ago
    return known;
  }

  /** What is due leaves its windows. */
  private expire(state: IdentityState, plan: Plan): void {
    this.noteLate(state.dueMs);
    this.recorder.snapshotAll(state);
    this.advanceState(state, plan);
  }

  /** Takes out of a profile what its datasets have said before they were deleted. @returns was there anything? */
  private clear(state: IdentityState, plan: Plan): boolean {
    const since = this.deletions.datasets.filter(({ sequence }) => sequence > state.clearedTo);
    state.clearedTo = this.deletions.last;
    const cleared = clearDatasets(state, since, plan, (names) => this.recorder.clearing(state, names));
    if (cleared) this.showWhatIsLeft(state);
    return cleared;
  }

  private showWhatIsLeft(state: IdentityState): void {
    this.show(state, isVisible(state));
  }

  private show(state: IdentityState, visible: boolean): void {
    if (state.visible === visible) return;
    state.visible = visible;
    this.profiles += visible ? 1 : -1;
  }

  /** After everything that a message does to a profile. */
  private settle(state: IdentityState, plan: Plan, wasDue: number, by: CausedBy | null): void {
    this.finish(state, plan, wasDue);
    this.recorder.compare(state, by);
  }

  /** Is what is as of `timeMs` deleted? Counts it. */
  private isDead(timeMs: number, dataset: DatasetRule, tombstone: Tombstone | null): boolean {
    const dead = timeMs <= this.deletions.deadUntilMs[dataset.index]! || (tombstone !== null && timeMs <= tombstone.timeMs);
    if (dead) this.counters.deleted++;
    return dead;
  }

  /** What is left of an identity without a state, if it was erased. */
  private erased(key: IdentityKey, plan: Plan): IdentityState | null {
    if (this.deletions.erasures === 0) return null;
    return this.cache.get(erasedKey(this.erasedBy.hashOf(key)), plan) ?? null;
  }

  /** `known`: the values before are taken already, or there are none. */
  private takeIn(
    state: IdentityState,
    event: EventMessage,
    { sequence, known }: { readonly sequence: number; readonly known: boolean },
    plan: Plan,
  ): void {
    const { arrival } = this;
    arrival.atMs = this.eventClock ? event.timestampMs : event.atMs;
    arrival.sequence = sequence;
    arrival.nowMs = this.nowMs;
    arrival.exactEvents = this.settings.exactEvents;
    arrival.withTies = this.foldVersion < TIES_VERSION;
    arrival.unkeptStays = this.foldVersion < UNKEPT_VERSION;
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
  private remember(state: IdentityState, dataset: DatasetRule, id: string): boolean {
    if (this.isRemembered(state, dataset, id)) return false;
    const { settings, idHash } = this;
    this.counters.dedupeEvicted += state.seen.add(idHash[0]!, idHash[1]!, this.logTimeMs, settings.dedupeIds);
    return true;
  }

  /** Leaves the id's words in `idHash`. Counts a repetition. */
  private isRemembered(state: IdentityState, dataset: DatasetRule, id: string): boolean {
    const { idHash } = this;
    hash64(id, idHash);
    idHash[0] = (idHash[0]! ^ this.datasetHashes[dataset.index]!) >>> 0;
    state.seen.expire(this.logTimeMs - this.settings.dedupeHorizonMs);
    const known = state.seen.has(idHash[0], idHash[1]!);
    if (known) this.counters.duplicates++;
    return known;
  }

  private noteLate(dueMs: number): void {
    if (!this.eventClock) this.lateMs.push(this.nowMs - dueMs);
  }

  private advanceState(state: IdentityState, plan: Plan): void {
    const { evaluatedMs, parts } = state;
    for (const part of parts) advance(part, plan.measures[part.measure]!, evaluatedMs, this.nowMs);
    state.evaluatedMs = this.nowMs;
  }

  /** Works out the profile's due anew, and tells the index when it moved. */
  private finish(state: IdentityState, plan: Plan, wasDue: number): void {
    const dueMs = stateDueMs(state, plan);
    assert(dueMs > this.nowMs, 'what is due was dealt with');
    state.dueMs = dueMs;
    if (dueMs !== wasDue) this.due.push(dueMs, state.key);
  }
}
