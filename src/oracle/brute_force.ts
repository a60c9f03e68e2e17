// One shard's log, read from its start and kept whole; profiles are recomputed from it when asked for.
// B1: written apart from the product's incremental code; shared are only decoding and the compiled definitions.
// B2: an answer for sequence S depends on nothing that came after S.
// B3: plain and slow: every event is kept, nothing expires. Memory: O(log); feed it one shard at a time.
import { assert } from '../base/assert.ts';
import type { EpochMs } from '../base/time.ts';
import { DEFAULT_FOLD_SETTINGS, parseControl, type ClockMode, type FoldSettings, isFor } from '../message/control.ts';
import { decodeEvent, isRefusal } from '../message/decode.ts';
import { parseIdentityKey, type IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { RefusalReason } from '../message/refusal.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';
import { Activation } from './activation.ts';
import {
  recompute,
  type Beginning,
  type CountedEvent,
  type ExpectedValue,
  type OraclePlan,
  type ProfileFacts,
} from './recompute.ts';

/** The last generation that the log begins: the whole log is folded anew under its definitions and settings, from the first message on. */
export type OracleGeneration = {
  readonly sequence: number;
  readonly generation: number;
  readonly hash: string;
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
};

/** What one identity has: the events that count, in log order, and the ids that make a later event a duplicate, in order of arrival. */
type Identified = { readonly events: CountedEvent[]; readonly arrivedMs: Map<string, EpochMs> };

export class ShardOracle {
  readonly shard: number;
  /** Why each refused message was refused, by sequence. */
  readonly refused: ReadonlyMap<number, RefusalReason>;
  /** Events that did not count because their id was remembered. */
  duplicates = 0;
  /** Events that count: admitted, of a dataset with `profile: true`, no duplicate. */
  events = 0;
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
  readonly #profiles = new Map<IdentityKey, Identified>();
  readonly #activation = new Activation();
  readonly #beginnings = new Map<string, Beginning>();
  readonly #times: { readonly sequence: number; readonly timeMs: EpochMs }[] = [];
  readonly #inForce: { readonly sequence: number; readonly settings: FoldSettings }[] = [];
  #live: { readonly hash: string; readonly plan: OraclePlan } | undefined;
  #settings: FoldSettings = DEFAULT_FOLD_SETTINGS;

  /** @throws what `planOf` throws for the generation */
  constructor(options: ShardOracleOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.#eventClock = options.clock === 'event';
    this.refused = this.#refused;
    this.#inputPrefix = `${shardLogPrefix(options.root, options.shard)}in.`;
    this.#controlPrefix = controlSubject(options.root, options.shard, '');
    if (options.generation !== undefined) this.#use(options.generation, 0);
  }

  /** The next message of the shard's log, in order of sequence.
   *  @throws VisageError `unknown_control`; AssertionFailed for a message that is out of order or of another shard; what `planOf` throws */
  feed(message: LogMessage): void {
    assert(message.sequence > this.lastSequence, `the oracle was given message ${message.sequence} after ${this.lastSequence}`);
    this.lastSequence = message.sequence;
    this.logTimeMs = Math.max(this.logTimeMs, message.stampMs);
    if (!this.#eventClock) this.#moveTime(message, message.stampMs); // time moves first, then the message applies
    if (message.subject.startsWith(this.#controlPrefix)) this.#control(message);
    else if (message.subject.startsWith(this.#inputPrefix)) this.#input(message);
    else assert(false, `message ${message.sequence} is neither input nor control of shard ${this.shard}`);
  }

  /** The profiles that exist at `sequence` (default: at the end), sorted. */
  keys(sequence: number = this.lastSequence): IdentityKey[] {
    const keys: IdentityKey[] = [];
    for (const [key, profile] of this.#profiles) if (profile.events[0]!.sequence <= sequence) keys.push(key);
    return keys.sort();
  }

  /** The computed values at the instant `timeMs` over all messages up to `sequence` (default: all), under the definitions that the
   *  profile has there; undefined when no event had made it by then. Cost: O(attributes × events of the profile) */
  profileAt(key: IdentityKey, timeMs: EpochMs, sequence: number = this.lastSequence): Record<string, ExpectedValue> | undefined {
    const facts = this.factsAt(key, sequence);
    return facts === undefined ? undefined : recompute(facts, timeMs);
  }

  /** What the values of a profile are made of; undefined when no event had made it by then. */
  factsAt(key: IdentityKey, sequence: number = this.lastSequence): ProfileFacts | undefined {
    const plan = this.#activation.planAt(key, sequence);
    if (plan === undefined) return undefined;
    const events = this.#profiles.get(key)!.events.filter((event) => event.sequence <= sequence);
    return { identity: parseIdentityKey(key), plan, events, beginnings: this.#beginnings, taken: new Map() };
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
    const control = parseControl(message.subject.slice(this.#controlPrefix.length), message.body);
    const began = this.#options.generation?.sequence ?? 0;
    if (control.kind === 'generation') {
      assert(message.sequence <= began, `the log begins a generation at ${message.sequence} that the oracle was not told of`);
      return;
    }
    if (control.kind === 'tick' && this.#eventClock) this.#moveTime(message, control.timeMs ?? 0);
    const generation = this.#options.generation?.generation ?? 1;
    if (control.kind === 'definitions' && isFor(control, generation)) this.#use(control, message.sequence);
    if (control.kind !== 'cut') this.#activation.sweep(message.sequence);
  }

  /** Attributes that come with later definitions begin here; those of the first count everything. */
  #use(definitions: { readonly hash: string; readonly settings: FoldSettings }, sequence: number): void {
    const { hash, settings } = definitions;
    this.#settings = settings;
    this.#inForce.push({ sequence, settings });
    const before = this.#live?.plan;
    if (this.#live?.hash === hash) return;
    const plan = this.#options.planOf(hash);
    this.#live = { hash, plan };
    this.#activation.use(plan);
    if (before === undefined) return;
    const known = new Set(before.attributes.map(({ name }) => name));
    for (const { name } of plan.attributes)
      if (!known.has(name)) this.#beginnings.set(name, { sequence, timeMs: this.shardTimeMs });
  }

  #input(message: LogMessage): void {
    const { shard, partitions } = this.#options;
    const admission = this.#live?.plan.admission ?? null;
    const context = { prefixLength: this.#inputPrefix.length, shard, partitions };
    const decoded = decodeEvent(message, this.logTimeMs, admission, this.#settings, context);
    if (isRefusal(decoded)) {
      this.#refused.set(message.sequence, decoded.reason);
      return;
    }
    if (this.#eventClock) this.#moveTime(message, decoded.timestampMs);
    if (!decoded.dataset.profile) return;
    let profile = this.#profiles.get(decoded.key);
    const id = `${decoded.dataset.name} ${decoded.id}`; // a dataset's name has no space: no two pairs have the same text
    this.#activation.touch(decoded.key, message.sequence); // a duplicate too
    if (profile !== undefined) this.#forget(profile);
    if (profile?.arrivedMs.has(id) === true) {
      this.duplicates++;
      return;
    }
    if (profile === undefined) this.#profiles.set(decoded.key, (profile = { events: [], arrivedMs: new Map() }));
    this.#remember(profile, id);
    this.events++;
    const atMs = this.#eventClock ? decoded.timestampMs : decoded.atMs;
    const { dataset, eventType, body } = decoded;
    profile.events.push({ sequence: message.sequence, dataset: dataset.name, atMs, eventType, body });
  }

  /** What is older than the horizon when an event of the profile arrives is forgotten for good, also if the horizon grows later. */
  #forget(profile: Identified): void {
    for (const [id, arrivedMs] of profile.arrivedMs) {
      if (this.logTimeMs - arrivedMs <= this.#settings.dedupeHorizonMs) return;
      profile.arrivedMs.delete(id);
    }
  }

  /** A Map keeps the order in which keys were added, which is the order of arrival. */
  #remember(profile: Identified, id: string): void {
    profile.arrivedMs.set(id, this.logTimeMs);
    for (const oldest of profile.arrivedMs.keys()) {
      if (profile.arrivedMs.size <= this.#settings.dedupeIds) return;
      profile.arrivedMs.delete(oldest);
    }
  }
}
