// A fold with its cache, due index and store, driven by hand: checkpoints, evictions and restarts whenever a test wants them.
import type { AttributeFunction, Plan } from '../../../src/aggregate/plan.ts';
import type { CalendarUnit } from '../../../src/aggregate/window.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import {
  DEFAULT_FOLD_SETTINGS,
  encodeControl,
  type ClockMode,
  type ControlMessage,
  type FoldSettings,
} from '../../../src/message/control.ts';
import { encodeId, type IdentityKey } from '../../../src/message/identity.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { ErasureSource } from '../../../src/ports/erasures.ts';
import type { ShardMeta } from '../../../src/ports/profile_store.ts';
import type { ProfileView } from '../../../src/profile/view.ts';
import { DueIndex } from '../../../src/shard/due_index.ts';
import type { Effects } from '../../../src/shard/effects.ts';
import { Fold, FOLD_VERSION } from '../../../src/shard/fold.ts';
import { ProfileCache } from '../../../src/shard/profile_cache.ts';
import { asCleared } from '../../../src/shard/deletes.ts';
import { policyNamed } from '../../../src/shard/policy_named.ts';
import { profileView } from '../../../src/shard/profile_view.ts';
import { NO_ERASURES } from '../../../src/shard/resolve_erase.ts';
import { MemoryDisk, MemoryStore } from '../../../src/store/memory_store.ts';

export type AttributeText = {
  function: AttributeFunction;
  window?: 'lifetime' | { sliding: string } | { calendar: CalendarUnit; count?: number };
  value?: string;
  filter?: string;
  eventTypes?: string[];
  limit?: number;
  expression?: string;
  audience?: boolean;
  revision?: number;
};

/** A plan over events with `price` and `channel`; datasets orders, returns, and audit, which touches no profile.
 *  @param added further datasets, by name, and the revision that they came in with */
export function planWith(attributes: Record<string, AttributeText>, added: Record<string, number> = {}): Plan {
  const jsonSchema = { type: 'object', properties: { price: { type: 'number' }, channel: { type: 'string' } } };
  const document = {
    version: 1,
    namespaces: { customerId: { type: 'person', priority: 1 } },
    schemas: { purchase: { class: 'individual', behavior: 'event', jsonSchema } },
    datasets: {
      audit: { schema: 'purchase', profile: false },
      orders: { schema: 'purchase', profile: true },
      returns: { schema: 'purchase', profile: true },
      ...Object.fromEntries(
        Object.entries(added).map(([name, revision]) => [name, { schema: 'purchase', profile: true, revision }]),
      ),
    },
    computedAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, rest]) => [name, { class: 'individual', ...rest }]),
    ),
  };
  return compilePlan(parseDefinitionsDocument(JSON.stringify(document)));
}

