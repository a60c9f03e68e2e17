// A profile got more than `exactEvents` values at once, and they have left: what is shown is exact again, however little came since, and
// nothing of the flood is kept.
import { describe, expect, it } from 'vitest';
import { distinctHash } from '../../src/aggregate/distinct_values.ts';
import type { Plan } from '../../src/aggregate/plan.ts';
import { formatTime } from '../../src/base/time.ts';
import { FOLD_VERSION } from '../../src/shard/fold.ts';
import { FoldRun, LogWriter, planWith, type AttributeText } from '../unit/shard/fold_run.ts';

const START = Date.UTC(2026, 1, 2, 10);
const H = 3_600_000;
const DAY = 24 * H;
const ADA = 'customerId.ada';

const over = (function_: 'countDistinct' | 'max', sliding: string): AttributeText => ({
  function: function_,
  value: 'event.price',
  window: { sliding },
});
const HOUR = planWith({ d: over('countDistinct', '1h') });

/** Writes events and ticks at times that go on. */
class Story {
  readonly log = new LogWriter();
  private nowMs = START;
  private events = 0;

  constructor(plan: Plan, exactEvents = 100, foldVersion = FOLD_VERSION) {
    // few ids are remembered: their records are not those that are counted
    this.log.definitions(plan, this.nowMs, { exactEvents, dedupeIds: 10 }, foldVersion);
  }

  event(price: number, afterMs: number, dataset = 'orders'): void {
    this.nowMs += afterMs;
    const body = { _id: `e-${this.events++}`, timestamp: formatTime(this.nowMs), price };
    this.log.event('ada', body, this.nowMs, dataset);
  }

  ticks(count: number, everyMs: number): void {
    for (let i = 0; i < count; i++) this.log.tick((this.nowMs += everyMs));
  }
}

function fold(plan: Plan, { log }: Story): FoldRun {
  const run = new FoldRun(plan, Infinity);
  for (const message of log.messages) run.apply(message);
  return run;
}

const shown = (run: FoldRun, name: string): unknown[] => {
  const { value, precision } = run.view(ADA)!.computed[name]!;
  return [value, precision?.mode];
};

/** Stays in any sample of a thousand values. */
function alwaysKept(): number {
  for (let price = 0; ; price++) if (distinctHash(price) % 64 === 0) return price;
}

describe('countDistinct', () => {
  it.each([1, 2, 3, 4])('of another dataset, days later (%d)', async (n) => {
    const story = new Story(HOUR);
    for (let i = 0; i < 1_000; i++) story.event(n * 10_000 + i, 5_000);
    story.ticks(1_000, 5_000);
    for (let day = 0; day < 3; day++) {
      story.event(n * 100, DAY, 'returns');
      for (let i = 1; i < 5; i++) story.event(n * 100 + i, 10, 'returns');
    }
    expect(shown(fold(HOUR, story), 'd')).toEqual([5, undefined]);
  });

  it('zero is exact once all has left', () => {
    const story = new Story(HOUR);
    for (let i = 0; i < 1_000; i++) story.event(i, 5_000);
    story.ticks(1_000, 5_000);
    expect(shown(fold(HOUR, story), 'd')).toEqual([0, undefined]);
  });

  /** One value of the sample is still there when all others have left. */
  const oneIsLeft = (foldVersion?: number): Story => {
    const story = new Story(HOUR, 100, foldVersion);
    for (let i = 0; i < 1_000; i++) story.event(1e6 + i, 10);
    story.event(alwaysKept(), H / 2);
    story.ticks(2_100, 1_000);
    return story;
  };

  it('one that is left counts once', () => {
    expect(shown(fold(HOUR, oneIsLeft()), 'd')).toEqual([1, undefined]);
  });

  it('as of an earlier fold version it counts for many; also under a later one, in memory and stored, until the sample is over', async () => {
    const before = oneIsLeft(5);
    const run = fold(HOUR, before);
    expect(shown(run, 'd')).toEqual([16, 'sampled']);
    run.apply(before.log.definitions(HOUR, START + 1.1 * H, { exactEvents: 100 }));
    expect(shown(run, 'd')).toEqual([16, 'sampled']);
    await run.checkpoint();
    run.restart();
    expect(shown(run, 'd')).toEqual([16, 'sampled']);
    run.apply(before.log.tick(START + DAY));
    run.apply(before.log.event('ada', { _id: 'new', timestamp: formatTime(START + DAY), price: 1 }, START + DAY));
    expect(shown(run, 'd')).toEqual([1, undefined]);
  });

  it('a sample that is stored is over as one in memory is', async () => {
    const story = new Story(HOUR);
    for (let i = 0; i < 1_000; i++) story.event(1e6 + i, 10);
    story.event(alwaysKept(), H / 2);
    const run = fold(HOUR, story);
    expect(shown(run, 'd')[1]).toBe('sampled');
    await run.checkpoint();
    run.restart();
    run.apply(story.log.tick(START + H + 20_000));
    expect(shown(run, 'd')).toEqual([1, undefined]);
  });

  it('a short window does not suffer from what only a long one holds', () => {
    const plan = planWith({ short: over('countDistinct', '10m'), long: over('countDistinct', '24h') });
    const story = new Story(plan);
    for (let i = 0; i < 1_000; i++) story.event(1e6 + i, 10);
    story.event(alwaysKept(), H);
    expect(shown(fold(plan, story), 'short')).toEqual([1, undefined]);
  });
});

describe('max', () => {
  const DAYS = planWith({ m: over('max', '24h') });

  it('one that put out every joined row is exact', () => {
    const story = new Story(DAYS);
    for (let i = 0; i < 1_000; i++) story.event(5_000 - i, 10_000);
    expect(shown(fold(DAYS, story), 'm')).toEqual([5_000, 'tiled']);
    story.event(9_999, 10_000);
    expect(shown(fold(DAYS, story), 'm')).toEqual([9_999, undefined]);
  });

  it('what was joined goes with its rows', async () => {
    const story = new Story(DAYS, 400);
    for (let i = 0; i < 900; i++) story.event(50_000 - i, 10_000);
    story.ticks(10, DAY);
    const run = fold(DAYS, story);
    await run.checkpoint();
    run.restart();
    const high = run.cache.get(ADA, DAYS)!.parts[0]!.extremes!.high!;
    expect([high.size, high.spans]).toEqual([0, null]);
  });
});

it('values that are seen again and again leave no chunks of a row or two, and few records', async () => {
  const plan = planWith({ d: { function: 'countDistinct', value: 'event.price', window: 'lifetime' } });
  const story = new Story(plan, 5_000);
  for (let i = 0; i < 400; i++) {
    story.event(1e6 + i, 1_000);
    for (let hot = 0; hot < 150; hot++) story.event(hot, 1_000);
  }
  const run = fold(plan, story);
  await run.checkpoint();
  expect(shown(run, 'd')).toEqual([550, undefined]);
  expect(run.disk.chunks.size).toBeLessThan(20);
  run.restart();
  expect(shown(run, 'd')).toEqual([550, undefined]);
});
