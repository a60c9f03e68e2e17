import { describe, expect, it } from 'vitest';
import { LogFixture, LIFETIME, over, planOf, sliding, type AttributeText } from './log_fixture.ts';
import { compareProfile, type ExportedProfile, type ExportedValue } from '../../../src/oracle/compare.ts';

const MINUTE = sliding(60_000);
const NOW = '2026-03-01T00:01:10.000Z';
const tiled = (hop: string) => ({ mode: 'tiled', hop }) as const;

/** A purchase every ten seconds, of 1, 2, 4, 8 …: which are in a sum can be read off it. At NOW those from :10 on are in the window. */
function shop(attributes: readonly AttributeText[], exactEvents = 3): LogFixture {
  const log = new LogFixture(planOf(attributes), { exactEvents });
  for (let n = 0; n < 8; n++) {
    const seconds = n * 10;
    const timestamp = `2026-03-01T00:0${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}.000Z`;
    log.buy({ _id: `${n}`, timestamp, priceTotal: 2 ** n, channel: `c${n}` });
  }
  return log;
}

function differences(log: LogFixture, computed: Record<string, ExportedValue>, more: Partial<ExportedProfile> = {}): unknown[] {
  const profile = { namespace: 'customerId', id: 'ada' };
  const identities = [{ ...profile, primary: true }];
  const view = {
    profile,
    identities,
    attributes: {},
    policy: 'default',
    computed,
    audiences: [],
    version: 1,
    shard: 0,
    sequence: log.sequence,
    time: NOW,
    ...more,
  };
  return compareProfile(view, log.oracle).map(({ path, expected }) => [path, expected]);
}

const EXACT_NEXT = '2026-03-01T00:01:10.001Z';

