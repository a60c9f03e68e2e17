// Brings a store up to the end of a generation, or to the beginning of one: folds the log into it, and emits nothing.
// RF1: what is in the store afterwards is the fold of every message before `until`, and its meta says so (`endedBy`).
// RF2: it can be interrupted at any time: the next call goes on from the last checkpoint.
import { VisageError } from '../base/errors.ts';
import { fingerprint } from '../message/fingerprint.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject } from '../message/subject.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart, LogReader } from '../ports/log.ts';
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

export type RefoldOptions = {
  readonly shard: ShardOptions;
  readonly store: ProfileStore;
  /** The generation that the store holds; null for the first. */
  readonly generation: GenerationStart | null;
  /** The sequence of a generation message: the first that is not folded. */
  readonly until: number;
  /** The shard's last commit: nothing past it is stored. */
  readonly last: LastCommit;
  readonly logCreated: string;
  readonly changesCreated: string;
  /** Ends it at once: what waits for the server must not keep a worker from stopping. */
  readonly signal: AbortSignal;
};

/** Cost: that of a replay. @returns how many messages it refused, of those that it folded now
 *  @throws VisageError `stopped` (retry), and what the fold throws */
export async function refold(options: RefoldOptions): Promise<number> {
  const { store, until } = options;
  const meta = store.readMeta();
  if (meta?.endedBy === until) return 0;
  const run = new Refolding(options);
  const hash = meta?.definitionsHash ?? options.generation?.hash;
  if (hash !== undefined && hash !== null) await options.shard.definitions.load(hash);
  const fold = run.begin();
  const { signal } = options;
  const reader = await unlessAborted(signal, options.shard.log.open(fold.applied));
  const close = (): void => void reader.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    while (!(await run.take(reader)));
  } finally {
    signal.removeEventListener('abort', close);
    await reader.close();
  }
  await run.checkpoint(until);
  return fold.counters.refused;
}

/** A reader that opens after all is closed again. */
function unlessAborted(signal: AbortSignal, opening: Promise<LogReader>): Promise<LogReader> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      opening.then((late) => late.close()).catch(() => undefined);
      reject(new VisageError('stopped', 'the shard is stopping', { kind: 'retry' }));
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    opening
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop))
      .catch(() => undefined);
  });
}

class Refolding {
  private readonly options: RefoldOptions;
  private readonly cache: ProfileCache;
  private readonly checkpointer: Checkpointer;
  private fold!: Fold;
  private last: LogMessage | null = null;
  private lastFingerprint: string;
  private readonly eraseSubject: string;

  constructor(options: RefoldOptions) {
    const { shard, store } = options;
    this.options = options;
    this.eraseSubject = controlSubject(shard.root, shard.shard, 'erase');
    this.cache = new ProfileCache(store, shard.cacheMaxBytes);
    this.checkpointer = new Checkpointer(store, this.cache, shard.clock);
    this.lastFingerprint = store.readMeta()?.fingerprint ?? '';
  }

  begin(): Fold {
    const { shard, store, generation } = this.options;
    this.fold = new Fold({
      ...shard,
      cache: this.cache,
      due: new DueIndex({ scan: (after, limit) => store.scanDue(after, limit), unsaved: () => this.cache.unsaved() }),
      planOf: (hash) => shard.definitions.planOf(hash),
      from: store.readMeta(),
      generation,
    });
    this.fold.recorder.silent = true;
    return this.fold;
  }

  /** Folds the next batch. @returns whether the end was reached */
  async take(reader: LogReader): Promise<boolean> {
    const { shard, until } = this.options;
    const batch = await reader.next();
    if (batch === null || this.options.signal.aborted)
      throw new VisageError('stopped', `shard ${shard.shard} is stopping`, { kind: 'retry' });
    await this.prepare(batch.messages);
    let sliceMs = shard.clock.monotonicMs();
    for (const [i, message] of batch.messages.entries()) {
      if (message.sequence >= until) return true;
      if (message.subject === this.eraseSubject) await resolveErase(message, shard.erasures, this.cache);
      this.fold.apply(message);
      this.last = message;
      if (i % SLICE_CHECK !== SLICE_CHECK - 1) continue;
      this.cache.evict();
      if (shard.clock.monotonicMs() - sliceMs < SLICE_MS) continue;
      await shard.clock.yieldNow();
      sliceMs = shard.clock.monotonicMs();
    }
    this.cache.evict();
    this.fold.lateMs.length = 0;
    if (this.cache.dirtyCount >= shard.checkpointMaxDirty || this.cache.bytes > shard.cacheMaxBytes) await this.checkpoint(null);
    return false;
  }

  async checkpoint(endedBy: number | null): Promise<void> {
    const { shard, last, logCreated, changesCreated } = this.options;
    if (this.last !== null) this.lastFingerprint = fingerprint(this.last);
    const meta = frozenMeta(this.fold, shard, {
      readThrough: endedBy === null ? this.fold.applied : endedBy - 1,
      fingerprint: this.lastFingerprint,
      logCreated,
      changesCreated,
      epoch: last.header.epoch,
      endedBy,
    });
    if (last === undefined)
      throw new VisageError('no_commit', `shard ${shard.shard} has no commit to go on from`, { kind: 'retry' });
    await this.checkpointer.run(meta, this.fold.plan, { last, covered: () => Promise.resolve() }, false);
  }

  private async prepare(messages: readonly LogMessage[]): Promise<void> {
    const { root, shard, definitions } = this.options.shard;
    const control = controlSubject(root, shard, 'definitions');
    for (const message of messages) if (message.subject === control) await loadNamed(definitions, message, this.fold.generation);
  }
}
