import { describe, expect, it } from 'vitest';
import { ChainChecker, type ChainEvent } from '../../../src/oracle/chain.ts';
import type { ExportedProfile } from '../../../src/oracle/compare.ts';

type Change = ChainEvent['data']['changes'][number];
const ADA = { namespace: 'customerId', id: 'ada' };

const link = (previousVersion: number, version: number, changes: Change[] = [], id = `0-${version}-0`): ChainEvent => ({
  id,
  type: previousVersion === 0 ? 'visage.profile.created' : 'visage.profile.updated',
  data: { profile: ADA, previousVersion, version, changes, audiences: { entered: [], exited: [] } },
});

function fed(...events: ChainEvent[]): ChainChecker {
  const checker = new ChainChecker();
  for (const event of events) checker.feed(event);
  return checker;
}

const first = link(0, 5, [{ path: 'computed.spend', after: 0 }]);
const second = link(5, 9, [
  { path: 'computed.spend', before: 0, after: 84.99 },
  { path: 'computed.channel', after: ['web'] },
]);
const third = link(9, 12, [{ path: 'computed.channel', before: ['web'] }]);

const view = (version: number, computed: ExportedProfile['computed'], id = 'ada'): ExportedProfile => ({
  profile: { namespace: 'customerId', id },
  identities: [],
  attributes: {},
  policy: 'default',
  computed,
  audiences: [],
  version,
  shard: 0,
  sequence: 12,
  time: '2026-03-01T00:00:00.000Z',
});

describe('a chain', () => {
  it('that is whole has no problems and rebuilds the values', () => {
    const checker = fed(first, second, third, link(12, 13));
    expect([checker.problems, checker.events, checker.versionOf('customerId.ada')]).toEqual([[], 4, 13]);
    expect([...checker.valuesOf('customerId.ada')!]).toEqual([['computed.spend', 84.99]]);
    expect([checker.versionOf('customerId.bob'), checker.valuesOf('customerId.bob')]).toEqual([undefined, undefined]);
    expect(checker.checkAgainstExport([view(13, { spend: { value: 84.99 } })])).toEqual([]);
  });

  it.each<[string, ChainEvent[], RegExp[]]>([
    [
      'a lost link',
      [first, third],
      [/previousVersion is 9, but its last event had version 5/, /before of computed.channel is \["web"\], but .* say absent/],
    ],
    ['a link that came twice', [first, second, second], [/came twice/]],
    [
      'a link sent again under another id',
      [first, second, { ...second, id: 'x' }],
      [/previousVersion/, /version 9 is not greater/, /before of computed.spend/, /before of computed.channel/],
    ],
    ['a lost beginning', [second], [/previousVersion/, /updated, but its profile is not there/, /before of computed.spend is 0/]],
    ['a second beginning', [first, { ...link(5, 6), type: 'visage.profile.created' }], [/created, but its profile is there/]],
    [
      'a before that is not what was',
      [first, link(5, 6, [{ path: 'computed.spend', before: null, after: 1 }])],
      [/before of computed.spend is null/],
    ],
    ['an unknown type', [{ ...first, type: 'visage.profile.renamed' }], [/unknown type/]],
    ['no identity', [{ ...first, data: { ...first.data, profile: { namespace: '', id: '' } } }], [/names no identity/]],
  ])('with %s is told apart', (_name, events, problems) => {
    const found = fed(...events).problems;
    expect(found.length).toBe(problems.length);
    problems.forEach((problem, i) => expect(found[i]).toMatch(problem));
    expect(found.join()).not.toContain('ada');
  });

  it('goes on after a truncated event without knowing its values', () => {
    const truncated = link(9, 12, [{ path: 'computed.spend' }]);
    const checker = fed(first, second, { ...truncated, data: { ...truncated.data, truncated: true } });
    expect(checker.checkAgainstExport([view(12, { spend: { value: 7 }, channel: { value: ['web'] } })])).toEqual([]);
    checker.feed(link(12, 14, [{ path: 'computed.spend', before: 7, after: 8 }]));
    expect(checker.problems).toEqual([]);
  });

  it('keeps a bounded number of problems', () => {
    const checker = new ChainChecker({ problemsMax: 2 });
    for (let i = 0; i < 5; i++) checker.feed(first);
    expect([checker.problems.length, checker.problemCount]).toEqual([2, 4]);
  });

  it('is compared with the export', () => {
    const checker = fed(first, second);
    const wrong = checker.checkAgainstExport([view(8, { spend: { value: 85 } }), view(1, {}, 'bob')]);
    expect(wrong).toEqual([
      expect.stringMatching(/exported version 8, last change event 9/),
      expect.stringMatching(/computed.spend was exported as 85, the change events say 84.99/),
      expect.stringMatching(/computed.channel was exported as absent, the change events say \["web"\]/),
      expect.stringMatching(/had no change event/),
    ]);
    expect(checker.checkAgainstExport([])).toEqual([expect.stringMatching(/was not exported/)]);
    expect(checker.problems).toEqual([]);
  });
});

