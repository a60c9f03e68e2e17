// From the messages of one identity to the events that count for it: the fold's rules without its state, for whoever lists events.
// IE1: it is given, in the order of the log, every input message of the identity, and every definitions and deleteDataset message of its
//      shard; erase messages too, if the identity was ever deleted.
// IE2: what is admitted here is what fold.ts admitted: same definitions and settings at each sequence, same memory of ids, same time.
//      Log time is the greatest stamp of what is given. The fold's also knows the stamps of other identities: the two differ only
//      for events that arrived while the server's clock was behind an earlier stamp of its own.
// IE3: where the log has lost its beginning, `from` stands for the definitions that went with it; where all of it is folded anew
//      under later ones, for those.
// IE4: what was deleted since is passed over: `deleted` is what the state knows of deletes now. The time of earlier ones matters only
//      where an id comes again; under the event clock, which others move too, it is taken to be the greatest timestamp given.
import { assert } from '../base/assert.ts';
import type { EpochMs } from '../base/time.ts';
import { fnv1a32, hash64 } from '../base/fnv1a.ts';
import type { Tombstone } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import { SeenIds } from '../aggregate/seen_ids.ts';
import { DEFAULT_FOLD_SETTINGS, parseControl, type ClockMode, type FoldSettings, isFor } from '../message/control.ts';
import { decodeMessage, isRefusal, RECORDS_VERSION, type DecodeContext, type EventMessage } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import { shardLogPrefix } from '../message/subject.ts';
import type { DatasetDelete } from '../ports/profile_store.ts';
import { IdentityRecords, type Memory } from './identity_records.ts';

/** Definitions in force from the beginning; those that the log has for other generations of the state are passed over. */
export type InForce = {
  readonly plan: Plan;
  readonly settings: FoldSettings;
  readonly generation: number;
  readonly foldVersion: number;
};

/** What the state knows of deletes: the profile's tombstone, and of each dataset the last delete. */
export type Deleted = { readonly tombstone: Tombstone | null; readonly datasetDeletes: readonly DatasetDelete[] };

export const NOTHING_DELETED: Deleted = { tombstone: null, datasetDeletes: [] };

export type IdentityEventsOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  /** As the fold's: must know every hash before a message that names it is given. */
  readonly planOf: (hash: string) => Plan;
  /** Null: nothing was in force before the first definitions message. */
  readonly from: InForce | null;
  readonly deleted: Deleted;
  /** As erase messages name the identity. */
  readonly erasedAs: string;
};

/** An event that counts, with the definitions in force when it arrived. `atMs`: its effective time. `bytes`: of its body. */
export type AdmittedEvent = {
  readonly message: EventMessage;
  readonly sequence: number;
  readonly atMs: EpochMs;
  readonly arrivedMs: EpochMs;
  readonly plan: Plan;
  readonly bytes: number;
};

export class IdentityEvents {
  settings: FoldSettings;
  private plan: Plan | null;
  private logTimeMs = 0;
  /** Under the event clock: the greatest time that what is given has moved the shard to. */
  private eventTimeMs = 0;
  private last = 0;
  /** As of the message that is looked at. */
  private tombstone: Tombstone | null = null;
  private readonly datasetDeletes = new Map<string, DatasetDelete>();
  private readonly options: IdentityEventsOptions;
  private context: DecodeContext;
  private readonly controls: string;
  private seen = new SeenIds();
  private records = new IdentityRecords();
  private readonly idHash = new Uint32Array(2);

  constructor(options: IdentityEventsOptions) {
    const { root, shard, partitions, from } = options;
    this.options = options;
    this.plan = from?.plan ?? null;
    this.settings = from?.settings ?? DEFAULT_FOLD_SETTINGS;
    const prefix = shardLogPrefix(root, shard);
    const foldVersion = from?.foldVersion ?? RECORDS_VERSION;
    this.context = { prefixLength: prefix.length + 3, shard, partitions, foldVersion };
    this.controls = `${prefix}ctl.`;
  }

  /** The event in the message, if it counts now: admitted, of a dataset that takes part in profiles, no duplicate, not deleted.
   *  Cost: as decodeMessage */
  take(message: LogMessage): AdmittedEvent | undefined {
    assert(message.sequence > this.last, 'messages are given in the order of the log, each once');
    this.last = message.sequence;
    if (message.stampMs > this.logTimeMs) this.logTimeMs = message.stampMs;
    this.passDeletions(message.sequence);
    if (message.subject.startsWith(this.controls)) {
      this.takeControl(message);
      return undefined;
    }
    const { plan, logTimeMs, settings } = this;
    const decoded = decodeMessage(message, logTimeMs, plan === null ? null : plan.admission, settings, this.context);
    if (isRefusal(decoded)) return undefined;
    switch (decoded.kind) {
      case 'profile':
        this.deleteProfile(this.tombstoneAt(message.sequence));
        return undefined;
      case 'record':
        if (decoded.dataset.profile && !this.isDead(decoded.dataset.name, decoded.livesPastMs))
          this.records.take(decoded, message.sequence, settings, (id) => this.memoryOf(id, decoded.dataset.name));
        return undefined;
      case 'event':
        if (decoded.timestampMs > this.eventTimeMs) this.eventTimeMs = decoded.timestampMs;
        return this.takeEvent(decoded, message);
    }
  }

