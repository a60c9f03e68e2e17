// What an explanation lists: window edges, which values a function can use, which event decides, what is cut and what is gone.
import { describe, expect, test } from 'vitest';
import type { AttributeFunction } from '../../../src/aggregate/plan.ts';
import type { Window } from '../../../src/aggregate/window.ts';
import { at, listed, planByHand, START, Story, type AttributeByHand } from './explain_run.ts';

const DAY = 86_400_000;
const TEN: Window = { kind: 'sliding', ms: 10 };

const storyOf = (attribute: Omit<AttributeByHand, 'name'>): Story =>
  new Story().live(planByHand('one', [{ name: 'it', ...attribute }]), 0);
const ask = { name: 'it', nowMs: 100 };

describe('the window', () => {
  test('holds both of its ends', () => {
    const story = storyOf({ function: 'count', window: TEN }).buy('out', 89).buy('oldest', 90).buy('newest', 100);
    const found = story.explain(ask);
    expect(found).toMatchObject({ window: '10ms', counted: 2 });
    expect(found.range).toEqual({ kind: 'sliding', length: '10ms', from: at(90), to: at(100) });
    expect(found.events.map((event) => [event._id, event.timestamp, event.leavesAt])).toEqual([
      ['newest', at(100), at(111)],
      ['oldest', at(90), at(101)],
    ]);
  });

  test('goes by effective time: late in, ahead not', () => {
    const story = storyOf({ function: 'count', window: TEN })
      .buy('ahead', 95, {}, 200)
      .buy('late', 99, {}, 91)
      .buy('later', 99, {}, 89);
    expect(story.explain(ask).events.map((event) => [event._id, event.timestamp])).toEqual([
      ['ahead', at(95)],
      ['late', at(91)],
    ]);
  });

  test('goes by the timestamp under the event clock', () => {
    const story = storyOf({ function: 'count', window: TEN }).buy('a', 0, {}, 95).buy('b', 0, {}, 89).buy('c', 5_000, {}, 100);
    expect(listed(story.explain({ ...ask, clockMode: 'event' }))).toEqual(['c', 'a']);
  });

  test('of a lifetime has no start, and nothing leaves it', () => {
    const found = storyOf({ function: 'count' })
      .buy('a', 1, {}, -400 * DAY)
      .explain(ask);
    expect(found).toMatchObject({ window: 'lifetime', range: { kind: 'lifetime', to: at(100) }, counted: 1 });
    expect(found.events[0]).not.toHaveProperty('leavesAt');
  });

  test('of the calendar begins and ends at midnight UTC', () => {
    const month: Window = { kind: 'calendar', unit: 'month', count: 1 };
    const first = Date.UTC(2026, 2, 1) - START;
    const found = storyOf({ function: 'count', window: month })
      .buy('march', 1, {}, first)
      .buy('february', 2, {}, first - 1)
      .explain(ask);
    expect(found.window).toBe('calendar month, 1');
    expect(found.range).toEqual({ kind: 'calendar', unit: 'month', count: 1, from: '2026-03-01T00:00:00.000Z', to: at(100) });
    expect(found.events.map((event) => [event._id, event.leavesAt])).toEqual([['march', '2026-04-01T00:00:00.000Z']]);
  });
});

