// What was deleted of a shard, beside what each profile remembers itself: datasets, and identities that were erased.
import type { Plan } from '../aggregate/plan.ts';
import type { DatasetDelete, EraseMark, ShardMeta } from '../ports/profile_store.ts';

export class Deletions {
  /** Of each dataset the last, in order of sequence. */
  datasets: readonly DatasetDelete[];
  /** Of erasures whose messages may still be in the log. */
  marks: readonly EraseMark[];
  /** How many erased identities have a tombstone. */
  erasures: number;
  /** The sequence of the last delete of a dataset; 0: there was none. */
  last: number;
  /** By dataset (index): what is as of then or before is dead. */
  deadUntilMs: readonly number[] = [];

  constructor(from: Pick<ShardMeta, 'datasetDeletes' | 'eraseMarks' | 'erasures'> | undefined) {
    this.datasets = from?.datasetDeletes ?? [];
    this.marks = from?.eraseMarks ?? [];
    this.erasures = from?.erasures ?? 0;
    this.last = this.datasets.at(-1)?.sequence ?? 0;
  }

  usePlan({ datasets }: Plan): void {
    const times = new Map(this.datasets.map(({ dataset, timeMs }) => [dataset, timeMs]));
    this.deadUntilMs = datasets.map((name) => times.get(name) ?? -Infinity);
  }

  addDataset(deleted: DatasetDelete, plan: Plan): void {
    this.datasets = [...this.datasets.filter(({ dataset }) => dataset !== deleted.dataset), deleted];
    this.last = deleted.sequence;
    this.usePlan(plan);
  }

  addMark(mark: EraseMark): void {
    this.marks = [...this.marks, mark];
  }

  dropMark(sequence: number): void {
    this.marks = this.marks.filter((mark) => mark.sequence !== sequence);
  }
}
