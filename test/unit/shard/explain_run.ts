// Plans made by hand, one measure an attribute, and explanations over a log that a test writes message by message.
import { formatTime, parseRfc3339 } from '../../../src/base/time.ts';
import type { Attribute, AttributeFunction, Measure, Plan } from '../../../src/aggregate/plan.ts';
import type { Window } from '../../../src/aggregate/window.ts';
import { DEFAULT_FOLD_SETTINGS, type ClockMode, type FoldSettings } from '../../../src/message/control.ts';
import type { DatasetRule, EventBody } from '../../../src/message/admission.ts';
import { RECORDS_VERSION } from '../../../src/message/decode.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { Explanation } from '../../../src/profile/explanation.ts';
import type { ComputedValue, ProfileView } from '../../../src/profile/view.ts';
import type { MergePolicy } from '../../../src/record/merge_policy.ts';
import { CountedEvents } from '../../../src/shard/counted_events.ts';
import { explain, type LogBeginning } from '../../../src/shard/explain.ts';
import { IdentityEvents, NOTHING_DELETED, type AdmittedEvent, type Deleted } from '../../../src/shard/identity_events.ts';
import { LogWriter, ROOT } from './fold_run.ts';

export const START = Date.UTC(2026, 2, 10, 9);
export const at = (afterMs: number): string => formatTime(START + afterMs);

export type AttributeByHand = {
  readonly name: string;
  readonly function: AttributeFunction;
  readonly window?: Window;
  /** Field of the body; without it the measure has no value. */
  readonly value?: string;
  readonly limit?: number;
  readonly revision?: number;
  readonly timestamps?: boolean;
  readonly matches?: (body: EventBody) => boolean;
  /** Names of the attributes that an expression asks for. */
  readonly inputs?: readonly string[];
};

/** Datasets orders, returns, and audit, which touches no profile; attributes look at `buy` events. */
export function planByHand(
  hash: string,
  attributes: readonly AttributeByHand[],
  datasets = ['audit', 'orders', 'returns'],
  rules: Readonly<Record<string, Partial<DatasetRule>>> = {},
): Plan {
  const events = attributes.filter((given) => given.function !== 'expression');
  const indexOf = (name: string): number => attributes.findIndex((given) => given.name === name);
  const measures = events.map((given, index) => measureByHand(given, index, indexOf(given.name)));
  return {
    hash,
    revision: Math.max(...attributes.map((given) => given.revision ?? 1)),
    admission: {
      datasets: new Map(datasets.map((name, index) => [name, { ...ruleByHand(name, index), ...rules[name] }])),
      namespaces: new Map([['customerId', 1]]),
    },
    policies: [BY_TIME],
    policy: BY_TIME,
    datasets,
    measures,
    attributes: attributes.map((given, index): Attribute => ({
      index,
      name: given.name,
      path: `computed.${given.name}`,
      function: given.function,
      window: given.window ?? { kind: 'lifetime' },
      measure: events.indexOf(given),
      slot: -1,
      timestamps: given.timestamps === true,
      limit: given.limit ?? 0,
      revision: given.revision ?? 1,
      audience: false,
      expression:
        given.inputs === undefined
          ? null
          : { text: '', inputs: given.inputs.map(indexOf), readsRecord: false, evaluate: () => undefined },
    })),
    expressions: [],
    finiteLatest: [],
    byEventType: new Map([['buy', measures.map((measure) => measure.index)]]),
    anyEventType: [],
  };
}

const BY_TIME: MergePolicy = { name: 'default', isDefault: true, stitching: 'none', order: null };

function ruleByHand(name: string, index: number): DatasetRule {
  return { name, index, profile: name !== 'audit', behavior: 'event', check: null, identities: [], timeToLiveMs: null };
}

