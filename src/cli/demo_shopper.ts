// The customer whom the demo names for the explorer. She orders a few times, then rests until everything has left her window, and so on:
// whoever looks at any moment sees a value change within seconds, and leave within half a minute.
import { setTimeout as delay } from 'node:timers/promises';
import { formatTime } from '../base/time.ts';
import type { Identity } from '../message/identity.ts';
import type { Feed } from './demo_feed.ts';

export const BEA: Identity = { namespace: 'customerId', id: 'bea' };

const DAY_MS = 86_400_000;
const ROUND_MS = 50_000;
/** When in a round, for how much, and where. */
const ORDERS = [
  { atMs: 0, priceTotal: 25, channel: 'web' },
  { atMs: 5_000, priceTotal: 40, channel: 'app' },
  { atMs: 10_000, priceTotal: 9.99, channel: 'web' },
  { atMs: 15_000, priceTotal: 10, channel: 'store' },
] as const;

/** What two datasets say about her: they disagree. */
export async function introduce(feed: Feed): Promise<void> {
  const nowMs = Date.now();
  await feed.write({
    dataset: 'crm',
    identity: BEA,
    operation: 'create',
    record: { person: { name: { firstName: 'Beatrice', lastName: 'Potter' } }, homeAddress: { city: 'Oslo' } },
    lastUpdatedMs: nowMs - 40 * DAY_MS,
  });
  await feed.write({
    dataset: 'loyalty',
    identity: BEA,
    operation: 'create',
    record: { person: { name: { firstName: 'Bea' } }, loyalty: { tier: 'gold' } },
    lastUpdatedMs: nowMs - 3 * DAY_MS,
  });
}

/** Until the signal. */
export async function shop(feed: Feed, signal: AbortSignal): Promise<void> {
  for (let round = 1; !signal.aborted; round++) {
    const startMs = performance.now();
    const until = (atMs: number): Promise<unknown> =>
      delay(Math.max(0, startMs + atMs - performance.now()), undefined, { signal }).catch(() => undefined);
    for (const [n, { atMs, priceTotal, channel }] of ORDERS.entries()) {
      await until(atMs);
      if (signal.aborted) return;
      const event = { _id: `bea-${round}-${n + 1}`, timestamp: formatTime(Date.now()), eventType: 'commerce.purchases' };
      const body = JSON.stringify({ ...event, commerce: { order: { priceTotal, channel } } });
      await feed.send({ ...BEA, dataset: 'orders', body, valid: true, duplicate: false });
    }
    await until(ROUND_MS);
  }
}
