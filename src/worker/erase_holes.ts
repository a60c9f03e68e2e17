// Where an identity's messages are in its shard's log, and what time each moved the shard to: what a replay without them needs.
// EH1: under the event clock a message is decoded as the fold did, by the definitions in force at its sequence. Log time is the greatest
//      stamp of what is given; the fold's also knows the stamps of others: they differ only while the server's clock was behind itself.
import type { Plan } from '../aggregate/plan.ts';
import { DEFAULT_FOLD_SETTINGS, isFor, parseControl, type ClockMode, type FoldSettings } from '../message/control.ts';
import { decodeMessage, isRefusal } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';
import { FOLD_VERSION, timeMovedTo } from '../shard/fold.ts';
import type { DefinitionsSource } from '../shard/shard_options.ts';

export type InForce = {
  readonly hash: string | null;
  readonly settings: FoldSettings;
  readonly foldVersion: number;
  /** Of the state; messages of other generations are passed over. */
  readonly generation: number;
};

export type HolesOptions = {
  readonly root: string;
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  readonly definitions: DefinitionsSource;
  /** Before the first definitions message that is given. */
  readonly from: InForce;
};

/** Nothing was in force before the first definitions message. */
export const FROM_THE_BEGINNING: InForce = {
  hash: null,
  settings: DEFAULT_FOLD_SETTINGS,
  foldVersion: FOLD_VERSION,
  generation: 1,
};

/** @param messages of the identity, and the definitions messages of its shard, in order
 *  @returns sequence, stamp and time of each message of the identity, three numbers a message; a time of 0 moves nothing */
export async function holesOf(messages: AsyncIterable<LogMessage>, options: HolesOptions): Promise<readonly number[]> {
  const { root, shard, clockMode, definitions, from } = options;
  const control = controlSubject(root, shard, 'definitions');
  const times = clockMode === 'event' ? new EventTimes(options) : null;
  if (times !== null && from.hash !== null) await definitions.load(from.hash);
  times?.use(from);
  const holes: number[] = [];
  for await (const message of messages) {
    if (message.subject !== control) {
      holes.push(message.sequence, message.stampMs, times?.of(message) ?? 0);
      continue;
    }
    const found = parseControl('definitions', message.body);
    if (times === null || found.kind !== 'definitions' || !isFor(found, from.generation)) continue;
    await definitions.load(found.hash);
    times.use({ ...found, generation: from.generation });
  }
  return holes;
}

class EventTimes {
  private readonly options: HolesOptions;
  private plan: Plan | null = null;
  private inForce: InForce;
  private logMs = 0;

  constructor(options: HolesOptions) {
    this.options = options;
    this.inForce = options.from;
  }

  use(inForce: InForce): void {
    this.inForce = inForce;
    this.plan = inForce.hash === null ? null : this.options.definitions.planOf(inForce.hash);
  }

  of(message: LogMessage): number {
    const { root, shard, partitions } = this.options;
    const { settings, foldVersion } = this.inForce;
    this.logMs = Math.max(this.logMs, message.stampMs);
    const prefixLength = shardLogPrefix(root, shard).length + 3;
    const context = { prefixLength, shard, partitions, foldVersion };
    const decoded = decodeMessage(message, this.logMs, this.plan?.admission ?? null, settings, context);
    return isRefusal(decoded) ? 0 : timeMovedTo(decoded);
  }
}
