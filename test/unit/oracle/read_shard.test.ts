import { expect, it } from 'vitest';
import { ADA, LIFETIME, at, planOf } from './log_fixture.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { readShard } from '../../../src/oracle/read_shard.ts';
import type { OraclePlan } from '../../../src/oracle/recompute.ts';

const T = at('2026-03-01T00:00:00Z');
const orders = { name: 'orders', function: 'count', window: LIFETIME } as const;
const spend = { name: 'spend', function: 'sum', window: LIFETIME, revision: 2 } as const;
const plans = new Map<string, OraclePlan>([
  ['h1', planOf([orders])],
  ['h2', planOf([orders, spend])],
  ['h3', planOf([orders, spend, { ...spend, name: 'more', revision: 3 }])],
]);

const control = (kind: string, hash: string, generation = 1): [string, object] => [
  `ctl.${kind}`,
  { kind, generation, previous: 0, partialFrom: null, hash, foldVersion: 1, settings: DEFAULT_FOLD_SETTINGS },
];
const buy = (_id: string): [string, object] => [
  'in.orders.customerId.ada',
  { _id, timestamp: '2026-03-01T00:00:00Z', eventType: 'commerce.purchases', commerce: { order: { priceTotal: 5 } } },
];

async function read(log: readonly [string, object][]) {
  const fetched: string[] = [];
  let times = 0;
  const messages = async function* (): AsyncGenerator<LogMessage> {
    times++;
    for (const [i, [subject, body]] of log.entries()) {
      const bytes = new TextEncoder().encode(JSON.stringify(body));
      yield { sequence: i + 1, stampMs: T, subject: `visage.log.0.${subject}`, body: bytes, headers: null };
      await Promise.resolve();
    }
  };
  const plan = (hash: string): Promise<OraclePlan> => {
    fetched.push(hash);
    return Promise.resolve(plans.get(hash)!);
  };
  const oracle = await readShard({ root: 'visage', shard: 0, partitions: 1, log: messages, plan });
  const values = Object.entries(oracle.profileAt(ADA, T) ?? {}).map(([name, { value }]) => [name, value]);
  return { values: Object.fromEntries(values) as unknown, fetched, times };
}

it('fetches each definitions that the log names once, before it feeds them', async () => {
  expect(
    await read([control('definitions', 'h1'), buy('1'), control('definitions', 'h2'), control('definitions', 'h2'), buy('2')]),
  ).toEqual({
    values: { orders: 2, spend: 5 },
    fetched: ['h1', 'h2'],
    times: 1,
  });
});

it('begins again for the last generation', async () => {
  const log = [
    control('definitions', 'h1'),
    buy('1'),
    control('generation', 'h1', 2),
    buy('2'),
    control('generation', 'h2', 3),
    buy('3'),
  ];
  expect(await read([...log, control('definitions', 'h3', 3), buy('4')])).toEqual({
    values: { orders: 4, spend: 20, more: 5 },
    fetched: ['h1', 'h2', 'h3'],
    times: 2,
  });
});
