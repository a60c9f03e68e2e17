// Which worker should own which shard: a function of who is there and who owns what, the same for everybody who sees the same.
// AS1: loads differ by one at most. AS2: within that, a shard stays where it is.
// AS3: what must move goes to whoever has most of it in a folder already; else by rendezvous hashing, so that it does not matter who asks.
import { fnv1a32 } from '../base/fnv1a.ts';

export type Candidate = {
  readonly instance: string;
  /** By shard: up to which sequence its folder stands. */
  readonly stored: ReadonlyMap<number, number>;
};

/** @param owners by shard: the instance that owns it now, whether it is a candidate or not
 *  @returns by shard the instance that should; all undefined when nobody is there. Cost: O(shards × candidates) */
export function assign(
  partitions: number,
  candidates: readonly Candidate[],
  owners: ReadonlyMap<number, string>,
): readonly (string | undefined)[] {
  const members = [...candidates].sort((a, b) => (a.instance < b.instance ? -1 : 1));
  const wanted = new Array<string | undefined>(partitions).fill(undefined);
  if (members.length === 0) return wanted;
  const least = Math.floor(partitions / members.length);
  const most = Math.ceil(partitions / members.length);
  const loads = new Map(members.map((member) => [member.instance, { member, shards: new Set<number>() }]));
  const free: number[] = [];
  for (let shard = 0; shard < partitions; shard++) {
    const load = loads.get(owners.get(shard) ?? '');
    if (load === undefined) free.push(shard);
    else load.shards.add(shard);
  }
  const lacking = (): Load[] => [...loads.values()].filter(({ shards }) => shards.size < least);
  for (const load of loads.values()) while (load.shards.size > most) free.push(takeFrom(load, lacking()));
  for (const shard of free.sort((a, b) => a - b)) {
    const short = lacking();
    const room = short.length > 0 ? short : [...loads.values()].filter(({ shards }) => shards.size < most);
    best(shard, room).shards.add(shard);
  }
  for (let short = lacking(); short.length > 0; short = lacking()) {
    const fullest = [...loads.values()].reduce((a, b) => (b.shards.size > a.shards.size ? b : a));
    const shard = takeFrom(fullest, short);
    best(shard, short).shards.add(shard);
  }
  for (const { member, shards } of loads.values()) for (const shard of shards) wanted[shard] = member.instance;
  return wanted;
}

type Load = { readonly member: Candidate; readonly shards: Set<number> };

/** The one that is easiest to move: of which one of `takers` has most, else the one that is here least by right. */
function takeFrom(load: Load, takers: readonly Load[]): number {
  const stored = (shard: number): number => Math.max(-1, ...takers.map(({ member }) => member.stored.get(shard) ?? -1));
  let chosen = -1;
  for (const shard of load.shards) {
    const isBetter =
      chosen < 0 ||
      stored(shard) > stored(chosen) ||
      (stored(shard) === stored(chosen) && weight(shard, load.member) < weight(chosen, load.member));
    if (isBetter) chosen = shard;
  }
  load.shards.delete(chosen);
  return chosen;
}

function best(shard: number, loads: readonly Load[]): Load {
  const stored = ({ member }: Load): number => member.stored.get(shard) ?? -1;
  return loads.reduce((a, b) => {
    if (stored(a) !== stored(b)) return stored(a) > stored(b) ? a : b;
    return weight(shard, b.member) > weight(shard, a.member) ? b : a;
  });
}

/** Whose weight is greatest, it belongs to by right. The name comes first and is stirred: FNV alone hardly mixes a last digit. */
function weight(shard: number, { instance }: Candidate): number {
  let h = fnv1a32(`${instance}/${shard}`);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
