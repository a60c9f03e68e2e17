// Exported profiles against the oracle: every difference, named.
// C1: values are compared at the instant and sequence that the export claims, and the claimed instant is itself compared with the
//     log's: a product whose time stands still would agree with itself otherwise. It may be earlier only by what is due next:
//     a change, or an event that leaves a min or max (another dataset may still hold the value then).
import { hash64 } from '../base/fnv1a.ts';
import { parseRfc3339 } from '../base/time.ts';
import { identityKey, identityName, parseIdentityKey, type Identity, type IdentityKey } from '../message/identity.ts';
import type { ShardOracle } from './brute_force.ts';
import { jsonEqual } from './json_equal.ts';
import type { ExpectedValue } from './recompute.ts';

/** What is compared of an exported profile (`ProfileView` of the product is one). */
export type ExportedProfile = {
  readonly profile: Identity;
  readonly identities: readonly (Identity & { readonly primary: boolean })[];
  readonly computed: Readonly<
    Record<string, { readonly value: unknown; readonly timestamp?: string; readonly nextChangeAt?: string }>
  >;
  readonly version: number;
  readonly shard: number;
  readonly sequence: number;
  readonly time: string;
};

/** `undefined` in `exported` or `expected` means: not there. `profile` is for people who asked; logs name the `profileHash`. */
export type Difference = {
  readonly profileHash: string;
  readonly profile: string;
  readonly path: string;
  readonly exported: unknown;
  readonly expected: unknown;
};

const FIELDS = ['value', 'timestamp', 'nextChangeAt'] as const;

/** Every difference between one exported profile and its recomputation. Empty: they agree. `version` is not recomputed: ChainChecker
 *  checks it. Cost: that of one recomputation */
export function compareProfile(exported: ExportedProfile, oracle: ShardOracle, pendingMsMax = Infinity): Difference[] {
  const differences: Difference[] = [];
  const note = (path: string, mine: unknown, expected: unknown): void => {
    if (!jsonEqual(mine, expected)) differences.push(difference(exported.profile, path, mine, expected));
  };
  const timeMs = parseRfc3339(exported.time);
  const expected = oracle.profileAt(identityKey(exported.profile), timeMs, exported.sequence);
  if (expected === undefined) return [difference(exported.profile, 'profile', exported.profile, undefined)];
  note('shard', exported.shard, oracle.shard);
  note('time', timeMs, expectedTime(timeMs, oracle.shardTimeAt(exported.sequence), expected, pendingMsMax));
  note('identities', exported.identities, [{ ...exported.profile, primary: true }]);
  for (const name of new Set([...Object.keys(expected), ...Object.keys(exported.computed)])) {
    const mine = Object.hasOwn(exported.computed, name) ? exported.computed[name] : undefined;
    const right = Object.hasOwn(expected, name) ? expected[name] : undefined;
    for (const field of FIELDS) note(`computed.${name}.${field}`, mine?.[field], right?.[field]);
  }
  return differences;
}

/** A view is as of the shard's time, or of the last instant before the first thing that is due and still waits for its turn. */
function expectedTime(
  timeMs: number,
  shardTimeMs: number,
  expected: Readonly<Record<string, ExpectedValue>>,
  pendingMsMax: number,
): number {
  if (timeMs >= shardTimeMs || shardTimeMs - timeMs > pendingMsMax) return shardTimeMs;
  const all = Object.values(expected);
  if (all.some(({ nextLeavesMs }) => nextLeavesMs === timeMs + 1)) return timeMs;
  const due = all.map(({ nextChangeAt }) => (nextChangeAt === undefined ? Infinity : parseRfc3339(nextChangeAt)));
  return Math.min(shardTimeMs, Math.min(...due) - 1);
}

export type CompareExportOptions = {
  /** One for every shard, fed at least up to its cut. */
  readonly oracles: Iterable<ShardOracle>;
  /** The sequence at which each shard was exported; a shard that is not named: everything its oracle was fed. */
  readonly cuts?: ReadonlyMap<number, number>;
  /** How long a change that is due may have waited for its turn; a view that is older is a difference. Default: any time. */
  readonly pendingMsMax?: number;
};

/** A whole export: also what is missing, what is too much, what is there twice or was read at another sequence than the cut. */
export function compareExport(exported: Iterable<ExportedProfile>, options: CompareExportOptions): Difference[] {
  const differences: Difference[] = [];
  const oracles = new Map<number, ShardOracle>();
  for (const oracle of options.oracles) oracles.set(oracle.shard, oracle);
  const cutOf = (oracle: ShardOracle): number => options.cuts?.get(oracle.shard) ?? oracle.lastSequence;
  const seen = new Set<IdentityKey>();
  for (const view of exported) {
    const oracle = oracles.get(view.shard);
    const key = identityKey(view.profile);
    if (oracle === undefined) differences.push(difference(view.profile, 'shard', view.shard, undefined));
    else if (seen.has(key)) differences.push(difference(view.profile, 'profile', 'there twice', 'once'));
    else {
      if (view.sequence !== cutOf(oracle)) differences.push(difference(view.profile, 'sequence', view.sequence, cutOf(oracle)));
      differences.push(...compareProfile(view, oracle, options.pendingMsMax));
    }
    seen.add(key);
  }
  for (const oracle of oracles.values()) {
    for (const key of oracle.keys(cutOf(oracle))) {
      const identity = parseIdentityKey(key);
      if (!seen.has(key)) differences.push(difference(identity, 'profile', undefined, identity));
    }
  }
  return differences;
}

function difference(identity: Identity, path: string, exported: unknown, expected: unknown): Difference {
  return { profileHash: profileHash(identityKey(identity)), profile: identityName(identity), path, exported, expected };
}

/** How logs name a profile. */
export function profileHash(key: IdentityKey): string {
  const words = new Uint32Array(2);
  hash64(key, words);
  return [words[1]!, words[0]!].map((word) => word.toString(16).padStart(8, '0')).join('');
}
