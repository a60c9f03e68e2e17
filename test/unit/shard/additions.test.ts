// Definitions that add: they reach a profile with its next event, or with the sweep of 256 profiles a control message.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { formatTime } from '../../../src/base/time.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { compareProfile } from '../../../src/oracle/compare.ts';
import type { Effects } from '../../../src/shard/effects.ts';
import { ChangeConsumer } from '../../property/change_consumer.ts';
import { FoldRun, LogWriter, planWith, ROOT, type AttributeText } from './fold_run.ts';

const T = Date.UTC(2026, 1, 28, 23);
const HOUR = 3_600_000;
const FIRST: Record<string, AttributeText> = {
  spend1h: { function: 'sum', value: 'event.price', window: { sliding: '1h' } },
  orders: { function: 'count', window: 'lifetime' },
};
const SECOND: Record<string, AttributeText> = {
  ...FIRST,
  // the same filter, value and window as one of the first: a measure of its own, that begins later
  another1h: { function: 'sum', value: 'event.price', window: { sliding: '1h' }, revision: 2 },
  best: { function: 'max', value: 'event.price', window: { calendar: 'day' }, revision: 2 },
  channels: { function: 'countDistinct', value: 'event.channel', window: 'lifetime', revision: 2 },
  seen: { function: 'exists', window: { sliding: '1h' }, audience: true, revision: 2 },
  busy: { function: 'expression', expression: 'orders > 1 && spend1h > 10.0', audience: true, revision: 2 },
};
const THIRD: Record<string, AttributeText> = {
  ...SECOND,
  aFirst: { function: 'earliest', value: 'event.channel', window: { sliding: '1h' }, revision: 3 },
  last: { function: 'list', value: 'event.price', window: { calendar: 'month' }, limit: 2, revision: 3 },
  both: { function: 'expression', expression: 'busy && seen ? 1 : 0', revision: 3 },
};
/** Sorts before the datasets of the first, and counts from the second on. */
const ADDED = { app: 2 };
const first = planWith(FIRST);
const second = planWith(SECOND, ADDED);
const third = planWith(THIRD, ADDED);
const PLANS = [first, second, third];

type Bench = { run: FoldRun; log: LogWriter; apply: (message: LogMessage) => Effects; expectRight: (count?: number) => void };

function bench(): Bench {
  const run = new FoldRun(first, 200_000, 'log', [second, third]);
  const log = new LogWriter();
  const oracle = new ShardOracle({
    root: ROOT,
    shard: 0,
    partitions: 1,
    planOf: (hash) => PLANS.find((plan) => plan.hash === hash)!,
  });
  const consumer = new ChangeConsumer(() => third);
  const apply = (message: LogMessage): Effects => {
    oracle.feed(message);
    const effects = run.apply(message);
    for (const change of effects.changes) consumer.take(change);
    return effects;
  };
  /** All profiles, or so many of them. */
  const expectRight = (count = Infinity): void => {
    const keys = oracle.keys();
    const every = Math.max(1, Math.floor(keys.length / count));
    for (let i = run.fold.applied % every; i < keys.length; i += every) {
      const view = run.view(keys[i]!)!;
      expect(compareProfile(view, oracle)).toEqual([]);
      consumer.expectSame(keys[i]!, view);
    }
  };
  apply(log.definitions(first, T, {}, 2)); // before records a sweep took 256 a message
  return { run, log, apply, expectRight };
}

const buy = (log: LogWriter, who: string, n: number, at: number): LogMessage =>
  log.event(who, { _id: `e-${n}`, timestamp: formatTime(at), price: 5 + (n % 9), channel: ['web', 'shop', 'app'][n % 3] }, at);

