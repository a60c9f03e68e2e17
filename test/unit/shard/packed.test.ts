// MessagePack in the fold: from the fold version that knows it, and nowhere before; and what it comes to.
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { packMap } from '../../../src/message/write_message_pack.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { compareExport } from '../../../src/oracle/compare.ts';
import { FoldRun, LogWriter, planWith, ROOT } from './fold_run.ts';

const START = Date.UTC(2026, 0, 1);
const PLAN = planWith({
  spend: { function: 'sum', value: 'event.price', window: 'lifetime' },
  spend1h: { function: 'sum', value: 'event.price', window: { sliding: '1h' } },
  channel: { function: 'mostRecent', value: 'event.channel', window: 'lifetime' },
  channels: { function: 'countDistinct', value: 'event.channel', window: { sliding: '2d' } },
});

const packed = (message: LogMessage, body: object): LogMessage => ({
  ...message,
  body: packMap(body),
  headers: () => ({ 'Content-Type': 'application/msgpack' }),
});

test('a log that says so counts it, one of an earlier version refuses it as that one did: the same bytes, before and after', () => {
  const log = new LogWriter();
  const body = { _id: 'e-1', timestamp: '2026-01-01T00:00:00.000Z', price: 5 };
  const run = new FoldRun(PLAN, Infinity);
  const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => PLAN });
  const apply = (message: LogMessage): ReturnType<FoldRun['apply']> => {
    oracle.feed(message);
    return run.apply(message);
  };
  apply(log.definitions(PLAN, START, {}, 4));
  const early = apply(packed(log.event('ada', '', START), body));
  expect(early.deadLetters.map(({ errors }) => errors.map(({ message }) => message))).toEqual([['the body is not valid UTF-8']]);
  apply(log.definitions(PLAN, START, {}, 5));
  expect(apply(packed(log.event('ada', '', START), body)).deadLetters).toEqual([]);
  expect(run.view('customerId.ada')?.computed['spend']?.value).toBe(5);
  expect([...oracle.refused]).toEqual([[2, 'malformed']]);
});

test('any events come to the same state, the same changes and what brute force makes of them', () => {
  const random = seededRandom(5);
  const log = new LogWriter();
  const messages: { json: LogMessage; packed: LogMessage }[] = [];
  const definitions = log.definitions(PLAN, START);
  messages.push({ json: definitions, packed: definitions });
  const prices = [1, 2.5, 0.1, -3, 1e300, 2 ** 53 - 1, 4_294_967_296, null, '7', undefined];
  for (let n = 0; n < 800; n++) {
    const now = START + n * 60_000;
    const body = {
      _id: `e-${random.below(700)}`,
      timestamp: new Date(now - random.below(7_200_000)).toISOString(),
      price: prices[random.below(prices.length)],
      channel: ['web', 'é', 'x'.repeat(300), ['a', 'b'], true][random.below(5)],
    };
    const json = log.event(`c-${random.below(12)}`, body, now);
    messages.push({ json, packed: packed(json, body) });
  }
  const runs = [new FoldRun(PLAN, Infinity), new FoldRun(PLAN, 1)];
  const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => PLAN });
  for (const message of messages) {
    const [one, other] = [runs[0]!.apply(message.json), runs[1]!.apply(message.packed)];
    expect(other.changes).toEqual(one.changes);
    oracle.feed(message.packed);
  }
  expect(runs[1]!.fold.recorder.digest).toBe(runs[0]!.fold.recorder.digest);
  const keys = Array.from({ length: 12 }, (_, n) => `customerId.c-${n}`);
  const views = keys.map((key) => runs[1]!.view(key)!);
  expect(views).toEqual(keys.map((key) => runs[0]!.view(key)));
  const { applied } = runs[1]!.fold;
  expect(compareExport(views, { oracles: [oracle], cuts: new Map([[0, applied]]) })).toEqual([]);
});