describe('a tiled value', () => {
  const one = (of: Pick<AttributeText, 'function'> & Partial<AttributeText>) => shop([{ name: 'it', window: MINUTE, ...of }]);
  const sum = one({ function: 'sum' });
  const nextChangeAt = EXACT_NEXT;
  const view = (value: unknown, hop = '10s', more: Partial<ExportedValue> = {}) => ({
    it: { value, nextChangeAt, precision: tiled(hop), ...more },
  });
  const EXACT = 254;
  const bad = (field: string, expected: unknown) => [[`computed.it.${field}`, expected]];

  it('is that of a window which begins up to a hop earlier', () => {
    expect(differences(sum, view(254))).toEqual([]);
    expect(differences(sum, view(255))).toEqual([]);
    expect(differences(sum, view(255, '9999ms'))).toEqual(bad('value', EXACT));
    expect(differences(sum, view(252, '1m'))).toEqual(bad('value', EXACT));
    expect(differences(sum, view(253))).toEqual(bad('value', EXACT));
  });

  it.each([
    ['count', 7, 8, 6],
    ['average', 254 / 7, 255 / 8, 252 / 6],
    ['min', 2, 1, 4],
    ['max', 128, 128, 64],
  ] as const)('%s: %d or %d, not %d', (name, exact, wide, narrow) => {
    const log = one({ function: name });
    const next = name === 'max' ? '2026-03-01T00:02:10.001Z' : nextChangeAt;
    expect(differences(log, view(exact, '10s', { nextChangeAt: next }))).toEqual([]);
    expect(differences(log, view(wide, '10s', { nextChangeAt: next }))).toEqual([]);
    expect(differences(log, view(narrow, '1m', { nextChangeAt: next }))).toEqual(bad('value', exact));
  });

  it('earliest: as the others; its timestamp is not looked at', () => {
    const log = one({ function: 'earliest' });
    for (const value of ['c1', 'c0']) expect(differences(log, view(value, '10s', { timestamp: 'some' }))).toEqual([]);
    expect(differences(log, view('c0', '9999ms'))).toEqual(bad('value', 'c1'));
    expect(differences(log, view('c2', '1m'))).toEqual(bad('value', 'c1'));
  });

  it('has a start of its own for each dataset', () => {
    const attributes = (['count', 'sum', 'average', 'max', 'earliest'] as const).map((of): AttributeText => ({
      name: of,
      function: of,
      window: MINUTE,
    }));
    const log = new LogFixture(planOf(attributes), { exactEvents: 1 });
    [0, 1, 2, 3].forEach((n) => {
      const timestamp = `2026-03-01T00:00:0${n}.000Z`;
      log.buy({ _id: `${n}`, timestamp, priceTotal: 10 ** n, channel: `c${n}` }, timestamp, n % 2 === 0 ? 'orders' : 'returns');
    });
    log.tick('2026-03-01T00:01:03.000Z'); // only the last, of returns, is in the window
    const leaves = '2026-03-01T00:01:03.001Z';
    const view = (count: number, sum: number, max: number) => {
      const stated = { nextChangeAt: leaves, precision: tiled('3s') };
      return {
        average: { value: sum / count, ...stated },
        count: { value: count, ...stated },
        earliest: { value: 'c3', ...stated },
        max: { value: max, ...stated },
        sum: { value: sum, ...stated },
      };
    };
    const paths = (of: ReturnType<typeof view>) => differences(log, of, { time: '2026-03-01T00:01:03.000Z' });
    // orders from :00 or :02 or not at all; returns from :01 or :03
    for (const sum of [1000, 1010, 1100, 1101, 1110, 1111]) {
      const count = [...String(sum)].filter((digit) => digit === '1').length;
      expect([sum, paths(view(count, sum, 1000))]).toEqual([sum, []]);
    }
    expect(paths(view(2, 1001, 1000)).map((of) => (of as string[])[0])).toEqual(['computed.sum.value', 'computed.average.value']);
    expect(paths(view(1, 1000, 100)).map((of) => (of as string[])[0])).toEqual(['computed.max.value']);
  });

  it('changes next within a hop after something leaves', () => {
    const next = (time: string) => differences(sum, view(254, '2s', { nextChangeAt: `2026-03-01T00:01:${time}Z` }));
    for (const time of ['10.001', '12.001', '20.001']) expect(next(time)).toEqual([]);
    for (const time of ['10.000', '12.002', '20.000']) expect(next(time)).toEqual(bad('nextChangeAt', EXACT_NEXT));
    const { nextChangeAt: _, ...never } = view(254).it;
    expect(differences(sum, { it: never })).toEqual(bad('nextChangeAt', EXACT_NEXT));
  });

  it('of all time is exact', () => {
    const ever = one({ function: 'sum', window: LIFETIME });
    expect(differences(ever, { it: { value: 255, precision: tiled('1h') } })).toEqual([]);
    expect(differences(ever, { it: { value: 254, precision: tiled('1h') } })).toEqual(bad('value', 255));
  });

  it('may only be where there was more than is kept, and where the function can be', () => {
    const stated = [['computed.it.precision', undefined]];
    expect(differences(shop([{ name: 'it', function: 'sum', window: MINUTE }], 8), view(254))).toEqual(stated);
    expect(differences(shop([{ name: 'it', function: 'sum', window: MINUTE }], 7), view(254))).toEqual([]);
    expect(differences(sum, view(254, 'a while'))).toEqual(stated);
    const last = one({ function: 'mostRecent' });
    const value = { value: 'c7', timestamp: NOW, nextChangeAt: '2026-03-01T00:02:10.001Z' };
    expect(differences(last, { it: value })).toEqual([]);
    expect(differences(last, { it: { ...value, precision: tiled('1s') } })).toEqual(stated);
  });

  it('counts as exact when it does not say so', () => {
    expect(differences(sum, { it: { value: 255, nextChangeAt } })).toEqual(bad('value', EXACT));
  });

  it('may stand just before a tile leaves', () => {
    const log = one({ function: 'sum' });
    log.tick('2026-03-01T00:01:15.000Z');
    const at = (time: string, hop: string) =>
      differences(log, view(252, hop, { nextChangeAt: '2026-03-01T00:01:20.001Z' }), { time: `2026-03-01T00:01:${time}Z` });
    expect(at('15.000', '1s')).toEqual([]);
    expect(at('11.000', '1s')).toEqual([]);
    expect(at('11.001', '1s').map((of) => (of as string[])[0])).toEqual(['time']);
  });
});

