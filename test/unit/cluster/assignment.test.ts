import { expect, it } from 'vitest';
import { assign, type Candidate } from '../../../src/cluster/assignment.ts';
import { seededRandom } from '../../../src/base/random.ts';

const named = (instance: string, stored: readonly [number, number][] = []): Candidate => ({ instance, stored: new Map(stored) });

function loads(wanted: readonly (string | undefined)[]): number[] {
  return [...Map.groupBy(wanted, (w) => w).values()].map((of) => of.length).sort();
}

it('spreads shards evenly, whoever asks', () => {
  const wanted = assign(16, [named('a'), named('b'), named('c')], new Map());
  expect(loads(wanted)).toEqual([5, 5, 6]);
  expect(assign(16, [named('c'), named('a'), named('b')], new Map())).toEqual(wanted);
});

it('gives nothing to nobody', () => {
  expect(assign(2, [], new Map([[0, 'gone']]))).toEqual([undefined, undefined]);
});

it('moves only what must move when one comes or goes', () => {
  const two = assign(16, [named('a'), named('b')], new Map());
  const owners = new Map(two.map((owner, shard) => [shard, owner!]));
  const three = assign(16, [named('a'), named('b'), named('c')], owners);
  const moved = three.filter((owner, shard) => owner !== owners.get(shard));
  expect(moved).toEqual(['c', 'c', 'c', 'c', 'c']);
  const again = assign(16, [named('a'), named('b')], new Map(three.map((owner, shard) => [shard, owner!])));
  expect(again.filter((owner, shard) => owner !== three[shard])).toHaveLength(5);
});

it('gives a worker that comes back the shards that it has in its folders', () => {
  const owners = new Map(Array.from({ length: 8 }, (_, shard) => [shard, 'b']));
  const back = named('a', [
    [1, 500],
    [3, 500],
    [5, 400],
    [7, 500],
  ]);
  const wanted = assign(8, [back, named('b')], owners);
  expect(wanted.flatMap((owner, shard) => (owner === 'a' ? [shard] : []))).toEqual([1, 3, 5, 7]);
});

it('prefers, for a shard without an owner, the freshest folder', () => {
  const wanted = assign(2, [named('a', [[0, 10]]), named('b', [[0, 20]])], new Map());
  expect(wanted[0]).toBe('b');
});

it('is balanced and stable for any members and owners', () => {
  const random = seededRandom(6);
  for (let n = 0; n < 2_000; n++) {
    const partitions = 1 + random.below(20);
    const names = ['a', 'b', 'c', 'd', 'e'].slice(0, 1 + random.below(5));
    const everybody = [...names, 'gone', 'left'];
    const owners = new Map<number, string>();
    for (let shard = 0; shard < partitions; shard++)
      if (random.below(4) > 0) owners.set(shard, everybody[random.below(everybody.length)]!);
    const stored = (): [number, number][] => (random.below(2) === 0 ? [] : [[random.below(partitions), random.below(100)]]);
    const members = names.map((name) => named(name, stored()));
    const wanted = assign(partitions, members, owners);
    const count = (name: string): number => wanted.filter((owner) => owner === name).length;
    const [least, most] = [Math.floor(partitions / names.length), Math.ceil(partitions / names.length)];
    for (const name of names) expect([least, most]).toContain(count(name));
    // whoever had no more than its share keeps all of it, unless somebody would be left short
    const again = assign(partitions, members, new Map(wanted.map((owner, shard) => [shard, owner!])));
    expect(again).toEqual(wanted);
  }
});