function measureByHand(given: AttributeByHand, index: number, attribute: number): Measure {
  const { value } = given;
  return {
    index,
    id: index,
    text: given.name,
    revision: given.revision ?? 1,
    matches: given.matches ?? (() => true),
    valueOf: (body) => (value === undefined ? undefined : body[value]),
    hasValue: value !== undefined,
    windows: [],
    calendars: [],
    lifetime: false,
    sums: given.function === 'sum' || given.function === 'average',
    low: null,
    high: null,
    timestamps: given.timestamps === true,
    recent: false,
    earliest: null,
    distinct: null,
    listLimit: given.limit ?? 0,
    list: null,
    attributes: [attribute],
  };
}

export type Told = {
  readonly name: string;
  /** The view's time, after START. */
  readonly nowMs: number;
  readonly limit?: number;
  readonly beginning?: LogBeginning;
  readonly clockMode?: ClockMode;
  readonly liveAfter?: number;
  readonly computed?: Record<string, ComputedValue>;
};

/** The log of one identity, customerId:c, in shard 0 of 1. */
export class Story {
  readonly log = new LogWriter();
  readonly plans = new Map<string, Plan>();

  live(plan: Plan, stampMs: number, settings: Partial<FoldSettings> = {}): this {
    this.plans.set(plan.hash, plan);
    this.log.definitions(plan, START + stampMs, settings);
    return this;
  }

  /** A `buy` event; `atMs`: its timestamp, by default the stamp. Both after START. */
  buy(id: string, stampMs: number, body: Record<string, unknown> = {}, atMs = stampMs, dataset = 'orders'): this {
    this.log.event('c', { _id: id, timestamp: at(atMs), eventType: 'buy', ...body }, START + stampMs, dataset);
    return this;
  }

  /** @param deleted what the state knows of deletes by the end */
  admitted(
    clockMode: ClockMode = 'log',
    from: IdentityEvents['settings'] | null = null,
    first = 0,
    deleted: Deleted = NOTHING_DELETED,
  ): AdmittedEvent[] {
    const plan = [...this.plans.values()].at(-1)!;
    const events = new IdentityEvents({
      root: ROOT,
      shard: 0,
      partitions: 1,
      clockMode,
      planOf: (hash) => this.plans.get(hash)!,
      from: from === null ? null : { plan, settings: from, generation: 1, foldVersion: RECORDS_VERSION },
      deleted,
      erasedAs: '',
    });
    const admitted: AdmittedEvent[] = [];
    for (const message of this.log.messages.slice(first)) {
      const event = events.take(message);
      if (event !== undefined) admitted.push(event);
    }
    return admitted;
  }

  explain(told: Told): Explanation {
    const { clockMode = 'log', limit = 100, liveAfter = 0, beginning = { sequence: 1, timeMs: START } } = told;
    const plan = [...this.plans.values()].at(-1)!;
    const attribute = plan.attributes.find(({ name }) => name === told.name)!;
    const view = this.view(told);
    const nowMs = parseRfc3339(view.time);
    const events = new CountedEvents({ attribute, nowMs, liveAfter, plan });
    const admitted = this.admitted(
      clockMode,
      beginning.sequence > 1 ? DEFAULT_FOLD_SETTINGS : null,
      this.log.messages.findIndex((message: LogMessage) => message.sequence >= beginning.sequence),
    );
    for (const event of admitted) events.take(event);
    const settings = DEFAULT_FOLD_SETTINGS;
    return explain({ plan, attribute, view, events: events.newestFirst(), limit, beginning, liveAfter, clockMode, settings });
  }

  private view({ nowMs, computed = {} }: Told): ProfileView {
    const profile = { namespace: 'customerId', id: 'c' };
    const sequence = this.log.messages.length;
    const time = at(nowMs);
    const values = { attributes: {}, computed, audiences: [], policy: 'default' };
    return { profile, identities: [], ...values, version: sequence, shard: 0, sequence, time };
  }
}

/** `id` of each, with a star when it decides. */
export function listed({ events }: Explanation): string[] {
  return events.map((event) => `${event._id}${event.decides === true ? '*' : ''}`);
}