  private takeEvent(event: EventMessage, message: LogMessage): AdmittedEvent | undefined {
    const { dataset, timestampMs } = event;
    if (!dataset.profile || this.isDead(dataset.name, timestampMs)) return undefined;
    const memory = this.memoryOf(event.id, dataset.name);
    if (memory.has) return undefined;
    memory.add();
    if (this.isDeletedSince(dataset.name, message.sequence)) return undefined;
    const atMs = this.options.clockMode === 'event' ? timestampMs : event.atMs;
    const { sequence, body } = message;
    return { message: event, sequence, atMs, arrivedMs: this.logTimeMs, plan: this.plan!, bytes: body.length };
  }

  private takeControl({ subject, sequence, body }: LogMessage): void {
    const control = parseControl(subject.slice(this.controls.length), body);
    if (control.kind === 'definitions' && isFor(control, this.options.from?.generation ?? 1)) {
      this.settings = control.settings;
      this.plan = this.options.planOf(control.hash);
      this.context = { ...this.context, foldVersion: control.foldVersion };
    }
    if (control.kind === 'erase' && control.hash === this.options.erasedAs) this.forget(this.tombstoneAt(sequence));
    if (control.kind === 'deleteDataset' && this.plan?.admission.datasets.has(control.dataset) === true) {
      const { dataset } = control;
      const known = this.options.deleted.datasetDeletes.find((other) => other.sequence === sequence);
      this.deleteDataset(known ?? { dataset, sequence, timeMs: this.nowMs });
    }
  }

  /** Deletes before this sequence that the log no longer has. */
  private passDeletions(sequence: number): void {
    const { tombstone, datasetDeletes } = this.options.deleted;
    for (const known of datasetDeletes) {
      if (known.sequence < sequence && (this.datasetDeletes.get(known.dataset)?.sequence ?? 0) < known.sequence)
        this.deleteDataset(known);
    }
    if (tombstone === null || tombstone.sequence >= sequence) return;
    if (this.tombstone === null || this.tombstone.sequence < tombstone.sequence) this.forget(tombstone);
  }

  /** The identity was erased, or the log knows nothing of what was before. */
  private forget(at: Tombstone): void {
    this.tombstone = at;
    this.seen = new SeenIds();
    this.records = new IdentityRecords();
  }

  private deleteProfile(at: Tombstone): void {
    this.tombstone = at;
    this.records.deleteAll(at.timeMs);
  }

  private deleteDataset(deleted: DatasetDelete): void {
    this.datasetDeletes.set(deleted.dataset, deleted);
    this.records.deleteDataset(deleted.dataset, deleted.timeMs);
  }

  private tombstoneAt(sequence: number): Tombstone {
    const { tombstone } = this.options.deleted;
    return tombstone?.sequence === sequence ? tombstone : { sequence, timeMs: this.nowMs };
  }

  private get nowMs(): EpochMs {
    return this.options.clockMode === 'event' ? this.eventTimeMs : this.logTimeMs;
  }

  /** Was what is as of `timeMs` deleted before it came? */
  private isDead(dataset: string, timeMs: EpochMs): boolean {
    if (this.tombstone !== null && timeMs <= this.tombstone.timeMs) return true;
    const deleted = this.datasetDeletes.get(dataset);
    return deleted !== undefined && timeMs <= deleted.timeMs;
  }

  private isDeletedSince(dataset: string, sequence: number): boolean {
    const { tombstone, datasetDeletes } = this.options.deleted;
    if (tombstone !== null && sequence <= tombstone.sequence) return true;
    return datasetDeletes.some((deleted) => deleted.dataset === dataset && sequence <= deleted.sequence);
  }

  /** As the fold does it: an id that is remembered does not count, and is not remembered anew. */
  private memoryOf(id: string, dataset: string): Memory {
    const { settings, idHash, seen, logTimeMs } = this;
    hash64(id, idHash);
    const low = (idHash[0]! ^ fnv1a32(dataset)) >>> 0;
    const high = idHash[1]!;
    seen.expire(logTimeMs - settings.dedupeHorizonMs);
    return { has: seen.has(low, high), add: () => void seen.add(low, high, logTimeMs, settings.dedupeIds) };
  }
}
