// One event about one customer, for tests that count on their fingers.
import { formatTime } from '../../src/base/time.ts';
import type { Sendable } from './publish_all.ts';

export type Purchase = {
  readonly _id: string;
  readonly atMs: number;
  readonly price?: number;
  readonly channel?: string;
  readonly dataset?: string;
};

export function purchase(id: string, { _id, atMs, price = 10, channel = 'web', dataset = 'orders' }: Purchase): Sendable {
  const body = {
    _id,
    timestamp: formatTime(atMs),
    eventType: 'commerce.purchases',
    commerce: { order: { priceTotal: price, channel } },
  };
  return { dataset, namespace: 'customerId', id, body: JSON.stringify(body) };
}
