// W5 of the reference page: seven days of orders, through the fold. The numbers are the page's own.
import { expect, it } from 'vitest';
import { FoldRun, LogWriter, planWith } from './fold_run.ts';

const NOW = Date.parse('2026-03-14T12:00:00.000Z');
/** `purchases.value > 1.0 or priceTotal >= 10.0`; the channel stands for the number of purchases, which these schemas don't have. */
const FILTER = "event.price >= 10.0 || event.channel == 'p2'";
const over = (name: 'sum' | 'min' | 'max' | 'mostRecent') =>
  ({ function: name, filter: FILTER, value: 'event.price', window: { sliding: '7d' } }) as const;
const PLAN = planWith({
  sum: over('sum'),
  count: { function: 'count', filter: FILTER, window: { sliding: '7d' } },
  min: over('min'),
  max: over('max'),
  last: over('mostRecent'),
});

it('the seven-day expression: 84.99 to the cent, four orders, the duplicate and the one second too old left out', () => {
  const run = new FoldRun(PLAN, Infinity);
  const log = new LogWriter();
  run.apply(log.definitions(PLAN, NOW - 30 * 86_400_000));
  const order = (_id: string, timestamp: string, price: number, p: number): void =>
    void run.apply(log.event('ada', { _id, timestamp, eventType: 'buy', price, channel: `p${p}` }, NOW));
  order('e1', '2026-03-10T09:00:00.000Z', 25, 1);
  order('e2', '2026-03-12T09:00:00.000Z', 10, 0);
  order('e3', '2026-03-13T09:00:00.000Z', 9.99, 1);
  order('e4', '2026-03-13T12:00:00.000Z', 9.99, 2);
  order('e1', '2026-03-10T09:00:00.000Z', 25, 1);
  order('e5', '2026-03-06T11:59:59.000Z', 100, 1);
  order('e6', '2026-03-07T12:00:00.000Z', 40, 1);
  const view = run.view('customerId.ada')!;
  expect(Object.fromEntries(Object.entries(view.computed).map(([name, { value }]) => [name, value]))).toEqual({
    sum: 84.99,
    count: 4,
    min: 9.99,
    max: 40,
    last: 9.99,
  });
  expect(view.computed['last']!.timestamp).toBe('2026-03-13T12:00:00.000Z');
  run.apply(log.tick(NOW + 1)); // e6 was exactly seven days old
  expect(run.view('customerId.ada')!.computed).toMatchObject({ sum: { value: 44.99 }, count: { value: 3 }, max: { value: 25 } });
});
