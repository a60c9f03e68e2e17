// The log's twin: one shard's messages, stamped by a server whose clock may stand still or go back a little.
// SL1: what it holds never changes; sequences may have holes where other shards write to the same stream.
// SL2: a reader hands out every message after its start in order, each once: late, in pieces, or it breaks and says so.
import { VisageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { fingerprint } from '../message/fingerprint.ts';
import type { LogMessage } from '../message/log_message.ts';
import { shardLogPrefix } from '../message/subject.ts';
import type { LogBatch, LogReader, ShardLog } from '../ports/log.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import type { Faults } from './swarm.ts';

export type SimulatedLogOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: () => Faults;
  readonly root: string;
  readonly shard: number;
  readonly startMs: number;
  readonly neighbours: boolean;
  readonly batchMax: number;
  /** Hears every message when it is stored. */
  readonly onStored: (message: LogMessage) => void;
  /** What the reader makes of a message on its way (planted bugs); the log keeps what it has. */
  readonly delivered: (message: LogMessage) => LogMessage;
};

const CREATED = '2026-01-01T00:00:00Z';
const CUT_LOOK_MS = 200;
const STALL_MS_MAX = 3_000;
const BACK_MS_MAX = 2_000;
const STANDS_MS_MAX = 2_000;

export class SimulatedLog {
  readonly messages: LogMessage[] = [];
  /** Of the whole stream. */
  lastSequence = 0;
  private readonly options: SimulatedLogOptions;
  private readonly prefix: string;
  private standsAtMs: number | null = null;
  private wentBackMs = 0;
  private readers = new Set<SimulatedReader>();

  constructor(options: SimulatedLogOptions) {
    this.options = options;
    this.prefix = shardLogPrefix(options.root, options.shard);
  }

  /** The server's clock: what the next message is stamped with, as far as anybody knows. */
  get nowMs(): number {
    const nowMs = Math.floor(this.options.startMs + this.options.scheduler.nowMs) - this.wentBackMs;
    return this.standsAtMs === null ? nowMs : Math.max(this.standsAtMs, nowMs - STANDS_MS_MAX);
  }

  /** The sequence of the shard's last message. */
  get lastForShard(): number {
    return this.messages.at(-1)?.sequence ?? 0;
  }

  /** The clock goes on as it should, from wherever it is. */
  calm(): void {
    this.standsAtMs = null;
    this.wentBackMs = 0;
  }

  /** Stores `<prefix><tail>`. @returns its sequence */
  put(tail: string, body: Uint8Array, headers?: Readonly<Record<string, string>>): number {
    const { random, neighbours, onStored } = this.options;
    this.disturbClock();
    this.lastSequence += neighbours ? 1 + random.below(3) : 1;
    const message: LogMessage = {
      sequence: this.lastSequence,
      stampMs: this.nowMs,
      subject: this.prefix + tail,
      body,
      headers: headers === undefined ? null : () => headers,
    };
    this.messages.push(message);
    if (neighbours && random.next() < 0.3) this.lastSequence++;
    onStored(message);
    for (const reader of this.readers) reader.wake();
    return message.sequence;
  }

  /** The server comes back without its last messages. @returns whether one of them is at or before `known` */
  loseTail(count: number, known: number): boolean {
    const lost = this.messages.splice(Math.max(1, this.messages.length - count));
    this.lastSequence = this.messages.at(-1)?.sequence ?? 0;
    for (const reader of this.readers) void reader.close();
    return lost.some(({ sequence }) => sequence <= known);
  }

