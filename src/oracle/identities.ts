// What each message does to the identity that it is about, and what is left of that at a sequence.
// ID1: events and records are measured by what was deleted before they came: of the profile, of their dataset, of the identity when it was
//      erased. ID2: a record is checked as what the write makes of it, and the oldest word for that is the log: every applied write is kept
//      with its result.
// Source: design/semantics.md §3, §4, §9
import { VisageError } from '../base/errors.ts';
import type { EpochMs } from '../base/time.ts';
import type { FoldSettings } from '../message/control.ts';
import type { EventMessage, RecordMessage } from '../message/decode.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { RefusalReason } from '../message/refusal.ts';
import { historyAt, IdentityHistory, type DatasetDelete, type Delete, type Moment, type Write } from './identity_history.ts';
import type { Tree } from './json_tree.ts';
import { KeyedHashes, type HashOf } from './keyed_hashes.ts';
import type { SaidRecord } from './merge_fragments.ts';
import { joinBody, mergePatch, partBody } from './patch_record.ts';
import type { CountedEvent } from './recompute.ts';
import { RememberedIds } from './remembered_ids.ts';

/** `records`: writes to records that were applied. `stale`: those older than what they would have replaced. `dead`: events and writes as of a
 *  time up to which something was deleted. */
export type Counts = { events: number; duplicates: number; records: number; stale: number; dead: number };

/** `logTimeMs`: the log's time; `timeMs`: the shard's. */
export type Now = {
  readonly sequence: number;
  readonly logTimeMs: EpochMs;
  readonly timeMs: EpochMs;
  readonly settings: FoldSettings;
};

export class Identities {
  readonly counts: Counts = { events: 0, duplicates: 0, records: 0, stale: 0, dead: 0 };
  readonly #hashes: KeyedHashes | undefined;
  /** The last of an identity is the present one, if it was not erased. */
  readonly #histories = new Map<IdentityKey, IdentityHistory[]>();
  readonly #remembered = new Map<IdentityKey, RememberedIds>();
  readonly #datasetDeletes: DatasetDelete[] = [];
  /** By keyed hash: the last time. */
  readonly #erased = new Map<string, Delete>();

  constructor(hashOf: HashOf | undefined) {
    if (hashOf !== undefined) this.#hashes = new KeyedHashes(hashOf);
  }

