// Why a field of the records is what it is: winners and losers agree with the merge, whatever the policy.
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { valueAt } from '../../../src/base/value_at.ts';
import type { ExplainedField, FieldExplanation } from '../../../src/profile/explanation.ts';
import type { ProfileView } from '../../../src/profile/view.ts';
import type { Json, JsonObject } from '../../../src/record/json.ts';
import { merged, type MergePolicy, type MergeSource } from '../../../src/record/merge_policy.ts';
import { parsePath } from '../../../src/record/leaf_changes.ts';
import { explainField, isSaid } from '../../../src/shard/explain_field.ts';

const DATASETS = ['crm', 'loyalty', 'web'];
const BY_TIME: MergePolicy = { name: 'default', isDefault: true, stitching: 'none', order: null };
const CRM_FIRST: MergePolicy = { name: 'crmFirst', isDefault: false, stitching: 'none', order: [0, 1] };

const source = (dataset: number, lastUpdatedMs: number, record: JsonObject, sequence = dataset + 1): MergeSource => ({
  dataset,
  name: DATASETS[dataset]!,
  identity: 'customerId.c',
  lastUpdatedMs,
  sequence,
  record,
});

function explained(sources: readonly MergeSource[], field: string, policy = BY_TIME): FieldExplanation {
  const view: ProfileView = {
    profile: { namespace: 'customerId', id: 'c' },
    identities: [],
    attributes: merged(sources, policy),
    computed: {},
    audiences: [],
    policy: policy.name,
    ...(policy.stitching === 'graph' ? { stitching: 'none' } : {}),
    version: 4,
    shard: 0,
    sequence: 9,
    time: '2026-03-10T09:00:00.000Z',
  };
  return explainField({ view, sources, policy, datasets: DATASETS, path: parsePath(field)! });
}

const one = (explanation: FieldExplanation): ExplainedField => {
  if ('fields' in explanation) throw new Error('it is an object');
  return explanation;
};
const whys = (explanation: FieldExplanation): string[][] => one(explanation).losers.map(({ dataset, why }) => [dataset, why]);

describe('a leaf', () => {
  const sources = [
    source(0, 10, { person: { name: 'Ada' }, tier: 'gold' }),
    source(1, 20, { person: { name: 'Augusta' } }),
    source(2, 20, { person: { name: 'A.' }, tier: 'silver' }, 1),
  ];

  test('has the newest, and says why the others are not', () => {
    const found = explained(sources, 'person.name');
    expect(found).toEqual({
      profile: { namespace: 'customerId', id: 'c' },
      field: 'attributes.person.name',
      policy: 'default',
      rule: 'timestampOrdered: the newest lastUpdated wins',
      value: 'Augusta',
      winner: {
        dataset: 'loyalty',
        identity: { namespace: 'customerId', id: 'c' },
        lastUpdated: '1970-01-01T00:00:00.020Z',
        sequence: 2,
        value: 'Augusta',
      },
      losers: [
        expect.objectContaining({ dataset: 'web', value: 'A.', why: 'same lastUpdated, lower sequence' }),
        expect.objectContaining({ dataset: 'crm', value: 'Ada', why: 'older: its lastUpdated is earlier' }),
      ],
      notTakingPart: [],
      version: 4,
      shard: 0,
      sequence: 9,
      time: '2026-03-10T09:00:00.000Z',
    });
  });

  test('has the first of an order, and names who takes no part', () => {
    const found = explained(sources, 'person.name', CRM_FIRST);
    expect(found).toMatchObject({ value: 'Ada', rule: 'dataSetPrecedence: crm before loyalty', notTakingPart: ['web'] });
    expect(whys(found)).toEqual([['loyalty', 'later in the order: crm comes before loyalty']]);
  });

  test('of whom all say the same still has one winner', () => {
    const same = [source(1, 5, { a: 1 }, 7), source(0, 5, { a: 1 }, 7)];
    expect(one(explained(same, 'a')).winner?.dataset).toBe('crm');
    expect(whys(explained(same, 'a'))).toEqual([['loyalty', 'same lastUpdated and sequence, later name']]);
  });

  test('that only datasets without a part have is absent', () => {
    const found = one(explained([source(2, 5, { a: 1 })], 'a', CRM_FIRST));
    expect(found).toMatchObject({ losers: [], notTakingPart: ['web'] });
    expect('value' in found || 'winner' in found).toBe(false);
  });

  test('below a value that is no object is absent, and says whose value that is', () => {
    const found = explained([source(0, 5, { a: { b: 1 } }), source(1, 6, { a: 'x' })], 'a.b');
    expect('value' in found || 'winner' in found).toBe(false);
    expect(whys(found)).toEqual([['crm', 'loyalty has a value above, at attributes.a, and no object']]);
  });

  test('null and arrays are values', () => {
    expect(explained([source(0, 5, { a: null }), source(1, 4, { a: 1 })], 'a')).toMatchObject({ value: null });
    expect(explained([source(0, 5, { a: [{ b: 1 }] })], 'a')).toMatchObject({ value: [{ b: 1 }] });
  });
});

