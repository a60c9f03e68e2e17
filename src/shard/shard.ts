// One shard at work: reads its log in order, folds it, publishes what changed, checkpoints, ticks, answers reads.
// The driver around the pure fold: it performs effects, and suppresses those that an earlier life has emitted.
// SH1: state = fold(log up to `applied`) (I1); a failure throws the whole object away, and the next one replays.
// SH2: effects up to the last commit's position are suppressed, and at that position count and digest must agree.
// SH3: every wait has an end: `stop` closes the reader, the pump and the timers.
import { VisageError } from '../base/errors.ts';
import { parseControl } from '../message/control.ts';
import { fingerprint } from '../message/fingerprint.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';
import type { LogBatch, LogReader } from '../ports/log.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { Checkpointer, type FrozenMeta } from './checkpointer.ts';
import { CommitBuilder } from './commit_builder.ts';
import { CommitEncoder } from './commit_encoder.ts';
import { CommitPump } from './commit_pump.ts';
import { DueIndex } from './due_index.ts';
import type { DeadLetter, Effects } from './effects.ts';
import { ExportDesk } from './export_desk.ts';
import { fence } from './fence.ts';
import { Fold } from './fold.ts';
import { frozenMeta } from './frozen_meta.ts';
import { loadNamed } from './load_named.ts';
import { Metering, type LifeCounts } from './metering.ts';
import { ProfileCache } from './profile_cache.ts';
import { checkBeforeReplay, type GapReport } from './recovery.ts';
import { ReplayGate } from './replay_gate.ts';
import { resolveErase } from './resolve_erase.ts';
import type { ShardOptions, ShardStatus } from './shard_options.ts';
import { ShardReads } from './shard_reads.ts';
import { StreamWatch } from './stream_watch.ts';
import { TickTimer } from './tick_timer.ts';

const SLICE_MS = 4;
/** Most messages take microseconds, a merge into a record of thousands of fields ten milliseconds. */
const SLICE_CHECK = 4;
const PENDING_EVENTS_MAX = 20_000;
const DEAD_LETTERS_MAX = 1_000;
const BEHIND_MESSAGES = 1_000;
const BEHIND_CHECKPOINT_FACTOR = 5;
/** Changed profiles over the cache's budget that are worth a checkpoint at once. */
const OVER_BUDGET_BYTES = 1024 ** 2;
const PREFETCH_KEY_MAX = 1_700;
const STORE_READ_THROUGH_MS = 60_000;
const LOOK_AT_STREAMS_MS = 5_000;

export class Shard {
  readonly options: ShardOptions;
  gap: GapReport = null;
  active = false;
  private readonly cache: ProfileCache;
  private readonly due: DueIndex;
  private readonly checkpointer: Checkpointer;
  private readonly ticks: TickTimer;
  readonly reads: ShardReads;
  readonly exports: ExportDesk;
  private fold!: Fold;
  private metering!: Metering;
  private builder!: CommitBuilder;
  private pump!: CommitPump;
  private streams!: StreamWatch;
  private lookedAtMs = 0;
  private reader: LogReader | undefined;
  private meta: ShardMeta | undefined;
  private logCreated = '';
  private changesCreated = '';
  private epoch = 0;
  /** `readThrough` as the last checkpoint has it, and when that began. */
  private storedThrough = 0;
  private storedAtMs = 0;
  /** Since when messages are applied that no checkpoint has, and those that the one under way has. */
  private unsavedSinceMs: number | null = null;
  private savingSinceMs: number | null = null;
  /** The last message that the reader gave: not yet applied, perhaps. */
  private handedOut = 0;
  private lastMessage: LogMessage | null = null;
  private lastFingerprint = '';
  private gate!: ReplayGate;
  private replayTo = 0;
  private pending = 0;
  private changeEvents = 0;
  private checkpointDueMs = 0;
  private endedBy: number | null = null;
  private readonly generationSubject: string;
  private readonly eraseSubject: string;
  private readonly letters = new Set<Promise<void>>();
  private failed: { error: unknown } | undefined;
  private stopping = false;