describe('a sampled value', () => {
  const attribute: AttributeText = { name: 'it', function: 'countDistinct', window: LIFETIME };
  const errorOf = (value: number, share: number): number => 1 / Math.sqrt(Math.max(1, value * share));
  /** Of so many different values, what is broken. */
  const sampled = (exact: number, value: number, share: number, standardError = errorOf(value, share)): unknown => {
    const log = new LogFixture(planOf([attribute]), { exactEvents: 3 });
    for (let n = 0; n < exact; n++) log.buy({ _id: `${n}`, timestamp: NOW, channel: `c${n}` });
    return differences(log, { it: { value, precision: { mode: 'sampled', share, standardError } } })[0];
  };
  const bad = (field: string, expected: unknown) => [`computed.it.${field}`, expected];

  it('is one that a sample may give, however few there are', () => {
    expect(sampled(21, 72, 1 / 8)).toBeUndefined(); // was found: 5 × 10^-4
    for (const value of [0, 4, 32]) expect(sampled(8, value, 1 / 4), `${value}`).toBeUndefined();
    expect(sampled(21, 18 * 8, 1 / 8)).toBeUndefined(); // 5 × 10^-14
    expect(sampled(21, 0, 1 / 2)).toBeUndefined(); // 5 × 10^-7
  });

  it('is none that has a probability of less than 10^-15', () => {
    expect(sampled(21, 20 * 8, 1 / 8)).toEqual(bad('value', 21)); // 2 × 10^-17
    expect(sampled(60, 0, 1 / 2)).toEqual(bad('value', 60)); // 9 × 10^-19
    expect(sampled(300, 300, 1 / 2)).toBeUndefined();
    expect(sampled(300, 150, 1 / 2)).toEqual(bad('value', 300)); // as if the level were one too low
    expect(sampled(300, 600, 1 / 2)).toEqual(bad('value', 300));
  });

  it('is a whole number of values, of those that there are', () => {
    for (const value of [10, -4, 9 * 4, Infinity]) expect(sampled(8, value, 1 / 4), `${value}`).toEqual(bad('value', 8));
    expect(sampled(8, NaN, 1 / 4)).toBeDefined();
  });

  it('says a share that a level has, and the standard error of its sample', () => {
    for (const share of [1, 0, 0.3, NaN, -0.5, 2]) expect(sampled(8, 8, share), `${share}`).toEqual(bad('precision', undefined));
    expect(sampled(8, 8, 1 / 2, 0.49)).toEqual(bad('precision', { mode: 'sampled', share: 1 / 2, standardError: 0.5 }));
    expect(sampled(8, 8, 1 / 2, NaN)).toEqual(bad('precision', { mode: 'sampled', share: 1 / 2, standardError: 0.5 }));
    expect(sampled(8, 0, 1 / 2, 1)).toBeUndefined();
  });
});

describe('what rests on an inexact value', () => {
  const log = shop([
    { name: 'many', function: 'sum', window: MINUTE },
    over('more', [0], (sum) => (sum as number) > 254, { audience: true }),
    over('twice', [0], (sum) => 2 * (sum as number)),
  ]);
  const many = { value: 255, nextChangeAt: '2026-03-01T00:01:11.001Z', precision: tiled('10s') };
  const { nextChangeAt } = many;
  const right = { many, more: { value: true, nextChangeAt }, twice: { value: 510, nextChangeAt } };

  it('is right for the value that it has, and may say so too', () => {
    expect(differences(log, right, { audiences: ['more'] })).toEqual([]);
    expect(differences(log, { ...right, twice: { ...right.twice, precision: tiled('10s') } }, { audiences: ['more'] })).toEqual(
      [],
    );
    expect(differences(log, { ...right, twice: { ...right.twice, value: 508 } }, { audiences: [] })).toEqual([
      ['computed.twice.value', 510],
      ['audiences', ['more']],
    ]);
    expect(differences(log, { ...right, twice: { ...right.twice, precision: tiled('9s') } }, { audiences: ['more'] })).toEqual([
      ['computed.twice.precision', undefined],
    ]);
  });
});
