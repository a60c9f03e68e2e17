// The strongest invariant: after any messages the incremental state equals a full recomputation from the log.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { DEFAULT_FOLD_SETTINGS, type FoldSettings } from '../../src/message/control.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import type { Effects } from '../../src/shard/effects.ts';
import { ChangeConsumer } from './change_consumer.ts';
import { EVERYTHING, FoldRun, LogWriter, planWith, ROOT } from '../unit/shard/fold_run.ts';

const START = Date.UTC(2026, 0, 1);
const H = 3_600_000;
const D = 24 * H;
/** Waits and latenesses on both sides of every window's edges. */
const EDGES = [0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 9, 10, 11, 12, 20, 1000, H - 1, H, H + 1, 2 * D - 1, 2 * D, 2 * D + 1];
const VALUES = [
  '1',
  '9.99',
  '10',
  '10.01',
  '25',
  '0.1',
  '0.2',
  '-3.5',
  '0',
  '-0',
  '1e300',
  '1e-300',
  '-1e300',
  '123456789012345678',
  '"12"',
  'null',
  'true',
  '[1,2]',
  undefined,
] as const;
const CHANNELS = [
  '"web"',
  '"store"',
  '"\\ud800 é"',
  'null',
  '7',
  '["a","b"]',
  undefined,
  '"2026-01-01T00:00:00Z"',
  '"2025-12-31T23:00:00.000-01:00"', // the same instant
  '"2026-01-01T00:00:00.0005Z"',
  '"1969-12-31T23:59:59.999Z"',
  '"2031-05-06T07:08:09+02:00"',
  '"2026-02-30T00:00:00Z"', // none
  '"0000-01-01T00:00:00+01:00"', // a year before those that RFC 3339 can write
] as const;

type Step =
  | {
      kind: 'event';
      who: number;
      wait: number;
      late: number;
      id: number;
      value: number;
      channel: number;
      type: number;
      dataset: number;
    }
  | { kind: 'broken' | 'tick' | 'cut' | 'again'; who: number; wait: number }
  | { kind: 'back'; by: number };

const wait = fc.constantFrom(0, 0, 0, ...EDGES);
const who = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      who,
      wait,
      late: fc.oneof(fc.constant(0), fc.constantFrom(...EDGES, -1, -50, -299_999, -300_000, -300_001), fc.nat(15), fc.nat(2 * D)),
      id: fc.oneof(fc.nat(5), fc.nat(60)),
      value: fc.nat(VALUES.length - 1),
      channel: fc.nat(CHANNELS.length - 1),
      type: fc.nat(4),
      dataset: fc.nat(4),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('broken' as const), who, wait }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('tick' as const, 'tick' as const, 'cut' as const, 'again' as const),
      who,
      wait,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), by: fc.constantFrom(1, 10, H) }) },
);
const settings: fc.Arbitrary<FoldSettings> = fc.record({
  ...Object.fromEntries(Object.entries(DEFAULT_FOLD_SETTINGS).map(([name, value]) => [name, fc.constant(value)])),
  dedupeHorizonMs: fc.constantFrom(0, 1, 10, H, 7 * D),
  dedupeIds: fc.constantFrom(0, 1, 2, 5, 10_000),
}) as fc.Arbitrary<FoldSettings>;

function logOf(steps: readonly Step[], inForce: FoldSettings): LogMessage[] {
  const log = new LogWriter();
  log.event('c-0', '{}', START); // before any definitions
  log.definitions(EVERYTHING, START, inForce);
  let now = START;
  for (const s of steps) {
    if (s.kind === 'back') {
      log.tick(now - s.by); // the server's stamp went back: time does not
      continue;
    }
    now += s.wait;
    if (s.kind === 'event') {
      const fields = [`"_id":"e-${s.id}"`, `"timestamp":"${formatTime(now - s.late)}"`];
      if (s.type < 4) fields.push(`"eventType":"${['buy', 'buy', 'view', 'other'][s.type]!}"`);
      if (VALUES[s.value] !== undefined) fields.push(`"price":${VALUES[s.value]!}`);
      if (CHANNELS[s.channel] !== undefined) fields.push(`"channel":${CHANNELS[s.channel]!}`);
      log.event(`c-${s.who}`, `{${fields.join()}}`, now, ['orders', 'orders', 'returns', 'audit', 'nosuch'][s.dataset]);
    } else if (s.kind === 'broken') log.event(`c-${s.who}`, '{"_id":"e-1","timestamp":"yesterday"}', now);
    else if (s.kind === 'tick') log.tick(now);
    else if (s.kind === 'cut') log.control({ kind: 'cut', id: 'x' }, now);
    else log.definitions(EVERYTHING, now, inForce);
  }
  return log.messages;
}

const newOracle = (): ShardOracle => new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => EVERYTHING });

