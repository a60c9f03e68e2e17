// Pages of events: order, what is asked for, paging that new events do not move, times to live, bytes.
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { formatTime, parseRfc3339 } from '../../../src/base/time.ts';
import type { EventsQuery } from '../../../src/ports/reads.ts';
import { EventPage } from '../../../src/shard/event_page.ts';
import { eventQuery, pageToken } from '../../../src/shard/event_query.ts';
import type { AdmittedEvent } from '../../../src/shard/identity_events.ts';
import { planByHand, START, Story } from './explain_run.ts';

const DAY = 86_400_000;
const WHO = { namespace: 'customerId', id: 'c' };
const PLAN = planByHand('one', [{ name: 'n', function: 'count' }]);
const storyOf = (): Story => new Story().live(PLAN, 0);
const at = (afterMs: number): string => formatTime(START + afterMs);

type Asked = Partial<EventsQuery> & { readonly bytesMax?: number; readonly nowMs?: number; readonly plan?: typeof PLAN };

function pageOf(admitted: readonly AdmittedEvent[], { bytesMax = 1e9, nowMs = START + DAY, plan = PLAN, ...asked }: Asked) {
  const query = eventQuery({ ...WHO, ...asked });
  const page = new EventPage({ query, plan, nowMs, bytesMax });
  const through = query.after?.through ?? admitted.at(-1)?.sequence ?? 0;
  for (const event of admitted) if (event.sequence <= through) page.take(event);
  const { events, last } = page.result();
  return { ids: events.map(({ _id }) => _id), events, next: last === null ? undefined : pageToken(query, through, last) };
}

const ids = (story: Story, asked: Asked = {}): string[] => pageOf(story.admitted(), asked).ids;

describe('which events, in which order', () => {
  const story = storyOf()
    .buy('c', 10, { v: 3 }, 30)
    .buy('a', 20, { v: 1 }, 10)
    .buy('b2', 30, { v: 2 }, 20)
    .buy('b1', 40, { v: 2, eventType: 'view' }, 20);

  test('by timestamp, then by sequence; both ways', () => {
    expect(ids(story)).toEqual(['a', 'b2', 'b1', 'c']);
    expect(ids(story, { order: 'desc' })).toEqual(['c', 'b1', 'b2', 'a']);
  });

  test('start is in the range, end is not', () => {
    expect(ids(story, { start: at(20) })).toEqual(['b2', 'b1', 'c']);
    expect(ids(story, { end: at(20) })).toEqual(['a']);
    expect(ids(story, { start: at(20), end: at(20) })).toEqual([]);
    expect(ids(story, { start: at(10), end: at(30) })).toEqual(['a', 'b2', 'b1']);
  });

  test('of the types, with all of the properties', () => {
    expect(ids(story, { types: ['view'] })).toEqual(['b1']);
    expect(ids(story, { types: ['view', 'buy'] })).toHaveLength(4);
    expect(ids(story, { properties: ['v >= 2'] })).toEqual(['b2', 'b1', 'c']);
    expect(ids(story, { properties: ['v >= 2', 'v < 3', 'eventType != view'] })).toEqual(['b2']);
  });

  test('each with its payload', () => {
    expect(pageOf(story.admitted(), { types: ['view'] }).events).toEqual([
      {
        _id: 'b1',
        dataset: 'orders',
        timestamp: at(20),
        eventType: 'view',
        sequence: 5,
        event: { _id: 'b1', timestamp: at(20), eventType: 'view', v: 2 },
      },
    ]);
  });
});

describe('page after page', () => {
  test.each(['asc', 'desc'])('every event once, in order, also while others come (%s)', (order) => {
    for (let seed = 0; seed < 30; seed++) {
      const random = seededRandom(seed);
      const story = storyOf();
      const count = random.below(40);
      for (let n = 0; n < count; n++) story.buy(`e${n}`, n, { pad: 'x'.repeat(random.below(400)) }, random.below(12));
      const expected = [...story.admitted()]
        .sort((a, b) => a.message.timestampMs - b.message.timestampMs || a.sequence - b.sequence)
        .map(({ message }) => message.id);
      if (order === 'desc') expected.reverse();
      const seen: string[] = [];
      let page: string | undefined;
      do {
        const bytesMax = random.below(3) === 0 ? 600 + random.below(1_500) : 1e9;
        const limit = 1 + random.below(7);
        const found = pageOf(story.admitted(), { order, limit, bytesMax, ...(page === undefined ? {} : { page }) });
        expect(found.ids.length).toBeLessThanOrEqual(limit);
        expect(JSON.stringify(found.events).length).toBeLessThanOrEqual(bytesMax + 2);
        seen.push(...found.ids);
        page = found.next;
        story.buy(`new${seen.length}`, 100 + seen.length, {}, random.below(12)); // is on no page of this list
      } while (page !== undefined);
      expect(seen).toEqual(expected);
    }
  });

  test('a page that is full exactly is the last when there is no more', () => {
    const story = storyOf().buy('a', 1).buy('b', 2);
    expect(pageOf(story.admitted(), { limit: 2 }).next).toBeUndefined();
    expect(pageOf(story.admitted(), { limit: 1 }).next).toBeDefined();
  });

  test('what is dropped for its bytes leaves no hole for what comes later in the log', () => {
    const story = storyOf()
      .buy('a', 1, { pad: 'x'.repeat(800) }, 1)
      .buy('c', 2, { pad: 'x'.repeat(900) }, 3)
      .buy('b', 3, {}, 2)
      .buy('d', 4, {}, 4);
    const first = pageOf(story.admitted(), { bytesMax: 1_500 });
    expect(first.ids).toEqual(['a', 'b']);
    expect(pageOf(story.admitted(), { bytesMax: 1_500, page: first.next! }).ids).toEqual(['c', 'd']);
  });

  test('not even one fits', () => {
    const found = pageOf(
      storyOf()
        .buy('a', 1, { pad: 'x'.repeat(800) })
        .admitted(),
      { bytesMax: 100 },
    );
    expect([found.ids, found.next !== undefined]).toEqual([[], true]);
  });
});

describe('times to live', () => {
  // E1 of the reference: 30 days, set on May 15
  const plan = planByHand('one', [{ name: 'n', function: 'count' }], ['audit', 'orders', 'returns'], {
    orders: { timeToLiveMs: 30 * DAY },
  });
  const day = (text: string): number => parseRfc3339(`${text}T12:00:00Z`);
  const story = new Story().live(PLAN, day('2026-01-01') - START);
  for (const [id, date] of [
    ['march', '2026-03-20'],
    ['apr14', '2026-04-14'],
    ['apr15', '2026-04-15'],
    ['apr18', '2026-04-18'],
  ] as const)
    story.buy(id, day(date) - START);
  story.buy('returned', day('2026-01-02') - START, {}, undefined, 'returns');
  const shownAt = (nowMs: number, of = plan): string[] => pageOf(story.admitted(), { plan: of, nowMs }).ids;

  test('what is older is dropped at once, what is not when its time comes', () => {
    expect(shownAt(day('2026-05-15'), PLAN)).toEqual(['returned', 'march', 'apr14', 'apr15', 'apr18']);
    expect(shownAt(day('2026-05-15'))).toEqual(['returned', 'apr15', 'apr18']);
    expect(shownAt(day('2026-05-15') + 1)).toEqual(['returned', 'apr18']);
    expect(shownAt(day('2026-05-18'))).toEqual(['returned', 'apr18']);
    expect(shownAt(day('2026-05-18') + 1)).toEqual(['returned']);
  });
});
