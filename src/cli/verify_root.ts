// Recomputes every profile of a running root from its log by brute force, and checks the chains of its change events.
// V1: what is compared is an export at one cut per shard: log and change stream are read up to there and no further.
// V2: what cannot be verified is said to be so; it never counts as verified.
// Cost: memory O(exported profiles) and O(log of one shard); time O(log) + O(attributes × events) for each profile.
import { fnv1a32 } from '../base/fnv1a.ts';
import { parseRfc3339 } from '../base/time.ts';
import { identityKey, type IdentityKey } from '../message/identity.ts';
import { compareExport, type Difference } from '../oracle/compare.ts';
import type { HashOf } from '../oracle/keyed_hashes.ts';
import { readShard } from '../oracle/read_shard.ts';
import type { Client } from '../worker/client.ts';
import { checkChains, type ChainReport } from './verify_chains.ts';

type View = NonNullable<Awaited<ReturnType<Client['profile']>>>;
type Plan = Awaited<ReturnType<Client['plan']>>;

/** A value that is due to leave its window at the very moment of the cut may still be there, as of a time just before; past this bound it is late. */
const PENDING_MS_MAX = 5_000;
const DIFFERENCES_MAX = 1_000;

export type VerifyOptions = {
  /** Compare at most so many profiles, spread over the shards; without it all. */
  readonly sample?: number;
  /** Hears every exported profile. */
  readonly onProfile?: (view: View) => void;
  /** The keyed hash by which erasures name an identity; default: the client's, where it has one. A root with an erasure cannot be verified
   *  without it. */
  readonly hashOf?: HashOf;
};

