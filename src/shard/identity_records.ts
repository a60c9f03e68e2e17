// What records do to one identity's memory of ids: which of them are admitted. The fold's rules without its state.
// IR1: a record is admitted where the fold admits it: its id is not remembered, it is no older than its fragment, and what it makes of the
//      fragment is allowed. Whether it was deleted before it came is for the caller to know.
import type { EpochMs } from '../base/time.ts';
import type { FoldSettings } from '../message/control.ts';
import type { RecordMessage } from '../message/decode.ts';
import { admitWrite, Fragment } from '../record/fragment.ts';
import { resultOf } from './record_writes.ts';

/** The place of one id among those that are remembered. */
export type Memory = { readonly has: boolean; add(): void };

export class IdentityRecords {
  private readonly fragments = new Map<string, Fragment>();

  /** Cost: as resultOf */
  take(write: RecordMessage, sequence: number, settings: FoldSettings, memoryOf: (id: string) => Memory): void {
    const { dataset, id, lastUpdatedMs } = write;
    const memory = id === null ? null : memoryOf(id);
    const fragment = this.fragments.get(dataset.name);
    if (memory?.has === true || admitWrite(fragment, write) !== 'apply') return;
    const { text, refusal } = resultOf(write, fragment, settings);
    if (refusal !== undefined) return;
    memory?.add();
    this.fragments.set(dataset.name, new Fragment(dataset.index, lastUpdatedMs, sequence, text));
  }

  /** The profile was deleted as of `timeMs`: later tombstones stay. */
  deleteAll(timeMs: EpochMs): void {
    for (const dataset of [...this.fragments.keys()]) this.deleteDataset(dataset, timeMs);
  }

  deleteDataset(dataset: string, timeMs: EpochMs): void {
    if (this.fragments.get(dataset)?.outlives(timeMs) === false) this.fragments.delete(dataset);
  }
}
