// Moves dirty profiles and the applied sequence to the store, while the shard goes on.
// CH1: a checkpoint at c is encoded as of c; its transaction is written only when a commit at or past c is acknowledged (I3).
// CH2: profiles and meta are one transaction (I2). CH3: one checkpoint at a time.
import { assert } from '../base/assert.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { Clock } from '../ports/clock.ts';
import { ALL_CHANGES, type ProfileStore, type ShardMeta, type StoreSnapshot } from '../ports/profile_store.ts';
import { reaches } from './commit_builder.ts';
import type { CommitPump } from './commit_pump.ts';
import type { ProfileCache } from './profile_cache.ts';

const SLICE_PROFILES = 128;
const SLICE_MS = 2;

/** Says what is acknowledged. */
export type Acknowledged = Pick<CommitPump, 'covered' | 'last'>;

/** What the shard knows about itself at the moment of the freeze. */
export type FrozenMeta = Omit<ShardMeta, 'commitStreamSequence' | 'commitPosition'>;

export type CheckpointResult = {
  readonly sequence: number;
  readonly profiles: number;
  readonly bytes: number;
  readonly tookMs: number;
};

export class Checkpointer {
  last: CheckpointResult | undefined;
  private readonly store: ProfileStore;
  private readonly cache: ProfileCache;
  private readonly clock: Clock;
  private underWay: Promise<void> | null = null;
  /** Of the checkpoint that failed: what it froze is lost to this life, and nothing can be stored after it. */
  private failure: { readonly error: unknown } | null = null;

  constructor(store: ProfileStore, cache: ProfileCache, clock: Clock) {
    this.store = store;
    this.cache = cache;
    this.clock = clock;
  }

  get running(): boolean {
    return this.underWay !== null;
  }

  /** Resolves when no checkpoint is under way; rejects when one has failed. */
  async idle(): Promise<void> {
    while (this.underWay !== null) await this.underWay;
    if (this.failure !== null) throw this.failure.error;
  }

  /** Freezes now, in this turn, and resolves when everything is committed. Must be called between messages.
   *  With `snapshot`, opens a look at exactly this checkpoint before another can follow. */
  async run(meta: FrozenMeta, plan: Plan | null, pump: Acknowledged, snapshot: boolean): Promise<StoreSnapshot | undefined> {
    assert(this.underWay === null, 'one checkpoint at a time');
    const done = this.write(meta, plan, pump, snapshot);
    this.underWay = done.then(
      () => void (this.underWay = null),
      (error: unknown) => {
        this.underWay = null;
        this.failure = { error };
        throw error;
      },
    );
    this.underWay.catch(() => undefined); // whoever called run sees it
    return done;
  }

  private async write(
    meta: FrozenMeta,
    plan: Plan | null,
    pump: Acknowledged,
    snapshot: boolean,
  ): Promise<StoreSnapshot | undefined> {
    const startMs = this.clock.monotonicMs();
    const profiles = this.cache.freeze();
    const covered = pump.covered(meta.applied);
    covered.catch(() => undefined); // awaited below, after the encoding
    if (profiles > 0) await this.encode(plan!);
    await covered;
    const { streamSequence, header } = pump.last;
    assert(
      reaches(header.position, { sequence: meta.applied, ordinal: ALL_CHANGES }),
      'I3: a checkpoint never passes the last acknowledged commit',
    );
    const encoded = this.cache.takeEncoded();
    const checkpoint = await this.store.beginCheckpoint();
    checkpoint.put(encoded);
    await checkpoint.commit({ ...meta, commitStreamSequence: streamSequence, commitPosition: header.position });
    const opened = snapshot ? this.store.snapshot() : undefined;
    this.cache.thaw();
    this.cache.evict(); // what was dirty until now kept a quiet shard over its budget
    let bytes = 0;
    for (const profile of encoded) bytes += profile.bytes;
    this.last = { sequence: meta.applied, profiles, bytes, tookMs: this.clock.monotonicMs() - startMs };
    return opened;
  }

  private async encode(plan: Plan): Promise<void> {
    let from = 0;
    let sliceMs = this.clock.monotonicMs();
    while (from >= 0) {
      from = this.cache.encodeSlice(from, SLICE_PROFILES, plan);
      if (this.clock.monotonicMs() - sliceMs > SLICE_MS) {
        await this.clock.yieldNow();
        sliceMs = this.clock.monotonicMs();
      }
    }
  }
}
