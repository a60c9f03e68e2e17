// In-memory ports for the shard's tests: virtual time, a log, a change stream with its fence, dead letters.
// FK1: what belongs to a life (its clock, its wrappers of the ports) can be killed: it then hears and does nothing any more.
import type { Clock } from '../../../src/ports/clock.ts';
import type {
  ChangeSink,
  CommitHeader,
  CommitOutcome,
  DeadLetterRecord,
  DeadLetterSink,
  LastCommit,
} from '../../../src/ports/change_sink.ts';
import type { LogBatch, LogReader, ShardLog, StreamState } from '../../../src/ports/log.ts';
import { VisageError } from '../../../src/base/errors.ts';
import { fingerprint } from '../../../src/message/fingerprint.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { ROOT } from './fold_run.ts';

const NEVER = new Promise<never>(() => undefined);

/** Lets everything that is ready run. */
export async function settle(turns = 4): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  now = 0;
  wallOffset = 0;
  private n = 0;
  private timers: { at: number; n: number; callback: () => void }[] = [];

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.wallOffset + this.now;
  }

  timer(ms: number, callback: () => void): () => void {
    if (!(ms >= 0)) throw new Error(`a timer of ${ms} ms`);
    const timer = { at: this.now + ms, n: this.n++, callback };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((other) => other !== timer));
  }

  yieldNow(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  get armed(): number[] {
    return this.timers.map(({ at }) => at - this.now).sort((a, b) => a - b);
  }

  /** Moves time on, timer by timer. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.n - b.n)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.timers = this.timers.filter((other) => other !== next);
      next.callback();
      await settle();
    }
    this.now = end;
  }
}

/** The clock as one life sees it. */
export class LifeClock implements Clock {
  dead = false;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  timer(ms: number, callback: () => void): () => void {
    return this.clock.timer(ms, () => {
      if (!this.dead) callback();
    });
  }

  async yieldNow(): Promise<void> {
    await this.clock.yieldNow();
    if (this.dead) await NEVER;
  }
}

export class FakeLog {
  readonly clock: FakeClock;
  readonly startMs: number;
  messages: LogMessage[] = [];
  created = 'log-1';
  firstSequence = 1;
  /** Of the whole stream: other shards write there too. */
  lastSequence = 0;
  /** Set to refuse appends. */
  full = false;
  batch: () => number = () => 7;
  private waiting: (() => void)[] = [];

  constructor(clock: FakeClock, startMs: number) {
    this.clock = clock;
    this.startMs = startMs;
  }

  get nowMs(): number {
    return this.startMs + Math.floor(this.clock.now);
  }

  put(kind: string, body: Uint8Array, stampMs = this.nowMs): number {
    const sequence = ++this.lastSequence;
    this.messages.push({ sequence, stampMs, subject: `${ROOT}.log.0.${kind}`, body, headers: null });
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
    return sequence;
  }

  /** The port as one life sees it. */
  port(life: { readonly dead: boolean }): ShardLog {
    const guard = <T>(result: () => T): Promise<T> =>
      life.dead ? NEVER : Promise.resolve().then(() => (life.dead ? NEVER : result()));
    return {
      open: (after) => guard(() => this.reader(after, life)),
      append: (kind, body) =>
        guard(() => {
          if (this.full) throw new VisageError('append_failed', 'the log is full', { kind: 'retry' });
          return this.put(`ctl.${kind}`, body);
        }),
      state: () =>
        guard((): StreamState => ({ created: this.created, firstSequence: this.firstSequence, lastSequence: this.lastSequence })),
      lastForShard: () => guard(() => this.messages.at(-1)?.sequence ?? 0),
      generations: () => Promise.resolve([]),
      fingerprintAt: (sequence) =>
        guard(() => {
          const found = this.messages.find((message) => message.sequence === sequence);
          return found === undefined ? undefined : fingerprint(found);
        }),
    };
  }

  private reader(after: number, life: { readonly dead: boolean }): LogReader {
    let handedOut = after;
    let closed = false;
    let wakeNext: (() => void) | undefined;
    const rest = (): LogMessage[] =>
      this.messages.filter(({ sequence }) => sequence > handedOut && sequence >= this.firstSequence);
    return {
      next: async (): Promise<LogBatch | null> => {
        for (;;) {
          await Promise.resolve();
          if (life.dead) await NEVER;
          if (closed) return null;
          const all = rest();
          if (all.length > 0) {
            const messages = all.slice(0, Math.max(1, this.batch()));
            handedOut = messages.at(-1)!.sequence;
            return { messages, pending: all.length - messages.length };
          }
          await new Promise<void>((resolve) => {
            wakeNext = resolve;
            this.waiting.push(resolve);
          });
        }
      },
      readThrough: async () => {
        const at = this.lastSequence;
        await Promise.resolve();
        if (life.dead) await NEVER;
        return rest().length > 0 ? undefined : at;
      },
      close: () => {
        closed = true;
        wakeNext?.();
        return Promise.resolve();
      },
    };
  }
}

export type Commit = { readonly streamSequence: number; readonly header: CommitHeader; readonly body: string };
export type SinkAnswer = 'ok' | 'unavailable' | 'late';

/** The change stream of one shard, with the fence. */
export class FakeSink {
  commits: Commit[] = [];
  created = 'changes-1';
  lastSequence = 0;
  /** What happens to the next publish: `late` takes `lateMs`, and may be stored although its author is dead by then. */
  answer: () => SinkAnswer = () => 'ok';
  lateMs: () => number = () => 30;
  inFlight = 0;
  private readonly clock: FakeClock;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  last(): LastCommit | undefined {
    return this.commits.at(-1);
  }

  store(header: CommitHeader, body: string, previous: LastCommit | undefined): CommitOutcome {
    if (this.last()?.streamSequence !== previous?.streamSequence) return { kind: 'fenced', by: this.last()!.header.owner };
    const streamSequence = (this.lastSequence += 3); // other shards write there too
    this.commits.push({ streamSequence, header: structuredClone(header), body });
    return { kind: 'committed', streamSequence };
  }

  port(life: { readonly dead: boolean }): ChangeSink {
    return {
      last: async () => {
        await Promise.resolve();
        return life.dead ? NEVER : this.last();
      },
      state: () => Promise.resolve({ created: this.created, firstSequence: 1, lastSequence: this.lastSequence }),
      publish: async (header, body, previous) => {
        if (life.dead) return NEVER;
        const answer = this.answer();
        if (++this.inFlight > 1) throw new Error('two commits in flight');
        try {
          if (answer === 'late') await new Promise<void>((resolve) => void this.clock.timer(this.lateMs(), resolve));
          await Promise.resolve();
          const outcome: CommitOutcome =
            answer === 'unavailable'
              ? { kind: 'unavailable', why: 'no answer' }
              : this.store(header, Buffer.from(body).toString(), previous);
          return life.dead ? await Promise.race<CommitOutcome>([NEVER]) : outcome;
        } finally {
          this.inFlight--;
        }
      },
    };
  }
}

export class FakeDeadLetters {
  stored: DeadLetterRecord[] = [];
  delayMs: () => number = () => 0;
  readonly clock: FakeClock;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  port(life: { readonly dead: boolean }): DeadLetterSink {
    return {
      send: async (letter) => {
        const delay = this.delayMs();
        if (delay > 0) await new Promise<void>((resolve) => void this.clock.timer(delay, resolve));
        else await Promise.resolve();
        if (life.dead) await NEVER;
        this.stored.push(letter);
      },
      close: () => undefined,
    };
  }
}