  /** Of everybody who ever was, sorted. */
  keys(): IdentityKey[] {
    return [...this.#histories.keys()].sort();
  }

  /** Is anything known of the identity now, if only that it was deleted? */
  has(key: IdentityKey): boolean {
    return this.#present(key) !== undefined;
  }

  /** @param clearedTo dataset deletes after this sequence are passed over */
  isVisible(key: IdentityKey, sequence: number, clearedTo = Infinity): boolean {
    return historyAt(this.#histories.get(key), sequence)?.isVisibleAt(this.#moment(sequence, clearedTo)) === true;
  }

  eventsOf(key: IdentityKey, sequence: number): CountedEvent[] {
    return historyAt(this.#histories.get(key), sequence)?.eventsAt(this.#moment(sequence)) ?? [];
  }

  recordsOf(key: IdentityKey, sequence: number): SaidRecord[] {
    return historyAt(this.#histories.get(key), sequence)?.recordsAt(this.#moment(sequence)) ?? [];
  }

  /** The sequence of the last one up to `sequence`; 0: there was none. */
  lastDatasetDelete(sequence: number): number {
    return this.#datasetDeletes.findLast((each) => each.sequence <= sequence)?.sequence ?? 0;
  }

  event(event: EventMessage, now: Now): void {
    const { key, timestampMs, atMs, eventType, body, id } = event;
    const dataset = event.dataset.name;
    if (!event.dataset.profile) return;
    if (this.#isDead(key, dataset, timestampMs)) {
      this.counts.dead++;
      return;
    }
    const remembered = this.#rememberedOf(key);
    if (remembered.has(idIn(dataset, id), now.logTimeMs, now.settings)) {
      this.counts.duplicates++;
      return;
    }
    remembered.add(idIn(dataset, id), now.logTimeMs, now.settings);
    this.counts.events++;
    this.#made(key, now).events.push({ sequence: now.sequence, dataset, atMs, eventType, body });
  }

  /** Returns why the write is refused by what it would make of the record. */
  record(write: RecordMessage, now: Now): RefusalReason | undefined {
    const { key, lastUpdatedMs, livesPastMs, id } = write;
    const dataset = write.dataset.name;
    if (!write.dataset.profile) return write.operation === 'create' ? resultOf(write, undefined, now).refusal : undefined;
    if (this.#isDead(key, dataset, livesPastMs)) {
      this.counts.dead++;
      return undefined;
    }
    const remembered = this.#rememberedOf(key);
    if (id !== null && remembered.has(idIn(dataset, id), now.logTimeMs, now.settings)) {
      this.counts.duplicates++;
      return undefined;
    }
    const fragment = this.#present(key)?.fragmentAt(dataset, this.#moment(now.sequence));
    const order = orderOf(fragment, write);
    if (order !== 'newer') {
      this.counts[order]++;
      return undefined;
    }
    const { record, refusal } = resultOf(write, fragment?.record ?? undefined, now);
    if (refusal !== undefined) return refusal;
    if (id !== null) remembered.add(idIn(dataset, id), now.logTimeMs, now.settings);
    this.counts.records++;
    this.#made(key, now).writes.push({ sequence: now.sequence, dataset, lastUpdatedMs, record });
    return undefined;
  }

  /** Everything about the identity up to here. */
  deleteProfile(key: IdentityKey, now: Now): void {
    this.#made(key, now).deletes.push({ sequence: now.sequence, timeMs: now.timeMs });
  }

  deleteDataset(deleted: DatasetDelete): void {
    this.#datasetDeletes.push(deleted);
  }

  /** Nothing stays of the identity but its hash and when. Returns who it was, if anything was known of it.
   *  @throws VisageError `erasure_unreadable` */
  erase(hash: string, at: Delete): IdentityKey | undefined {
    if (this.#hashes === undefined)
      throw new VisageError(
        'erasure_unreadable',
        `the log erases an identity at ${at.sequence} and names it by a keyed hash: give the root's erasure secret to read it`,
        { kind: 'usage' },
      );
    this.#erased.set(hash, at);
    const key = this.#hashes.keyOf(hash, this.#histories.keys());
    if (key === undefined || !this.has(key)) return undefined;
    this.#present(key)!.erasedBy = at.sequence;
    this.#remembered.delete(key);
    return key;
  }

  #moment(sequence: number, clearedTo = Infinity): Moment {
    return { sequence, datasetDeletes: this.#datasetDeletes.filter((each) => each.sequence <= Math.min(sequence, clearedTo)) };
  }

  #isDead(key: IdentityKey, dataset: string, timeMs: EpochMs): boolean {
    const history = this.#present(key) ?? new IdentityHistory(0, this.#erasureOf(key));
    return history.isDead(
      timeMs,
      this.#datasetDeletes.filter((each) => each.dataset === dataset),
    );
  }

  #present(key: IdentityKey): IdentityHistory | undefined {
    const last = this.#histories.get(key)?.at(-1);
    return last?.erasedBy === Infinity ? last : undefined;
  }

  #made(key: IdentityKey, { sequence }: Now): IdentityHistory {
    const present = this.#present(key);
    if (present !== undefined) return present;
    const made = new IdentityHistory(sequence, this.#erasureOf(key));
    this.#histories.set(key, [...(this.#histories.get(key) ?? []), made]);
    return made;
  }

  /** When the identity was erased last. */
  #erasureOf(key: IdentityKey): Delete | undefined {
    return this.#erased.size === 0 ? undefined : this.#erased.get(this.#hashes!.of(key));
  }

  #rememberedOf(key: IdentityKey): RememberedIds {
    const remembered = this.#remembered.get(key) ?? new RememberedIds();
    this.#remembered.set(key, remembered);
    return remembered;
  }
}

/** A dataset's name has no space: no two pairs have the same text. */
function idIn(dataset: string, id: string): string {
  return `${dataset} ${id}`;
}

/** `stale`: the fragment has a newer write; of two at one time the later message counts. `dead`: the fragment was removed since. */
function orderOf(fragment: Write | undefined, { lastUpdatedMs, livesPastMs }: RecordMessage): 'newer' | 'stale' | 'dead' {
  if (fragment === undefined) return 'newer';
  if (fragment.record === null) return livesPastMs > fragment.lastUpdatedMs ? 'newer' : 'dead';
  return lastUpdatedMs >= fragment.lastUpdatedMs ? 'newer' : 'stale';
}

/** What the write makes of the record (null: none), or why it may not. */
function resultOf(
  { operation, body, dataset }: RecordMessage,
  before: Tree | undefined,
  { settings }: Now,
): { readonly record: Tree | null; readonly refusal?: RefusalReason } {
  if (operation === 'delete') return { record: null };
  const { record: patch, envelope } = partBody(body as Tree);
  const record = mergePatch(operation === 'merge' ? before : undefined, patch) as Tree;
  if (dataset.check !== null && dataset.check(joinBody(record, envelope)) !== null) return { record, refusal: 'schema' };
  if (JSON.stringify(record).length > settings.recordBytes) return { record, refusal: 'too_large' };
  return { record };
}