describe('definitions that add', () => {
  it('reach more profiles than a message sweeps, in the order of keys, and those with an event at once', async () => {
    const { run, log, apply, expectRight } = bench();
    const random = seededRandom(3);
    let now = T;
    let n = 0;
    for (let i = 0; i < 700; i++) apply(buy(log, `c-${i}`, n++, (now += 100)));
    expectRight();
    const swept = (): number =>
      Array.from({ length: 700 }, (_, i) => run.cache.get(`customerId.c-${i}`, run.plan)!.revision).filter((r) => r >= 2).length;
    await run.checkpoint();
    for (let i = 0; i < 100; i++) apply(buy(log, `c-${i * 7}`, n++, (now += 100)));
    run.beginCheckpoint(); // the sweep comes upon profiles that are stored, changed, and being written
    run.encodeSlice(20);
    const sweeping = apply(log.definitions(second, (now += 100), {}, 2));
    expect([run.fold.revisions, run.fold.sweptTo === null, swept()]).toEqual([
      [{ revision: 2, sequence: run.fold.applied, timeMs: now }],
      false,
      256,
    ]);
    expect(sweeping.appends).toEqual([{ shard: 0, kind: 'tick' }]); // it asks for its own continuation
    expect(sweeping.changes.length).toBe(256);
    expect(sweeping.changes[0]!.causes).toEqual([{ kind: 'definitions', sequence: run.fold.applied }]);
    expectRight();
    for (let i = 0; i < 40; i++) {
      apply(buy(log, `c-${random.below(720)}`, n++, (now += 100))); // some are new, and have everything
      expectRight(40);
    }
    await run.commitCheckpoint();
    apply(log.control({ kind: 'cut', id: 'x' }, now)); // sweeps none
    expect(apply(log.tick(now)).appends.length).toBe(1);
    expect(swept()).toBeGreaterThan(512);
    expectRight();
    expect(apply(log.tick((now += 5))).appends).toEqual([]);
    expect([run.fold.sweptTo, swept()]).toEqual([null, 700]);
    expectRight();
    now += HOUR - 10_000; // values leave while the third is on its way
    apply(log.definitions(third, now, {}, 2));
    expectRight();
    for (let i = 0; i < 30; i++) {
      apply(random.below(3) === 0 ? log.tick((now += 700)) : buy(log, `c-${random.below(720)}`, n++, (now += 700)));
      expectRight(60);
    }
    expect([run.fold.sweptTo, run.fold.revisions.length]).toEqual([null, 2]);
    expectRight();
    apply(log.tick((now += 2 * HOUR)));
    for (let i = 0; i < 4; i++) apply(log.tick(now));
    expectRight();
  });

  it('go on after a crash where the checkpoint was, and emit the same', async () => {
    const { run, log, apply, expectRight } = bench();
    let now = T;
    for (let i = 0; i < 600; i++) apply(buy(log, `c-${i % 560}`, i, (now += 10)));
    apply(log.definitions(second, now, {}, 2));
    await run.checkpoint();
    run.restart();
    expect([run.fold.sweptTo, run.fold.plan!.revision]).toEqual([run.store.readMeta()!.sweptTo, 2]);
    expect(run.fold.sweptTo).not.toBeNull();
    const after = [
      log.tick(now),
      buy(log, 'c-559', 700, now + 5),
      log.definitions(third, now + 5, {}, 2),
      log.tick(now + 5),
      log.tick(now + 5),
    ];
    const once = after.map((message) => apply(message).changes);
    expectRight();
    run.restart(); // everything since the checkpoint again
    expect(after.map((message) => run.apply(message).changes)).toEqual(once);
    expectRight();
    expect(once.flat().length).toBeGreaterThan(600);
  });

  it('count what comes after them only, and say since when', () => {
    const { run, log, apply, expectRight } = bench();
    apply(buy(log, 'ada', 0, T));
    apply(log.definitions(second, T + 1_000, {}, 2));
    const since = formatTime(T + 1_000);
    const computed = (): object => run.view('customerId.ada')!.computed;
    expect(computed()).toMatchObject({ spend1h: { value: 5 }, another1h: { value: 0, since }, channels: { value: 0, since } });
    expect(computed()).not.toHaveProperty('best');
    apply(buy(log, 'ada', 1, T + 2_000));
    expect(computed()).toMatchObject({ spend1h: { value: 11 }, another1h: { value: 6, since }, best: { value: 6, since } });
    expect(run.view('customerId.ada')!.audiences).toEqual(['busy', 'seen']);
    apply(log.tick(T + 1_000 + HOUR)); // the window begins where the attribute does
    expect(run.view('customerId.ada')!.computed['another1h']).toEqual({ value: 6, nextChangeAt: formatTime(T + 2_001 + HOUR) });
    expectRight();
  });

  it('may bring a dataset, whose events count from then on', async () => {
    const { run, log, apply, expectRight } = bench();
    apply(buy(log, 'ada', 0, T));
    const early = buy(log, 'ada', 1, T + 1);
    const early2 = { ...early, subject: early.subject.replace('orders', 'app') };
    expect(apply(early2).deadLetters.map(({ reason }) => reason)).toEqual(['unknown_dataset']);
    apply(log.definitions(second, T + 1_000, {}, 2));
    apply(log.event('ada', { _id: 'e-2', timestamp: formatTime(T + 2_000), price: 40 }, T + 2_000, 'app'));
    apply(log.event('ada', { _id: 'e-2', timestamp: formatTime(T + 2_000), price: 40 }, T + 2_000, 'returns'));
    await run.checkpoint();
    run.restart();
    expect(run.view('customerId.ada')!.computed).toMatchObject({ orders: { value: 3 }, spend1h: { value: 85 } });
    expectRight();
    apply(log.tick(T + 3_000 + HOUR));
    expectRight();
  });

  it('that change what was there are refused', () => {
    const { log, run } = bench();
    const settings = run.fold.settings;
    const others: Record<string, AttributeText>[] = [
      { ...FIRST, orders: { function: 'count', window: { sliding: '1h' } } },
      { ...FIRST, zMore: { function: 'count', window: { sliding: '2h' } } }, // on a measure of the first revision
      { ...FIRST, zMore: { function: 'sum', value: 'event.price', window: { sliding: '2h' } } }, // its slot comes last
      { ...FIRST, zMore: { function: 'max', value: 'event.price', window: 'lifetime' } }, // stored parts have no place for it
      { spend1h: FIRST['spend1h']! },
    ];
    const { datasets } = first.admission;
    const flipped = new Map([...datasets].map(([name, rule]) => [name, { ...rule, profile: name !== 'returns' }]));
    const silenced = { ...first, hash: 'silenced', admission: { ...first.admission, datasets: flipped } };
    for (const plan of [...others.map((attributes) => planWith(attributes)), silenced]) {
      const other = new FoldRun(first, Infinity, 'log', [plan]);
      other.apply(log.messages[0]!);
      const message = log.control({ kind: 'definitions', hash: plan.hash, foldVersion: 1, settings }, T);
      expect(() => other.apply(message)).toThrow(expect.objectContaining({ code: 'definitions_changed' }));
    }
  });
});
