// What the benches of windows share: the log of one profile whose window stays as full as it is, and what is in the window by brute force.
// WE1: gaps between events are irregular but repeat after `values` of them: where nothing is late, each event that comes in pushes one out.
import type { Plan } from '../src/aggregate/plan.ts';
import { formatTime, type EpochMs } from '../src/base/time.ts';
import { seededRandom, type Random } from '../src/base/random.ts';
import { DEFAULT_FOLD_SETTINGS, type FoldSettings } from '../src/message/control.ts';
import type { LogMessage } from '../src/message/log_message.ts';
import { ShardOracle } from '../src/oracle/brute_force.ts';
import { jsonEqual } from '../src/oracle/json_equal.ts';
import { LogWriter, ROOT } from '../test/unit/shard/fold_run.ts';

/** Every value is kept: the bench is about windows, not about what comes past the bound. */
export const EXACT: FoldSettings = { ...DEFAULT_FOLD_SETTINGS, exactEvents: 200_000 };
export const START_MS = Date.UTC(2026, 0, 1);
const CUSTOMER = 'c-1';
export const CUSTOMER_KEY = `customerId.${CUSTOMER}`;
const GAP_MS_MAX = 19;

/** Computed values by attribute, as a view or the oracle has them. */
export type Values = Readonly<Record<string, { readonly value: unknown }>>;
export type Valued = { readonly nowMs: EpochMs; readonly atMs: EpochMs; readonly price: number };

/** One customer's purchases: a price with two decimals each. */
export class WindowEvents {
  /** A sliding window of this length holds `values` of them when none is late. */
  readonly windowMs: number;
  made = 0;
  nowMs = START_MS;
  private readonly random: Random;
  private readonly gaps: Uint8Array;
  private readonly lateShare: number;
  /** The latest of them: enough to know what is in the window. Arrays that cost the collector nothing. */
  private readonly times: Float64Array;
  private readonly prices: Float64Array;

  /** `lateShare`: of the events, those that happened up to the whole window before they came. */
  constructor({ values, lateShare, seed }: { values: number; lateShare: number; seed: number }) {
    this.random = seededRandom(seed);
    this.gaps = Uint8Array.from({ length: values }, () => 1 + this.random.below(GAP_MS_MAX));
    this.windowMs = this.gaps.reduce((sum, gap) => sum + gap, 0) - 1;
    this.lateShare = lateShare;
    this.times = new Float64Array(values + 1);
    this.prices = new Float64Array(values + 1);
  }

  next(): Valued {
    this.nowMs += this.gaps[this.made % this.gaps.length]!;
    const late = this.lateShare > 0 && this.random.next() < this.lateShare;
    const atMs = late ? this.nowMs - this.random.below(this.windowMs + 1) : this.nowMs;
    const price = (this.random.below(50_000) + 1) / 100;
    const slot = this.made++ % this.times.length;
    this.times[slot] = atMs;
    this.prices[slot] = price;
    return { nowMs: this.nowMs, atMs, price };
  }

  /** The next `count` of them, ready to be applied. Nothing of an earlier call is kept. */
  messages(log: LogWriter, count: number): LogMessage[] {
    log.messages.splice(0, log.messages.length - 1);
    for (let i = 0; i < count; i++) {
      const { nowMs, atMs, price } = this.next();
      log.event(CUSTOMER, bodyOf(this.made - 1, atMs, price), nowMs);
    }
    return log.messages.slice(1);
  }

  /** What the oracle makes of those that can be in the window. */
  expected(plan: Plan): Values {
    const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => plan });
    const log = new LogWriter();
    const slots = this.times.length;
    // no id comes twice; the oracle is slow at forgetting the oldest of very many
    oracle.feed(log.definitions(plan, START_MS, { ...EXACT, dedupeIds: slots }));
    for (let i = Math.max(0, this.made - slots); i < this.made; i++)
      oracle.feed(log.event(CUSTOMER, bodyOf(i, this.times[i % slots]!, this.prices[i % slots]!), this.nowMs));
    return oracle.profileAt(CUSTOMER_KEY, this.nowMs)!;
  }
}

function bodyOf(i: number, atMs: EpochMs, price: number): string {
  return `{"_id":"e-${i}","timestamp":"${formatTime(atMs)}","eventType":"buy","price":${price},"channel":"web"}`;
}

/** @throws when a value is not what the oracle says */
export function checkValues(name: string, mine: Values, right: Values): void {
  for (const attribute of Object.keys(right)) {
    const [found, expected] = [mine[attribute]?.value, right[attribute]!.value];
    if (!jsonEqual(found, expected))
      throw new Error(`${name}: ${attribute} is ${JSON.stringify(found)}; the oracle says ${JSON.stringify(expected)}`);
  }
}
