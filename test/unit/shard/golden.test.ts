// A fixed log and what it folds to. If this fails and the change was meant: bump FOLD_VERSION in src/shard/fold.ts, then pin again.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { formatTime } from '../../../src/base/time.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import type { Change } from '../../../src/shard/effects.ts';
import { FOLD_VERSION } from '../../../src/shard/fold.ts';
import { FoldRun, LogWriter, planWith } from './fold_run.ts';

const PINNED = {
  foldVersion: 6,
  log: '438de7eb151fb74a5574d06aaf9d7f4b',
  state: 'c42bfc064a4aa388b6e7399edb767865',
  changes: '162ac1722f293ec38700a3e4438ccbda',
};

/** Of the log: later releases fold it as that one did. */
const VERSION = 2;
const HOUR = 3_600_000;
/** Spelled out here, so that other tests' plans may change. */
const PLAN: Plan = planWith({
  spend1h: { function: 'sum', value: 'event.price', eventTypes: ['buy'], window: { sliding: '1h' } },
  spend2d: { function: 'sum', value: 'event.price', eventTypes: ['buy'], window: { sliding: '2d' } },
  spend: { function: 'sum', value: 'event.price', eventTypes: ['buy'], window: 'lifetime' },
  dear1h: { function: 'count', filter: 'event.price > 10.0', window: { sliding: '1h' } },
  events: { function: 'count', window: 'lifetime' },
  price1h: { function: 'mostRecent', value: 'event.price', eventTypes: ['buy'], window: { sliding: '1h' } },
  channel: { function: 'mostRecent', value: 'event.channel', window: 'lifetime' },
});

function goldenLog(): LogWriter {
  const random = seededRandom(2026);
  const log = new LogWriter();
  let now = Date.UTC(2026, 0, 1);
  log.event('early', { _id: 'x', timestamp: formatTime(now) }, now);
  const settings = { ...DEFAULT_FOLD_SETTINGS, dedupeHorizonMs: 12 * HOUR, dedupeIds: 40 };
  log.control({ kind: 'definitions', hash: PLAN.hash, foldVersion: VERSION, settings }, now);
  const prices = [25, 10, 9.99, 40, 0.1, 0.2, -5, 1e300, 1e-300, 1 / 3, '7', null];
  for (let n = 0; n < 3000; n++) {
    now += random.below(20) === 0 ? random.below(3 * HOUR) : random.below(60_000);
    const what = random.below(40);
    if (what === 0) log.tick(now);
    else if (what === 1)
      log.event(
        `c-${random.below(60)}`,
        ['{', '{}', '{"_id":"a","timestamp":"2099-01-01T00:00:00Z"}', '{"__proto__":1}'][random.below(4)]!,
        now,
      );
    else if (what === 2) log.tick(now - HOUR);
    else {
      const late = random.below(4) === 0 ? random.below(3 * HOUR) : 0;
      const body = {
        _id: `e-${random.below(2500)}`,
        timestamp: formatTime(now - late),
        eventType: ['buy', 'buy', 'view'][random.below(3)]!,
        price: prices[random.below(prices.length)],
        channel: ['web', 'é', 7, true, ['a', 'b']][random.below(5)],
      };
      log.event(`c-${random.below(60)}`, body, now, ['orders', 'returns', 'audit'][random.below(3)]);
    }
  }
  return log;
}

/** As the first release showed it: what was added to a view since says nothing here. */
function viewAtFirst(run: FoldRun, key: string): unknown {
  const { audiences, attributes, policy, ...view } = run.view(key)!;
  expect([audiences, attributes, policy]).toEqual([[], {}, 'default']);
  return view;
}

/** As the first release said it. */
function changeAtFirst({ existed, exists, leaves, ...change }: Change): unknown {
  expect([exists, leaves]).toEqual([true, null]);
  const { key, sequence, timeMs, previousVersion, ...rest } = change;
  return { key, sequence, timeMs, previousVersion, created: !existed, ...rest };
}

it('the golden log folds to the pinned state; if not: bump FOLD_VERSION, and pin the new values', () => {
  const { messages } = goldenLog();
  const hash = (parts: readonly unknown[]): string => {
    const sha = createHash('sha256');
    for (const part of parts) sha.update(`${JSON.stringify(part)}\n`);
    return sha.digest('hex').slice(0, 32);
  };
  const text = new TextDecoder();
  const run = new FoldRun(PLAN, Infinity);
  const effects = messages.map((message) => {
    const { changes, deadLetters, appends } = run.apply(message);
    return [
      changes.map(changeAtFirst),
      deadLetters.map(({ reason, errors }) => [reason, errors.map(({ keyword, pointer }) => [keyword, pointer])]),
      appends,
    ];
  });
  const keys = Array.from({ length: 60 }, (_, i) => `customerId.c-${i}`).sort();
  const { fold } = run;
  const actual = {
    foldVersion: FOLD_VERSION,
    log: hash(
      messages.map(({ sequence, stampMs, subject, body }) => [
        sequence,
        stampMs,
        subject,
        text.decode(body).replace(/"(foldVersion|exactEvents|recordBytes)":\d+,/g, ''),
      ]),
    ),
    state: hash([
      ...keys.map((key) => viewAtFirst(run, key)),
      fold.profiles,
      fold.shardTimeMs,
      fold.recorder.count,
      fold.recorder.digest,
    ]),
    changes: hash(effects),
  };
  expect(fold.recorder.count).toBeGreaterThan(1500);
  expect(
    actual,
    'the fold computes something else for the same log: bump FOLD_VERSION in src/shard/fold.ts, then pin these values (if only `log` differs, the test’s own log changed)',
  ).toEqual(PINNED);
});
