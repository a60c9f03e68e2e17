// One shard's log, read from its start and kept whole; profiles are recomputed from it when asked for.
// B1: written apart from the product's incremental code; shared are only decoding and the compiled definitions.
// B2: an answer for sequence S depends on nothing that came after S.
// B3: plain and slow: everything is kept, nothing expires. Memory: O(log); feed it one shard at a time.
import { assert, unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { EpochMs } from '../base/time.ts';
import { DEFAULT_FOLD_SETTINGS, parseControl, type ClockMode, type FoldSettings, isFor } from '../message/control.ts';
import { decodeMessage, isRefusal, RECORDS_VERSION } from '../message/decode.ts';
import { erasedKey, parseIdentityKey, type IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { RefusalReason } from '../message/refusal.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';
import { Activation } from './activation.ts';
import { Identities, type Counts } from './identities.ts';
import type { Tree } from './json_tree.ts';
import type { HashOf } from './keyed_hashes.ts';
import { mergeFragments, type OraclePolicy } from './merge_fragments.ts';
import { recompute, type Beginning, type ExpectedValue, type OraclePlan, type ProfileFacts } from './recompute.ts';

/** The last generation that the log begins: the whole log is folded anew under its definitions and settings, from the first message on. */
export type OracleGeneration = {
  readonly sequence: number;
  readonly generation: number;
  readonly hash: string;
  /** Of the fold. */
  readonly foldVersion: number;
  readonly settings: FoldSettings;
};

export type ShardOracleOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  /** Where now comes from; the log's time when not said. */
  readonly clock?: ClockMode;
  /** When the log begins a generation: the last one. Definitions before it are ignored, later ones add to its own. */
  readonly generation?: OracleGeneration;
  /** The compiled definitions with this content hash. Throws when it does not know them: nothing can be verified then. */
  readonly planOf: (hash: string) => OraclePlan;
  /** The keyed hash by which erasures name an identity. Without it a log that has an erasure cannot be read. */
  readonly hashOf?: HashOf;
};

/** Definitions in force from a message on. */
type InForce = { readonly sequence: number; readonly settings: FoldSettings; readonly plan: OraclePlan };

export class ShardOracle {
  readonly shard: number;
  /** Why each refused message was refused, by sequence. */
  readonly refused: ReadonlyMap<number, RefusalReason>;
  /** Now: the greatest log time so far, or under the event clock the greatest timestamp of an admitted event or tick. */
  shardTimeMs: EpochMs = 0;
  /** The greatest log time so far: what lateness and dedupe go by. */
  logTimeMs: EpochMs = 0;
  lastSequence = 0;

  readonly #options: ShardOracleOptions;
  readonly #eventClock: boolean;
  readonly #inputPrefix: string;
  readonly #controlPrefix: string;
  readonly #refused = new Map<number, RefusalReason>();
  readonly #identities: Identities;
  readonly #activation = new Activation();
  readonly #beginnings = new Map<string, Beginning>();
  readonly #times: { readonly sequence: number; readonly timeMs: EpochMs }[] = [];
  readonly #inForce: InForce[] = [];
  #live: { readonly hash: string; readonly plan: OraclePlan } | undefined;
  #settings: FoldSettings = DEFAULT_FOLD_SETTINGS;
  #foldVersion = RECORDS_VERSION;

  /** @throws what `planOf` throws for the generation */
  constructor(options: ShardOracleOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.#eventClock = options.clock === 'event';
    this.refused = this.#refused;
    this.#inputPrefix = `${shardLogPrefix(options.root, options.shard)}in.`;
    this.#controlPrefix = controlSubject(options.root, options.shard, '');
    this.#identities = new Identities(options.hashOf);
    if (options.generation !== undefined) this.#use(options.generation, 0);
  }

  /** Events that count: admitted, of a dataset with `profile: true`, not dead, no duplicate. */
  get events(): number {
    return this.#identities.counts.events;
  }

  /** Events and records that did not count because their id was remembered. */
  get duplicates(): number {
    return this.#identities.counts.duplicates;
  }

  /** What became of the messages that were admitted. */
  get counts(): Readonly<Counts> {
    return this.#identities.counts;
  }

  /** The next message of the shard's log, in order of sequence.
   *  @throws VisageError `unknown_control`, `erasure_unreadable`; AssertionFailed for a message that is out of order or of another shard;
   *          what `planOf` throws */
  feed(message: LogMessage): void {
    assert(message.sequence > this.lastSequence, `the oracle was given message ${message.sequence} after ${this.lastSequence}`);
    this.lastSequence = message.sequence;
    this.logTimeMs = Math.max(this.logTimeMs, message.stampMs);
    if (!this.#eventClock) this.#moveTime(message, message.stampMs); // time moves first, then the message applies
    if (message.subject.startsWith(this.#controlPrefix)) this.#control(message);
    else if (message.subject.startsWith(this.#inputPrefix)) this.#input(message);
    else assert(false, `message ${message.sequence} is neither input nor control of shard ${this.shard}`);
  }

  /** The profiles that there are to see at `sequence` (default: at the end), sorted. Cost: O(log) */
  keys(sequence: number = this.lastSequence): IdentityKey[] {
    return this.#identities.keys().filter((key) => this.#identities.isVisible(key, sequence));
  }

  /** How many states have something to see at `sequence`, where what a deleted dataset said is in a state until the sweep or a message comes
   *  to it: what a shard counts as its profiles. Readers see `keys`. Cost: O(log) */
  countedAt(sequence: number = this.lastSequence): number {
    const isCounted = (key: IdentityKey): boolean => {
      const clearedTo = this.#activation.at(key, sequence)?.clearedTo;
      return clearedTo !== undefined && this.#identities.isVisible(key, sequence, clearedTo);
    };
    return this.#identities.keys().filter(isCounted).length;
  }

  /** Was everything that datasets said before they were deleted taken out of the profile's state by `sequence`? */
  isCleared(key: IdentityKey, sequence: number = this.lastSequence): boolean {
    return (this.#activation.at(key, sequence)?.clearedTo ?? Infinity) >= this.#identities.lastDatasetDelete(sequence);
  }

  /** The computed values at the instant `timeMs` over all messages up to `sequence` (default: all), under the definitions that the
   *  profile has there; undefined when there is no profile to see. Cost: O(attributes × events of the profile) */
  profileAt(key: IdentityKey, timeMs: EpochMs, sequence: number = this.lastSequence): Record<string, ExpectedValue> | undefined {
    const facts = this.factsAt(key, sequence);
    return facts === undefined ? undefined : recompute(facts, timeMs);
  }

  /** What records say of the profile at `sequence`, merged by a policy (default: the default one); undefined when there is no profile to
   *  see. @throws VisageError `unknown_policy`  Cost: O(writes of the profile) */
  attributesAt(key: IdentityKey, sequence: number = this.lastSequence, policy?: string): Tree | undefined {
    if (!this.#identities.isVisible(key, sequence)) return undefined;
    const { plan } = this.#inForce.findLast((from) => from.sequence <= sequence)!;
    const chosen = policy === undefined ? plan.policy : plan.policies.find(({ name }) => name === policy);
    if (chosen === undefined) throw unknownPolicy(plan.policies);
    return this.#merged(key, sequence, plan, chosen);
  }

  /** The merge policies that there are at `sequence`; none before the first definitions. */
  policiesAt(sequence: number = this.lastSequence): readonly OraclePolicy[] {
    return this.#inForce.findLast((from) => from.sequence <= sequence)?.plan.policies ?? [];
  }

  /** What the values of a profile are made of; undefined when there is no profile to see. */
  factsAt(key: IdentityKey, sequence: number = this.lastSequence): ProfileFacts | undefined {
    const plan = this.#activation.at(key, sequence)?.plan;
    if (plan === undefined || !this.#identities.isVisible(key, sequence)) return undefined;
    return {
      identity: parseIdentityKey(key),
      plan,
      events: this.#identities.eventsOf(key, sequence),
      record: this.#merged(key, sequence, plan, plan.policy),
      beginnings: this.#beginnings,
      taken: new Map(),
    };
  }

  #merged(key: IdentityKey, sequence: number, plan: OraclePlan, policy: OraclePolicy): Tree {
    return mergeFragments(this.#identities.recordsOf(key, sequence), policy, plan.datasets);
  }

  /** The least `exactEvents` that was ever in force up to `sequence`: with no more values than that, nothing was given up. */
  exactEventsAt(sequence: number): number {
    const until = this.#inForce.filter((from) => from.sequence <= sequence);
    return until.reduce((least, { settings }) => Math.min(least, settings.exactEvents), Infinity);
  }

  /** The shard time after the message at `sequence`. */
  shardTimeAt(sequence: number): EpochMs {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#times[middle]!.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#times[low - 1]!.timeMs;
  }

  /** Time never goes back, and nothing that is too far ahead of the log moves it. */
  #moveTime(message: LogMessage, timeMs: EpochMs): void {
    if (timeMs <= this.shardTimeMs || timeMs > this.logTimeMs + this.#settings.maxFutureSkewMs) return;
    this.shardTimeMs = timeMs;
    this.#times.push({ sequence: message.sequence, timeMs });
  }

  #control(message: LogMessage): void {
    const { sequence } = message;
    const control = parseControl(message.subject.slice(this.#controlPrefix.length), message.body);
    const began = this.#options.generation;
    switch (control.kind) {
      case 'generation':
        assert(sequence <= (began?.sequence ?? 0), `the log begins a generation at ${sequence} that the oracle was not told of`);
        return;
      case 'cut':
        return;
      case 'hole':
        if (this.#eventClock) this.#moveTime(message, control.timeMs ?? 0);
        return;
      case 'tick':
        if (this.#eventClock) this.#moveTime(message, control.timeMs ?? 0);
        break;
      case 'definitions':
        if (isFor(control, began?.generation ?? 1)) this.#use(control, sequence);
        break;
      case 'deleteDataset':
        this.#deleteDataset(control.dataset, sequence);
        break;
      case 'erase':
        this.#erase(control.hash, sequence);
        break;
      case 'skip':
      case 'erased': // says nothing but where holes are
        break;
      default:
        unreachable(control);
    }
    this.#activation.sweep(sequence, this.#foldVersion);
  }

  /** Attributes that come with later definitions begin here; those of the first count everything. */
  #use(
    definitions: { readonly hash: string; readonly foldVersion: number; readonly settings: FoldSettings },
    sequence: number,
  ): void {
    const { hash, settings } = definitions;
    this.#settings = settings;
    this.#foldVersion = definitions.foldVersion;
    const before = this.#live;
    const plan = before?.hash === hash ? before.plan : this.#options.planOf(hash);
    this.#inForce.push({ sequence, settings, plan });
    if (before?.hash === hash) return;
    this.#live = { hash, plan };
    this.#activation.use(plan);
    if (before === undefined) return;
    const known = new Set(before.plan.attributes.map(({ name }) => name));
    for (const { name } of plan.attributes)
      if (!known.has(name)) this.#beginnings.set(name, { sequence, timeMs: this.shardTimeMs });
  }

  #deleteDataset(dataset: string, sequence: number): void {
    if (this.#live?.plan.admission.datasets.has(dataset) !== true) return;
    this.#identities.deleteDataset({ dataset, sequence, timeMs: this.shardTimeMs });
    this.#activation.clear(sequence);
  }

  #erase(hash: string, sequence: number): void {
    if (this.#live === undefined) return; // there was nobody yet
    const key = this.#identities.erase(hash, { sequence, timeMs: this.shardTimeMs });
    if (key !== undefined) this.#activation.remove(key, sequence);
    this.#activation.touch(erasedKey(hash), sequence);
  }

  #input(message: LogMessage): void {
    const { sequence } = message;
    const { shard, partitions } = this.#options;
    const admission = this.#live?.plan.admission ?? null;
    const context = { prefixLength: this.#inputPrefix.length, shard, partitions, foldVersion: this.#foldVersion };
    const decoded = decodeMessage(message, this.logTimeMs, admission, this.#settings, context);
    if (isRefusal(decoded)) {
      this.#refused.set(sequence, decoded.reason);
      return;
    }
    if (this.#eventClock && decoded.kind === 'event') this.#moveTime(message, decoded.timestampMs);
    const now = { sequence, logTimeMs: this.logTimeMs, timeMs: this.shardTimeMs, settings: this.#settings };
    const { key } = decoded;
    const refusal = this.#apply(decoded, now);
    if (refusal !== undefined) this.#refused.set(sequence, refusal);
    // what is left of nobody is nobody's state: a dead or refused message makes none
    if ((decoded.kind === 'profile' || decoded.dataset.profile) && this.#identities.has(key))
      this.#activation.touch(key, sequence);
  }

  #apply(
    decoded: Exclude<ReturnType<typeof decodeMessage>, { readonly reason: unknown }>,
    now: Parameters<Identities['event']>[1],
  ): RefusalReason | undefined {
    switch (decoded.kind) {
      case 'event':
        this.#identities.event({ ...decoded, atMs: this.#eventClock ? decoded.timestampMs : decoded.atMs }, now);
        return undefined;
      case 'record':
        return this.#identities.record(decoded, now);
      case 'profile':
        this.#identities.deleteProfile(decoded.key, now);
        return undefined;
    }
  }
}

function unknownPolicy(policies: readonly OraclePolicy[]): VisageError {
  const names = policies.map(({ name }) => name).join(', ');
  return new VisageError('unknown_policy', `no such merge policy is defined; there are: ${names}`, { kind: 'usage' });
}