export type VerifyReport = {
  /** Everything that was to be compared was, and agrees. */
  readonly verified: boolean;
  /** Why nothing could be compared; null when it could. */
  readonly unverifiable: string | null;
  /** The log's first sequence: verified is what happened from there on. */
  readonly fromSequence: number;
  readonly profiles: number;
  readonly compared: number;
  /** Events that count · writes to records that were applied · messages sent again under an `_id` that was known · writes older than what
   *  they would have replaced · what came after its time was deleted · refused, in the log up to the cuts. */
  readonly events: number;
  readonly records: number;
  readonly duplicates: number;
  readonly stale: number;
  readonly dead: number;
  readonly refused: number;
  /** Profiles with a change due at the moment of the cut, and not yet applied. */
  readonly pendingExpiries: number;
  /** Compared values that say they are not exact: they are held to what their precision promises. */
  readonly inexact: number;
  readonly differenceCount: number;
  readonly differences: readonly Difference[];
  readonly chains: ChainReport;
  readonly cuts: readonly { readonly shard: number; readonly sequence: number }[];
  readonly tookMs: number;
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Exported = { readonly shard: number; readonly cut: number; readonly texts: string[] };

/** @throws VisageError from the worker, e.g. `no_worker`, `shard_halted`; `erasure_unreadable` */
export async function verifyRoot(client: Client, options: VerifyOptions = {}): Promise<VerifyReport> {
  const startMs = performance.now();
  const fromSequence = (await client.streamState('log')).firstSequence;
  const shards = await exportAll(client, options);
  const report: Mutable<VerifyReport> = {
    verified: false,
    unverifiable: null,
    fromSequence,
    profiles: shards.reduce((sum, shard) => sum + shard.texts.length, 0),
    compared: 0,
    events: 0,
    records: 0,
    duplicates: 0,
    stale: 0,
    dead: 0,
    refused: 0,
    pendingExpiries: 0,
    inexact: 0,
    differenceCount: 0,
    differences: [],
    chains: { whole: (await client.streamState('changes')).firstSequence <= 1, events: 0, problemCount: 0, problems: [] },
    cuts: shards.map(({ shard, cut }) => ({ shard, sequence: cut })),
    tookMs: 0,
  };
  if (fromSequence > 1)
    report.unverifiable = `the log begins at sequence ${fromSequence}: what was before is gone, so values cannot be recomputed from it`;
  const plans = new Map<string, Plan>();
  const hashOf = options.hashOf ?? client.hashOf;
  for (const shard of shards) {
    const views = shard.texts.map((text) => JSON.parse(text) as View);
    shard.texts.length = 0;
    if (report.unverifiable === null)
      await compareShard(client, { ...shard, views, plans, hashOf, sample: options.sample }, report);
    if (report.chains.whole) report.chains = add(report.chains, await checkChains(client, { ...shard, views, hashOf }));
  }
  report.verified = report.unverifiable === null && report.differenceCount === 0 && report.chains.problemCount === 0;
  report.tookMs = Math.round(performance.now() - startMs);
  return report;
}

/** All of it first: a worker does not keep an export open for as long as a comparison may take. */
async function exportAll(client: Client, { onProfile }: VerifyOptions): Promise<readonly Exported[]> {
  const shards: Exported[] = [];
  for await (const { view, text } of client.exportProfiles((shard, cut) => shards.push({ shard, cut, texts: [] }))) {
    shards.at(-1)!.texts.push(text);
    onProfile?.(view);
  }
  return shards;
}

type ShardToCompare = {
  readonly shard: number;
  readonly cut: number;
  readonly views: readonly View[];
  readonly plans: Map<string, Plan>;
  readonly hashOf: HashOf | undefined;
  readonly sample: number | undefined;
};

async function compareShard(client: Client, to: ShardToCompare, report: Mutable<VerifyReport>): Promise<void> {
  const { shard, cut, views, plans } = to;
  const { partitions, clock, topology } = client;
  const oracle = await readShard({
    root: topology.root,
    shard,
    partitions,
    clock,
    ...(to.hashOf === undefined ? {} : { hashOf: to.hashOf }),
    log: () => client.readLog(shard, cut),
    plan: async (hash) => {
      const plan = plans.get(hash) ?? (await client.plan(hash));
      plans.set(hash, plan);
      return plan;
    },
  });
  const sampled = to.sample === undefined ? views : smallestHashes(views, Math.ceil(to.sample / client.partitions));
  const exported = sampled.length === views.length ? null : new Set(views.map((view) => identityKey(view.profile)));
  const found = compareExport(sampled, {
    oracles: [oracle],
    cuts: new Map([[shard, cut]]),
    pendingMsMax: clock === 'event' ? Infinity : PENDING_MS_MAX,
  });
  const cutMs = oracle.shardTimeAt(cut);
  for (const view of sampled) {
    if (parseRfc3339(view.time) < cutMs) report.pendingExpiries++;
    for (const { precision } of Object.values(view.computed)) if (precision !== undefined) report.inexact++;
  }
  for (const difference of found) {
    if (!isOnlyUnsampled(difference, exported)) addDifference(difference, report);
  }
  report.compared += sampled.length;
  report.events += oracle.events;
  report.records += oracle.counts.records;
  report.duplicates += oracle.duplicates;
  report.stale += oracle.counts.stale;
  report.dead += oracle.counts.dead;
  report.refused += oracle.refused.size;
}

function addDifference(difference: Difference, report: Mutable<VerifyReport>): void {
  report.differenceCount++;
  if (report.differences.length < DIFFERENCES_MAX) (report.differences as Difference[]).push(difference);
}

/** A sample leaves profiles out on purpose; missing is only what the export did not have. */
function isOnlyUnsampled(difference: Difference, exported: ReadonlySet<IdentityKey> | null): boolean {
  return (
    exported !== null && difference.path === 'profile' && difference.exported === undefined && exported.has(keyOf(difference))
  );
}

/** The identity behind `namespace:id`; a namespace has no colon. */
function keyOf(difference: Difference): IdentityKey {
  const colon = difference.profile.indexOf(':');
  return identityKey({ namespace: difference.profile.slice(0, colon), id: difference.profile.slice(colon + 1) });
}

/** A sample that is the same every time and has nothing to do with what the profiles hold. */
function smallestHashes(views: readonly View[], count: number): readonly View[] {
  const hashed = views.map((view) => ({ view, hash: fnv1a32(identityKey(view.profile)) }));
  return hashed
    .sort((a, b) => a.hash - b.hash)
    .slice(0, count)
    .map(({ view }) => view);
}

function add(a: ChainReport, b: ChainReport): ChainReport {
  return {
    whole: a.whole && b.whole,
    events: a.events + b.events,
    problemCount: a.problemCount + b.problemCount,
    problems: [...a.problems, ...b.problems].slice(0, DIFFERENCES_MAX),
  };
}
