// The fold under the event clock: time is what the events say. Incremental equals brute force, and replays repeat it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import { EVERYTHING, FoldRun, LogWriter, ROOT } from '../unit/shard/fold_run.ts';

const T = Date.UTC(2011, 0, 1);
const STORED = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const SKEW = 300_000;

const waits = fc.constantFrom(0, 1, 2, 9, 10, 11, 3_600_000, 2 * DAY, 2 * DAY + 1);
const step = fc.record({
  kind: fc.constantFrom('event', 'event', 'event', 'event', 'event', 'tick', 'time', 'far', 'back', 'future', 'broken'),
  wait: waits,
  late: fc.constantFrom(0, 0, 0, 1, 5, 3_600_000, 3 * DAY),
  stored: fc.constantFrom(0, 1, 1000, 8 * DAY),
  who: fc.integer({ min: 0, max: 3 }),
  id: fc.integer({ min: 0, max: 12 }),
  price: fc.constantFrom(25, 10, 9.99, -4, 0.1),
  dataset: fc.constantFrom('orders', 'returns', 'audit'),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function logOf(steps: readonly Step[]): readonly LogMessage[] {
  const log = new LogWriter();
  let now = T;
  let stored = STORED;
  log.definitions(EVERYTHING, stored);
  for (const s of steps) {
    now += s.wait;
    stored += s.stored;
    const event = (timestampMs: number): void =>
      void log.event(
        `c-${s.who}`,
        { _id: `e-${s.id}`, timestamp: formatTime(timestampMs), eventType: 'buy', price: s.price, channel: 'web' },
        stored,
        s.dataset,
      );
    if (s.kind === 'event') event(now - s.late);
    else if (s.kind === 'tick') log.tick(stored);
    else if (s.kind === 'time') log.tick(stored, now);
    else if (s.kind === 'far') log.tick(stored, stored + SKEW + 1 + s.wait);
    else if (s.kind === 'back') log.tick(stored, now - DAY);
    else if (s.kind === 'future') event(stored + SKEW + 1);
    else log.event(`c-${s.who}`, '{"timestamp":"yesterday"}', stored);
  }
  return log.messages;
}

const newOracle = (): ShardOracle =>
  new ShardOracle({ root: ROOT, shard: 0, partitions: 1, clock: 'event', planOf: () => EVERYTHING });

describe('the fold under the event clock', () => {
  it('equals brute force after every message', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }), (steps) => {
        const run = new FoldRun(EVERYTHING, Infinity, 'event');
        const oracle = newOracle();
        for (const message of logOf(steps)) {
          run.apply(message);
          oracle.feed(message);
          expect(run.fold.shardTimeMs).toBe(oracle.shardTimeMs);
          for (const key of oracle.keys()) expect(compareProfile(run.view(key)!, oracle)).toEqual([]);
        }
        expect([run.fold.counters.events, run.fold.counters.duplicates]).toEqual([oracle.events, oracle.duplicates]);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same from any checkpoint on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), fc.nat(60), async (steps, crashAt) => {
        const log = logOf(steps);
        const calm = new FoldRun(EVERYTHING, Infinity, 'event');
        const run = new FoldRun(EVERYTHING, 0, 'event');
        for (const message of log) calm.apply(message);
        for (let i = 0; i < log.length; i++) {
          run.fold.recorder.silent = i < crashAt - 5; // a replay makes no changes, and counts the same
          expect(run.apply(log[i]!).changes.length === 0 || !run.fold.recorder.silent).toBe(true);
          if (i === crashAt) {
            await run.checkpoint();
            run.restart();
          }
        }
        expect([run.fold.recorder.count, run.fold.recorder.digest, run.fold.shardTimeMs, run.fold.logTimeMs]).toEqual([
          calm.fold.recorder.count,
          calm.fold.recorder.digest,
          calm.fold.shardTimeMs,
          calm.fold.logTimeMs,
        ]);
        for (let who = 0; who < 4; who++) expect(run.view(`customerId.c-${who}`)).toEqual(calm.view(`customerId.c-${who}`));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps time where the events left it, whatever the log says', () => {
    const run = new FoldRun(EVERYTHING, Infinity, 'event');
    const log = new LogWriter();
    run.apply(log.definitions(EVERYTHING, STORED));
    run.apply(log.event('a', { _id: '1', timestamp: formatTime(T), eventType: 'buy', price: 5 }, STORED));
    run.apply(log.tick(STORED + 300 * DAY));
    expect(run.fold.shardTimeMs).toBe(T);
    run.apply(log.tick(STORED + 300 * DAY, T + DAY));
    expect(run.view('customerId.a')).toMatchObject({
      time: formatTime(T + DAY),
      computed: { sum2d: { value: 5 }, sum10: { value: 0 } },
    });
  });
});