const SOURCE = '/visage/VISAGE_LOG/0';
const of = (source: string, event: ChainEvent, type: string = event.type): ChainEvent => ({
  ...event,
  id: `${source} ${event.id}`,
  source,
  type: `visage.profile.${type.replace('visage.profile.', '')}`,
});
const vip = (before?: unknown, after?: unknown): Change => ({
  path: 'computed.vip',
  ...(before !== undefined && { before }),
  ...(after !== undefined && { after }),
});
const moving = (event: ChainEvent, entered: string[], exited: string[]): ChainEvent => ({
  ...event,
  data: { ...event.data, audiences: { entered, exited } },
});

describe('audiences', () => {
  const enters = moving(link(0, 5, [vip(undefined, true)]), ['vip'], []);
  const exits = moving(link(5, 9, [vip(true, false)]), [], ['vip']);

  it('are entered and exited, and compared with the export', () => {
    const checker = fed(enters);
    expect([...checker.audiencesOf('customerId.ada')!]).toEqual(['vip']);
    const exported = view(5, { vip: { value: true } });
    expect(checker.checkAgainstExport([{ ...exported, audiences: ['vip'] }])).toEqual([]);
    expect(checker.checkAgainstExport([exported])).toEqual([
      expect.stringMatching(/audiences were exported as \[\], .* \["vip"\]/),
    ]);
    checker.feed(exits);
    expect(checker.checkAgainstExport([view(9, { vip: { value: false } })])).toEqual([]);
    expect(checker.problems).toEqual([]);
  });

  it.each<[string, ChainEvent[], RegExp[]]>([
    ['entered without a change', [moving(link(0, 5), ['vip'], [])], [/enters audience vip, but its changes/]],
    ['entered twice', [enters, moving(link(5, 6, [vip(true, true)]), ['vip'], [])], [/a second time/, /but its changes do not/]],
    [
      'exited by becoming true',
      [enters, moving(link(5, 6, [vip(true, true)]), [], ['vip'])],
      [/exits audience vip, but its/, /neither/],
    ],
    [
      'exited without having entered',
      [moving(link(0, 5, [vip(undefined, false)]), [], ['vip'])],
      [/changes do not/, /had not entered it/],
    ],
    ['silently exited', [enters, link(5, 9, [vip(true)])], [/vip became absent, but is neither entered nor exited/]],
    ['silently entered again', [enters, exits, link(9, 10, [vip(false, true)])], [/vip became true, but is neither/]],
  ])('%s is told', (_name, events, problems) => {
    const found = fed(...events).problems;
    expect(found.length).toBe(problems.length);
    problems.forEach((problem, i) => expect(found[i]).toMatch(problem));
  });

  it('of a truncated event are believed, if it names their paths', () => {
    const truncated = (event: ChainEvent): ChainEvent => ({ ...event, data: { ...event.data, truncated: true } });
    const checker = fed(truncated(moving(link(0, 5, [vip()]), ['vip'], [])), exits);
    expect(checker.problems).toEqual([]);
    expect(fed(truncated(moving(link(0, 5), ['vip'], []))).problems.length).toBe(1);
  });
});