describe('the fold', () => {
  it('equals brute force after every message, and its changes rebuild every value', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), settings, (steps, inForce) => {
        const run = new FoldRun(EVERYTHING, Infinity);
        const oracle = newOracle();
        const consumer = new ChangeConsumer(() => EVERYTHING);
        for (const message of logOf(steps, inForce)) {
          const effects = run.apply(message);
          oracle.feed(message);
          for (const change of effects.changes) consumer.take(change);
          expect(effects.deadLetters.map(({ reason }) => reason)).toEqual(
            oracle.refused.has(message.sequence) ? [oracle.refused.get(message.sequence)] : [],
          );
          const keys = oracle.keys();
          expect(run.fold.profiles).toBe(keys.length);
          for (const key of keys) {
            const view = run.view(key)!;
            const differences = compareProfile(view, oracle);
            if (differences.length > 0)
              expect({ sequence: message.sequence, differences }).toEqual({ sequence: message.sequence, differences: [] });
            consumer.expectSame(key, view);
          }
        }
        expect([run.fold.counters.events, run.fold.counters.duplicates]).toEqual([oracle.events, oracle.duplicates]);
      }),
      { numRuns: 1200 },
    );
  });

  it('stands, where more is due than a message settles, just before something leaves', () => {
    const plan = planWith({ most: { function: 'max', value: 'event.price', window: { sliding: '10ms' } } });
    const bought = fc.record({
      who: fc.nat(39),
      price: fc.nat(3),
      late: fc.nat(9),
      dataset: fc.constantFrom('orders', 'returns'),
    });
    let waiting = 0;
    fc.assert(
      fc.property(fc.array(bought, { minLength: 60, maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (list, wait) => {
        const log = new LogWriter();
        log.definitions(plan, START);
        for (const [n, { who, price, late, dataset }] of list.entries())
          log.event(`c-${who}`, { _id: `${n}`, timestamp: formatTime(START - late), price }, START, dataset);
        for (let n = 0; n < 4; n++) log.control({ kind: 'cut', id: 'x' }, START + wait);
        const run = new FoldRun(plan, Infinity);
        const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => plan });
        for (const message of log.messages) {
          run.apply(message);
          oracle.feed(message);
          if (message.stampMs === START) continue;
          for (const key of oracle.keys()) {
            const view = run.view(key)!;
            expect(compareProfile(view, oracle)).toEqual([]);
            if (view.time !== formatTime(message.stampMs)) waiting++;
          }
        }
      }),
      { numRuns: 60 },
    );
    expect(waiting).toBeGreaterThan(100);
  });

  it('gives the same changes, count, digest and profiles with any cache, checkpoints, crashes and replays', async () => {
    const act = fc.constantFrom('none', 'none', 'none', 'none', 'freeze', 'slice', 'commit', 'checkpoint', 'crash');
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 100, size: 'max' }),
        settings,
        fc.array(act, { minLength: 20, maxLength: 120, size: 'max' }),
        fc.constantFrom(0, 2000, Infinity),
        async (steps, inForce, acts, cacheMaxBytes) => {
          const log = logOf(steps, inForce);
          const calm = new FoldRun(EVERYTHING, Infinity);
          const expected = log.map((message) => calm.apply(message));
          const run = new FoldRun(EVERYTHING, cacheMaxBytes);
          let crashes = 0;
          let n = 0;
          for (let i = 0; i < log.length; i++) {
            expect(visible(run.apply(log[i]!))).toEqual(visible(expected[i]!));
            const what = acts[n++ % acts.length]!;
            if ((what === 'freeze' || what === 'checkpoint') && !run.checkpointing) run.beginCheckpoint();
            if (what === 'slice') run.encodeSlice(1);
            if ((what === 'commit' || what === 'checkpoint') && run.checkpointing) await run.commitCheckpoint();
            if (what === 'crash' && crashes++ < 6) {
              run.restart();
              i = run.fold.applied - 1;
            }
          }
          const end = ({ fold }: FoldRun) => [
            fold.recorder.count,
            fold.recorder.digest,
            fold.profiles,
            fold.shardTimeMs,
            fold.applied,
          ];
          expect(end(run)).toEqual(end(calm));
          if (run.checkpointing) await run.commitCheckpoint();
          await run.checkpoint();
          run.restart();
          expect(end(run)).toEqual(end(calm));
          for (let w = 0; w < 4; w++) expect(run.view(`customerId.c-${w}`)).toEqual(calm.view(`customerId.c-${w}`));
        },
      ),
      { numRuns: 800 },
    );
  });
});

function visible(effects: Effects): unknown {
  return {
    changes: effects.changes,
    dead: effects.deadLetters.map(({ reason }) => reason),
    appends: effects.appends,
    cut: effects.cut,
  };
}
