// How far a file is ingested: rows are settled in any order, the position is the last row up to which every one is.
// AW1: counters are those of the rows up to the position, never of later ones: position and counters are always of one moment.
// AW2: what is kept beyond the position is bounded by whoever hands rows out (`ahead`).
import type { EpochMs } from '../base/time.ts';

export type Refusal = { readonly line: number; readonly reason: string };

/** What became of a row. `timestampMs` is NaN when it says nothing about time. */
export type Outcome =
  { readonly kind: 'sent' | 'skipped'; readonly timestampMs: EpochMs } | ({ readonly kind: 'refused' } & Refusal);

/** Of all rows up to `rows`, over all runs. `sent`: in the log. `greatestTimestampMs` is null before the first. */
export type Tally = {
  readonly rows: number;
  readonly sent: number;
  readonly refused: number;
  /** The first ten. */
  readonly refusals: readonly Refusal[];
  readonly greatestTimestampMs: EpochMs | null;
};

export const EMPTY_TALLY: Tally = { rows: 0, sent: 0, refused: 0, refusals: [], greatestTimestampMs: null };
const REFUSALS_KEPT = 10;

export class AckWindow {
  /** Rows that an earlier run had sent and that this run found in the log. */
  skipped = 0;
  private readonly ahead = new Map<number, Outcome>();
  private rows: number;
  private sent: number;
  private refused: number;
  private greatest: EpochMs;
  private readonly refusals: Refusal[];

  constructor(start: Tally) {
    this.rows = start.rows;
    this.sent = start.sent;
    this.refused = start.refused;
    this.greatest = start.greatestTimestampMs ?? -Infinity;
    this.refusals = [...start.refusals];
  }

  get position(): number {
    return this.rows;
  }

  get tally(): Tally {
    const { rows, sent, refused } = this;
    const greatestTimestampMs = this.greatest === -Infinity ? null : this.greatest;
    return { rows, sent, refused, refusals: [...this.refusals], greatestTimestampMs };
  }

  settle(row: number, outcome: Outcome): void {
    if (row !== this.rows + 1) return void this.ahead.set(row, outcome);
    this.count(outcome);
    for (let next = this.ahead.get(this.rows + 1); next !== undefined; next = this.ahead.get(this.rows + 1)) {
      this.ahead.delete(this.rows + 1);
      this.count(next);
    }
  }

  private count(outcome: Outcome): void {
    this.rows++;
    if (outcome.kind === 'refused') {
      this.refused++;
      if (this.refusals.length < REFUSALS_KEPT) this.refusals.push({ line: outcome.line, reason: outcome.reason });
      return;
    }
    this.sent++;
    if (outcome.kind === 'skipped') this.skipped++;
    if (outcome.timestampMs > this.greatest) this.greatest = outcome.timestampMs;
  }
}
