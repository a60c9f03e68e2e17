import { describe, expect, it } from 'vitest';
import { ChainChecker, type ChainEvent } from '../../../src/oracle/chain.ts';
import type { ExportedProfile } from '../../../src/oracle/compare.ts';

type Change = ChainEvent['data']['changes'][number];
const ADA = { namespace: 'customerId', id: 'ada' };

const link = (previousVersion: number, version: number, changes: Change[] = [], id = `0-${version}-0`): ChainEvent => ({
  id,
  type: previousVersion === 0 ? 'visage.profile.created' : 'visage.profile.updated',
  data: { profile: ADA, previousVersion, version, changes },
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
  computed,
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
    ['a lost beginning', [second], [/previousVersion/, /updated, but the first/, /before of computed.spend is 0/]],
    ['a second beginning', [first, { ...link(5, 6), type: 'visage.profile.created' }], [/created, but not the first/]],
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
