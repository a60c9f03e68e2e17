// A shard's log for the oracle's tests, written by hand: one shard of one, plans as literals.
import { ShardOracle, type ShardOracleOptions } from '../../../src/oracle/brute_force.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';
import type { ExpectedValue, OracleAttribute } from '../../../src/oracle/recompute.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl, type FoldSettings } from '../../../src/message/control.ts';
import type { DatasetRule, EventBody, PayloadCheck } from '../../../src/message/admission.ts';
import { identityKey, type IdentityKey } from '../../../src/message/identity.ts';
import { inputSubject, PROFILE_TOKEN } from '../../../src/message/subject.ts';
import { parseRfc3339 } from '../../../src/base/time.ts';

export const ADA = identityKey({ namespace: 'customerId', id: 'ada' });
export const at = (time: string): number => parseRfc3339(time);
export const DAY_MS = 86_400_000;

export const order = (body: EventBody): Record<string, unknown> =>
  ((body['commerce'] as EventBody | undefined)?.['order'] ?? {}) as Record<string, unknown>;

type MeasureText = {
  readonly eventTypes?: readonly string[];
  readonly matches?: Plan['measures'][number]['matches'];
  /** Of the definitions. */
  readonly hash?: string;
  /** What the schemas of these datasets demand. */
  readonly checks?: Readonly<Record<string, PayloadCheck>>;
};

type Optional = 'timestamps' | 'limit' | 'audience' | 'expression';
export type AttributeText = Omit<OracleAttribute, 'measure' | Optional> &
  Partial<Pick<OracleAttribute, Optional>> & {
    /** What the value is taken from; without it channel for what is shown as it is, else priceTotal. */
    readonly field?: 'priceTotal' | 'channel';
    readonly revision?: number;
  };

/** A plan with one measure: filter `matches`, value priceTotal; and one with value channel, for what is shown and for timestamps. */
export function planOf(texts: readonly AttributeText[], measure: MeasureText = {}): Plan {
  const eventTypes = measure.eventTypes ?? ['commerce.purchases'];
  const names = ['audit', 'orders', 'returns', ...RECORDS];
  const policies = [{ name: 'default', isDefault: true, stitching: 'none', order: null } as const, CRM_FIRST];
  const attributes = texts.map(attributeOf);
  return {
    hash: measure.hash ?? 'h1',
    revision: Math.max(1, ...attributes.map(({ revision }) => revision)),
    admission: {
      datasets: new Map(names.map((name, index) => [name, datasetRule(name, index, measure.checks?.[name] ?? null)])),
      namespaces: new Map([
        ['customerId', 1],
        ['email', 2],
      ]),
    },
    policies,
    policy: policies[0]!,
    datasets: names,
    measures: [measureOf(0, 'priceTotal', measure), measureOf(1, 'channel', measure)],
    attributes,
    expressions: attributes.flatMap(({ index, expression }) => (expression === null ? [] : [index])),
    finiteLatest: [],
    byEventType: new Map(eventTypes.map((eventType) => [eventType, [0, 1]])),
    anyEventType: eventTypes.length === 0 ? [0, 1] : [],
  };
}

/** Datasets of records; `notes` is not of profiles. */
export const RECORDS = ['crm', 'loyalty', 'web', 'notes'] as const;
/** Loyalty first, then crm; others do not take part. */
const CRM_FIRST = { name: 'loyaltyFirst', isDefault: false, stitching: 'none', order: [4, 3] } as const;

function datasetRule(name: string, index: number, check: PayloadCheck | null): DatasetRule {
  const behavior = RECORDS.some((each) => each === name) ? 'record' : 'event';
  return { name, index, profile: !['audit', 'notes'].includes(name), behavior, check, identities: [], timeToLiveMs: null };
}

function attributeOf(text: AttributeText, index: number): Plan['attributes'][number] {
  const shown = text.timestamps === true || ['mostRecent', 'earliest', 'list', 'countDistinct'].includes(text.function);
  const field = text.field ?? (shown ? 'channel' : 'priceTotal');
  return {
    name: text.name,
    function: text.function,
    window: text.window,
    index,
    path: `computed.${text.name}`,
    timestamps: text.timestamps ?? false,
    limit: text.limit ?? 0,
    measure: text.function === 'expression' ? -1 : field === 'channel' ? 1 : 0,
    slot: -1,
    revision: text.revision ?? 1,
    audience: text.audience ?? false,
    expression: text.expression == null ? null : { text: '', readsRecord: true, ...text.expression },
  };
}

/** How state is kept is nothing that the oracle reads. */
function measureOf(index: number, field: string, { matches }: MeasureText): Plan['measures'][number] {
  return {
    index,
    id: index,
    text: field,
    revision: 1,
    matches: matches ?? (() => true),
    valueOf: (body) => order(body)[field],
    hasValue: true,
    windows: [],
    calendars: [],
    lifetime: false,
    sums: index === 0,
    low: null,
    high: null,
    timestamps: false,
    recent: index === 1,
    earliest: null,
    distinct: null,
    listLimit: 0,
    list: null,
    attributes: [],
  };
}

