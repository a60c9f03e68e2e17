// Follows a shard that somebody else owns: folds its log into a store of one's own, up to the newest commit that was read, and emits nothing.
// Whoever is to take the shard over does so first: when the owner lets go, there is hardly anything left to replay.
// FO1: nothing past the last commit that was read is applied (I8): what another owner has not emitted yet might come out otherwise.
// FO2: it can be ended at any time: the store holds a checkpoint, as after a crash.
// FO3: the change stream only grows; where it does not, following begins anew.
import { VisageError } from '../base/errors.ts';
import { parseControl } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject } from '../message/subject.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { LogBatch, LogReader } from '../ports/log.ts';
import { ALL_CHANGES } from '../ports/profile_store.ts';
import type { Fold } from './fold.ts';
import { checkBeforeReplay } from './recovery.ts';
import { unlessAborted } from './refold.ts';
import type { ShardOptions } from './shard_options.ts';
import { StoreFold } from './store_fold.ts';

/** So close that what is left is replayed in a moment. */
const CLOSE_MESSAGES = 1_000;
const LOOK_MS = 100;
const FINISH_LOOK_MS = 5;
/** For the last messages that the owner has committed. */
const FINISH_MS_MAX = 2_000;

export class Follower {
  private readonly options: ShardOptions;
  private readonly ending = new AbortController();
  private finishing = false;
  private readonly generationSubject: string;
  private reader!: LogReader;
  private fold!: Fold;
  private folded!: StoreFold;
  private last!: LastCommit;
  private queue: readonly LogMessage[] = [];
  private pending = Infinity;
  /** The log's last message for this shard when it began. */
  private end = Infinity;
  private coming: Promise<LogBatch | null> | null = null;
  private wake = Promise.withResolvers<void>();

  constructor(options: ShardOptions) {
    this.options = options;
    this.generationSubject = controlSubject(options.root, options.shard, 'generation');
  }

  /** Messages that the log has and the store does not, as far as is known. */
  get lag(): number {
    return this.pending + this.queue.length;
  }

  get applied(): number {
    return this.fold.applied;
  }

  /** Follows until `stop` or `finish`. `onClose` is called once little is left.
   *  @throws VisageError as `checkBeforeReplay`; `no_commit`, `generation_ended`, `changes_moved`, `unavailable` (retry) */
  async run(onClose: () => void): Promise<void> {
    const { signal } = this.ending;
    await this.begin();
    this.reader = await unlessAborted(signal, this.options.log.open(this.fold.applied));
    try {
      await this.follow(onClose);
    } finally {
      await this.reader.close();
    }
  }

  /** Goes to the last commit that there is, stores that, and ends. */
  finish(): void {
    this.finishing = true;
    this.wake.resolve();
  }

  stop(): void {
    this.ending.abort();
    this.wake.resolve();
  }

  private async begin(): Promise<void> {
    const { options } = this;
    const meta = options.store.readMeta();
    const last = await options.sink.last();
    const [logState, changesState] = await Promise.all([options.log.state(), options.sink.state()]);
    await checkBeforeReplay({ ...options, meta, last, logState, changesState });
    if (last === undefined)
      throw new VisageError('no_commit', `shard ${options.shard} has no commit yet to follow`, { kind: 'retry' });
    this.last = last;
    this.end = await options.log.lastForShard();
    this.folded = new StoreFold({
      shard: options,
      store: options.store,
      generation: options.generation,
      logCreated: logState.created,
      changesCreated: changesState.created,
    });
    this.fold = await this.folded.begin();
  }

  private async follow(onClose: () => void): Promise<void> {
    const { clock, checkpointIntervalMs } = this.options;
    let storedAtMs = clock.monotonicMs();
    let isClose = false;
    let finishUntilMs = Infinity;
    while (!this.ending.signal.aborted) {
      if (this.queue.length === 0) await this.fetch();
      await this.take();
      const isBlocked = this.queue.length > 0;
      const known = this.bound;
      if (isBlocked || this.lag === 0 || this.finishing) await this.look();
      if (this.finishing) {
        finishUntilMs = Math.min(finishUntilMs, clock.monotonicMs() + FINISH_MS_MAX);
        if (this.isThere || clock.monotonicMs() > finishUntilMs) break;
      } else if (isBlocked && this.bound === known) {
        await this.pause();
      }
      if (!isClose && this.lag < CLOSE_MESSAGES) {
        isClose = true;
        await this.store();
        storedAtMs = clock.monotonicMs();
        onClose();
      } else if (this.folded.isFull || clock.monotonicMs() - storedAtMs > checkpointIntervalMs) {
        await this.store();
        storedAtMs = clock.monotonicMs();
      }
    }
    if (!this.ending.signal.aborted) await this.store();
  }

  /** The sequence up to which it may fold: of the newest commit that was read. */
  private get bound(): number {
    const { sequence, ordinal } = this.last.header.position;
    return ordinal === ALL_CHANGES ? sequence : sequence - 1;
  }

  private get isThere(): boolean {
    return this.fold.applied >= this.bound || (this.queue.length > 0 && this.queue[0]!.sequence > this.bound);
  }

  private async look(): Promise<void> {
    const { sink, shard } = this.options;
    const read = await sink.last();
    if (read === undefined || read.streamSequence < this.last.streamSequence) {
      // what was folded and not stored yet is given up; what was stored is held against the stream when it is followed again
      const text = `the change stream no longer has the commit ${this.last.streamSequence} of shard ${shard}, up to which it was followed`;
      throw new VisageError('changes_moved', text, { kind: 'retry' });
    }
    this.last = read;
    if (this.last.header.generation !== this.fold.generation) this.ended();
  }

  /** The next batch, or nothing for now. */
  private async fetch(): Promise<void> {
    this.coming ??= this.reader.next();
    const batch = await Promise.race([this.coming, this.pause()]);
    if (batch === undefined) return;
    this.coming = null;
    if (batch === null) throw new VisageError('stopped', 'the log is closed', { kind: 'retry' });
    this.queue = batch.messages;
    this.pending = batch.pending;
  }

  private async take(): Promise<void> {
    if (this.queue.length === 0) {
      if (this.fold.applied >= this.end) this.pending = 0; // the log had nothing more
      return;
    }
    for (const { subject, body } of this.queue) {
      const control = subject === this.generationSubject ? parseControl('generation', body) : undefined;
      if (control?.kind === 'generation' && control.generation > this.fold.generation) this.ended();
    }
    const taken = await this.folded.take(this.queue, this.bound);
    this.queue = this.queue.slice(taken);
  }

  private ended(): never {
    const text = `a later generation of shard ${this.options.shard} begins`;
    throw new VisageError('generation_ended', text, { kind: 'retry' });
  }

  private store(): Promise<void> {
    return this.folded.checkpoint(this.last, null);
  }

  /** A moment, or less when there is something to do. */
  private async pause(): Promise<void> {
    this.wake = Promise.withResolvers();
    if (this.ending.signal.aborted) return;
    const cancel = this.options.clock.timer(this.finishing ? FINISH_LOOK_MS : LOOK_MS, this.wake.resolve);
    await this.wake.promise;
    cancel();
  }
}