  constructor(options: ShardOptions) {
    this.options = options;
    this.cache = new ProfileCache(options.store, options.cacheMaxBytes);
    this.due = new DueIndex({ scan: (after, limit) => options.store.scanDue(after, limit), unsaved: () => this.cache.unsaved() });
    this.checkpointer = new Checkpointer(options.store, this.cache, options.clock);
    this.ticks = new TickTimer({
      clock: options.clock,
      log: options.log,
      tickMs: options.tickMs,
      timeFlows: options.clockMode === 'log',
      // while profiles wait to be brought up, the next tick is due at once
      earliest: () => (this.fold.sweptTo === null ? this.due.earliest() : 0),
    });
    this.exports = new ExportDesk(options.clock, options.shard);
    this.reads = new ShardReads({ shard: options.shard, clock: options.clock, cache: this.cache, fold: () => this.fold });
    this.generationSubject = controlSubject(options.root, options.shard, 'generation');
    this.eraseSubject = controlSubject(options.root, options.shard, 'erase');
  }

  /** Reads the checkpoint, checks it against log and change stream, and fences off any earlier owner.
   *  @throws VisageError (stop_shard), see recovery.ts; (retry) when the server does not answer */
  async restore(): Promise<void> {
    const { options } = this;
    const meta = (this.meta = options.store.readMeta());
    if (meta !== undefined && meta.definitionsHash !== null) await options.definitions.load(meta.definitionsHash);
    const last = await options.sink.last(); // before the streams: an earlier owner that still lives commits on, past what they said
    const [logState, changesState] = await Promise.all([options.log.state(), options.sink.state()]);
    this.gap = await checkBeforeReplay({ ...options, meta, last, logState, changesState });
    this.logCreated = logState.created;
    this.changesCreated = changesState.created;
    this.streams = new StreamWatch({ ...options, logCreated: logState.created, changesCreated: changesState.created });
    this.lookedAtMs = this.storedAtMs = options.clock.monotonicMs();
    this.reads.through = this.storedThrough = Math.max(meta?.readThrough ?? 0, meta?.applied ?? 0);
    this.lastFingerprint = meta?.fingerprint ?? '';
    this.checkGeneration(meta);
    if (meta === undefined && options.generation !== null) await options.definitions.load(options.generation.hash);
    this.fold = new Fold({
      ...options,
      cache: this.cache,
      due: this.due,
      planOf: (hash) => options.definitions.planOf(hash),
      from: meta,
    });
    const { commit, epoch, ...fenced } = await fence(
      { ...options, logCreated: this.logCreated, foldVersion: this.fold.foldVersion },
      last,
      meta,
    );
    this.epoch = epoch;
    this.gate = new ReplayGate({
      shard: options.shard,
      last: last === undefined ? null : commit.header,
      gap: this.gap !== null,
      hasHoles: () => options.erasures.hasHoles,
      onOther: options.onWarning,
      onOpen: () => this.measure(),
    });
    this.replayTo = await options.log.lastForShard();
    // how far the commits that aged out went is not known: up to here at most
    const repeatedThrough = fenced.repeatedThrough > 0 ? Math.max(fenced.repeatedThrough, this.replayTo) : 0;
    const { root, logStream, shard } = options;
    const { generation } = this.fold;
    const encoder = new CommitEncoder({ root, logStream, shard, generation, repeatedThrough });
    this.builder = new CommitBuilder({
      sourceLength: encoder.source.length,
      start: {
        ...commit.header.position,
        message: null,
        count: commit.header.changeCount,
        digest: commit.header.changeDigest,
        plan: this.fold.plan,
        foldVersion: this.fold.foldVersion,
      },
    });
    this.pump = new CommitPump(this.pumpOptions(encoder), commit);
    this.metering = new Metering(options.meter, options.workerMeter, this.lifeCounts());
    this.gate.restored(this.fold.applied, this.fold.recorder);
  }

