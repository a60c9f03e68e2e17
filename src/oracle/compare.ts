// Exported profiles against the oracle: every difference, named.
// C1: values are compared at the instant and sequence that the export claims, and the claimed instant is itself compared with the
//     log's: a product whose time stands still would agree with itself otherwise. It may be earlier only by what is due next: just
//     before an event leaves some window.
// C2: a value without precision is exactly right. One with precision keeps its promise (precision.ts); expressions and audiences that
//     rest on it are right for the value that it has.
// C3: attributes are those of the policy that the export claims, which has to be one.
import { hash64 } from '../base/fnv1a.ts';
import { parseRfc3339, type DurationMs, type EpochMs } from '../base/time.ts';
import { identityKey, identityName, parseIdentityKey, type Identity, type IdentityKey } from '../message/identity.ts';
import type { ShardOracle } from './brute_force.ts';
import { jsonEqual } from './json_equal.ts';
import { namedLeaves, type Tree } from './json_tree.ts';
import { brokenPromise, hopOf, type Broken, type Inexact, type StatedPrecision } from './precision.ts';
import {
  addExpressions,
  audiencesOf,
  inputsOf,
  isOverEvents,
  recompute,
  sinceOf,
  somethingLeaves,
  type ExpectedValue,
  type ProfileFacts,
} from './recompute.ts';

/** What is compared of a computed value (`ComputedValue` of the product is one). */
export type ExportedValue = {
  readonly value: unknown;
  readonly timestamp?: string;
  readonly nextChangeAt?: string;
  readonly since?: string;
  readonly precision?: StatedPrecision;
};

