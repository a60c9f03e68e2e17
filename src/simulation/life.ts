// One life of the worker's process: from a start to a crash, a fence, a failure or an orderly end.
// LF1: every promise that the driver awaits from a port is one await, counted here; each is a place to die.
// LF2: a dead life hears nothing and does nothing any more; what it had sent may still arrive.
import { VisageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { Clock } from '../ports/clock.ts';
import type { Shard } from '../shard/shard.ts';
import type { Scheduler } from './scheduler.ts';
import type { Faults } from './swarm.ts';

const CUT_MS = 1_000;
const TIMER_MAX_MS = 2 ** 31 - 1;
/** One of its own for who waits: a shared one would keep everybody who ever waited for it, world after world. */
const never = (): Promise<never> => new Promise(() => undefined);

/** A failure that the world made; what a life may end with. */
export class SimulatedFault extends Error {}

/** What a life needs of its world. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly wallMs: () => number;
  /** One more await; may kill the life. */
  onAwait(life: Life, port: string): void;
}

export class Life {
  readonly number: number;
  readonly clock: Clock;
  shard!: Shard;
  active = false;
  dead = false;
  /** Another worker has taken over, and this one does not know it yet. */
  zombie = false;
  /** Was told that it is fenced: nothing of it may be stored any more. */
  fenced = false;
  /** Asked to end in order. */
  draining = false;
  /** Told to end at once: somebody else has the shard. */
  lost = false;
  /** Until when its process stands still. */
  suspendedUntilMs: () => number = () => 0;
  /** Is its process cut off from the log, the sink or the leases? */
  isCut: (party: string) => boolean = () => false;
  /** Why it ended. */
  failure: unknown;
  awaits = 0;
  /** At which of its awaits it dies. */
  diesAt = Infinity;
  private readonly world: Surroundings;

  constructor(number: number, world: Surroundings) {
    this.number = number;
    this.world = world;
    this.clock = this.clockOf(world.scheduler);
  }

  get owner(): string {
    return `life-${this.number}`;
  }

  /** A call that reaches the other side some time later, and whose answer comes back later still.
   *  `lasting`: what a process sent before it died may arrive all the same. */
  call<T>(port: string, act: () => T, lasting = false): Promise<T> {
    const { scheduler, random } = this.world;
    if (this.dead) return never();
    if (this.isCut(port.slice(0, port.indexOf('.')).replace('reader', 'log'))) return this.cutOff(port);
    const goingMs = this.latencyMs();
    const comingMs = this.latencyMs();
    const arrives = random.next() < 0.5;
    const answer = new Promise<T>((resolve, reject) => {
      scheduler.after(goingMs, () => {
        if (this.dead && !(lasting && arrives)) return;
        let result: T;
        try {
          result = act();
        } catch (error) {
          this.later(comingMs, () => reject(error instanceof Error ? error : new Error(String(error))));
          return;
        }
        this.later(comingMs, () => resolve(result));
      });
    });
    this.count(port);
    return answer;
  }

  /** Nobody answers; the question was not heard. */
  private cutOff(port: string): Promise<never> {
    const lost = new Promise<never>((_, reject) => {
      this.later(CUT_MS, () => reject(new VisageError('unavailable', `${port} is not answered`, { kind: 'retry' })));
    });
    this.count(port);
    return lost;
  }

  private count(port: string): void {
    if (this.dead) return;
    this.awaits++;
    this.world.onAwait(this, port);
  }

  /** Runs only if the life lives then. */
  later(ms: number, run: () => void): () => void {
    let isOver = false;
    const wake = (): void => {
      const left = this.suspendedUntilMs() - this.world.scheduler.nowMs;
      if (this.dead || isOver) return;
      if (left > 0) this.world.scheduler.after(left, wake);
      else run();
    };
    const cancel = this.world.scheduler.after(ms, wake);
    return () => {
      isOver = true;
      cancel();
    };
  }

  /** Something that this life has sent arrives later, whether it lives then or not. */
  late(ms: number, arrive: () => void): void {
    this.world.scheduler.after(ms, arrive);
  }

  private latencyMs(): number {
    const { random, faults } = this.world;
    if (faults.slowMs > 0 && random.next() < 0.1) return random.below(faults.slowMs + 1);
    return random.below(faults.latencyMs + 1);
  }

  private clockOf(scheduler: Scheduler): Clock {
    const world = this.world;
    return {
      monotonicMs: () => {
        const { busyMs } = world.faults;
        if (busyMs > 0 && !this.dead) scheduler.spend(world.random.next() * busyMs);
        return scheduler.nowMs;
      },
      wallMs: world.wallMs,
      timer: (ms, callback) => this.later(Math.min(ms, TIMER_MAX_MS), callback),
      yieldNow: () => {
        const turn = this.dead ? never() : new Promise<void>((resolve) => void this.later(0, resolve));
        this.count('clock.yieldNow');
        return turn;
      },
    };
  }
}
