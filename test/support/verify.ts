// The verdict over a root: profiles against the oracle, change events against the chain, refused messages against the dead letters.
import type { ShardOracle } from '../../src/oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../../src/oracle/chain.ts';
import { compareExport } from '../../src/oracle/compare.ts';
import { readShard } from '../../src/oracle/read_shard.ts';
import type { OraclePlan } from '../../src/oracle/recompute.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from './eventually.ts';

export type Export = { readonly views: readonly ProfileView[]; readonly cuts: ReadonlyMap<number, number> };

/** Every profile, through the worker. */
export async function exportAll(client: Client): Promise<Export> {
  const views: ProfileView[] = [];
  const cuts = new Map<number, number>();
  for await (const { view } of client.exportProfiles((shard, sequence) => cuts.set(shard, sequence))) views.push(view);
  return { views, cuts };
}

export type OracleVerdict = {
  readonly problems: readonly string[];
  readonly oracles: readonly ShardOracle[];
  readonly profiles: number;
  readonly events: number;
  readonly duplicates: number;
  readonly refused: number;
};

/** Recomputes every shard from the raw log up to its cut and compares every exported profile at that profile's own time. */
export async function checkAgainstOracle(client: Client, exported: Export): Promise<OracleVerdict> {
  const plans = new Map<string, OraclePlan>();
  const oracles: ShardOracle[] = [];
  for (let shard = 0; shard < client.partitions; shard++) {
    const { partitions, clock } = client;
    const oracle = await readShard({
      root: client.topology.root,
      shard,
      partitions,
      clock,
      log: () => client.readLog(shard, exported.cuts.get(shard)),
      plan: async (hash) => {
        const plan = plans.get(hash) ?? (await client.plan(hash));
        plans.set(hash, plan);
        return plan;
      },
    });
    oracles.push(oracle);
  }
  const differences = compareExport(exported.views, { oracles, cuts: exported.cuts });
  const sum = (of: (oracle: ShardOracle) => number): number => oracles.reduce((total, oracle) => total + of(oracle), 0);
  return {
    problems: differences.map((difference) => JSON.stringify(difference)),
    oracles,
    profiles: exported.views.length,
    events: sum((oracle) => oracle.events),
    duplicates: sum((oracle) => oracle.duplicates),
    refused: sum((oracle) => oracle.refused.size),
  };
}

export type ChainVerdict = {
  readonly problems: readonly string[];
  readonly changeEvents: number;
  readonly expiries: number;
  readonly commits: number;
  /** Commits that end in the middle of what one message changed. */
  readonly partialCommits: number;
  /** Recoveries from there. */
  readonly partialRecoveries: number;
};

type Commit = {
  readonly generation: number;
  readonly epoch: number;
  readonly position: readonly [number, number];
  /** How many visible changes this generation has made since its beginning. */
  readonly count: number;
};

type Caused = { readonly data: { readonly cause: readonly { readonly kind: string }[] } };

/** Every change event of VISAGE_CHANGES in order: one chain per profile, nothing twice, its end is the export.
 *  Nothing visible may change any more (`settled`), else the export lies in the middle of a chain. */
export async function checkChains(client: Client, exported: Export): Promise<ChainVerdict> {
  const chain = new ChainChecker();
  const problems: string[] = [];
  const last = new Map<string, Commit>();
  let commits = 0;
  let partialCommits = 0;
  let partialRecoveries = 0;
  let expiries = 0;
  for await (const message of client.readStream('changes', { from: 'start', until: 'now' })) {
    const events = JSON.parse(new TextDecoder().decode(message.body)) as (ChainEvent & Caused)[];
    for (const event of events) {
      chain.feed(event);
      if (event.data.cause.some(({ kind }) => kind === 'expiry')) expiries++;
    }
    commits++;
    const header = message.headers!();
    const [sequence = NaN, ordinal = NaN] = (header['Visage-Position'] ?? '').split('/').map(Number);
    const now: Commit = {
      generation: Number(header['Visage-Generation'] || 1),
      epoch: Number(header['Visage-Epoch']),
      position: [sequence, ordinal === -1 ? Infinity : ordinal] as const,
      count: Number(header['Visage-Change-Count']),
    };
    const before = last.get(message.subject);
    if (ordinal !== -1 && events.length > 0) partialCommits++;
    if (before !== undefined) {
      if (now.epoch > before.epoch && ordinal !== -1) partialRecoveries++;
      if (isBack(before, now))
        problems.push(`commit ${message.sequence} of ${message.subject} goes back: ${JSON.stringify([before, now])}`);
      if (now.generation === before.generation && now.count === before.count && events.length > 0)
        problems.push(`commit ${message.sequence} of ${message.subject} has events, but counts no change`);
    }
    last.set(message.subject, now);
  }
  problems.push(...chain.problems, ...chain.checkAgainstExport(exported.views));
  return { problems, changeEvents: chain.events, expiries, commits, partialCommits, partialRecoveries };
}