const BUY = ['buy'];
/** Every function over windows from one millisecond to days, sharing measures and not. */
export const EVERYTHING = planWith({
  sum1: { function: 'sum', value: 'event.price', eventTypes: BUY, window: { sliding: '1ms' } },
  sum10: { function: 'sum', value: 'event.price', eventTypes: BUY, window: { sliding: '10ms' } },
  sum2d: { function: 'sum', value: 'event.price', eventTypes: BUY, window: { sliding: '2d' } },
  sumAll: { function: 'sum', value: 'event.price', eventTypes: BUY, window: 'lifetime' },
  lastPrice10: { function: 'mostRecent', value: 'event.price', eventTypes: BUY, window: { sliding: '10ms' } },
  count1: { function: 'count', window: { sliding: '1ms' } },
  count1h: { function: 'count', eventTypes: BUY, window: { sliding: '1h' } },
  countAll: { function: 'count', window: 'lifetime' },
  dear10: { function: 'count', filter: 'event.price > 10.0', eventTypes: ['buy', 'view'], window: { sliding: '10ms' } },
  dearSum1h: { function: 'sum', filter: 'event.price > 10.0', value: 'event.price', window: { sliding: '1h' } },
  channelLast: { function: 'mostRecent', value: 'event.channel', window: 'lifetime' },
  min1: { function: 'min', value: 'event.price', eventTypes: BUY, window: { sliding: '1ms' } },
  min10: { function: 'min', value: 'event.price', eventTypes: BUY, window: { sliding: '10ms' } },
  min2d: { function: 'min', value: 'event.price', eventTypes: BUY, window: { sliding: '2d' } },
  max10: { function: 'max', value: 'event.price', eventTypes: BUY, window: { sliding: '10ms' } },
  maxAll: { function: 'max', value: 'event.price', eventTypes: BUY, window: 'lifetime' },
  minPrice: { function: 'min', value: 'event.price', window: 'lifetime' },
  maxPrice3: { function: 'max', value: 'event.price', window: { sliding: '3ms' } },
  maxPrice1h: { function: 'max', value: 'event.price', window: { sliding: '1h' } },
  channelMin: { function: 'min', value: 'event.channel', window: 'lifetime' },
  channelMax5: { function: 'max', value: 'event.channel', window: { sliding: '5ms' } },
  firstSeen: { function: 'min', value: 'event.timestamp', window: 'lifetime' },
  firstSeen2d: { function: 'min', value: 'event.timestamp', window: { sliding: '2d' } },
  lastSeen10: { function: 'max', value: 'event.timestamp', window: { sliding: '10ms' } },
  channel3: { function: 'mostRecent', value: 'event.channel', eventTypes: ['view'], window: { sliding: '3ms' } },
});

export const ROOT = 'visage';
const utf8 = new TextEncoder();

/** Writes a shard's log by hand: shard 0 of 1. */
export class LogWriter {
  readonly messages: LogMessage[] = [];

  put(kind: string, body: Uint8Array, stampMs: number): LogMessage {
    const sequence = (this.messages.at(-1)?.sequence ?? 0) + 1;
    const message = { sequence, stampMs, subject: `${ROOT}.log.0.${kind}`, body, headers: null };
    this.messages.push(message);
    return message;
  }

  control(message: ControlMessage, stampMs: number): LogMessage {
    return this.put(`ctl.${message.kind}`, encodeControl(message), stampMs);
  }

  definitions(plan: Plan, stampMs: number, settings: Partial<FoldSettings> = {}, foldVersion = FOLD_VERSION): LogMessage {
    return this.control(
      { kind: 'definitions', hash: plan.hash, foldVersion, settings: { ...DEFAULT_FOLD_SETTINGS, ...settings } },
      stampMs,
    );
  }

  tick(stampMs: number, timeMs?: number): LogMessage {
    return this.control(timeMs === undefined ? { kind: 'tick' } : { kind: 'tick', timeMs }, stampMs);
  }

  /** A write to a record, or with dataset `_profile` a message about the whole profile. */
  write(
    id: string,
    body: object | string,
    stampMs: number,
    { dataset = 'crm', ...said }: { dataset?: string; operation?: string; lastUpdated?: string } = {},
  ): LogMessage {
    const headers = {
      ...(said.operation === undefined ? {} : { 'Visage-Operation': said.operation }),
      ...(said.lastUpdated === undefined ? {} : { 'Visage-Last-Updated': said.lastUpdated }),
    };
    const message = { ...this.event(id, body, stampMs, dataset), headers: () => headers };
    this.messages[this.messages.length - 1] = message;
    return message;
  }

  event(id: string, body: object | string, stampMs: number, dataset = 'orders'): LogMessage {
    return this.put(
      `in.${dataset}.customerId.${encodeId(id)}`,
      utf8.encode(typeof body === 'string' ? body : JSON.stringify(body)),
      stampMs,
    );
  }
}

export class FoldRun {
  private readonly first: Plan;
  readonly disk = new MemoryDisk();
  readonly cacheMaxBytes: number;
  readonly clockMode: ClockMode;
  erasures: ErasureSource = NO_ERASURES;
  fold!: Fold;
  cache!: ProfileCache;
  due!: DueIndex;
  store!: MemoryStore;
  private readonly plans: ReadonlyMap<string, Plan>;
  /** A checkpoint that is under way: where its encoding stands, and its meta. */
  private open: { from: number; meta: ShardMeta } | null = null;

