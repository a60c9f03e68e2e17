import { describe, expect, it } from 'vitest';
import { ChainChecker, type ChainEvent } from '../../../src/oracle/chain.ts';
import type { Json } from '../../../src/record/json.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { CommitBuilder, reaches, type SealedCommit } from '../../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../../src/shard/commit_encoder.ts';
import type { Change } from '../../../src/shard/effects.ts';
import { planWith } from './fold_run.ts';

const WIDE = 40;
const PLAN = planWith({
  ...Object.fromEntries(
    Array.from({ length: WIDE }, (_, i) => [
      `last${i}`,
      { function: 'mostRecent' as const, value: 'event.channel', window: { sliding: `${i + 1}d` } },
    ]),
  ),
  sum: { function: 'sum', value: 'event.price', window: 'lifetime' },
});
const SUM = PLAN.attributes.find(({ name }) => name === 'sum')!.index;
const LAST = PLAN.attributes.filter(({ name }) => name !== 'sum').map(({ index }) => index);
const MAX = 512 * 1024;

type Event = ChainEvent & {
  subject: string;
  source: string;
  data: {
    sequence: number;
    cause: { kind: string; _id?: string; sequence: number }[];
    causeCount?: number;
    possiblyRepeated?: boolean;
  };
};

class Bench {
  readonly builder: CommitBuilder;
  readonly encoder: CommitEncoder;
  readonly versions = new Map<string, number>();
  sequence = 0;
  count = 0;

  constructor(repeatedThrough = 0) {
    const start = { sequence: 0, ordinal: -1, message: null, count: 0, digest: 0, plan: PLAN, foldVersion: 1 };
    this.encoder = new CommitEncoder({ logStream: 'VISAGE_LOG', root: 'visage', shard: 3, generation: 1, repeatedThrough });
    this.builder = new CommitBuilder({ sourceLength: this.encoder.source.length, start });
  }

  change(key: string, values: [index: number, before: unknown, after: unknown][], more: Partial<Change> = {}): Change {
    const previousVersion = this.versions.get(key) ?? 0;
    this.versions.set(key, this.sequence + 1);
    this.count++;
    return {
      key,
      sequence: this.sequence + 1,
      timeMs: Date.UTC(2026, 0, 1),
      previousVersion,
      existed: previousVersion > 0,
      exists: true,
      causes: [{ kind: 'event', dataset: 'orders', _id: `e-${this.sequence + 1}`, sequence: this.sequence + 1 }],
      attributes: values.map(([index]) => index),
      before: values.map(([, before]) => before),
      after: values.map(([, , after]) => after),
      leaves: null,
      count: this.count,
      digest: this.count * 7,
      ...more,
    };
  }

  add(changes: readonly Change[], skip = 0): void {
    const message: LogMessage = { sequence: ++this.sequence, stampMs: 0, subject: 's', body: new Uint8Array(), headers: null };
    this.builder.add(changes, skip, message, PLAN, 1);
  }

  all(): { commit: SealedCommit; events: Event[]; bytes: number }[] {
    const all = [];
    for (let commit = this.builder.take(); commit !== undefined; commit = this.builder.take()) {
      const body = this.encoder.encode(commit);
      all.push({ commit, events: JSON.parse(body.toString()) as Event[], bytes: body.length });
    }
    return all;
  }
}

const positions = (all: { commit: SealedCommit }[]): number[][] =>
  all.map(({ commit }) => [commit.sequence, commit.ordinal, commit.count]);

