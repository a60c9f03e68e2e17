// Past `exactEvents`, over hundreds of events: what a value says of its precision holds, and its changes rebuild it.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { formatTime } from '../../src/base/time.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import { FoldRun, LogWriter, planWith, ROOT, type AttributeText } from '../unit/shard/fold_run.ts';
import { ChangeConsumer } from './change_consumer.ts';

/** Repeats the runs of a seed. */
const SEED = process.env['VISAGE_SEED'];
const H = 3_600_000;
const START = Date.UTC(2026, 1, 28, 22);
const EVENTS = 260;
const WINDOWS = { hour: { sliding: '1h' }, day: { calendar: 'day' }, all: 'lifetime' } as const;
const OVER_PRICES = ['sum', 'average', 'min', 'max', 'earliest', 'countDistinct', 'mostRecent'] as const;

const attributes: Record<string, AttributeText> = {};
for (const [name, window] of Object.entries(WINDOWS)) {
  attributes[`count_${name}`] = { function: 'count', window };
  for (const function_ of OVER_PRICES) attributes[`${function_}_${name}`] = { function: function_, value: 'event.price', window };
}
attributes['busy'] = { function: 'expression', expression: 'count_hour > 40', audience: true };
const PLAN = planWith(attributes);

const choice = fc.record({
  seed: fc.nat(),
  exactEvents: fc.constantFrom(16, 24, 40),
  paceMs: fc.constantFrom(20_000, 40_000, 60_000),
  slope: fc.constantFrom(-1, 0, 0.3, 1),
  datasets: fc.constantFrom(['orders'], ['orders', 'returns']),
});

/** Of 21 values nine are in a sample of one in eight (that many or more: once in 1,900 times): 72, which was taken for broken. */
const NINE_OF_21 = { seed: 2117253397, exactEvents: 40, paceMs: 40_000, slope: -1, datasets: ['orders'] } as const;
/** Of three events of one millisecond in `returns` the last was joined to a later one, and shown as the earliest. */
const TIES = { seed: 2147483618, exactEvents: 40, paceMs: 60_000, slope: -1, datasets: ['orders', 'returns'] } as const;

type Chosen = typeof choice extends fc.Arbitrary<infer Each> ? Each : never;

function logOf({ exactEvents, paceMs, slope, datasets }: Chosen, random: Random, foldVersion?: number): LogWriter {
  const log = new LogWriter();
  let now = START;
  log.definitions(PLAN, now, { exactEvents }, foldVersion);
  for (let n = 0; n < EVENTS; n++) {
    now += random.below(4) === 0 ? 0 : random.below(2 * paceMs); // several in one millisecond
    const late = random.below(3) === 0 ? random.below(H + 10 * paceMs) : 0;
    const price = Math.round(slope * n * 10 + random.below(300)) / 10;
    const body = { _id: `e-${n}`, timestamp: formatTime(now - late), price };
    log.event('ada', body, now, datasets[random.below(datasets.length)]);
    if (random.below(30) === 0) log.tick(now + random.below(paceMs));
  }
  return log;
}

it('a value that is not exact is that of windows that begin as little earlier as it says', () => {
  let inexact = 0;
  fc.assert(
    fc.property(choice, (chosen) => {
      const random = seededRandom(chosen.seed);
      const log = logOf(chosen, random);
      const run = new FoldRun(PLAN, Infinity);
      const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => PLAN });
      const consumer = new ChangeConsumer(() => PLAN);
      for (const message of log.messages) {
        for (const change of run.apply(message).changes) consumer.take(change);
        oracle.feed(message);
        const view = run.view('customerId.ada');
        if (view === undefined || (random.below(6) > 0 && message !== log.messages.at(-1))) continue;
        const differences = compareProfile(view, oracle);
        if (differences.length > 0) expect({ sequence: message.sequence, differences }).toEqual({});
        consumer.expectSame('customerId.ada', view);
        inexact += Object.values(view.computed).filter(({ precision }) => precision !== undefined).length;
      }
    }),
    // Random seeds: of about 4,500 sampled values a run, an honest one is taken for broken with a probability of 5 × 10^-10 (OP3).
    { numRuns: 40, ...(SEED === undefined ? {} : { seed: Number(SEED) }), examples: [[NINE_OF_21], [TIES]] },
  );
  expect(inexact).toBeGreaterThan(2_000);
});

it.each([
  [3, -14.9],
  [4, 2],
])('the earliest of events of one time, by fold version %d', (foldVersion, value) => {
  const { messages } = logOf(TIES, seededRandom(TIES.seed), foldVersion);
  const run = new FoldRun(PLAN, Infinity);
  for (const message of messages.slice(0, 110)) run.apply(message);
  const { computed, time } = run.view('customerId.ada')!;
  expect([computed['earliest_hour']!.value, time]).toEqual([value, '2026-02-28T23:08:27.720Z']);
});
