// Which messages of an identity count: admission, memory of ids, time, definitions. That the fold decides the same is tested
// with a real worker (test/integration/explain.test.ts).
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import { RECORDS_VERSION } from '../../../src/message/decode.ts';
import { IdentityEvents, NOTHING_DELETED, type Deleted } from '../../../src/shard/identity_events.ts';
import { planByHand, Story, START } from './explain_run.ts';
import { ROOT } from './fold_run.ts';

const DAY = 86_400_000;
const COUNT = planByHand('one', [{ name: 'n', function: 'count' }]);
const ids = (story: Story, ...how: Parameters<Story['admitted']>): string[] =>
  story.admitted(...how).map((event) => event.message.id);

describe('what counts', () => {
  test('nothing before definitions are live; refused events and datasets without profile never', () => {
    const story = new Story().buy('early', 0).live(COUNT, 1).buy('a', 2).buy('b', 3, {}, 3, 'audit');
    story.buy('c', 4, {}, 4, 'nosuch').buy('d', 5, { timestamp: 'yesterday' }).buy('e', 6, {}, 6, 'returns');
    expect(ids(story)).toEqual(['a', 'e']);
  });

  test('an id once in its dataset, whatever else differs', () => {
    const story = new Story().live(COUNT, 0).buy('a', 1).buy('a', 2, { price: 3 }, -DAY).buy('a', 3, {}, 3, 'returns');
    expect(story.admitted().map((event) => event.sequence)).toEqual([2, 4]);
  });

  test('an id again after the horizon, both of its ends inside; repeating it does not prolong it', () => {
    const story = new Story()
      .live(COUNT, 0)
      .buy('a', 0)
      .buy('a', 5 * DAY)
      .buy('a', 7 * DAY)
      .buy('a', 7 * DAY + 1);
    expect(story.admitted().map((event) => event.sequence)).toEqual([2, 5]);
  });

  test('an id again when more ids came than are remembered', () => {
    const story = new Story().live(COUNT, 0, { dedupeIds: 2 }).buy('a', 1).buy('b', 2).buy('a', 3).buy('c', 4).buy('a', 5);
    expect(story.admitted().map((event) => event.sequence)).toEqual([2, 3, 5, 6]);
  });

  test('settings from the sequence on at which they are in force', () => {
    const story = new Story().live(COUNT, 0, { eventBytes: 64 }).buy('a', 1).live(COUNT, 2).buy('b', 3);
    expect(ids(story)).toEqual(['b']);
  });

  test('a dataset from the sequence on at which it is live', () => {
    const later = planByHand('two', [{ name: 'n', function: 'count' }], ['audit', 'orders', 'returns', 'calls']);
    const story = new Story().live(COUNT, 0).buy('a', 1, {}, 1, 'calls').live(later, 2).buy('b', 3, {}, 3, 'calls');
    expect(ids(story)).toEqual(['b']);
  });

  test('of a log that is folded anew under later definitions, what those admit, from the first message on', () => {
    const later = planByHand('two', [{ name: 'n', function: 'count' }], ['orders', 'calls']);
    const story = new Story().buy('a', 0, {}, 0, 'calls').live(COUNT, 1).buy('b', 2, {}, 2, 'returns').live(later, 3).buy('c', 4);
    const from = { plan: later, settings: DEFAULT_FOLD_SETTINGS, generation: 2, foldVersion: RECORDS_VERSION };
    const where = { root: ROOT, shard: 0, partitions: 1, clockMode: 'log' } as const;
    const options = { ...where, planOf: () => later, from, deleted: NOTHING_DELETED, erasedAs: '' };
    const events = new IdentityEvents(options);
    expect(story.log.messages.map((message) => events.take(message)?.message.id)).toEqual([
      'a',
      undefined,
      undefined,
      undefined,
      'c',
    ]);
  });

  test('where the log has lost its beginning, what comes before any definitions', () => {
    const story = new Story().live(COUNT, 0).buy('a', 1).buy('b', 2);
    expect(ids(story, 'log', DEFAULT_FOLD_SETTINGS, 1)).toEqual(['a', 'b']);
  });
});

