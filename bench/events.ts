// The events that fill the benches' logs.
import { formatTime } from '../src/base/time.ts';
import { generateEvents } from '../src/oracle/generate.ts';
import type { Sendable } from './world.ts';

const DAY_MS = 86_400_000;

export type HistoryOptions = {
  readonly seed: number;
  readonly events: number;
  readonly profiles: number;
  /** 0: uniform. */
  readonly zipfS: number;
};

/** Nine days of a shop, up to yesterday: a tenth out of order by up to two days, some twice, some broken. */
export function history(options: HistoryOptions): Iterable<Sendable> {
  const startMs = Date.now() - 10 * DAY_MS;
  const usual = { outOfOrderShare: 0.1, maxLateMs: 2 * DAY_MS, duplicateShare: 0.02, invalidShare: 0.01 };
  return generateEvents({ ...options, ...usual, startMs, spanMs: 9 * DAY_MS });
}

/** One purchase of every customer, all at one instant, `daysAgo` days ago. */
export function* everyCustomer(profiles: number, tag: string, daysAgo: number, nowMs = Date.now()): Iterable<Sendable> {
  const timestamp = formatTime(nowMs - daysAgo * DAY_MS);
  for (let i = 0; i < profiles; i++) {
    const event = {
      _id: `${tag}-${i}`,
      timestamp,
      eventType: 'commerce.purchases',
      commerce: { order: { priceTotal: ((i % 9_000) + 1) / 100, channel: 'web' } },
    };
    yield { dataset: 'orders', namespace: 'customerId', id: `c-${i}`, body: JSON.stringify(event) };
  }
}