describe('a commit', () => {
  it('folds the changes of several messages into one event a profile', () => {
    const bench = new Bench();
    bench.add([
      bench.change('customerId.ada', [
        [SUM, undefined, 25],
        [LAST[0]!, undefined, 'web'],
      ]),
    ]);
    bench.add([bench.change('customerId.bob', [[SUM, undefined, 1]])]);
    bench.add([bench.change('customerId.ada', [[SUM, 25, 34.99]])]);
    bench.add([]);
    const [one, ...rest] = bench.all();
    expect(rest).toEqual([]);
    expect(positions([one!])).toEqual([[4, -1, 3]]);
    expect(one!.events).toHaveLength(2);
    expect(one!.events[0]).toEqual({
      specversion: '1.0',
      id: '3-3-1',
      source: '/visage/VISAGE_LOG/3',
      type: 'visage.profile.created',
      subject: 'customerId:ada',
      time: '2026-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: {
        profile: { namespace: 'customerId', id: 'ada' },
        version: 3,
        previousVersion: 0,
        sequence: 3,
        cause: [
          { kind: 'event', dataset: 'orders', _id: 'e-1', sequence: 1 },
          { kind: 'event', dataset: 'orders', _id: 'e-3', sequence: 3 },
        ],
        changes: [
          { path: 'computed.sum', after: 34.99 },
          { path: 'computed.last0', after: 'web' },
        ],
        audiences: { entered: [], exited: [] },
      },
    });
    expect(bench.builder.isEmpty).toBe(true);
  });

  it('folds nothing across an erasure: what comes after it is not what was before', () => {
    const bench = new Bench();
    const name = `~erased.${'ab'.repeat(32)}`;
    bench.add([bench.change('customerId.ada', [[SUM, undefined, 25]])]);
    bench.add([
      bench.change(name, [], { existed: true, exists: false, previousVersion: 1, causes: [{ kind: 'erase', sequence: 2 }] }),
    ]);
    bench.add([bench.change('customerId.ada', [[SUM, undefined, 1]], { existed: false, previousVersion: 2 })]);
    const all = bench.all();
    expect(positions(all)).toEqual([
      [1, -1, 1],
      [3, -1, 3],
    ]);
    expect(all.flatMap(({ events }) => events).map(({ type, subject, data }) => [type, subject, data.version])).toEqual([
      ['visage.profile.created', 'customerId:ada', 1],
      ['visage.profile.deleted', `erased:${'ab'.repeat(32)}`, 2],
      ['visage.profile.created', 'customerId:ada', 3],
    ]);
  });

  it('folds leaves by path, and a profile that came and went is deleted', () => {
    const bench = new Bench();
    const leaf = (path: string, before: Json | undefined, after: Json | undefined) => ({
      path: `attributes.${path}`,
      before,
      after,
    });
    bench.add([
      bench.change('customerId.ada', [], { leaves: [leaf('city', undefined, 'a'), leaf('tags["x.y"]', undefined, [1])] }),
    ]);
    bench.add([bench.change('customerId.ada', [], { leaves: [leaf('city', 'a', 'b'), leaf('age', undefined, {})] })]);
    bench.add([bench.change('customerId.bob', [[SUM, undefined, 1]])]);
    bench.add([bench.change('customerId.bob', [[SUM, 1, undefined]], { exists: false })]);
    const [one] = bench.all();
    expect(one!.events.map(({ type, data }) => [type, data.changes])).toEqual([
      [
        'visage.profile.created',
        [
          { path: 'attributes.city', after: 'b' },
          { path: 'attributes.tags["x.y"]', after: [1] },
          { path: 'attributes.age', after: {} },
        ],
      ],
      ['visage.profile.deleted', []],
    ]);
  });

  it('has a profile whose net change is nothing, or the chain would break', () => {
    const bench = new Bench();
    bench.add([bench.change('customerId.ada', [[SUM, undefined, 0]])]);
    bench.builder.take();
    bench.add([
      bench.change('customerId.ada', [
        [SUM, 0, 5],
        [LAST[0]!, undefined, ['a']],
      ]),
    ]);
    bench.add([
      bench.change(
        'customerId.ada',
        [
          [SUM, 5, 0],
          [LAST[0]!, ['a'], undefined],
        ],
        { causes: [{ kind: 'expiry', sequence: 3 }] },
      ),
    ]);
    const [one] = bench.all();
    expect(one!.events[0]!.data).toMatchObject({
      version: 3,
      previousVersion: 1,
      changes: [],
      cause: [{ kind: 'event' }, { kind: 'expiry', sequence: 3 }],
    });
  });

  it('is empty when something wants it, once', () => {
    const bench = new Bench();
    bench.add([]);
    expect(bench.builder.isEmpty).toBe(true);
    expect(bench.builder.take()).toBeUndefined();
    bench.builder.want();
    expect(bench.all()).toMatchObject([{ events: [], commit: { sequence: 1, ordinal: -1 } }]);
    expect(bench.builder.take()).toBeUndefined();
  });

  it('is valid JSON whatever the strings', () => {
    const hostile = [
      '"',
      '\\',
      '\\"},{"',
      '\0',
      '\u001f',
      '\u007f',
      '\u2028',
      '\ud800',
      '\udc00x',
      '😀',
      'é',
      '</script>',
      '\n\r\t',
      '__proto__',
      '%00',
    ];
    const bench = new Bench();
    for (const [i, text] of hostile.entries()) {
      const key = `customerId.h${i}%22%5C%00%0A%F0%9F%98%80`;
      const cause = { kind: 'event' as const, dataset: 'orders', _id: text, sequence: bench.sequence + 1 };
      bench.add([
        bench.change(
          key,
          [
            [LAST[0]!, text, [text, 1, true]],
            [LAST[1]!, undefined, text],
            [SUM, -0, 1e-7],
          ],
          { causes: [cause], existed: false, previousVersion: 0 },
        ),
      ]);
    }
    const events = bench.all().flatMap((commit) => commit.events);
    for (const [i, text] of hostile.entries()) {
      expect(events[i]!.data.profile.id).toBe(`h${i}"\\\0\n😀`);
      expect(events[i]!.subject).toBe(`customerId:h${i}"\\\0\n😀`);
      expect(events[i]!.data.cause[0]!._id).toBe(text);
      expect(events[i]!.data.changes).toEqual([
        { path: 'computed.last0', before: text, after: [text, 1, true] },
        { path: 'computed.last1', after: text },
        { path: 'computed.sum', before: 0, after: 1e-7 },
      ]);
    }
  });

  it('is at most 512 KB: 5,000 changes are several, each with its own position, ids unique, one chain', () => {
    const bench = new Bench();
    for (let n = 0; n < 5000; n++) {
      const id = `customerId.p${n % 3000}`;
      const before = bench.versions.has(id) ? `é"${'x'.repeat(30)}` : undefined;
      bench.add([
        bench.change(id, [
          [SUM, before === undefined ? undefined : n - 3000, n],
          [LAST[0]!, before, before === undefined ? `é"${'x'.repeat(30)}` : `${n}`],
        ]),
      ]);
    }
    const all = bench.all();
    expect(all.length).toBeGreaterThan(3);
    for (const { bytes } of all) expect(bytes).toBeLessThanOrEqual(MAX);
    expect(all.at(-1)!.commit).toMatchObject({ sequence: 5000, ordinal: -1, count: 5000, digest: 35_000 });
    const checker = new ChainChecker();
    for (const [i, { commit, events }] of all.entries()) {
      if (i > 0) expect(commit.sequence).toBeGreaterThan(all[i - 1]!.commit.sequence);
      expect([commit.ordinal, commit.count, commit.digest]).toEqual([-1, commit.sequence, commit.sequence * 7]);
      expect(Math.max(...events.map(({ data }) => data.version))).toBe(commit.sequence);
      for (const event of events) checker.feed(event);
    }
    expect(checker.problems).toEqual([]);
  });

  it('splits one message whose changes do not fit, by ordinal; a replay that skips them gives the rest', () => {
    const text = (i: number): string => `${i}${'x'.repeat(3000)}`;
    const changesOf = (bench: Bench): Change[] =>
      Array.from({ length: 256 }, (_, i) => bench.change(`customerId.p${i}`, [[LAST[0]!, undefined, text(i)]]));
    const bench = new Bench();
    bench.add(changesOf(bench));
    const all = bench.all();
    expect(all.length).toBeGreaterThan(1);
    const ordinals = all.map(({ commit }) => commit.ordinal);
    expect(ordinals.at(-1)).toBe(-1);
    let n = 0;
    for (const { commit, events, bytes } of all) {
      expect(bytes).toBeLessThanOrEqual(MAX);
      n += events.length;
      expect([commit.sequence, commit.ordinal, commit.count]).toEqual([1, commit === all.at(-1)!.commit ? -1 : n, n]);
    }
    expect(n).toBe(256);
    expect(new Set(all.flatMap(({ events }) => events.map(({ id }) => id))).size).toBe(256);
    const again = new Bench();
    again.add(changesOf(again), ordinals[0]);
    expect(again.all().flatMap(({ events }) => events)).toEqual(all.slice(1).flatMap(({ events }) => events));
  });

  it('truncates an event over 128 KB to its paths, and keeps 20 causes and their count', () => {
    const bench = new Bench();
    const big = 'é'.repeat(9000);
    bench.add([
      bench.change(
        'customerId.ada',
        LAST.map((index) => [index, undefined, big]),
      ),
    ]);
    for (let n = 0; n < 30; n++) bench.add([bench.change('customerId.bob', [[SUM, n === 0 ? undefined : n, n + 1]])]);
    const [{ events, bytes }] = bench.all() as unknown as [{ events: Event[]; bytes: number }];
    expect(bytes).toBeLessThan(20_000);
    expect(events[0]!.data).toMatchObject({
      truncated: true,
      cause: [],
      causeCount: 1,
      changes: LAST.map((index) => ({ path: PLAN.attributes[index]!.path })),
    });
    expect(events[0]!.data.changes[0]).toEqual({ path: 'computed.last0' });
    expect(events[1]!.data.cause).toHaveLength(20);
    expect(events[1]!.data.causeCount).toBe(30);
    expect(events[1]!.data.truncated).toBeUndefined();
  });

  it('stays bounded when the profile of a full commit goes on, large, in the next', () => {
    const bench = new Bench();
    const big = '€'.repeat(3300);
    bench.add([
      bench.change(
        'customerId.ada',
        LAST.map((index) => [index, undefined, 'small']),
      ),
    ]);
    for (let n = 0; n < 60; n++) bench.add([bench.change(`customerId.p${n}`, [[LAST[0]!, undefined, 'y'.repeat(2000)]])]);
    bench.add([
      bench.change(
        'customerId.ada',
        LAST.map((index) => [index, 'small', big]),
      ),
    ]);
    expect(bench.builder.sealedCount).toBe(1);
    const [, { events, bytes }] = bench.all() as unknown as [unknown, { events: Event[]; bytes: number }];
    expect(events[0]!.data.truncated).toBe(true);
    expect(bytes).toBeLessThan(20_000);
  });

  it('holds the leaves of one large record no longer than a commit', () => {
    const bench = new Bench();
    for (let i = 0; i < 20; i++) {
      const leaves = Array.from({ length: 5_000 }, (_, n) => ({
        path: `attributes.a${i}x${n}`,
        before: undefined,
        after: 'x'.repeat(20),
      }));
      bench.add([bench.change('customerId.ada', [], { leaves })]);
    }
    expect(bench.builder.sealedCount).toBe(19);
    const events = bench.all().flatMap((commit) => commit.events);
    expect(events.map(({ data }) => data.truncated)).toEqual(Array.from({ length: 20 }, () => true));
    expect(events.every(({ data }) => data.changes.length < 5_000)).toBe(true); // as many paths as fit
  });

  it('marks what an earlier life may have sent', () => {
    const bench = new Bench(1);
    bench.add([bench.change('customerId.ada', [[SUM, undefined, 1]])]);
    const first = bench.all();
    bench.add([bench.change('customerId.ada', [[SUM, 1, 2]])]);
    expect([...first, ...bench.all()].map(({ events }) => events[0]!.data.possiblyRepeated)).toEqual([true, undefined]);
  });

  it('knows which position reaches which', () => {
    const at = (sequence: number, ordinal: number) => ({ sequence, ordinal });
    expect([
      reaches(at(2, -1), at(2, -1)),
      reaches(at(3, 1), at(2, -1)),
      reaches(at(2, -1), at(2, 5)),
      reaches(at(2, 5), at(2, 5)),
    ]).toEqual([true, true, true, true]);
    expect([reaches(at(2, 5), at(2, -1)), reaches(at(2, 4), at(2, 5)), reaches(at(1, -1), at(2, 1))]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