describe('time', () => {
  test('is the earlier of timestamp and log time; log time never goes back', () => {
    const story = new Story()
      .live(COUNT, 0)
      .buy('late', 1_000, {}, 400)
      .buy('ahead', 2_000, {}, 2_500)
      .buy('back', 1_500, {}, 1_900);
    expect(story.admitted().map(({ atMs, arrivedMs }) => [atMs - START, arrivedMs - START])).toEqual([
      [400, 1_000],
      [2_000, 2_000],
      [1_900, 2_000],
    ]);
  });

  test('is the timestamp under the event clock; what is too far ahead is refused under both', () => {
    const story = new Story().live(COUNT, 0).buy('ahead', 0, {}, 300_000).buy('future', 0, {}, 300_001);
    expect(story.admitted('event').map(({ message, atMs }) => [message.id, atMs - START])).toEqual([['ahead', 300_000]]);
    expect(story.admitted('log').map(({ message, atMs }) => [message.id, atMs - START])).toEqual([['ahead', 0]]);
  });
});

test('of random messages the same count as in a slow list of ids', () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = seededRandom(seed);
    const dedupeHorizonMs = 1 + random.below(40);
    const dedupeIds = 1 + random.below(6);
    const story = new Story().live(COUNT, 0, { dedupeHorizonMs, dedupeIds });
    let nowMs = 0;
    let known: { id: string; atMs: number }[] = [];
    const expected: number[] = [];
    for (let sequence = 2; sequence < 200; sequence++) {
      nowMs += random.below(4);
      const dataset = random.below(2) === 0 ? 'orders' : 'returns';
      const name = `i${random.below(8)}`;
      story.buy(name, nowMs, {}, 0, dataset);
      const id = `${dataset} ${name}`;
      known = known.filter(({ atMs }) => nowMs - atMs <= dedupeHorizonMs);
      if (known.some((other) => other.id === id)) continue;
      known = [...known, { id, atMs: nowMs }].slice(-dedupeIds);
      expected.push(sequence);
    }
    expect(story.admitted().map((event) => event.sequence)).toEqual(expected);
  }
});

describe('what is deleted', () => {
  const gone = { sequence: 4, timeMs: START + 30 };
  const deleted = (sequence = gone.sequence, timeMs = gone.timeMs): Deleted => ({
    tombstone: { sequence, timeMs },
    datasetDeletes: [],
  });
  const story = (): Story => {
    const made = new Story().live(COUNT, 0).buy('a', 10).buy('b', 20, {}, 60);
    made.log.write('c', '', START + 30, { dataset: '_profile', operation: 'delete' });
    return made;
  };
  const left = (made: Story, ...[what]: [Deleted]): number[] =>
    made.admitted('log', null, 0, what).map(({ sequence }) => sequence);

  test('what came before a delete of the profile, and what is as of then or before, whenever it comes', () => {
    const made = story().buy('c', 40, {}, 30).buy('d', 50, {}, 31);
    expect(left(made, deleted())).toEqual([6]);
  });

  test('an id that was remembered stays so', () => {
    expect(left(story().buy('b', 40, {}, 60).buy('e', 50, {}, 60), deleted())).toEqual([6]);
  });

  test('an id that came when it was dead already is not remembered', () => {
    expect(left(story().buy('c', 40, {}, 30).buy('c', 50, {}, 31), deleted())).toEqual([6]);
  });

  test('an erasure, which the log never says whose it was: ids are forgotten too', () => {
    const made = new Story().live(COUNT, 0).buy('a', 10, {}, 60);
    made.log.control({ kind: 'tick' }, START + 30); // stands for it
    made.buy('a', 40, {}, 60).buy('b', 50, {}, 20);
    expect(left(made, deleted(3))).toEqual([4]);
  });

  test('of a dataset, that dataset’s', () => {
    const made = new Story().live(COUNT, 0).buy('a', 10).buy('r', 10, {}, 10, 'returns');
    made.log.control({ kind: 'deleteDataset', dataset: 'orders' }, START + 30);
    made.buy('b', 40, {}, 20).buy('c', 40, {}, 35).buy('s', 40, {}, 20, 'returns');
    const what = { tombstone: null, datasetDeletes: [{ dataset: 'orders', sequence: 4, timeMs: START + 30 }] };
    expect(left(made, what)).toEqual([3, 6, 7]);
    const withoutItsMessage = new Story();
    withoutItsMessage.plans.set(COUNT.hash, COUNT);
    withoutItsMessage.log.messages.push(...made.log.messages.filter(({ sequence }) => sequence !== 4));
    expect(left(withoutItsMessage, what)).toEqual([3, 6, 7]);
  });
});
