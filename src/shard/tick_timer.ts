// Appends a tick when something is due and no message moves the shard's time: so values leave their windows on time.
// TT1: whether something is due is judged by the last stamp plus monotonic time elapsed, never by the wall clock. Under the event
//      clock time stands still between messages: a tick is appended only for what is due already.
//      A message may come long after it was stamped (a paused process, a reader that catches up), so the time that was thought to be never
//      goes back by one; only the shard's own tick, which is stamped between its sending and its acknowledgement, sets it anew.
// TT2: at most one append under way, and at most one per `tick`. A failed one backs off, and is counted.
import { encodeControl } from '../message/control.ts';
import type { Clock } from '../ports/clock.ts';
import type { ShardLog } from '../ports/log.ts';

const BACKOFF_MAX_MS = 5_000;

export type TickTimerOptions = {
  readonly clock: Clock;
  readonly log: ShardLog;
  readonly tickMs: number;
  /** False under the event clock. */
  readonly timeFlows: boolean;
  /** When the earliest profile is due, in log time; Infinity: none is. */
  readonly earliest: () => number;
};

export class TickTimer {
  appended = 0;
  failures = 0;
  /** Failures in a row: the shard's values are late. */
  failing = 0;
  private readonly options: TickTimerOptions;
  private stampMs = -Infinity;
  private stampedAtMs = 0;
  /** An own tick was stamped just now: the next stamp is taken as it is. */
  private fresh = false;
  private lastAppendMs = -Infinity;
  private armedFor = Infinity;
  private cancelTimer: (() => void) | null = null;
  private underWay = false;
  private stopped = true;

  constructor(options: TickTimerOptions) {
    this.options = options;
  }

  /** Ticks are appended from now on: the shard is active. How long ago the last stamp was is not known (the worker may have been
   *  down for hours), so where anything will be due, a tick brings a fresh one. */
  start(): void {
    this.stopped = false;
    if (!this.options.timeFlows || this.options.earliest() === Infinity) this.arm();
    else this.append();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** The shard's time moved. Cheap when neither the earliest due did, nor log time ran ahead of what was thought (the first stamp
   *  after a start says how long no worker ran). */
  moved(shardTimeMs: number): void {
    const now = this.options.clock.monotonicMs();
    const thoughtMs = this.stampMs + this.elapsedMs(now);
    const ranAhead = shardTimeMs - thoughtMs > this.options.tickMs / 2;
    const wasAhead = this.fresh && thoughtMs - shardTimeMs > this.options.tickMs / 2;
    this.stampMs = this.fresh ? shardTimeMs : Math.max(shardTimeMs, thoughtMs);
    this.stampedAtMs = now;
    this.fresh = false;
    if (!this.stopped && (ranAhead || wasAhead || this.options.earliest() !== this.armedFor)) this.arm();
  }

  /** A bounded message left something due: go on at once. */
  continue(): void {
    if (!this.stopped && !this.underWay) this.append();
  }

  private arm(): void {
    this.cancel();
    if (this.underWay || this.stopped) return;
    const { clock, tickMs, timeFlows } = this.options;
    const dueMs = this.options.earliest();
    this.armedFor = dueMs;
    if (dueMs === Infinity) return;
    const now = clock.monotonicMs();
    const untilDue = dueMs - (this.stampMs + this.elapsedMs(now));
    if (untilDue > 0 && !timeFlows) {
      this.armedFor = NaN; // a message will bring the time: `moved` looks again
      return;
    }
    const spacing = this.failing > 0 ? Math.min(BACKOFF_MAX_MS, tickMs * 2 ** this.failing) : tickMs;
    const wait = Math.max(untilDue, this.lastAppendMs + spacing - now, 0);
    this.cancelTimer = clock.timer(Math.ceil(wait), () => {
      this.cancelTimer = null;
      // a message may have moved the due while the timer ran
      if (this.options.earliest() === this.armedFor) this.append();
      else this.arm();
    });
  }

  private elapsedMs(now: number): number {
    return this.options.timeFlows ? now - this.stampedAtMs : 0;
  }

  private append(): void {
    this.cancel();
    this.underWay = true;
    this.lastAppendMs = this.options.clock.monotonicMs();
    this.options.log.append('tick', encodeControl({ kind: 'tick' })).then(
      () => {
        this.appended++;
        this.fresh = true;
        this.failing = 0;
        this.underWay = false;
        this.armedFor = Infinity;
        this.arm();
      },
      () => {
        this.failures++;
        this.failing++;
        this.underWay = false;
        this.arm();
      },
    );
  }

  private cancel(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
  }
}
