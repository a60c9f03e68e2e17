import { describe, expect, it } from 'vitest';
import { hashOf } from './log_fixture.ts';
import { ChainChecker, type ChainCheckerOptions, type ChainEvent } from '../../../src/oracle/chain.ts';
import type { ExportedProfile } from '../../../src/oracle/compare.ts';
import { identityKey } from '../../../src/message/identity.ts';

type Change = ChainEvent['data']['changes'][number];
type More = Partial<Omit<ChainEvent['data'], 'changes'>>;
const ADA = { namespace: 'customerId', id: 'ada' };
const KEY = identityKey(ADA);

let count = 0;
const event = (type: string, previousVersion: number, version: number, changes: Change[], more: More = {}): ChainEvent => ({
  id: `${++count}`,
  type: `visage.profile.${type}`,
  data: { profile: ADA, previousVersion, version, changes, audiences: { entered: [], exited: [] }, ...more },
});

function fed(events: readonly ChainEvent[], options: ChainCheckerOptions = {}): ChainChecker {
  const checker = new ChainChecker(options);
  for (const each of events) checker.feed(each);
  return checker;
}

const view = (version: number, attributes: ExportedProfile['attributes']): ExportedProfile => ({
  profile: ADA,
  identities: [],
  attributes,
  policy: 'default',
  computed: {},
  audiences: [],
  version,
  shard: 0,
  sequence: 99,
  time: '2026-03-01T00:00:00.000Z',
});

const created = event('created', 0, 5, [
  { path: 'attributes.name.first', after: 'Ada' },
  { path: 'attributes.name.last', after: 'L' },
  { path: 'attributes.tags', after: ['a', { b: 1 }] },
  { path: 'attributes["a.b"][""]', after: null },
]);

describe('attributes', () => {
  it('are rebuilt from leaves, and compared with the exported tree', () => {
    const checker = fed([created]);
    const tree = { name: { first: 'Ada', last: 'L' }, tags: ['a', { b: 1 }], 'a.b': { '': null } };
    expect([checker.problems, checker.attributesOf(KEY)]).toEqual([[], tree]);
    expect(checker.checkAgainstExport([view(5, { tags: tree.tags, 'a.b': tree['a.b'], name: tree.name })])).toEqual([]);
    expect(checker.checkAgainstExport([view(5, { ...tree, name: { first: 'Ada' }, tags: [], more: {} })])).toEqual([
      expect.stringMatching(/attributes.tags was exported as \[\]/),
      expect.stringMatching(/attributes.more was exported as \{\}, the change events say absent/),
      expect.stringMatching(/attributes.name.last was exported as absent, the change events say "L"/),
    ]);
  });

  it('an object that becomes empty is a leaf, and none any more when it has members', () => {
    const names = [
      { path: 'attributes.name.first', before: 'Ada' },
      { path: 'attributes.name.last', before: 'L' },
    ];
    const emptied = event('updated', 5, 6, [...names, { path: 'attributes.name', after: {} }]);
    const filled = event('updated', 6, 7, [
      { path: 'attributes.name', before: {} },
      { path: 'attributes.name.first', after: 'A' },
    ]);
    expect(fed([created, emptied]).attributesOf(KEY)).toMatchObject({ name: {} });
    const checker = fed([created, emptied, filled]);
    expect([checker.problems, checker.attributesOf(KEY)!['name']]).toEqual([[], { first: 'A' }]);
  });

  it.each<[string, Change]>([
    ['a leaf where members are', { path: 'attributes.name', after: 'Ada L' }],
    ['members where a leaf is', { path: 'attributes.tags.first', after: 'a' }],
  ])('%s makes no tree', (_name, change) => {
    expect(fed([created, event('updated', 5, 6, [change])]).problems).toEqual([
      expect.stringMatching(/an attribute stands where another has members/),
    ]);
  });

  it('a name that no leaf can have is told', () => {
    const change = { path: 'attributes.a..b', after: 1 };
    expect(fed([event('created', 0, 5, [change])]).problems).toEqual([expect.stringMatching(/a place that no leaf can have/)]);
  });

  it('a before that is not what was is told', () => {
    const change = { path: 'attributes.name.first', before: 'Eve', after: 'A' };
    expect(fed([created, event('updated', 5, 6, [change])]).problems).toEqual([expect.stringMatching(/before of attributes/)]);
  });
});

