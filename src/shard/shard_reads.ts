// What a shard answers of its profiles: as of what it has applied.
// SR1: reads change nothing that counts: what they load may be dropped at once, what they merge is not kept.
// SR2: whoever asks for what comes later waits for it, for a while.
// SR3: after `stop` nothing is looked up any more: the store may be closed.
import type { IdentityState, Tombstone } from '../aggregate/identity_state.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { Clock } from '../ports/clock.ts';
import type { DatasetDelete, EraseMark } from '../ports/profile_store.ts';
import type { ProfileView } from '../profile/view.ts';
import { asCleared } from './deletes.ts';
import type { Fold } from './fold.ts';
import { policyNamed } from './policy_named.ts';
import type { ProfileCache } from './profile_cache.ts';
import { profileView, type ViewPoint } from './profile_view.ts';
import { ReadWaiters, stoppedError } from './read_waiters.ts';

export type ShardReadsOptions = {
  readonly shard: number;
  readonly cache: ProfileCache;
  readonly clock: Clock;
  /** There is one once the shard is restored. */
  readonly fold: () => Fold;
};

export class ShardReads {
  /** Every message of the shard's up to here is applied. */
  through = 0;
  private readonly options: ShardReadsOptions;
  private readonly waiters = new ReadWaiters();
  private stopped = false;

  constructor(options: ShardReadsOptions) {
    this.options = options;
  }

  /** Everything up to `sequence` is applied: whoever waited for it goes on. */
  advance(sequence: number): void {
    if (sequence > this.through) this.through = sequence;
    this.waiters.reached(this.through);
  }

  stop(): void {
    this.stopped = true;
    this.waiters.stop();
  }

  /** Resolves when everything up to `sequence` is applied. @throws VisageError `not_yet`, `stopped` (retry) */
  async reached(sequence: number, timeoutMs: number): Promise<void> {
    if (sequence > this.through) await this.waiters.wait(sequence, timeoutMs, this.options.clock);
  }

  /** One profile, with everything up to `after` in it, its records merged by a policy (the default one when none is named); undefined
   *  when there is none. @throws VisageError `not_yet` (retry) when `after` is not reached in time, `stopped` (retry), `no_such_policy` */
  async get(key: IdentityKey, after: number, timeoutMs: number, policy?: string): Promise<ProfileView | undefined> {
    if (after > this.through) await this.reached(after, timeoutMs); // most reads wait for nothing, not even a turn
    const { plan } = this.options.fold();
    if (plan === null) return undefined;
    const merge = policyNamed(plan, policy);
    const state = this.stateOf(key);
    if (state?.visible !== true) return undefined;
    const { merged } = state;
    const view = profileView(state, plan, this.viewPoint(), merge);
    state.merged = merged; // reads alone must not fill memory
    return view;
  }

  /** The state as it is shown, to be read only; undefined when there is none. There may be nothing to see in it.
   *  @throws VisageError `stopped` (retry) */
  stateOf(key: IdentityKey): IdentityState | undefined {
    if (this.stopped) throw stoppedError();
    const { cache } = this.options;
    const fold = this.options.fold();
    if (fold.plan === null) return undefined;
    const { misses } = cache;
    const state = cache.get(key, fold.plan);
    if (cache.misses > misses) cache.evict(); // reads alone must not fill memory
    return state === undefined ? undefined : asCleared(state, fold.deletions.datasets, fold.plan, fold.shardTimeMs);
  }

  viewPoint(): ViewPoint {
    const { applied: sequence, shardTimeMs, revisions, generationFrom } = this.options.fold();
    return { shard: this.options.shard, sequence, shardTimeMs, revisions, generationFrom };
  }

  /** What was deleted of an identity: of the whole profile, of datasets. */
  deletedOf(key: IdentityKey): { readonly tombstone: Tombstone | null; readonly datasetDeletes: readonly DatasetDelete[] } {
    return { tombstone: this.stateOf(key)?.tombstone ?? null, datasetDeletes: this.options.fold().deletions.datasets };
  }

  /** The shard's change count and digest after the erasure at this sequence, until its messages are gone from the log. */
  erasedAt(sequence: number): EraseMark | undefined {
    return this.options.fold().deletions.marks.find((mark) => mark.sequence === sequence);
  }
}
