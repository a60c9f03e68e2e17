// From the messages of one identity to the events that count for it: the fold's rules without its state, for whoever lists events.
// IE1: it is given, in the order of the log, every input message of the identity and every definitions message of its shard.
// IE2: what is admitted here is what fold.ts admitted: same definitions and settings at each sequence, same memory of ids, same time.
//      Log time is the greatest stamp of what is given. The fold's also knows the stamps of other identities: the two differ only
//      for events that arrived while the server's clock was behind an earlier stamp of its own.
// IE3: where the log has lost its beginning, `from` stands for the definitions that went with it; where all of it is folded anew
//      under later ones, for those.
import { assert } from '../base/assert.ts';
import type { EpochMs } from '../base/time.ts';
import { fnv1a32, hash64 } from '../base/fnv1a.ts';
import type { Plan } from '../aggregate/plan.ts';
import { SeenIds } from '../aggregate/seen_ids.ts';
import { DEFAULT_FOLD_SETTINGS, parseControl, type ClockMode, type FoldSettings, isFor } from '../message/control.ts';
import { decodeEvent, isRefusal, type DecodeContext, type EventMessage } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';

/** Definitions in force from the beginning; those that the log has for other generations of the state are passed over. */
export type InForce = { readonly plan: Plan; readonly settings: FoldSettings; readonly generation: number };

export type IdentityEventsOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  /** As the fold's: must know every hash before a message that names it is given. */
  readonly planOf: (hash: string) => Plan;
  /** Null: nothing was in force before the first definitions message. */
  readonly from: InForce | null;
};

/** An event that counts, with the definitions in force when it arrived. `atMs`: its effective time. */
export type AdmittedEvent = {
  readonly message: EventMessage;
  readonly sequence: number;
  readonly atMs: EpochMs;
  readonly arrivedMs: EpochMs;
  readonly plan: Plan;
};

export class IdentityEvents {
  settings: FoldSettings;
  private plan: Plan | null;
  private logTimeMs = 0;
  private last = 0;
  private readonly options: IdentityEventsOptions;
  private readonly context: DecodeContext;
  private readonly control: string;
  private readonly seen = new SeenIds();
  private readonly idHash = new Uint32Array(2);

  constructor(options: IdentityEventsOptions) {
    const { root, shard, partitions, from } = options;
    this.options = options;
    this.plan = from?.plan ?? null;
    this.settings = from?.settings ?? DEFAULT_FOLD_SETTINGS;
    this.context = { prefixLength: shardLogPrefix(root, shard).length + 3, shard, partitions };
    this.control = controlSubject(root, shard, 'definitions');
  }

  /** The event in the message, if it counts: admitted, of a dataset that takes part in profiles, no duplicate. Cost: as decodeEvent */
  take(message: LogMessage): AdmittedEvent | undefined {
    assert(message.sequence > this.last, 'messages are given in the order of the log, each once');
    this.last = message.sequence;
    if (message.stampMs > this.logTimeMs) this.logTimeMs = message.stampMs;
    if (message.subject === this.control) {
      this.useDefinitions(message);
      return undefined;
    }
    const { plan, logTimeMs, settings } = this;
    const decoded = decodeEvent(message, logTimeMs, plan === null ? null : plan.admission, settings, this.context);
    if (isRefusal(decoded) || !decoded.dataset.profile || !this.remember(decoded)) return undefined;
    const atMs = this.options.clockMode === 'event' ? decoded.timestampMs : decoded.atMs;
    return { message: decoded, sequence: message.sequence, atMs, arrivedMs: logTimeMs, plan: plan! };
  }

  private useDefinitions(message: LogMessage): void {
    const control = parseControl('definitions', message.body);
    if (control.kind !== 'definitions' || !isFor(control, this.options.from?.generation ?? 1)) return;
    this.settings = control.settings;
    this.plan = this.options.planOf(control.hash);
  }

  /** As the fold does it: an id that is remembered does not count, and is not remembered anew. */
  private remember(event: EventMessage): boolean {
    const { settings, idHash, seen } = this;
    hash64(event.id, idHash);
    const low = (idHash[0]! ^ fnv1a32(event.dataset.name)) >>> 0;
    const high = idHash[1]!;
    seen.expire(this.logTimeMs - settings.dedupeHorizonMs);
    if (seen.has(low, high)) return false;
    seen.add(low, high, this.logTimeMs, settings.dedupeIds);
    return true;
  }
}