describe('deleted', () => {
  const before = [
    { path: 'computed.spend', before: 84.99 },
    { path: 'computed.channel', before: ['web'] },
  ];
  const gone = of(SOURCE, link(9, 12, before), 'deleted');
  const chain = [of(SOURCE, first), of(SOURCE, second), gone];

  it('a profile is not there any more, and may be created again: its chain goes on', () => {
    expect(fed(...chain).checkAgainstExport([])).toEqual([]);
    expect(fed(...chain).checkAgainstExport([view(12, {})])).toEqual([expect.stringMatching(/is deleted/)]);
    const again = of(SOURCE, link(12, 20, [{ path: 'computed.spend', after: 0 }]), 'created');
    const checker = fed(...chain, again);
    expect(checker.problems).toEqual([]);
    expect(checker.checkAgainstExport([view(20, { spend: { value: 0 } })])).toEqual([]);
    const forgotten = of(SOURCE, link(0, 20, [{ path: 'computed.spend', after: 0 }]), 'created');
    expect(fed(...chain, forgotten).problems).toEqual([expect.stringMatching(/previousVersion is 0, .* version 12/)]);
  });

  it('it is nothing that could be updated or deleted', () => {
    expect(fed(...chain, of(SOURCE, link(12, 20), 'updated')).problems).toEqual([expect.stringMatching(/is not there/)]);
    const again = of(SOURCE, link(12, 20, before), 'deleted');
    expect(fed(...chain, again).problems[0]).toMatch(/is not there/);
  });

  it('a profile that nobody was told of may be deleted, of which its chain knows', () => {
    const unseen = of(SOURCE, link(12, 20), 'deleted');
    expect(fed(...chain, unseen, of(SOURCE, link(20, 21), 'created')).problems).toEqual([]);
    expect(fed(...chain, unseen, of(SOURCE, link(12, 21), 'created')).problems).toEqual([expect.stringMatching(/version 20/)]);
    expect(fed(of(SOURCE, link(0, 20), 'deleted')).problems).toEqual([]);
  });

  it('nothing may be left of it, and nothing may come', () => {
    const some = of(SOURCE, link(9, 12, before.slice(1)), 'deleted');
    expect(fed(chain[0]!, chain[1]!, some).problems).toEqual([expect.stringMatching(/leaves computed.spend/)]);
    const more = of(SOURCE, link(9, 12, [...before, { path: 'attributes.a', after: 1 }]), 'deleted');
    expect(fed(chain[0]!, chain[1]!, more).problems).toEqual([expect.stringMatching(/leaves attributes.a/)]);
  });
});

describe('a later generation', () => {
  const NEXT = `${SOURCE}/2`;
  const bob = (event: ChainEvent): ChainEvent => ({
    ...event,
    id: `${event.id} bob`,
    data: { ...event.data, profile: { namespace: 'customerId', id: 'bob' } },
  });
  const before = [of(SOURCE, first), of(SOURCE, second), of(SOURCE, bob(first))];
  const spend = (was: unknown, is: unknown): Change[] => [{ path: 'computed.spend', before: was, after: is }];

  it('begins at one number for all, or at 0; its values go on', () => {
    const checker = fed(
      ...before,
      of(NEXT, link(30, 31, spend(84.99, 85))),
      of(NEXT, bob(link(30, 32, spend(0, 1)))),
      of(NEXT, link(31, 33, spend(85, 86))),
    );
    expect(checker.problems).toEqual([]);
    expect(fed(...before, of(NEXT, link(0, 31, spend(84.99, 85)), 'updated')).problems).toEqual([]);
    expect(checker.versionOf('customerId.ada')).toBe(33);
    expect([33, 32, 30, 0].map((previous) => checker.canFollow(of(NEXT, link(previous, 40))))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('of a profile that has not changed in it the export has that number, or 0', () => {
    const computed = { spend: { value: 84.99 }, channel: { value: ['web'] } };
    const checker = fed(...before, of(NEXT, bob(link(30, 32, spend(0, 1)))));
    const check = (version: number) =>
      checker.checkAgainstExport([view(version, computed), view(32, { spend: { value: 1 } }, 'bob')]);
    expect([check(30), check(0)]).toEqual([[], []]);
    expect(check(9)).toEqual([expect.stringMatching(/exported version 9/)]);
    expect(checker.versionOf('customerId.ada')).toBe(30);
  });

  it.each<[string, ChainEvent[], RegExp[]]>([
    ['another number', [of(NEXT, bob(link(30, 32))), of(NEXT, link(29, 31))], [/previousVersion is 29/]],
    ['a before that is not what was', [of(NEXT, link(30, 31, spend(0, 1)))], [/before of computed.spend/]],
    ['a link missing in it', [of(NEXT, link(30, 31)), of(NEXT, link(32, 33))], [/previousVersion is 32, .* 31/]],
    ['a word of the earlier one', [of(NEXT, bob(link(30, 31))), of(SOURCE, link(9, 12))], [/generation .*\/0 is over/]],
    ['a second creation', [of(NEXT, link(0, 31), 'created')], [/created, but its profile is there/]],
    ['a number where the first begins', [of('/visage/VISAGE_LOG/1', bob(link(30, 31)), 'updated')], [/previousVersion is 30/]],
  ])('%s is told', (_name, events, problems) => {
    const found = fed(...before, ...events).problems;
    expect(found.length).toBe(problems.length);
    problems.forEach((problem, i) => expect(found[i]).toMatch(problem));
  });
});
