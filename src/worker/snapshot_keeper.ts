// Takes a shard's snapshots while it is at work: every interval, and when somebody asks.
// SK1: one at a time in this process: each takes disk for a copy, and another core.
// SK2: a snapshot that cannot be taken is tried again at the next interval; it never stops the shard.
import { VisageError } from '../base/errors.ts';
import type { Shard } from '../shard/shard.ts';
import { LmdbStore } from '../store/lmdb_store.ts';
import type { ShardLife } from './shard_machine.ts';
import type { ShardSnapshots, Snapshot } from './shard_snapshots.ts';

export type SnapshotKeeperOptions = {
  readonly snapshots: ShardSnapshots;
  readonly shard: number;
  readonly intervalMs: number;
  readonly report: ShardLife['log'];
};

/** A copy that takes longer is waited for when the store is closed. */
const END_MS_MAX = 10_000;

/** Of the whole process. */
let last: Promise<unknown> = Promise.resolve();

export class SnapshotKeeper {
  taken = 0;
  failures = 0;
  private readonly options: SnapshotKeeperOptions;
  private current: { readonly shard: Shard; readonly signal: AbortSignal } | null = null;
  private ending = new AbortController();
  private taking: Promise<void> = Promise.resolve();

  constructor(options: SnapshotKeeperOptions) {
    this.options = options;
  }

  /** Until the shard's life ends, or `end`. */
  async keep(shard: Shard, life: AbortSignal): Promise<void> {
    const { intervalMs } = this.options;
    this.ending = new AbortController();
    const signal = AbortSignal.any([life, this.ending.signal]);
    this.current = { shard, signal };
    // not all shards at once
    let waitMs = intervalMs * (0.5 + Math.random() / 2);
    while (!signal.aborted) {
      await pause(waitMs, signal);
      waitMs = intervalMs;
      if (!signal.aborted)
        await this.takeNow(shard, signal).catch((error: unknown) => {
          if (!signal.aborted) this.failed(error);
        });
    }
    if (this.current?.signal === signal) this.current = null;
  }

  /** Takes no more, and resolves when none is being taken: a store that is being copied cannot be closed. */
  async end(): Promise<void> {
    this.ending.abort();
    const late = new AbortController();
    await Promise.race([this.taking, pause(END_MS_MAX, late.signal)]);
    late.abort();
  }

  /** Takes one now, where there is something new. @returns the newest that there is; undefined: there is none
   *  @throws VisageError `shard_not_ready`, `unavailable` (retry) */
  async take(): Promise<Snapshot | undefined> {
    if (this.current === null) throw new VisageError('shard_not_ready', 'the shard is not active here', { kind: 'retry' });
    const { shard, signal } = this.current;
    await this.takeNow(shard, signal);
    return (await this.options.snapshots.list())[0];
  }

  private async takeNow(shard: Shard, signal: AbortSignal): Promise<void> {
    const turn = last.then(() => {
      const work = this.make(shard, signal);
      this.taking = work.catch(() => undefined);
      return work;
    });
    last = turn.catch(() => undefined);
    await turn;
  }

  private async make(shard: Shard, signal: AbortSignal): Promise<void> {
    const { store } = shard.options;
    if (signal.aborted || !(store instanceof LmdbStore)) return;
    const made = await this.options.snapshots.make(store, shard.position.epoch, signal);
    if (made === undefined) return;
    this.taken++;
    this.options.report('info', `snapshot taken at ${made.sequence}, ${made.bytes} bytes`);
  }

  private failed(error: unknown): void {
    this.failures++;
    this.options.report('warn', 'a snapshot was not taken; it is tried again at the next interval', error);
  }
}

/** Resolves early when the life ends. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
