// Keeps back what an earlier life has emitted: everything up to the last commit's position.
// RG1: at that position the replay must have seen exactly the changes that were emitted: count and digest agree, or the shard halts.
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { CommitHeader } from '../ports/change_sink.ts';
import { ALL_CHANGES } from '../ports/profile_store.ts';
import type { Change } from './effects.ts';

type Counted = { readonly count: number; readonly digest: number };
/** The fold's own: it goes on from there. */
type Counting = { count: number; digest: number };

export type ReplayGateOptions = {
  readonly shard: number;
  /** The last commit; null when there is none. */
  readonly last: CommitHeader | null;
  /** A gap in the log was accepted: what was lost can neither be counted nor found. */
  readonly gap: boolean;
  /** Were messages removed by erasures? What they had left no turn to, in a backlog, has its turn earlier in a replay: values agree, but not
   *  what was counted when. */
  readonly hasHoles: () => boolean;
  /** Told, instead of a halt, when a replay of a log with holes has counted something else. */
  readonly onOther: (text: string) => void;
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
  restored(applied: number, at: Counting): void {
    if (this.last !== null && applied >= this.last.position.sequence) this.open(at, at);
  }

  /** How many of the message's changes were emitted already; Infinity: all of them, and its dead letters.
   *  @throws VisageError `not_deterministic` (stop_shard) */
  emitted(sequence: number, changes: readonly Change[], after: Counting): number {
    if (this.last === null) return 0;
    const { position } = this.last;
    if (sequence < position.sequence) return Infinity;
    if (sequence > position.sequence) {
      assert(this.options.gap, 'the message at the last commit was skipped');
      this.last = null;
      return 0;
    }
    const { ordinal } = position;
    // the changes that are still to be emitted bring their own numbers
    if (ordinal === ALL_CHANGES) this.open(after, after);
    else this.open(changes[ordinal - 1] ?? { count: -1, digest: -1 }, null);
    return ordinal === ALL_CHANGES ? Infinity : ordinal;
  }

  /** @param going what takes over the commit's numbers, where a log with holes gives others */
  private open({ count, digest }: Counted, going: Counting | null): void {
    const { shard, gap, hasHoles, onOther } = this.options;
    const { position, changeCount, changeDigest } = this.last!;
    if (!gap && (count !== changeCount || digest !== changeDigest)) {
      if (hasHoles()) {
        onOther(
          `shard ${shard}: a replay to ${position.sequence}, without the messages of erased identities, gave other changes than the last commit says: values are right, but the versions of some profiles may be others than were announced`,
        );
        if (going !== null) [going.count, going.digest] = [changeCount, changeDigest];
        return this.end();
      }
      const text = `shard ${shard}: replay to ${position.sequence} gave ${count} changes, the last commit says ${changeCount}, or their digests differ: state and log do not belong together. Build the state anew with 'visage resync --shard ${shard} --rebuild'`;
      throw new VisageError('not_deterministic', text, { kind: 'stop_shard' });
    }
    this.end();
  }

  private end(): void {
    this.options.onOpen();
    this.last = null;
  }
}