function isBack(before: Commit, now: Commit): boolean {
  const [sequence, ordinal] = now.position;
  if (now.generation < before.generation || now.epoch < before.epoch || sequence < before.position[0]) return true;
  if (sequence === before.position[0] && ordinal < before.position[1]) return true;
  return now.generation === before.generation && now.count < before.count; // a later one counts anew
}

export type DeadVerdict = { readonly problems: readonly string[]; readonly letters: number; readonly repeated: number };

/** Every message that the oracle refuses is a dead letter with the same reason, and nothing else is one. Repeats are allowed (counted). */
export async function checkDeadLetters(client: Client, oracles: readonly ShardOracle[]): Promise<DeadVerdict> {
  const problems: string[] = [];
  const found = new Map<number, string>();
  let letters = 0;
  for await (const message of client.readStream('dead', {
    from: 'start',
    until: 'now',
    filter: `${client.topology.root}.dead.>`,
  })) {
    const letter = JSON.parse(new TextDecoder().decode(message.body)) as { reason: string; sequence: number };
    letters++;
    found.set(letter.sequence, letter.reason);
  }
  const expected = new Map(oracles.flatMap((oracle) => [...oracle.refused]));
  for (const [sequence, reason] of expected)
    if (found.get(sequence) !== reason)
      problems.push(`message ${sequence} is refused (${reason}), its dead letter says ${found.get(sequence)}`);
  for (const [sequence, reason] of found)
    if (!expected.has(sequence)) problems.push(`there is a dead letter (${reason}) of message ${sequence}, which is not refused`);
  return { problems, letters, repeated: letters - found.size };
}

/** Waits until the worker has applied and committed all of its shards' logs and nothing visible moved for `quietMs` (longer than every
 *  window that a test lets run out). */
export async function settled(client: Client, quietMs: number, timeoutMs = 60_000): Promise<void> {
  let before = '';
  let sinceMs = performance.now();
  let halted: string | null = null;
  await eventually(
    'every shard is active, caught up and quiet',
    async () => {
      const { shards } = await client.status();
      halted = shards.find((shard) => shard.state === 'halted')?.reason ?? null;
      if (halted !== null) return true;
      const last = (await client.streamState('log')).lastSequence;
      const now = JSON.stringify([last, ...shards.map((shard) => [shard.state, shard['changes'], shard['applied']])]);
      const calm = shards.length === client.partitions && shards.every((shard) => shard.state === 'active' && shard['lag'] === 0);
      if (now !== before || !calm) {
        before = now;
        sinceMs = performance.now();
      }
      return performance.now() - sinceMs > quietMs;
    },
    { timeoutMs, everyMs: 50 },
  );
  if (halted !== null) throw new Error(`a shard is halted: ${halted}`);
}

export type Verdict = {
  readonly problems: readonly string[];
  readonly profiles: number;
  readonly events: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly deadLetters: number;
  readonly deadLettersRepeated: number;
  readonly changeEvents: number;
  readonly expiries: number;
  readonly commits: number;
  readonly partialCommits: number;
  readonly partialRecoveries: number;
};

/** All three checks once everything is quiet. */
export async function verifyAll(client: Client, quietMs: number): Promise<Verdict> {
  await settled(client, quietMs);
  const exported = await exportAll(client);
  const oracle = await checkAgainstOracle(client, exported);
  const chains = await checkChains(client, exported);
  const dead = await checkDeadLetters(client, oracle.oracles);
  return {
    problems: [...oracle.problems, ...chains.problems, ...dead.problems],
    profiles: oracle.profiles,
    events: oracle.events,
    duplicates: oracle.duplicates,
    refused: oracle.refused,
    deadLetters: dead.letters,
    deadLettersRepeated: dead.repeated,
    changeEvents: chains.changeEvents,
    expiries: chains.expiries,
    commits: chains.commits,
    partialCommits: chains.partialCommits,
    partialRecoveries: chains.partialRecoveries,
  };
}