  private pumpOptions(encoder: CommitEncoder): ConstructorParameters<typeof CommitPump>[0] {
    const { options } = this;
    return {
      sink: options.sink,
      builder: this.builder,
      encode: (commit) => encoder.encode(commit),
      clock: options.clock,
      intervalMs: options.commitIntervalMs,
      refreshMs: options.commitRefreshMs,
      owner: options.owner,
      epoch: this.epoch,
      logCreated: this.logCreated,
      generation: this.fold.generation,
      deadLettersStored: async () => void (await Promise.all(this.letters)),
      onCommit: (commit, tookMs) => {
        this.changeEvents += commit.events.length;
        this.metering.committed(commit, tookMs, options.clock.wallMs());
      },
      onFailure: (error) => this.fail(error),
    };
  }

  /** Folds the log until `stop`, or until something fails. `onActive` is called once everything that was in the log at the start is applied.
   *  @throws whatever stopped the shard; the object is of no use afterwards */
  async run(onActive: () => void): Promise<void> {
    const { options } = this;
    this.reader = await options.log.open(this.fold.applied);
    if (this.stopping || this.failed !== undefined) await this.reader.close(); // asked for while it was opening
    this.checkpointDueMs = options.clock.monotonicMs() + options.checkpointIntervalMs;
    this.becomeActive(onActive);
    const cancel = this.everyCheckpointInterval();
    try {
      for (;;) {
        const batch = await this.reader.next();
        this.throwIfFailed();
        if (batch === null) break;
        this.handedOut = batch.messages[batch.messages.length - 1]!.sequence;
        await this.process(batch);
        this.becomeActive(onActive);
      }
    } catch (error) {
      this.abandon();
      throw this.failed?.error ?? error;
    } finally {
      cancel();
    }
    this.throwIfFailed();
  }

  /** Stops reading; then commits and checkpoints what was applied, and closes the store. */
  async drain(): Promise<void> {
    this.ticks.stop();
    this.reads.stop();
    await this.checkpointer.idle();
    if (this.hasNews(0)) await this.checkpoint(false);
    this.abandon();
    await this.options.store.close();
  }

  /** Asks `run` to end at the next batch boundary. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.reader?.close();
  }

  /** Ends everything at once; what was not checkpointed is replayed by the next life. */
  abandon(): void {
    if (this.metering !== undefined) this.measure();
    this.active = false;
    this.ticks.stop();
    this.pump?.stop();
    this.reads.stop();
    this.exports.close();
    this.options.deadLetters.close();
    void this.reader?.close();
  }

  /** Resolves when nothing of an abandoned life uses the store any more. */
  async ended(): Promise<void> {
    await this.checkpointer.idle().catch(() => undefined); // its error was reported when it happened
  }

  /** Shards come and go, and share what the worker may take. */
  shareCache(maxBytes: number): void {
    this.cache.maxBytes = maxBytes;
  }

  private becomeActive(onActive: () => void): void {
    if (this.active || this.fold.applied < this.replayTo) return;
    this.active = true;
    this.ticks.moved(this.fold.shardTimeMs);
    this.ticks.start();
    this.pump.poke();
    onActive();
  }

