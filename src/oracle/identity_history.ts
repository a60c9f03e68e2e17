// Everything that was said of one identity and deleted of it, from its first message to its erasure; and what is left of it at a sequence.
// IH1: nothing is taken out: what a delete leaves is worked out when it is asked for, so that an answer for a sequence depends on nothing
//      that came after it.
// IH2: a delete takes what came before it in the log; what is as of its time or before stays dead, whenever it arrives: whoever adds
//      something here has asked `isDead` before.
// Source: design/semantics.md §4, §9
import type { EpochMs } from '../base/time.ts';
import type { Tree } from './json_tree.ts';
import type { SaidRecord } from './merge_fragments.ts';
import type { CountedEvent } from './recompute.ts';

/** Of a profile, or of a dataset. */
export type Delete = { readonly sequence: number; readonly timeMs: EpochMs };
export type DatasetDelete = Delete & { readonly dataset: string };

/** A write that was applied. `record`: the fragment after it; null: it deleted the fragment. */
export type Write = {
  readonly sequence: number;
  readonly dataset: string;
  readonly lastUpdatedMs: EpochMs;
  readonly record: Tree | null;
};

/** `sequence`: what came up to there. `datasetDeletes`: those that count, in order of the log. */
export type Moment = { readonly sequence: number; readonly datasetDeletes: readonly DatasetDelete[] };

export class IdentityHistory {
  /** The first message that made it known. */
  readonly from: number;
  /** The message that erased it. */
  erasedBy = Infinity;
  readonly events: CountedEvent[] = [];
  readonly writes: Write[] = [];
  /** Of the whole profile; the first may be that of an identity which was erased before this history began. */
  readonly deletes: Delete[] = [];

  constructor(from: number, erased: Delete | undefined) {
    this.from = from;
    if (erased !== undefined) this.deletes.push(erased);
  }

  /** Is what is as of `timeMs` dead, when it arrives now? @param datasetDeletes of the dataset that says it */
  isDead(timeMs: EpochMs, datasetDeletes: readonly Delete[]): boolean {
    return [...this.deletes, ...datasetDeletes].some((each) => timeMs <= each.timeMs);
  }

  eventsAt(moment: Moment): CountedEvent[] {
    return this.events.filter((event) => this.#holds(event, moment));
  }

  /** The dataset's last write, if it holds; undefined: it never said anything, or nothing is left of it. */
  fragmentAt(dataset: string, moment: Moment): Write | undefined {
    const last = this.writes.findLast((write) => write.dataset === dataset && write.sequence <= moment.sequence);
    return last !== undefined && this.#holds(last, moment) ? last : undefined;
  }

  /** Is it there at that moment, and not deleted since? The tombstone of a record outlives a delete that is as of an earlier time: what it
   *  keeps out is more. */
  #holds(said: CountedEvent | Write, { sequence, datasetDeletes }: Moment): boolean {
    const isTakenBy = (each: Delete): boolean =>
      said.sequence < each.sequence &&
      each.sequence <= sequence &&
      !('lastUpdatedMs' in said && said.record === null && said.lastUpdatedMs > each.timeMs);
    return (
      said.sequence <= sequence &&
      !this.deletes.some(isTakenBy) &&
      !datasetDeletes.some((each) => each.dataset === said.dataset && isTakenBy(each))
    );
  }

  /** What the datasets say. */
  recordsAt(moment: Moment): SaidRecord[] {
    const datasets = [...new Set(this.writes.map(({ dataset }) => dataset))];
    return datasets.flatMap((dataset) => {
      const fragment = this.fragmentAt(dataset, moment);
      return fragment === undefined || fragment.record === null ? [] : [{ ...fragment, record: fragment.record }];
    });
  }

  /** Is there a profile to see? */
  isVisibleAt(moment: Moment): boolean {
    return this.events.some((event) => this.#holds(event, moment)) || this.recordsAt(moment).length > 0;
  }
}

/** The histories of an identity, of which all but the last have ended: that at a sequence. */
export function historyAt(histories: readonly IdentityHistory[] | undefined, sequence: number): IdentityHistory | undefined {
  return histories?.find((history) => history.from <= sequence && sequence < history.erasedBy);
}