/** An expression over attributes by their place in the plan. */
export const over = (
  name: string,
  inputs: readonly number[],
  evaluate: (...values: unknown[]) => unknown,
  more: { readonly audience?: boolean; readonly revision?: number } = {},
): AttributeText => ({
  name,
  function: 'expression',
  window: LIFETIME,
  expression: { inputs, evaluate: ({ valueOf }) => evaluate(...inputs.map(valueOf)) },
  ...more,
});

export const sliding = (ms: number) => ({ kind: 'sliding', ms }) as const;
export const calendar = (unit: 'day' | 'week' | 'month', count = 1) => ({ kind: 'calendar', unit, count }) as const;
export const LIFETIME = { kind: 'lifetime' } as const;

export type Purchase = {
  readonly _id: string;
  readonly timestamp: string;
  readonly priceTotal?: unknown;
  readonly channel?: unknown;
  readonly purchases?: number;
  readonly eventType?: string;
};

/** What a test says beside a record's body. `at`: when the server stored it; `lastUpdated`: its header. */
export type Said = {
  readonly at?: string;
  readonly operation?: string;
  readonly lastUpdated?: string;
  readonly id?: string;
  readonly namespace?: string;
};

/** A keyed hash that anyone can work out. */
export const hashOf = (key: string): string => Buffer.from(key).toString('hex').padEnd(64, '0').slice(0, 64);

export class LogFixture {
  readonly oracle: ShardOracle;
  sequence = 0;
  /** That definitions name from now on. */
  foldVersion = 3;

  constructor(
    plan: Plan,
    settings: Partial<FoldSettings> = {},
    more: readonly Plan[] = [],
    options: Partial<ShardOracleOptions> = { hashOf },
  ) {
    const plans = new Map([plan, ...more].map((each) => [each.hash, each]));
    this.oracle = new ShardOracle({
      root: 'visage',
      shard: 0,
      partitions: 1,
      planOf: (hash) => plans.get(hash)!,
      ...options,
    });
    this.definitions('2020-01-01T00:00:00Z', settings, plan.hash);
  }

  control(kind: string, body: Uint8Array, stamp: string): number {
    this.oracle.feed({ sequence: ++this.sequence, stampMs: at(stamp), subject: `visage.log.0.ctl.${kind}`, body, headers: null });
    return this.sequence;
  }

  definitions(stamp: string, settings: Partial<FoldSettings> = {}, hash = 'h1'): number {
    const all = { ...DEFAULT_FOLD_SETTINGS, ...settings };
    return this.control(
      'definitions',
      encodeControl({ kind: 'definitions', hash, foldVersion: this.foldVersion, settings: all }),
      stamp,
    );
  }

  tick(stamp: string): number {
    return this.control('tick', new Uint8Array(), stamp);
  }

  input(dataset: string, body: string, said: Said = {}): number {
    const { id = 'ada', namespace = 'customerId', operation, lastUpdated } = said;
    const subject = inputSubject('visage', dataset, { namespace, id }).replace('.in.', '.log.0.in.');
    const headers = {
      ...(operation === undefined ? {} : { 'Visage-Operation': operation }),
      ...(lastUpdated === undefined ? {} : { 'Visage-Last-Updated': lastUpdated }),
    };
    this.oracle.feed({
      sequence: ++this.sequence,
      stampMs: at(said.at ?? '2026-03-01T00:00:00Z'),
      subject,
      body: new TextEncoder().encode(body),
      headers: () => headers,
    });
    return this.sequence;
  }

  record(dataset: (typeof RECORDS)[number], body: object | null, said: Said = {}): number {
    return this.input(dataset, body === null ? '' : JSON.stringify(body), said);
  }

  /** Of the whole profile. */
  delete(stamp: string, said: Said = {}): number {
    return this.input(PROFILE_TOKEN, '', { operation: 'delete', at: stamp, ...said });
  }

  deleteDataset(dataset: string, stamp: string): number {
    return this.control('deleteDataset', encodeControl({ kind: 'deleteDataset', dataset }), stamp);
  }

  erase(key: IdentityKey, stamp: string): number {
    return this.control('erase', encodeControl({ kind: 'erase', hash: hashOf(key) }), stamp);
  }

  attributes(said: { readonly key?: IdentityKey; readonly sequence?: number; readonly policy?: string } = {}): unknown {
    return this.oracle.attributesAt(said.key ?? ADA, said.sequence, said.policy);
  }

  raw(body: string, stamp: string, dataset = 'orders', id = 'ada'): number {
    const subject = inputSubject('visage', dataset, { namespace: 'customerId', id }).replace('.in.', '.log.0.in.');
    const bytes = new TextEncoder().encode(body);
    this.oracle.feed({ sequence: ++this.sequence, stampMs: at(stamp), subject, body: bytes, headers: null });
    return this.sequence;
  }

  buy(purchase: Purchase, stamp: string = purchase.timestamp, dataset = 'orders', id = 'ada'): number {
    const { _id, timestamp, eventType = 'commerce.purchases', purchases, ...fields } = purchase;
    return this.raw(
      JSON.stringify({ _id, timestamp, eventType, commerce: { order: fields, purchases: { value: purchases } } }),
      stamp,
      dataset,
      id,
    );
  }

  at(time: string, sequence?: number): Record<string, ExpectedValue> | undefined {
    return this.oracle.profileAt(ADA, at(time), sequence);
  }

  valueAt(name: string, time: string, sequence?: number): unknown {
    return this.at(time, sequence)?.[name]?.value;
  }
}