/** What is compared of an exported profile (`ProfileView` of the product is one). */
export type ExportedProfile = {
  readonly profile: Identity;
  readonly identities: readonly (Identity & { readonly primary: boolean })[];
  /** What records say, merged by the policy of this name. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly policy: string;
  readonly computed: Readonly<Record<string, ExportedValue>>;
  readonly audiences: readonly string[];
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

const FIELDS = ['value', 'timestamp', 'nextChangeAt', 'since', 'precision'] as const;

/** Every difference between one exported profile and its recomputation. Empty: they agree. `version` is not recomputed: ChainChecker
 *  checks it. Cost: that of one recomputation */
export function compareProfile(exported: ExportedProfile, oracle: ShardOracle, pendingMsMax = Infinity): Difference[] {
  const differences: Difference[] = [];
  const note = (path: string, mine: unknown, expected: unknown): void => {
    if (!jsonEqual(mine, expected)) differences.push(difference(exported.profile, path, mine, expected));
  };
  const facts = oracle.factsAt(identityKey(exported.profile), exported.sequence);
  if (facts === undefined) return [difference(exported.profile, 'profile', exported.profile, undefined)];
  const timeMs = parseRfc3339(exported.time);
  const stated = withPrecision(exported);
  note('shard', exported.shard, oracle.shard);
  note('time', timeMs, expectedTime(facts, { timeMs, shardTimeMs: oracle.shardTimeAt(exported.sequence), pendingMsMax }, stated));
  note('identities', exported.identities, [{ ...exported.profile, primary: true }]);
  const { values, broken } = rightValues(facts, { timeMs, exactEvents: oracle.exactEventsAt(exported.sequence) }, stated);
  for (const name of new Set([...Object.keys(values), ...Object.keys(exported.computed)])) {
    const mine: Partial<ExportedValue> = own(exported.computed, name) ?? {};
    const right: Partial<ExportedValue> = own(values, name) ?? {};
    for (const field of FIELDS) note(`computed.${name}.${field}`, mine[field], right[field]);
    const { field, expected } = broken.get(name) ?? {};
    if (field !== undefined) differences.push(difference(exported.profile, `computed.${name}.${field}`, mine[field], expected));
  }
  note('audiences', exported.audiences, audiencesOf(facts.plan, values));
  differences.push(...attributeDifferences(exported, oracle));
  return differences;
}

/** Leaf by leaf, so that a difference names its place. */
function attributeDifferences(exported: ExportedProfile, oracle: ShardOracle): Difference[] {
  const { profile, policy, sequence } = exported;
  const policies = oracle.policiesAt(sequence);
  if (!policies.some(({ name }) => name === policy))
    return [difference(profile, 'policy', policy, policies.find(({ isDefault }) => isDefault)?.name)];
  const mine = namedLeaves(exported.attributes as Tree);
  const right = namedLeaves(oracle.attributesAt(identityKey(profile), sequence, policy)!);
  return [...new Set([...right.keys(), ...mine.keys()])].flatMap((name) =>
    jsonEqual(mine.get(name), right.get(name)) ? [] : [difference(profile, name, mine.get(name), right.get(name))],
  );
}

/** The values by name that say they are not exact. */
function withPrecision({ computed }: ExportedProfile): Map<string, ExportedValue & Inexact> {
  const stated = new Map<string, ExportedValue & Inexact>();
  for (const [name, value] of Object.entries(computed))
    if (value.precision !== undefined) stated.set(name, { ...value, precision: value.precision });
  return stated;
}

type Right = {
  /** What each value has to be: the exact one, or the exported one where its precision allows that, and expressions over them. */
  readonly values: Record<string, ExportedValue>;
  readonly broken: Map<string, Broken>;
};

function rightValues(
  facts: ProfileFacts,
  at: { readonly timeMs: EpochMs; readonly exactEvents: number },
  stated: ReadonlyMap<string, ExportedValue & Inexact>,
): Right {
  const values: Record<string, ExpectedValue & ExportedValue> = recompute(facts, at.timeMs);
  const broken = new Map<string, Broken>();
  if (stated.size === 0) return { values, broken };
  const { attributes } = facts.plan;
  for (const attribute of attributes) {
    const mine = stated.get(attribute.name);
    if (mine === undefined || !isOverEvents(attribute)) continue;
    const exact = own(values, attribute.name);
    const why = brokenPromise(facts, attribute, { ...at, mine, exact });
    if (why !== undefined) broken.set(attribute.name, why);
    // from here on the exported value is taken for granted: what it broke is noted once
    const { since: _, ...kept } = mine;
    const since = sinceOf(facts, attribute, at.timeMs);
    values[attribute.name] = since === undefined ? kept : { ...kept, since };
  }
  addExpressions(facts, values);
  attributes.forEach(({ name }, index) => {
    const mine = stated.get(name)?.precision;
    const value = own(values, name);
    if (attributes[index]!.expression === null || mine === undefined || value === undefined) return;
    const inputs = inputsOf(facts.plan, index).map((input) => stated.get(attributes[input]!.name)?.precision);
    if (inputs.some((precision) => jsonEqual(precision, mine))) values[name] = { ...value, precision: mine };
  });
  return { values, broken };
}

/** A view is as of the shard's time, or of the last instant before something that is due and still waits for its turn. */
function expectedTime(
  facts: ProfileFacts,
  {
    timeMs,
    shardTimeMs,
    pendingMsMax,
  }: { readonly timeMs: EpochMs; readonly shardTimeMs: EpochMs; readonly pendingMsMax: number },
  stated: ReadonlyMap<string, Inexact>,
): EpochMs {
  if (!(timeMs < shardTimeMs) || shardTimeMs - timeMs > pendingMsMax) return shardTimeMs;
  const hopMs = (name: string): DurationMs => {
    const precision = stated.get(name)?.precision;
    return precision === undefined ? 0 : (hopOf(precision) ?? 0);
  };
  return somethingLeaves(facts, timeMs + 1, hopMs) ? timeMs : shardTimeMs;
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

export type CompareExportOptions = {
  /** One for every shard, fed at least up to its cut. */
  readonly oracles: Iterable<ShardOracle>;
  /** The sequence at which each shard was exported; a shard that is not named: everything its oracle was fed. */
  readonly cuts?: ReadonlyMap<number, number>;
  /** How long a change that is due may have waited for its turn; a view that is older is a difference. Default: any time. */
  readonly pendingMsMax?: number;
};

/** A whole export (of the profiles that there are to see): also what is missing, what is too much, what is there twice or was read at another sequence than the cut. */
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
