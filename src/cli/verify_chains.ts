// The change events of one shard up to a cut: no link missing, none twice, and their ends are the exported profiles.
// VC1: a commit may fold messages before and after the cut into one change event. Such an event is not fed: that it follows on the
//      last one, and that the exported version lies between the two, is all that can be said of its profile.
// VC2: where the log was rewound or made again, a later generation counts its sequences anew: the cut is one of the last generation only.
import { identityKey, type IdentityKey } from '../message/identity.ts';
import { changesSubject } from '../message/subject.ts';
import { ChainChecker } from '../oracle/chain.ts';
import type { HashOf } from '../oracle/keyed_hashes.ts';
import type { Client } from '../worker/client.ts';
import { changedBefore, changeEvents, committedThrough, generationOf, type ChangeEvent } from './change_event.ts';

const COMPUTED = 'computed.';

type View = NonNullable<Awaited<ReturnType<Client['profile']>>>;

export type ChainReport = {
  /** Does the change stream still have its first message? If not, chains are not checked. */
  readonly whole: boolean;
  readonly events: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
};

/** @param at `hashOf`: the keyed hash by which erasures name an identity, where it is known */
export async function checkChains(
  client: Client,
  at: {
    readonly shard: number;
    readonly cut: number;
    readonly views: readonly View[];
    readonly hashOf: HashOf | undefined;
  },
): Promise<ChainReport> {
  const { shard, cut, views, hashOf } = at;
  const chain = new ChainChecker(hashOf === undefined ? {} : { hashOf });
  const straddling = new Map<IdentityKey, ChangeEvent>();
  const filter = changesSubject(client.topology.root, shard);
  const { root, logStream } = client.topology;
  const { isWhole, current } = await beginningOf(client, filter, cut);
  // the stream was made again: what was told before is in no event of it
  if (!isWhole) return { whole: false, events: 0, problemCount: 0, problems: [] };
  for await (const message of client.readStream('changes', { from: 'start', until: 'now', filter })) {
    const { generation, sequence } = generationOf(message);
    if (generation > 1 && sequence <= cut) chain.generationBegan(`/${root}/${logStream}/${shard}/${generation}`, sequence);
    const isOver = generation < current;
    for (const event of changeEvents(message)) {
      if (isOver || event.data.version <= cut) chain.feed(event);
      else {
        const key = chain.keyOf(event);
        if (key !== undefined && !straddling.has(key)) straddling.set(key, event);
      }
    }
    if (!isOver && committedThrough(message) >= cut) break;
  }
  const problems = chain.checkAgainstExport(views.flatMap((view) => upToTheCut(view, chain, straddling)));
  return {
    whole: true,
    events: chain.events,
    problemCount: chain.problemCount + problems.length,
    problems: [...chain.problems, ...problems],
  };
}

/** The generation that the cut is of; and does the stream begin where the shard began? Its first commit takes the shard over, and says how
 *  much had changed before. */
async function beginningOf(client: Client, filter: string, cut: number): Promise<{ isWhole: boolean; current: number }> {
  let isWhole: boolean | undefined;
  let current = 1;
  for await (const message of client.readStream('changes', { from: 'start', until: 'now', filter })) {
    const { generation, sequence } = generationOf(message);
    isWhole ??= changedBefore(message) === 0;
    if (sequence <= cut) current = Math.max(current, generation);
  }
  return { isWhole: isWhole ?? true, current };
}

/** The view to check the end of its chain against; for a straddling event (VC1) what the chain itself says, if it can be true. */
function upToTheCut(view: View, chain: ChainChecker, straddling: ReadonlyMap<IdentityKey, ChangeEvent>): View[] {
  const key = identityKey(view.profile);
  const version = chain.versionOf(key) ?? 0;
  const next = straddling.get(key);
  if (view.version === version || next === undefined) return [view];
  if (!chain.canFollow(next) || view.version < version) return [view];
  const values = chain.valuesOf(key);
  if (values === undefined) return [];
  return [
    {
      ...view,
      version,
      attributes: chain.attributesOf(key) ?? view.attributes,
      computed: Object.fromEntries(
        [...values].flatMap(([path, value]) => (path.startsWith(COMPUTED) ? [[path.slice(COMPUTED.length), { value }]] : [])),
      ),
      audiences: [...chain.audiencesOf(key)!],
    },
  ];
}
