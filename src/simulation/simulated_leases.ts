// The lease store's twin: entries that run out by the server's clock, a little late, and workers that can be cut off from it.
import { VisageError } from '../base/errors.ts';
import type { LeaseEntry, LeaseStore, PutOutcome } from '../ports/leases.ts';
import type { Random } from '../base/random.ts';
import type { Life } from './life.ts';
import type { Faults } from './swarm.ts';

type Kept = LeaseEntry & { readonly untilMs: number };

const LATE_MS_MAX = 2_000;

export class SimulatedLeases {
  readonly ttlMs: number;
  private readonly entries = new Map<string, Kept>();
  private readonly hints = new Map<Life, () => void>();
  private revision = 0;
  private readonly options: { readonly random: Random; readonly faults: () => Faults; readonly nowMs: () => number };

  constructor(ttlMs: number, options: SimulatedLeases['options']) {
    this.ttlMs = ttlMs;
    this.options = options;
  }

  port(life: Life): LeaseStore {
    const ask = <T>(port: string, act: () => T): Promise<T> =>
      life.call(
        port,
        () => {
          const { random, faults } = this.options;
          if (random.next() < faults().questionsFail) throw unavailable();
          const result = act();
          if (random.next() < faults().sinkLosesAnswer) throw unavailable(); // done, and nobody knows
          return result;
        },
        true,
      );
    return {
      ttlMs: this.ttlMs,
      list: () => ask('leases.list', () => [...this.entries.keys()].flatMap((key) => this.at(key) ?? [])),
      put: (key, value, revision) => ask('leases.put', () => this.put(key, value, revision)),
      remove: (key, revision) =>
        ask('leases.remove', () => {
          if (this.at(key)?.revision === revision) this.entries.delete(key);
        }),
      hint: () => {
        for (const [other, hint] of this.hints) if (!other.dead) other.later(this.options.random.below(3), hint);
      },
      onHint: (callback) => {
        this.hints.set(life, callback);
        return () => void this.hints.delete(life);
      },
    };
  }

  private put(key: string, value: string, revision: number): PutOutcome {
    const now = this.at(key);
    if ((now?.revision ?? 0) !== revision) return { done: false, now };
    const { random, nowMs } = this.options;
    const lateMs = random.next() < 0.5 ? 0 : random.below(LATE_MS_MAX);
    this.entries.set(key, { key, value, revision: ++this.revision, untilMs: nowMs() + this.ttlMs + lateMs });
    return { done: true, revision: this.revision };
  }

  private at(key: string): LeaseEntry | undefined {
    const found = this.entries.get(key);
    if (found === undefined || found.untilMs <= this.options.nowMs()) return undefined;
    return { key, value: found.value, revision: found.revision };
  }
}

function unavailable(): VisageError {
  return new VisageError('unavailable', 'the leases do not answer', { kind: 'retry' });
}
