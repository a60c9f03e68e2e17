// Publishes commits, one in flight, each fenced by the one before.
// CU1: dead letters of a message are stored before the commit that passes it is sent (I5).
// CU2: only an acknowledged commit moves `last`; whatever else happens, the leader is asked what is true.
// CU3: after `fenced` nothing is ever published again (I4).
import { VisageError } from '../base/errors.ts';
import { fingerprint } from '../message/fingerprint.ts';
import type { ChangeSink, LastCommit } from '../ports/change_sink.ts';
import type { Clock } from '../ports/clock.ts';
import { ALL_CHANGES } from '../ports/profile_store.ts';
import { reaches, type CommitBuilder, type SealedCommit } from './commit_builder.ts';

const RETRY_MS = 250;
const BEHIND_FACTOR = 20;

export type CommitPumpOptions = {
  readonly sink: ChangeSink;
  readonly builder: CommitBuilder;
  readonly encode: (commit: SealedCommit) => Uint8Array;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly refreshMs: number;
  readonly owner: string;
  readonly epoch: number;
  readonly logCreated: string;
  readonly generation: number;
  /** Resolves when every dead letter so far is stored. */
  readonly deadLettersStored: () => Promise<void>;
  readonly onCommit: (commit: SealedCommit, tookMs: number) => void;
  readonly onFailure: (error: unknown) => void;
};

export class CommitPump {
  private readonly options: CommitPumpOptions;
  last: LastCommit;
  private running = false;
  private stopped = false;
  private urgent = false;
  /** The armed timer only refreshes an old commit: anything to say comes first. */
  private idle = false;
  private lastAtMs: number;
  private cancelTimer: (() => void) | null = null;
  private waiters: { sequence: number; resolve: () => void; reject: (error: unknown) => void }[] = [];
  private changed: (() => void)[] = [];
  /** Since when commits do not get out; undefined when they do. */
  failingSinceMs: number | undefined;
  failures = 0;

  constructor(options: CommitPumpOptions, last: LastCommit) {
    this.options = options;
    this.last = last;
    this.lastAtMs = options.clock.monotonicMs();
  }

  /** There may be something to publish. A shard that is behind lets its commits grow: they fold more, and nobody waits for one of them alone. */
  poke(behind = false): void {
    if (this.running || this.stopped) return;
    if (this.cancelTimer !== null && !(this.idle && !this.builder.isEmpty)) return; // armed already
    this.cancel();
    if (this.builder.isEmpty) {
      this.armRefresh();
      return;
    }
    const wait =
      this.urgent || this.builder.sealedCount > 0
        ? 0
        : this.lastAtMs + this.options.intervalMs * (behind ? BEHIND_FACTOR : 1) - this.options.clock.monotonicMs();
    if (wait > 0) this.arm(wait);
    else this.start();
  }

  /** Resolves when a commit at or past this whole sequence is acknowledged; asks for an empty one when needed. */
  covered(sequence: number): Promise<void> {
    if (reaches(this.last.header.position, { sequence, ordinal: ALL_CHANGES })) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.stopped) return reject(new VisageError('stopped', 'the shard is stopping', { kind: 'retry' }));
      this.waiters.push({ sequence, resolve, reject });
      this.options.builder.want();
      this.urgent = true;
      this.cancel();
      this.poke();
    });
  }

  /** Resolves at the next acknowledged commit, or when the pump stops: what back-pressure waits for. */
  nextCommit(): Promise<void> {
    return this.stopped ? Promise.resolve() : new Promise((resolve) => this.changed.push(resolve));
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
    for (const waiter of this.waiters) waiter.reject(new VisageError('stopped', 'the shard is stopping', { kind: 'retry' }));
    this.waiters = [];
    this.wake();
  }

  private start(): void {
    this.running = true;
    this.run().then(
      () => {
        this.running = false;
        this.poke();
      },
      (error: unknown) => {
        this.running = false;
        this.stop();
        this.options.onFailure(error);
      },
    );
  }

  private async run(): Promise<void> {
    const { builder, options } = this;
    this.urgent = false;
    for (
      let commit = builder.take();
      commit !== undefined && !this.stopped;
      commit = builder.sealedCount > 0 ? builder.take() : undefined
    ) {
      await options.deadLettersStored(); // after the cut: letters of messages that came while others were waited for are in it too
      if (!this.stopped) await this.publish(commit);
    }
  }

  private get builder(): CommitBuilder {
    return this.options.builder;
  }

  private async publish(commit: SealedCommit): Promise<void> {
    const { clock, sink } = this.options;
    const header = {
      epoch: this.options.epoch,
      owner: this.options.owner,
      position: { sequence: commit.sequence, ordinal: commit.ordinal },
      changeCount: commit.count,
      changeDigest: commit.digest,
      definitionsHash: commit.plan?.hash ?? null,
      foldVersion: commit.foldVersion,
      generation: this.options.generation,
      logCreated: this.options.logCreated,
      // no message since the last commit: it stands where that one stood
      fingerprint: commit.message === null ? this.last.header.fingerprint : fingerprint(commit.message),
    };
    const body = this.options.encode(commit);
    const startMs = clock.monotonicMs();
    for (;;) {
      const outcome = await sink.publish(header, body, this.last);
      if (outcome.kind === 'committed') {
        this.last = { streamSequence: outcome.streamSequence, header };
        break;
      }
      if (outcome.kind === 'fenced') {
        throw new VisageError('fenced', `another owner has taken the shard over (${outcome.by})`, { kind: 'retry' });
      }
      this.failures++;
      this.failingSinceMs ??= startMs;
      if (!this.stopped) await new Promise<void>((resolve) => clock.timer(RETRY_MS, resolve));
      if (this.stopped) return;
    }
    this.failingSinceMs = undefined;
    this.lastAtMs = clock.monotonicMs();
    this.options.onCommit(commit, this.lastAtMs - startMs);
    this.settle();
  }

  private settle(): void {
    const position = this.last.header.position;
    const open: typeof this.waiters = [];
    for (const waiter of this.waiters) {
      if (reaches(position, { sequence: waiter.sequence, ordinal: ALL_CHANGES })) waiter.resolve();
      else open.push(waiter);
    }
    this.waiters = open;
    if (open.length > 0) this.builder.want();
    this.wake();
  }

  private wake(): void {
    const changed = this.changed;
    this.changed = [];
    for (const resolve of changed) resolve();
  }

  /** An idle shard repeats an empty commit before its last one ages out of the stream. */
  private armRefresh(): void {
    const wait = this.lastAtMs + this.options.refreshMs - this.options.clock.monotonicMs();
    if (wait <= 0) {
      this.builder.want();
      this.start();
      return;
    }
    this.arm(wait);
    this.idle = true;
  }

  private arm(ms: number): void {
    this.idle = false;
    this.cancelTimer = this.options.clock.timer(ms, () => {
      this.cancelTimer = null;
      this.poke();
    });
  }

  private cancel(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
  }
}
