// Keeps back what an earlier life has emitted: everything up to the last commit's position.
// RG1: at that position the replay must have seen exactly the changes that were emitted: count and digest agree, or the shard halts.
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { CommitHeader } from '../ports/change_sink.ts';
import { ALL_CHANGES } from '../ports/profile_store.ts';
import type { Change } from './effects.ts';

type Counted = { readonly count: number; readonly digest: number };

export type ReplayGateOptions = {
  readonly shard: number;
  /** The last commit; null when there is none. */
  readonly last: CommitHeader | null;
  /** A gap in the log was accepted: what was lost can neither be counted nor found. */
  readonly gap: boolean;
  /** Called before the gate opens: what was applied until now was a replay. */
  readonly onOpen: () => void;
};

export class ReplayGate {
  private readonly options: ReplayGateOptions;
  private last: CommitHeader | null;

  constructor(options: ReplayGateOptions) {
    this.options = options;
    this.last = options.last;
  }

  get replaying(): boolean {
    return this.last !== null;
  }

  /** Nobody will see what the message at this sequence changes. */
  isSilent(sequence: number): boolean {
    return this.last !== null && sequence < this.last.position.sequence;
  }

  /** The state begins at or past the last commit. @throws VisageError `not_deterministic` (stop_shard) */
  restored(applied: number, at: Counted): void {
    if (this.last !== null && applied >= this.last.position.sequence) this.open(at);
  }

  /** How many of the message's changes were emitted already; Infinity: all of them, and its dead letters.
   *  @throws VisageError `not_deterministic` (stop_shard) */
  emitted(sequence: number, changes: readonly Change[], after: Counted): number {
    if (this.last === null) return 0;
    const { position } = this.last;
    if (sequence < position.sequence) return Infinity;
    if (sequence > position.sequence) {
      assert(this.options.gap, 'the message at the last commit was skipped');
      this.last = null;
      return 0;
    }
    const { ordinal } = position;
    this.open(ordinal === ALL_CHANGES ? after : (changes[ordinal - 1] ?? { count: -1, digest: -1 }));
    return ordinal === ALL_CHANGES ? Infinity : ordinal;
  }

  private open({ count, digest }: Counted): void {
    const { shard, gap, onOpen } = this.options;
    const { position, changeCount, changeDigest } = this.last!;
    if (!gap && (count !== changeCount || digest !== changeDigest)) {
      const text = `shard ${shard}: replay to ${position.sequence} gave ${count} changes, the last commit says ${changeCount}, or their digests differ: state and log do not belong together. Remove the shard's folder to rebuild it from the log`;
      throw new VisageError('not_deterministic', text, { kind: 'stop_shard' });
    }
    onOpen();
    this.last = null;
  }
}