describe('which events count, and which decide', () => {
  // same time for c and d: the sequence decides
  const values = [5, 1, 'x', 5, [1, 2], null, NaN];
  const story = (function_: AttributeFunction, more: Partial<AttributeByHand> = {}): Story => {
    const made = storyOf({ function: function_, ...more });
    ['a', 'b', 'c', 'd', 'e', 'f', 'g'].forEach((id, n) => made.buy(id, 10, { v: values[n] }, n === 3 ? 2 : n));
    return made;
  };

  test.each<[AttributeFunction, Partial<AttributeByHand>, string[]]>([
    ['count', {}, ['g', 'f', 'e', 'd', 'c', 'b', 'a']],
    ['exists', {}, ['g*', 'f', 'e', 'd', 'c', 'b', 'a']],
    ['sum', { value: 'v' }, ['d', 'b', 'a']],
    ['average', { value: 'v' }, ['d', 'b', 'a']],
    ['max', { value: 'v' }, ['d*', 'b', 'a*']],
    ['min', { value: 'v' }, ['d', 'b*', 'a']],
    ['mostRecent', { value: 'v' }, ['e*', 'd', 'c', 'b', 'a']],
    ['earliest', { value: 'v' }, ['e', 'd', 'c', 'b', 'a*']],
    ['list', { value: 'v', limit: 3 }, ['e*', 'd*', 'c*', 'b', 'a']],
    ['countDistinct', { value: 'v' }, ['d*', 'c*', 'b*', 'a']],
  ])('%s', (function_, more, expected) => {
    const found = story(function_, more).explain(ask);
    expect(listed(found)).toEqual(expected);
    expect(found.counted).toBe(expected.length);
    expect(found.events.some((event) => 'value' in event)).toBe(more.value !== undefined);
  });

  test('of equal times the lower sequence is the earliest', () => {
    const found = storyOf({ function: 'earliest', value: 'v' }).buy('a', 1, { v: 1 }, 0).buy('b', 1, { v: 2 }, 0).explain(ask);
    expect(listed(found)).toEqual(['b', 'a*']);
  });

  test('times of min and max are compared and shown in UTC', () => {
    const found = storyOf({ function: 'min', value: 'v', timestamps: true })
      .buy('a', 1, { v: '2026-03-10T10:00:00+02:00' })
      .buy('b', 2, { v: '2026-03-10T08:30:00Z' })
      .buy('c', 3, { v: 'never' })
      .buy('d', 4, { v: 7 })
      .explain(ask);
    expect(found.events.map(({ _id, value, decides }) => [_id, value, decides])).toEqual([
      ['b', '2026-03-10T08:30:00.000Z', undefined],
      ['a', '2026-03-10T08:00:00.000Z', true],
    ]);
  });

  test('only what the measure looks at and matches', () => {
    const found = storyOf({ function: 'count', matches: (body) => body['v'] === 1 })
      .buy('a', 1, { v: 1 })
      .buy('b', 2, { v: 2 })
      .buy('c', 3, { v: 1, eventType: 'view' })
      .explain(ask);
    expect(listed(found)).toEqual(['a']);
  });

  test('1 and "1" are two values, 0 and −0 one', () => {
    const found = storyOf({ function: 'countDistinct', value: 'v' });
    [1, '1', 0, true, 'true'].forEach((v, n) => found.buy(`${n}`, n, { v }));
    found.log.event('c', `{"_id":"zero","timestamp":"${at(9)}","eventType":"buy","v":-0}`, START + 9);
    expect(listed(found.explain(ask))).toEqual(['zero*', '4*', '3*', '2', '1*', '0*']);
  });
});

describe('a later revision', () => {
  const first = planByHand('one', [{ name: 'old', function: 'count' }]);
  const second = planByHand('two', [
    { name: 'old', function: 'count' },
    { name: 'it', function: 'count', revision: 2 },
  ]);
  const story = new Story().live(first, 0).buy('a', 1).live(second, 2).buy('b', 3, {}, -DAY).live(second, 4).buy('c', 5);

  test('counts what comes after it became live, however old it is', () => {
    expect(listed(story.explain(ask))).toEqual(['c', 'b']);
    expect(listed(story.explain({ ...ask, name: 'old' }))).toEqual(['c', 'a', 'b']);
  });

  test('says since when, as the view does', () => {
    const computed = { it: { value: 2, since: at(2) } };
    expect(story.explain({ ...ask, computed })).toMatchObject({ value: 2, since: at(2) });
  });
});

describe('more than are listed', () => {
  const story = storyOf({ function: 'max', value: 'v' });
  [9, 1, 9, 2, 3, 4].forEach((v, n) => story.buy(`${n}`, n, { v }));

  test('the newest, but those that decide before all others', () => {
    const found = story.explain({ ...ask, limit: 3 });
    expect([listed(found), found.counted, found.truncated]).toEqual([['5', '2*', '0*'], 6, true]);
    expect(listed(story.explain({ ...ask, limit: 1 }))).toEqual(['2*']);
  });

  test('all of them is not cut', () => {
    expect(story.explain({ ...ask, limit: 6 })).not.toHaveProperty('truncated');
  });
});

test('past their time to live: they count, are not listed, and it is said how many', () => {
  const rules = { orders: { timeToLiveMs: 50 } };
  const story = new Story().live(planByHand('one', [{ name: 'it', function: 'max', value: 'v' }], undefined, rules), 0);
  story
    .buy('a', 10, { v: 9 })
    .buy('b', 49, { v: 1 })
    .buy('c', 50, { v: 2 })
    .buy('d', 60, { v: 3 })
    .buy('r', 5, { v: 4 }, 5, 'returns');
  const found = story.explain(ask);
  expect([listed(found), found.counted, found.agedOut]).toEqual([['d', 'c', 'r'], 5, 2]);
  expect(found).not.toHaveProperty('truncated');
  expect(story.explain({ ...ask, limit: 2 })).toMatchObject({ agedOut: 2, truncated: true, counted: 5 });
  expect(story.explain({ ...ask, nowMs: 60 })).not.toHaveProperty('agedOut');
});

