// A shard's log for the oracle's tests, written by hand: one shard of one, plans as literals.
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';
import type { ExpectedValue, OracleAttribute } from '../../../src/oracle/recompute.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl, type FoldSettings } from '../../../src/message/control.ts';
import type { EventBody } from '../../../src/message/decode.ts';
import { identityKey } from '../../../src/message/identity.ts';
import { inputSubject } from '../../../src/message/subject.ts';
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
  const dataset = (name: string, index: number) => [name, { name, index, profile: name !== 'audit' }] as const;
  const names = ['audit', 'orders', 'returns'];
  const attributes = texts.map(attributeOf);
  return {
    hash: measure.hash ?? 'h1',
    revision: Math.max(1, ...attributes.map(({ revision }) => revision)),
    admission: { datasets: new Map(names.map(dataset)), namespaces: new Set(['customerId']) },
    datasets: names,
    measures: [measureOf(0, 'priceTotal', measure), measureOf(1, 'channel', measure)],
    attributes,
    expressions: attributes.flatMap(({ index, expression }) => (expression === null ? [] : [index])),
    finiteLatest: [],
    byEventType: new Map(eventTypes.map((eventType) => [eventType, [0, 1]])),
    anyEventType: eventTypes.length === 0 ? [0, 1] : [],
  };
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
    expression: text.expression == null ? null : { text: '', ...text.expression },
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

export class LogFixture {
  readonly oracle: ShardOracle;
  sequence = 0;

  constructor(plan: Plan, settings: Partial<FoldSettings> = {}, more: readonly Plan[] = []) {
    const plans = new Map([plan, ...more].map((each) => [each.hash, each]));
    this.oracle = new ShardOracle({ root: 'visage', shard: 0, partitions: 1, planOf: (hash) => plans.get(hash)! });
    this.definitions('2020-01-01T00:00:00Z', settings, plan.hash);
  }

  control(kind: string, body: Uint8Array, stamp: string): number {
    this.oracle.feed({ sequence: ++this.sequence, stampMs: at(stamp), subject: `visage.log.0.ctl.${kind}`, body, headers: null });
    return this.sequence;
  }

  definitions(stamp: string, settings: Partial<FoldSettings> = {}, hash = 'h1'): number {
    const all = { ...DEFAULT_FOLD_SETTINGS, ...settings };
    return this.control('definitions', encodeControl({ kind: 'definitions', hash, foldVersion: 1, settings: all }), stamp);
  }

  tick(stamp: string): number {
    return this.control('tick', new Uint8Array(), stamp);
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