describe('an object', () => {
  test('leaf by leaf', () => {
    const found = explained([source(0, 10, { p: { a: 1, b: { c: 2 } } }), source(1, 20, { p: { a: 3, 'x y': [] } })], 'p');
    if (!('fields' in found)) throw new Error('it is no object');
    expect(found.field).toBe('attributes.p');
    expect(found.fields.map(({ field, value, winner, losers }) => [field, value, winner?.dataset, losers.length])).toEqual([
      ['attributes.p.a', 3, 'loyalty', 1],
      ['attributes.p["x y"]', [], 'loyalty', 0],
      ['attributes.p.b.c', 2, 'crm', 0],
    ]);
  });

  test('is cut at a hundred leaves, and says so', () => {
    const wide = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`k${n}`, n]));
    const found = explained([source(0, 1, { p: wide })], 'p');
    expect('fields' in found && [found.fields.length, found.truncated]).toEqual([100, true]);
    const { k100: _, ...fits } = wide;
    expect(explained([source(0, 1, { p: fits })], 'p')).not.toHaveProperty('truncated');
  });

  test('everything', () => {
    expect(explained([source(0, 1, { a: 1 })], '')).toMatchObject({ field: 'attributes', fields: [{ field: 'attributes.a' }] });
    expect(explained([], '')).toMatchObject({ field: 'attributes', losers: [] });
  });
});

test('a policy that asks for the graph says that it is not followed', () => {
  expect(explained([source(0, 1, { a: 1 })], 'a', { ...BY_TIME, stitching: 'graph' })).toMatchObject({ stitching: 'none' });
});

test('is anything said there?', () => {
  const sources = [source(0, 1, { a: { b: 1 } })];
  expect(['a', 'a.b', '', 'c', 'a.c', 'a.b.c'].map((path) => isSaid(sources, parsePath(path)!))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('of random records every leaf of the merge is its winner’s', () => {
  const random = seededRandom(3);
  const tree = (depth: number): Json => {
    const kind = random.below(depth === 0 ? 3 : 6);
    if (kind === 0) return random.below(3);
    if (kind === 1) return null;
    if (kind === 2) return [random.below(2)];
    return Object.fromEntries(['a', 'b', 'c'].filter(() => random.below(2) === 0).map((key) => [key, tree(depth - 1)]));
  };
  let leaves = 0;
  for (let n = 0; n < 300; n++) {
    const sources = DATASETS.map((_, dataset) => source(dataset, random.below(3), { r: tree(3) }, 1 + random.below(3)));
    for (const policy of [BY_TIME, CRM_FIRST]) {
      const result = merged(sources, policy);
      const found = explained(sources, 'r', policy);
      for (const place of 'fields' in found ? found.fields : [found]) {
        leaves++;
        const path = parsePath(place.field)!.slice(1);
        expect(place.value).toEqual(valueAt(result, path));
        expect(place.winner?.value).toEqual(place.value);
        expect(place.winner?.dataset).not.toBeUndefined();
      }
    }
  }
  expect(leaves).toBeGreaterThan(1_000);
});