  /** What comes after a sequence, from the shard's point of view: index of the first message. */
  indexAfter(sequence: number): number {
    let low = 0;
    for (let high = this.messages.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.messages[middle]!.sequence > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The port as one life has it. */
  port(life: Life): ShardLog {
    const { random, faults } = this.options;
    const ask = <T>(port: string, act: () => T): Promise<T> =>
      life.call(port, () => {
        if (random.next() < faults().questionsFail) throw unavailable('the server does not answer');
        return act();
      });
    return {
      open: (after) => ask('log.open', () => this.open(after, life)),
      append: (kind, body) => life.call('log.append', () => this.append(kind, body), true),
      state: () => ask('log.state', () => ({ created: CREATED, firstSequence: 1, lastSequence: this.lastSequence })),
      generations: () => ask('log.generations', () => []),
      lastForShard: () => ask('log.lastForShard', () => this.lastForShard),
      fingerprintAt: (sequence) =>
        ask('log.fingerprintAt', () => {
          const found = this.messages[this.indexAfter(sequence) - 1];
          return found?.sequence === sequence ? fingerprint(found) : undefined;
        }),
    };
  }

  private append(kind: string, body: Uint8Array): number {
    const { random, faults } = this.options;
    const fails = random.next() < faults().appendFails;
    if (fails && random.next() < 0.5) throw unavailable('the log is full');
    const sequence = this.put(`ctl.${kind}`, body);
    if (fails) throw unavailable('stored, but the answer was lost');
    return sequence;
  }

  private open(after: number, life: Life): LogReader {
    const reader = new SimulatedReader(this, this.options, after, life, () => this.readers.delete(reader));
    this.readers.add(reader);
    return reader;
  }

  private disturbClock(): void {
    const { random } = this.options;
    const { clockStands, clockGoesBack } = this.options.faults();
    if (this.standsAtMs !== null && random.next() < 0.2) this.standsAtMs = null;
    else if (random.next() < clockStands) this.standsAtMs = this.nowMs;
    if (random.next() < clockGoesBack) this.wentBackMs = random.below(BACK_MS_MAX);
  }
}

class SimulatedReader implements LogReader {
  private readonly log: SimulatedLog;
  private readonly options: SimulatedLogOptions;
  private readonly life: Life;
  private readonly onClosed: () => void;
  private handedOut: number;
  private closed = false;
  private waiting: { resolve: (batch: LogBatch | null) => void; reject: (error: Error) => void } | null = null;
  private coming = false;

  constructor(log: SimulatedLog, options: SimulatedLogOptions, after: number, life: Life, onClosed: () => void) {
    this.log = log;
    this.options = options;
    this.handedOut = after;
    this.life = life;
    this.onClosed = onClosed;
  }

  next(): Promise<LogBatch | null> {
    const { random, faults } = this.options;
    if (random.next() < faults().readerBreaks) {
      return this.life.call('reader.next', () => {
        throw unavailable('the connection broke');
      });
    }
    const batch = new Promise<LogBatch | null>((resolve, reject) => void (this.waiting = { resolve, reject }));
    // the question and its answer are two awaits' worth of time, but one promise
    const ask = (): void => (this.closed ? this.answer(null) : this.wake());
    this.life.call('reader.next', ask).catch(ask); // who is cut off waits until it is not
    return batch;
  }

  readThrough(): Promise<number | undefined> {
    return this.life.call('reader.readThrough', () =>
      this.log.lastForShard > this.handedOut ? undefined : this.log.lastSequence,
    );
  }

  close(): Promise<void> {
    this.closed = true;
    this.onClosed();
    this.life.later(0, () => this.answer(null));
    return this.life.call('local.close', () => undefined);
  }

  /** There may be something to hand out. */
  wake(): void {
    if (this.waiting === null || this.coming || this.closed) return;
    if (this.log.lastForShard <= this.handedOut) return;
    if (this.life.isCut('log')) {
      this.coming = true;
      this.life.later(CUT_LOOK_MS, () => {
        this.coming = false;
        this.wake();
      });
      return;
    }
    this.coming = true;
    const { random, faults } = this.options;
    const stallMs = random.next() < faults().readerStalls ? random.below(STALL_MS_MAX) : 0;
    this.life.later(stallMs + random.below(faults().latencyMs + 1), () => {
      this.coming = false;
      if (this.waiting !== null && !this.closed) this.answer(this.take());
    });
  }

  private take(): LogBatch {
    const { random, batchMax, delivered } = this.options;
    const { messages } = this.log;
    const from = this.log.indexAfter(this.handedOut);
    const batch = messages.slice(from, from + 1 + random.below(batchMax));
    this.handedOut = batch.at(-1)!.sequence;
    return { messages: batch.map(delivered), pending: messages.length - from - batch.length };
  }

  private answer(batch: LogBatch | null): void {
    this.waiting?.resolve(batch);
    this.waiting = null;
  }
}

function unavailable(why: string): VisageError {
  return new VisageError('append_failed', why, { kind: 'retry' });
}