  private async process(batch: LogBatch): Promise<void> {
    const { clock } = this.options;
    const { messages } = batch;
    await this.prepare(messages);
    let sliceMs = clock.monotonicMs();
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      this.checkStamp(message);
      if (message.subject === this.generationSubject) await this.endGeneration(message);
      if (message.subject === this.eraseSubject) await resolveErase(message, this.options.erasures, this.cache);
      this.fold.recorder.silent = this.gate.isSilent(message.sequence);
      const effects = this.fold.apply(message);
      this.lastMessage = message;
      this.perform(message, effects);
      if (effects.cut !== null && this.active) await this.cut(effects.cut);
      if (i % SLICE_CHECK === SLICE_CHECK - 1 && clock.monotonicMs() - sliceMs > SLICE_MS) {
        this.pending = batch.pending + messages.length - i - 1;
        this.endSlice();
        await clock.yieldNow();
        await this.backPressure();
        this.throwIfFailed();
        sliceMs = clock.monotonicMs();
      }
    }
    this.pending = batch.pending;
    this.endSlice();
    await this.backPressure();
  }

  /** What a batch needs before its first message: definitions that it names, cold profiles in memory. */
  private async prepare(messages: readonly LogMessage[]): Promise<void> {
    const { root, shard, definitions, store } = this.options;
    const control = controlSubject(root, shard, 'definitions');
    const prefix = shardLogPrefix(root, shard).length + 3;
    let cold: IdentityKey[] | null = null;
    for (const message of messages) {
      if (message.subject === control) await loadNamed(definitions, message, this.fold.generation);
      if (this.cache.size >= this.fold.profiles) continue; // every profile is in memory
      const key = message.subject.slice(message.subject.indexOf('.', prefix) + 1);
      // only a hint: what is longer is refused, or read when its turn comes; LMDB throws at keys that it cannot have
      if (message.subject.charCodeAt(prefix - 3) !== 105 /* i of in. */ || key.length > PREFETCH_KEY_MAX) continue;
      if (!this.cache.isResident(key)) (cold ??= []).push(key);
    }
    if (cold !== null) await store.prefetch(cold);
  }

  private checkStamp(message: LogMessage): void {
    const { maxClockJumpMs, clock, shard } = this.options;
    const before = this.fold.logTimeMs;
    if (message.stampMs <= before + maxClockJumpMs || message.stampMs <= clock.wallMs() + maxClockJumpMs) return;
    const text = `shard ${shard}: the message at ${message.sequence} is stamped more than ${maxClockJumpMs} ms ahead of the one before and of this machine: a clock jumped. Put the server's clock right`;
    throw new VisageError('clock_jump', text, { kind: 'stop_shard' });
  }

  private perform(message: LogMessage, effects: Effects): void {
    const { fold } = this;
    const skip = this.gate.emitted(message.sequence, effects.changes, fold.recorder);
    if (skip === Infinity) return;
    this.builder.add(effects.changes, skip, message, fold.plan, fold.foldVersion);
    if (skip === 0) for (const letter of effects.deadLetters) this.refuse(letter);
    // a sweep has time: it goes on at the pace of ticks, and events have their turn
    if (this.active && effects.appends.length > 0 && this.fold.sweptTo === null) this.ticks.continue();
    if (this.active && effects.erase !== null) this.options.onErase(effects.erase);
  }

  private refuse(letter: DeadLetter): void {
    const { reason, errors, dataset, timeMs, message } = letter;
    const stored = this.options.deadLetters.send({ reason, errors, dataset, timeMs, message });
    this.letters.add(stored);
    this.metering.refused(reason, message.sequence);
    stored.then(
      () => this.letters.delete(stored),
      (error: unknown) => this.fail(error),
    );
    this.builder.want();
  }

  private endSlice(): void {
    const { fold } = this;
    this.cache.evict();
    this.unsavedSinceMs ??= this.options.clock.monotonicMs();
    this.measure();
    this.reads.advance(fold.applied);
    if (this.active) this.ticks.moved(fold.shardTimeMs);
    this.pump.poke(this.pending > BEHIND_MESSAGES);
    const { checkpointMaxDirty } = this.options;
    const cacheMaxBytes = this.cache.maxBytes;
    // what is over the budget now is not stored yet, and cannot be dropped before it is
    if (this.cache.dirtyCount >= checkpointMaxDirty || this.cache.bytes > cacheMaxBytes + OVER_BUDGET_BYTES)
      this.startCheckpoint();
  }

  private async backPressure(): Promise<void> {
    while (!this.stopping && (this.builder.sealedCount > 1 || this.builder.pendingEvents > PENDING_EVENTS_MAX)) {
      this.pump.poke();
      await this.pump.nextCommit();
      this.throwIfFailed();
    }
    while (!this.stopping && this.letters.size > DEAD_LETTERS_MAX) await Promise.race(this.letters);
    const { checkpointMaxDirty } = this.options;
    const cacheMaxBytes = this.cache.maxBytes;
    // memory is bounded by the disk's pace
    if (this.cache.dirtyCount >= 2 * checkpointMaxDirty || this.cache.bytes > 2 * cacheMaxBytes + 4 * OVER_BUDGET_BYTES)
      await this.checkpointer.idle();
  }

  private everyCheckpointInterval(): () => void {
    const { clock, checkpointIntervalMs } = this.options;
    let cancel = (): void => undefined;
    const arm = (): void => {
      cancel = clock.timer(checkpointIntervalMs, () => {
        this.refreshReadThrough();
        this.lookAtStreams();
        // a shard that is behind writes less often: the same profiles change again and again, and the next life would be behind too
        const stretch = this.pending > BEHIND_MESSAGES ? (BEHIND_CHECKPOINT_FACTOR - 1) * checkpointIntervalMs : 0;
        if (clock.monotonicMs() >= this.checkpointDueMs + stretch) this.startCheckpoint();
        arm();
      });
    };
    arm();
    return () => cancel();
  }

  private refreshReadThrough(): void {
    this.reader?.readThrough().then(
      async (sequence) => {
        await this.options.clock.yieldNow(); // a batch that it counts as handed out has arrived then
        if (sequence === undefined || sequence <= this.reads.through) return;
        if (this.fold.applied < Math.max(this.replayTo, this.handedOut)) return; // handed out, but not applied yet
        this.reads.advance(sequence);
      },
      () => undefined, // the reader recovers by itself; the next interval asks again
    );
  }

  private lookAtStreams(): void {
    const now = this.options.clock.monotonicMs();
    if (now - this.lookedAtMs < LOOK_AT_STREAMS_MS) return;
    this.lookedAtMs = now;
    this.streams.look(this.fold.applied, this.pump.last.streamSequence).then(
      (error) => error !== undefined && this.fail(error),
      (error: unknown) => this.fail(error),
    );
  }

  private startCheckpoint(): void {
    if (this.checkpointer.running || this.stopping || this.failed !== undefined) return;
    if (this.hasNews(STORE_READ_THROUGH_MS)) this.checkpoint(false).catch((error: unknown) => this.fail(error));
  }

  /** Is there anything that the store does not have? A quiet shard must store how far it has read, or a trimmed log looks like
   *  a gap to its next life; that alone is worth a checkpoint every `readThroughMs`. */
  private hasNews(readThroughMs: number): boolean {
    if (this.fold.applied !== (this.checkpointer.last?.sequence ?? this.meta?.applied ?? 0)) return true;
    return this.reads.through > this.storedThrough && this.options.clock.monotonicMs() - this.storedAtMs >= readThroughMs;
  }

  private checkpoint(snapshot: boolean): ReturnType<Checkpointer['run']> {
    this.storedAtMs = this.options.clock.monotonicMs();
    this.storedThrough = this.reads.through;
    this.checkpointDueMs = this.storedAtMs + this.options.checkpointIntervalMs;
    this.savingSinceMs = this.unsavedSinceMs;
    this.unsavedSinceMs = null;
    const done = this.checkpointer.run(this.frozenMeta(), this.fold.plan, this.pump, snapshot);
    return done.then((opened) => {
      this.metering.checkpointed(this.checkpointer.last!);
      return opened;
    });
  }

  private frozenMeta(): FrozenMeta {
    const { fold, logCreated, changesCreated, epoch, endedBy } = this;
    if (this.lastMessage !== null && this.lastMessage.sequence === fold.applied)
      this.lastFingerprint = fingerprint(this.lastMessage);
    return frozenMeta(fold, this.options, {
      readThrough: this.reads.through,
      fingerprint: this.lastFingerprint,
      logCreated,
      changesCreated,
      epoch,
      endedBy,
    });
  }

  private checkGeneration(meta: ShardMeta | undefined): void {
    const { generation, shard } = this.options;
    const mine = generation?.generation ?? 1;
    if (meta === undefined || meta.generation === mine) return;
    const text = `shard ${shard}: the folder holds generation ${meta.generation} of the state, but ${mine} is the one to go on with`;
    throw new VisageError('wrong_folder', text, { kind: 'stop_shard' });
  }

  /** A later generation begins here: everything before is committed and stored, then this life ends, and the next one rebuilds. */
  private async endGeneration(message: LogMessage): Promise<void> {
    const control = parseControl('generation', message.body);
    if (control.kind !== 'generation' || control.generation <= this.fold.generation) return;
    await this.checkpointer.idle();
    this.endedBy = message.sequence;
    await this.checkpoint(false);
    const text = `generation ${control.generation} of shard ${this.options.shard} begins at ${message.sequence}: its state is built anew`;
    throw new VisageError('generation_ended', text, { kind: 'retry' });
  }

  /** An export asked for a look at exactly this position. */
  private async cut(id: string): Promise<void> {
    await this.checkpointer.idle();
    const opened = this.checkpoint(true); // freezes in this turn: the next message is not in it
    opened.then(
      (snapshot) => this.exports.open(id, snapshot!, this.fold.plan),
      (error: unknown) => this.fail(error),
    );
  }

  status(): ShardStatus {
    const { fold, checkpointer, pump, cache } = this;
    this.measure(); // what fails while no message comes is counted too
    return {
      shard: this.options.shard,
      owner: this.options.owner,
      epoch: this.epoch,
      applied: fold.applied,
      readThrough: this.reads.through,
      lag: this.handedOut > 0 || this.active ? this.pending : Math.max(0, this.replayTo - fold.applied),
      shardTimeMs: fold.shardTimeMs,
      logTimeMs: fold.logTimeMs,
      expiring: this.due.earliest() <= fold.shardTimeMs,
      activating: fold.sweptTo !== null,
      profiles: fold.profiles,
      definitions: fold.plan?.hash ?? null,
      generation: fold.generation,
      ...fold.counters,
      changes: fold.recorder.count,
      changeEvents: this.changeEvents,
      committed: pump.last.header.position.sequence,
      commitFailures: pump.failures,
      commitsFailing: pump.failingSinceMs !== undefined,
      ticks: this.ticks.appended,
      tickFailures: this.ticks.failures,
      ticksFailing: this.ticks.failing > 0,
      cachedProfiles: cache.size,
      cachedBytes: cache.bytes,
      dirtyProfiles: cache.dirtyCount,
      checkpoint: checkpointer.last ?? null,
      checkpointAgeMs: this.checkpointAgeMs(),
      gap: this.gap,
    };
  }

  private measure(): void {
    this.metering.look(this.fold, this.lifeCounts(), { replaying: this.gate.replaying, onTime: this.active });
  }

  private checkpointAgeMs(): number {
    const sinceMs = this.checkpointer.running ? this.savingSinceMs : this.unsavedSinceMs;
    return sinceMs === null ? 0 : this.options.clock.monotonicMs() - sinceMs;
  }

  private lifeCounts(): LifeCounts {
    const { recorder } = this.fold;
    const { failures: commitFailures } = this.pump;
    const { appended: ticks, failures: tickFailures } = this.ticks;
    return { changes: recorder.count, cacheMisses: this.cache.misses, commitFailures, ticks, tickFailures };
  }

  /** Of `status`, what can be told when the store is closed already. */
  get position(): { readonly epoch: number; readonly applied: number; readonly generation: number } {
    return { epoch: this.epoch, applied: this.fold.applied, generation: this.fold.generation };
  }

  /** `revisions`: since which message each later revision of them is. */
  get definitionsInForce(): {
    hash: string | null;
    settings: Fold['settings'];
    revisions: Fold['revisions'];
    foldVersion: number;
  } {
    const { plan, settings, revisions, foldVersion } = this.fold;
    return { hash: plan?.hash ?? null, settings, revisions, foldVersion };
  }

  private fail(error: unknown): void {
    if (this.failed !== undefined || this.stopping) return;
    this.failed = { error };
    this.pump.stop();
    void this.reader?.close();
  }

  private throwIfFailed(): void {
    if (this.failed !== undefined) throw this.failed.error;
  }
}