describe('a truncated event', () => {
  const first = { path: 'attributes.name.first' };

  it('that names all paths leaves those unknown, others as they were', () => {
    const checker = fed([created, event('updated', 5, 6, [first], { truncated: true, changesTotal: 1 })]);
    const like = (of: string, last: string) => ({ name: { first: of, last }, tags: ['a', { b: 1 }], 'a.b': { '': null } });
    expect(checker.checkAgainstExport([view(6, like('whoever', 'L'))])).toEqual([]);
    expect(checker.checkAgainstExport([view(6, like('whoever', 'M'))])).toEqual([expect.stringMatching(/name.last/)]);
    expect(checker.attributesOf(KEY)).toBeUndefined();
  });

  it('that does not name all paths leaves everything unknown, until an event says of it', () => {
    const truncated = event('updated', 5, 6, [first], { truncated: true, changesTotal: 2 });
    const told = event('updated', 6, 7, [
      { path: 'attributes.age', before: 7, after: 8 },
      { path: 'attributes.tags', before: [] },
    ]);
    const checker = fed([created, truncated, told]);
    expect(checker.problems).toEqual([]);
    expect(checker.checkAgainstExport([view(7, { anything: 1, age: 8 })])).toEqual([]);
    expect(checker.checkAgainstExport([view(7, { age: 9 })])).toEqual([expect.stringMatching(/age was exported as 9/)]);
    expect(checker.checkAgainstExport([view(7, { age: 8, tags: [] })])).toEqual([expect.stringMatching(/tags was exported/)]);
    checker.feed(event('updated', 7, 8, [{ path: 'attributes.tags', before: ['x'] }]));
    expect(checker.problems).toEqual([expect.stringMatching(/before of attributes.tags is \["x"\], .* absent/)]);
  });

  it('that does not name all paths may have moved audiences', () => {
    const more = { truncated: true, changesTotal: 9, audiences: { entered: ['vip'], exited: [] } };
    expect(fed([event('created', 0, 5, [first], more)]).problems).toEqual([]);
    expect(fed([event('created', 0, 5, [first], { ...more, changesTotal: 1 })]).problems.length).toBe(1);
  });

  it('that deletes leaves nothing, and what is created then is known', () => {
    const truncated = event('updated', 5, 6, [first], { truncated: true, changesTotal: 2 });
    const gone = event('deleted', 6, 7, [first], { truncated: true, changesTotal: 4 });
    const again = event('created', 7, 8, [{ path: 'attributes.age', after: 1 }]);
    const checker = fed([created, truncated, gone, again]);
    expect(checker.problems).toEqual([]);
    expect(checker.checkAgainstExport([view(8, { age: 1, more: 1 })])).toEqual([expect.stringMatching(/more was exported/)]);
  });
});

describe('an erased identity', () => {
  const hash = hashOf(KEY);
  const erased = (previousVersion: number, changes: Change[] = [], id = hash): ChainEvent =>
    event('deleted', previousVersion, 12, changes, { profile: { namespace: 'erased', id } });

  it('ends its chain under its keyed hash; who comes again follows on that', () => {
    const again = event('created', 12, 20, [{ path: 'attributes.age', after: 1 }]);
    const checker = fed([created, erased(5), again], { hashOf });
    expect([checker.problems, checker.versionOf(KEY), checker.attributesOf(KEY)]).toEqual([[], 20, { age: 1 }]);
    expect(fed([created, erased(5)], { hashOf }).checkAgainstExport([])).toEqual([]);
    const wrong = event('created', 5, 20, []);
    expect(fed([created, erased(5), wrong], { hashOf }).problems).toEqual([expect.stringMatching(/previousVersion is 5/)]);
  });

  it('never begins anew at 0; nor does anybody who was deleted, but by the generation that does not have him', () => {
    const anew = event('created', 0, 20, [{ path: 'attributes.age', after: 1 }]);
    expect(fed([created, erased(5), anew], { hashOf }).problems).toEqual([expect.stringMatching(/previousVersion is 0/)]);
    const gone = event(
      'deleted',
      5,
      6,
      created.data.changes.map(({ path, after: before }) => ({ path, before })),
    );
    const later = { source: '/visage/VISAGE_LOG/0/2' };
    expect(
      fed([created, { ...gone, ...later, data: { ...gone.data, previousVersion: 0 } }, { ...anew, ...later }]).problems,
    ).toEqual([]);
    expect(fed([created, gone, anew], { hashOf }).problems).toEqual([
      expect.stringMatching(/previousVersion is 0, .* version 6/),
    ]);
    expect(fed([created, gone, anew]).problems).toEqual([expect.stringMatching(/previousVersion is 0, .* version 6/)]);
  });

  it.each<[string, ChainEvent, ChainCheckerOptions, RegExp[]]>([
    ['without the secret', erased(5), {}, [/without the root's erasure secret/]],
    ['that nobody had heard of', erased(5, [], 'f'.repeat(64)), { hashOf }, [/of none that had change events/]],
    ['after a version that it had not', erased(4), { hashOf }, [/previousVersion is 4/]],
    ['with changes', erased(5, [{ path: 'attributes.tags', before: ['a', { b: 1 }] }]), { hashOf }, [/it lists changes/]],
  ])('%s is a problem', (_name, last, options, problems) => {
    const found = fed([created, last], options).problems;
    expect(found).toEqual(problems.map((problem) => expect.stringMatching(problem) as string));
    expect(found.join()).not.toContain('ada');
  });

  it('is deleted only once', () => {
    expect(fed([created, erased(5), erased(12)], { hashOf }).problems).toEqual([
      expect.stringMatching(/version 12 is not greater/),
      expect.stringMatching(/is not there/),
    ]);
  });
});