describe('a log that has lost its beginning', () => {
  const gone =
    /^the log begins at sequence 3 \(2026-03-10T09:00:00\.050Z\); events before are gone: values stay, they cannot be listed$/;
  const story = (window: Window): Story => storyOf({ function: 'count', window }).buy('gone', 10).buy('a', 50).buy('b', 95);
  const beginning = { sequence: 3, timeMs: START + 50 };

  test('says so when the window reaches before', () => {
    const found = story({ kind: 'lifetime' }).explain({ ...ask, beginning });
    expect(listed(found)).toEqual(['b', 'a']);
    expect(found.missing).toMatch(gone);
    expect(story({ kind: 'sliding', ms: 50 }).explain({ ...ask, beginning }).missing).toMatch(gone);
  });

  test('says so of an empty log', () => {
    const empty = { sequence: 5, timeMs: Infinity };
    expect(story(TEN).explain({ ...ask, beginning: empty }).missing).toMatch(/^the log begins at sequence 5; events before/);
  });

  test('inside of the dedupe horizon an event may repeat one that is gone', () => {
    const { missing } = story({ kind: 'sliding', ms: 49 }).explain({ ...ask, beginning });
    expect(missing).toMatch(/; an event that came within 7d after may repeat one that is gone, and not have counted$/);
  });

  test('past the horizon nothing is missing', () => {
    const nowMs = 8 * DAY;
    const late = story(TEN).buy('late', nowMs);
    expect(late.explain({ ...ask, nowMs, beginning })).not.toHaveProperty('missing');
  });

  test('an attribute of later than the beginning misses nothing by it', () => {
    const found = story({ kind: 'lifetime' }).explain({ ...ask, beginning, liveAfter: 3 });
    expect(listed(found)).toEqual(['b']);
    expect(found.missing).not.toMatch(gone);
  });

  test('under the event clock timestamps may be a little ahead of it', () => {
    const sliding: Window = { kind: 'sliding', ms: 10 };
    const told = { ...ask, clockMode: 'event', beginning } as const;
    expect(story(sliding).explain({ ...told, nowMs: 300_060 }).missing).toMatch(gone);
    expect(story(sliding).explain({ ...told, nowMs: 300_061 })).not.toHaveProperty('missing');
  });
});

test('an expression: its inputs as the profile has them, no events, no window', () => {
  const plan = planByHand('one', [
    { name: 'spend', function: 'sum', value: 'v' },
    { name: 'lowest', function: 'min', value: 'v' },
    { name: 'it', function: 'expression', inputs: ['spend', 'lowest'] },
  ]);
  const computed = { spend: { value: 0, nextChangeAt: at(5) }, it: { value: false } };
  const found = new Story().live(plan, 0).explain({ ...ask, computed });
  expect(found).toMatchObject({
    value: false,
    counted: 0,
    events: [],
    inputs: { spend: { value: 0, nextChangeAt: at(5) }, lowest: {} },
  });
  for (const key of ['window', 'range', 'missing', 'truncated']) expect(found).not.toHaveProperty(key);
});

test('value, next change and precision are the profile’s own; an absent value has no key', () => {
  const story = storyOf({ function: 'mostRecent', value: 'v' }).buy('a', 1, { v: 'x' });
  const entry = { value: 'x', timestamp: at(1), nextChangeAt: at(9), precision: { mode: 'tiled', hop: '1h' } } as const;
  expect(story.explain({ ...ask, computed: { it: entry } })).toMatchObject({
    ...entry,
    version: 2,
    shard: 0,
    sequence: 2,
    time: at(100),
  });
  expect(story.explain(ask)).not.toHaveProperty('value');
});

test('events that would fill memory are refused', () => {
  const story = storyOf({ function: 'list', value: 'v', limit: 1 });
  story.live([...story.plans.values()][0]!, 0, { eventBytes: 1_000_000 });
  for (let n = 0; n < 40; n++) story.buy(`${n}`, 1, { v: 'x'.repeat(900_000) });
  expect(() => story.explain(ask)).toThrow(expect.objectContaining({ code: 'too_much_history', kind: 'refuse' }));
});
