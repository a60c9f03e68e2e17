// The fold of a log into a store, and nothing else: no commits, no ticks, no reads. What rebuilds and followers are made of.
// SF1: nothing past the last commit that it is told of is applied or stored: the store must not be ahead of the change stream (I3, I8).
import { fingerprint } from '../message/fingerprint.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject } from '../message/subject.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import type { ProfileStore } from '../ports/profile_store.ts';
import { Checkpointer } from './checkpointer.ts';
import { DueIndex } from './due_index.ts';
import { Fold } from './fold.ts';
import { frozenMeta } from './frozen_meta.ts';
import { loadNamed } from './load_named.ts';
import { ProfileCache } from './profile_cache.ts';
import { resolveErase } from './resolve_erase.ts';
import type { ShardOptions } from './shard_options.ts';

const SLICE_CHECK = 64;
const SLICE_MS = 8;

export type StoreFoldOptions = {
  readonly shard: ShardOptions;
  readonly store: ProfileStore;
  /** The generation that the store holds; null for the first. */
  readonly generation: GenerationStart | null;
  readonly logCreated: string;
  readonly changesCreated: string;
};

export class StoreFold {
  private readonly options: StoreFoldOptions;
  private readonly cache: ProfileCache;
  private readonly checkpointer: Checkpointer;
  private fold!: Fold;
  private lastMessage: LogMessage | null = null;
  private lastFingerprint: string;
  private readonly eraseSubject: string;
  private readonly definitionsSubject: string;

  constructor(options: StoreFoldOptions) {
    const { shard, store } = options;
    this.options = options;
    this.eraseSubject = controlSubject(shard.root, shard.shard, 'erase');
    this.definitionsSubject = controlSubject(shard.root, shard.shard, 'definitions');
    this.cache = new ProfileCache(store, shard.cacheMaxBytes);
    this.checkpointer = new Checkpointer(store, this.cache, shard.clock);
    this.lastFingerprint = store.readMeta()?.fingerprint ?? '';
  }

  /** Must come first. */
  async begin(): Promise<Fold> {
    const { shard, store, generation } = this.options;
    const meta = store.readMeta();
    const hash = meta?.definitionsHash ?? generation?.hash;
    if (hash !== undefined && hash !== null) await shard.definitions.load(hash);
    this.fold = new Fold({
      ...shard,
      cache: this.cache,
      due: new DueIndex({ scan: (after, limit) => store.scanDue(after, limit), unsaved: () => this.cache.unsaved() }),
      planOf: (named) => shard.definitions.planOf(named),
      from: meta,
      generation,
    });
    this.fold.recorder.silent = true;
    return this.fold;
  }

  /** More than a checkpoint should have, or memory may hold. */
  get isFull(): boolean {
    const { checkpointMaxDirty, cacheMaxBytes } = this.options.shard;
    return this.cache.dirtyCount >= checkpointMaxDirty || this.cache.bytes > cacheMaxBytes;
  }

  /** Folds messages up to the sequence `through`. @returns how many of them */
  async take(messages: readonly LogMessage[], through: number): Promise<number> {
    const { shard } = this.options;
    for (const message of messages)
      if (message.subject === this.definitionsSubject) await loadNamed(shard.definitions, message, this.fold.generation);
    let sliceMs = shard.clock.monotonicMs();
    let taken = 0;
    for (const message of messages) {
      if (message.sequence > through) break;
      if (message.subject === this.eraseSubject) await resolveErase(message, shard.erasures, this.cache);
      this.fold.apply(message);
      this.lastMessage = message;
      taken++;
      if (taken % SLICE_CHECK !== 0) continue;
      this.cache.evict();
      if (shard.clock.monotonicMs() - sliceMs < SLICE_MS) continue;
      await shard.clock.yieldNow();
      sliceMs = shard.clock.monotonicMs();
    }
    this.cache.evict();
    this.fold.lateMs.length = 0;
    return taken;
  }

  /** @param last a commit at or past everything that was taken */
  async checkpoint(last: LastCommit, endedBy: number | null): Promise<void> {
    const { shard, logCreated, changesCreated } = this.options;
    if (this.lastMessage !== null) this.lastFingerprint = fingerprint(this.lastMessage);
    const meta = frozenMeta(this.fold, shard, {
      readThrough: endedBy === null ? this.fold.applied : endedBy - 1,
      fingerprint: this.lastFingerprint,
      logCreated,
      changesCreated,
      epoch: last.header.epoch,
      endedBy,
    });
    await this.checkpointer.run(meta, this.fold.plan, { last, covered: () => Promise.resolve() }, false);
  }
}
