import { describe, expect, it } from 'vitest';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { compareProfile } from '../../../src/oracle/compare.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { FOLD_VERSION } from '../../../src/shard/fold.ts';
import { EVERYTHING, FoldRun, LogWriter, planWith, ROOT } from './fold_run.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatTime } from '../../../src/base/time.ts';

const T = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const PLAN = planWith({
  sum: { function: 'sum', value: 'event.price', window: { sliding: '1d' } },
  last: { function: 'mostRecent', value: 'event.channel', window: { sliding: '1d' } },
});

/** Does not only add to PLAN. */
const OTHER = planWith({ sum: { function: 'sum', value: 'event.price', window: { sliding: '2d' } } });

function bench(plan = PLAN) {
  const run = new FoldRun(plan, Infinity, 'log', [OTHER]);
  const log = new LogWriter();
  const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => plan });
  const apply = (message: LogMessage) => {
    oracle.feed(message);
    return run.apply(message);
  };
  apply(log.definitions(plan, T));
  const buy = (id: string, _id: string, price: number, at: number, stamp = at) =>
    apply(log.event(id, { _id, timestamp: formatTime(at), eventType: 'buy', price, channel: _id }, stamp));
  return { run, log, oracle, apply, buy };
}

describe('the fold', () => {
  it('lets a value leave one millisecond after its window, in the same message that another arrives', () => {
    const { run, buy, apply, log } = bench();
    buy('ada', 'a', 5, T);
    expect(apply(log.tick(T + DAY)).changes).toEqual([]);
    const { changes } = buy('ada', 'b', 7, T + DAY + 1);
    expect(changes).toMatchObject([
      {
        before: [5, 'a'].reverse(),
        after: ['b', 7],
        previousVersion: 2,
        causes: [
          { kind: 'expiry', sequence: 4 },
          { kind: 'event', _id: 'b', sequence: 4 },
        ],
      },
    ]);
    expect(run.view('customerId.ada')?.computed).toEqual({
      sum: { value: 7, nextChangeAt: formatTime(T + 2 * DAY + 2) },
      last: { value: 'b', timestamp: formatTime(T + DAY + 1), nextChangeAt: formatTime(T + 2 * DAY + 2) },
    });
  });

  it('lets at most 16 other due profiles expire with a message and 256 with a tick, in order; what waits is read as of just before', () => {
    const { run, buy, apply, log, oracle } = bench();
    const keyOf = (i: number): string => `p${String(i).padStart(4, '0')}`;
    const order = Array.from({ length: 700 }, (_, i) => (i * 389) % 700);
    for (const i of order) buy(keyOf(i), 'a', 5, T + Math.floor(i / 100), T + 10); // groups of equal due
    const now = T + DAY + 50;
    const expired: string[] = [];
    const pending = (): void => {
      let waiting = 0;
      for (const key of oracle.keys()) {
        const view = run.view(key)!;
        if (view.time !== formatTime(run.fold.shardTimeMs)) waiting++;
        expect(compareProfile(view, oracle).filter(({ path }) => path !== 'time')).toEqual([]);
      }
      expect(waiting).toBe(700 - expired.length);
    };
    const take = ({ changes }: { changes: readonly { key: string; causes: readonly { kind: string }[] }[] }): void => {
      for (const change of changes) if (change.causes.some(({ kind }) => kind === 'expiry')) expired.push(change.key);
    };
    take(buy('zoe', 'z', 1, now));
    expect(expired).toHaveLength(16);
    pending();
    for (const [i, expected] of [272, 528, 700].entries()) {
      const effects = apply(log.tick(now));
      take(effects);
      expect(expired).toHaveLength(expected);
      expect(effects.appends).toEqual(i < 2 ? [{ shard: 0, kind: 'tick' }] : []);
      pending();
    }
    expect(expired).toEqual(
      order
        .map(keyOf)
        .sort()
        .map((id) => `customerId.${id}`),
    );
  });

  it('brings its own profile up to date first, however many wait', () => {
    const { run, buy, oracle } = bench();
    for (let i = 0; i < 100; i++) buy(`p${i}`, 'a', 5, T);
    const { changes } = buy('p99', 'b', 7, T + DAY + 50);
    expect(changes[0]).toMatchObject({ key: 'customerId.p99', after: ['b', 7] });
    expect(changes).toHaveLength(17);
    expect(compareProfile(run.view('customerId.p99')!, oracle)).toEqual([]);
    const duplicate = buy('p98', 'a', 5, T, T + DAY + 50);
    expect(duplicate.changes[0]).toMatchObject({ key: 'customerId.p98', causes: [{ kind: 'expiry' }], after: [undefined, 0] });
  });

  it('keeps thousands of values and ids of one profile exact, through chunks, checkpoints and evictions', async () => {
    const random = seededRandom(1);
    const { run, apply, log, oracle } = bench(EVERYTHING);
    let now = T;
    for (let n = 0; n < 4000; n++) {
      now += random.below(100_000);
      const late = random.below(4) === 0 ? random.below(2 * DAY) : 0;
      apply(
        log.event(
          'ada',
          {
            _id: `e-${random.below(3500)}`,
            timestamp: formatTime(now - late),
            eventType: 'buy',
            price: random.below(100_000) / 100,
          },
          now,
        ),
      );
      if (n % 137 === 0) {
        await run.checkpoint();
        if (n % 3 === 0) run.restart();
      }
      if (n % 97 === 0) expect(compareProfile(run.view('customerId.ada')!, oracle)).toEqual([]);
    }
    for (const chunk of run.disk.chunks.keys()) expect(chunk.startsWith('customerId.ada\0')).toBe(true);
    apply(log.tick(now + 30 * DAY));
    expect(compareProfile(run.view('customerId.ada')!, oracle)).toEqual([]);
    await run.checkpoint();
    const ids = [...run.disk.chunks.keys()].filter((key) => key.length > 'customerId.ada\0'.length + 4);
    expect(ids).toEqual([]); // the rings are empty: none of their chunks is left behind
  });

  it('knows the same id in two datasets apart, and remembers ids of events that no attribute looks at', () => {
    const { run, apply, log } = bench();
    const put = (dataset: string, body: object = {}) =>
      apply(log.event('ada', { _id: 'a', timestamp: formatTime(T), price: 1, ...body }, T, dataset));
    put('orders');
    put('returns');
    put('audit');
    put('orders', { price: 100, timestamp: formatTime(T - 1) });
    put('returns');
    expect(run.view('customerId.ada')?.computed['sum']?.value).toBe(2);
    expect([run.fold.counters.events, run.fold.counters.duplicates]).toEqual([2, 2]);
  });

  it('needs a later release for later fold versions and unknown control messages, and keeps live definitions', () => {
    const { apply, log, run } = bench();
    const settings = run.fold.settings;
    expect(() =>
      apply(log.control({ kind: 'definitions', hash: PLAN.hash, foldVersion: FOLD_VERSION + 1, settings }, T)),
    ).toThrow(expect.objectContaining({ code: 'newer_fold', kind: 'stop_shard' }));
    expect(() => run.apply(log.put('ctl.erase', new Uint8Array(), T))).toThrow(
      expect.objectContaining({ code: 'unknown_control', kind: 'stop_shard' }),
    );
    expect(() =>
      run.apply(log.control({ kind: 'definitions', hash: OTHER.hash, foldVersion: FOLD_VERSION, settings }, T)),
    ).toThrow(expect.objectContaining({ code: 'definitions_changed', kind: 'stop_shard' }));
  });

  it('applies each message once, in order', () => {
    const { run, log } = bench();
    const tick = log.tick(T);
    run.apply(tick);
    expect(() => run.apply(tick)).toThrow(/each once/);
  });

  it('never lets time go back', () => {
    const { run, buy, apply, log, oracle } = bench();
    buy('ada', 'a', 5, T + 1000);
    apply(log.tick(T + 2000));
    buy('ada', 'b', 6, T + 1500, T - DAY);
    expect(run.fold.shardTimeMs).toBe(T + 2000);
    expect(compareProfile(run.view('customerId.ada')!, oracle)).toEqual([]);
    expect(run.view('customerId.ada')?.computed['last']).toMatchObject({ value: 'b', timestamp: formatTime(T + 1500) });
  });
});