  /** @param later definitions that the log may name beside the first */
  constructor(plan: Plan, cacheMaxBytes: number, clockMode: ClockMode = 'log', later: readonly Plan[] = []) {
    this.clockMode = clockMode;
    this.first = plan;
    this.plans = new Map([plan, ...later].map((each) => [each.hash, each]));
    this.cacheMaxBytes = cacheMaxBytes;
    this.restart();
  }

  /** Everything that is not on the disk is lost. */
  restart(): void {
    this.store = new MemoryStore(this.disk);
    this.cache = new ProfileCache(this.store, this.cacheMaxBytes);
    this.due = new DueIndex({ scan: (after, limit) => this.store.scanDue(after, limit), unsaved: () => this.cache.unsaved() });
    this.open = null;
    const planOf = (hash: string): Plan => {
      const plan = this.plans.get(hash);
      if (plan === undefined) throw new Error(`unknown definitions ${hash}`);
      return plan;
    };
    this.fold = new Fold({
      root: ROOT,
      shard: 0,
      partitions: 1,
      clockMode: this.clockMode,
      cache: this.cache,
      due: this.due,
      planOf,
      erasures: this.erasures,
      from: this.store.readMeta(),
      generation: null,
    });
  }

  /** In force, or the first before any is. */
  get plan(): Plan {
    return this.fold.plan ?? this.first;
  }

  apply(message: LogMessage): Effects {
    const effects = this.fold.apply(message);
    this.cache.evict();
    return effects;
  }

  get checkpointing(): boolean {
    return this.open !== null;
  }

  beginCheckpoint(): void {
    this.cache.freeze();
    this.open = { from: 0, meta: metaOf(this.fold, this.clockMode) };
  }

  encodeSlice(count: number): void {
    if (this.open !== null && this.open.from >= 0) this.open.from = this.cache.encodeSlice(this.open.from, count, this.plan);
  }

  async commitCheckpoint(): Promise<void> {
    const { meta } = this.open!;
    this.encodeSlice(Infinity);
    const checkpoint = await this.store.beginCheckpoint();
    checkpoint.put(this.cache.takeEncoded());
    await checkpoint.commit(meta);
    this.cache.thaw();
    this.open = null;
  }

  async checkpoint(): Promise<void> {
    this.beginCheckpoint();
    await this.commitCheckpoint();
  }

  view(key: IdentityKey, policy?: string): ProfileView | undefined {
    const stored = this.cache.get(key, this.plan);
    const state =
      stored === undefined ? undefined : asCleared(stored, this.fold.deletions.datasets, this.plan, this.fold.shardTimeMs);
    const { applied: sequence, shardTimeMs, revisions, generationFrom } = this.fold;
    const at = { shard: 0, sequence, shardTimeMs, revisions, generationFrom };
    return state?.visible === true ? profileView(state, this.plan, at, policyNamed(this.plan, policy)) : undefined;
  }
}

export function metaOf(fold: Fold, clock: ClockMode = 'log'): ShardMeta {
  return {
    formatVersion: 1,
    shard: 0,
    partitions: 1,
    clock,
    foldVersion: fold.foldVersion,
    definitionsHash: fold.plan?.hash ?? null,
    settings: fold.settings,
    applied: fold.applied,
    readThrough: fold.applied,
    shardTimeMs: fold.shardTimeMs,
    logTimeMs: fold.logTimeMs,
    fingerprint: '',
    logCreated: 'l',
    changesCreated: 'c',
    epoch: 1,
    commitStreamSequence: 1,
    commitPosition: { sequence: fold.applied, ordinal: -1 },
    changeCount: fold.recorder.count,
    changeDigest: fold.recorder.digest,
    profiles: fold.profiles,
    revisions: fold.revisions,
    datasetDeletes: fold.deletions.datasets,
    eraseMarks: fold.deletions.marks,
    erasures: fold.deletions.erasures,
    sweptTo: fold.sweptTo,
    generation: fold.generation,
    generationFrom: fold.generationFrom,
    endedBy: null,
  };
}
