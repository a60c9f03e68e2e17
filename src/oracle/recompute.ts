// A profile's computed values at one instant, from all of its events: every attribute looks at every event, every time.
// R1: no value is kept from one call to the next. R2: no order is assumed of the events.
// Boundary: of the plan it uses what definitions compiled (event types, filters, values, expressions) and what the user wrote
//           (function, window, limit, audience).
import { formatTime, parseRfc3339, type DurationMs, type EpochMs } from '../base/time.ts';
import type { Admission, EventBody } from '../message/admission.ts';
import type { Identity } from '../message/identity.ts';
import type { Tree } from './json_tree.ts';
import type { OraclePolicy } from './merge_fragments.ts';
import { valueOfRows, type EventFunction, type FunctionOverRows, type Row } from './attribute_value.ts';
import { canLeaveAt, isInside, outsideFrom, startOf, type OracleWindow } from './window.ts';

/** What the oracle needs of compiled definitions. `Plan` of the product is one; spelled out here because this room does not
 *  see the room `aggregate`. */
export type OraclePlan = {
  /** The greatest revision of anything in it. */
  readonly revision: number;
  readonly admission: Admission;
  /** Merge policies; `policy` is the default one, which expressions and change events go by. */
  readonly policies: readonly OraclePolicy[];
  readonly policy: OraclePolicy;
  /** Names of the datasets: a policy's order is of indexes into it. */
  readonly datasets: readonly string[];
  readonly measures: readonly {
    readonly matches: (event: EventBody) => boolean;
    readonly valueOf: (event: EventBody) => unknown;
  }[];
  readonly attributes: readonly OracleAttribute[];
  /** The expressions (indexes into `attributes`), each after those that it names. */
  readonly expressions: readonly number[];
  /** Measures (indexes) that look at this event type; `anyEventType` for the types that are not in here. */
  readonly byEventType: ReadonlyMap<string, readonly number[]>;
  readonly anyEventType: readonly number[];
};

export type OracleAttribute = Omit<FunctionOverRows, 'function'> & {
  readonly name: string;
  readonly function: EventFunction | 'expression';
  readonly window: OracleWindow;
  /** Nothing for an expression. */
  readonly measure: number;
  readonly audience: boolean;
  readonly expression: {
    /** Indexes into `attributes`. */
    readonly inputs: readonly number[];
    readonly evaluate: (inputs: {
      valueOf: (attribute: number) => unknown;
      identity: () => Identity;
      record: () => Tree;
    }) => unknown;
  } | null;
};

export type OverEvents = OracleAttribute & FunctionOverRows;

/** An event that counts: admitted, of a dataset that takes part in profiles, not dead, no duplicate. */
export type CountedEvent = {
  readonly sequence: number;
  readonly dataset: string;
  readonly atMs: EpochMs;
  readonly eventType: string;
  readonly body: EventBody;
};

/** Where an attribute that was added later begins: it counts what has a greater sequence. */
export type Beginning = { readonly sequence: number; readonly timeMs: EpochMs };

/** All that a profile's values are made of, up to some sequence. */
export type ProfileFacts = {
  readonly identity: Identity;
  /** The definitions that the profile has by then. */
  readonly plan: OraclePlan;
  readonly events: readonly CountedEvent[];
  /** What records say, merged by the default policy. */
  readonly record: Tree;
  /** By name; not in here: those of the first definitions, which count everything. */
  readonly beginnings: ReadonlyMap<string, Beginning>;
  /** What each measure takes from the events, once somebody has asked: filters and values are the slow part. */
  readonly taken: Map<number, readonly Row[]>;
};

/** `nextChangeAt`: the first instant at which the value changes, or an event leaves that a count, sum or average was made from, if nothing
 *  else happens; none for lifetime and empty windows. `since`: where it begins, if its window reaches further back. */
export type ExpectedValue = { value: unknown; timestamp?: string; nextChangeAt?: string; since?: string };

/** Values by attribute name; an absent value has no key. Cost: O(attributes × events). Source: design/semantics.md §7 */
export function recompute(facts: ProfileFacts, timeMs: EpochMs): Record<string, ExpectedValue> {
  const values: Record<string, ExpectedValue> = {};
  for (const attribute of facts.plan.attributes) {
    const value = isOverEvents(attribute) ? valueOverEvents(facts, attribute, timeMs) : undefined;
    if (value !== undefined) values[attribute.name] = value;
  }
  addExpressions(facts, values);
  return values;
}

function valueOverEvents(facts: ProfileFacts, attribute: OverEvents, timeMs: EpochMs): ExpectedValue | undefined {
  const { window } = attribute;
  const rows = rowsOf(facts, attribute).filter((row) => isInside(window, row.atMs, timeMs));
  const made = valueOfRows(attribute, rows);
  if (made === undefined) return undefined;
  const expected: ExpectedValue = { value: made.value };
  if (made.atMs !== undefined) expected.timestamp = formatTime(made.atMs);
  if (made.restsOnMs !== null && window.kind !== 'lifetime')
    expected.nextChangeAt = formatTime(outsideFrom(window, made.restsOnMs));
  const since = sinceOf(facts, attribute, timeMs);
  if (since !== undefined) expected.since = since;
  return expected;
}

/** Where an attribute that was added later begins, if its window reaches further back. */
export function sinceOf(facts: ProfileFacts, attribute: OverEvents, timeMs: EpochMs): string | undefined {
  const beginning = facts.beginnings.get(attribute.name);
  if (beginning === undefined || startOf(attribute.window, timeMs) >= beginning.timeMs) return undefined;
  return formatTime(beginning.timeMs);
}

/** The matching events of an attribute that ever were, in its window or not. */
export function rowsOf(facts: ProfileFacts, attribute: OverEvents): readonly Row[] {
  const { taken, beginnings } = facts;
  const rows = taken.get(attribute.measure) ?? takenBy(facts, attribute.measure);
  taken.set(attribute.measure, rows);
  const beginning = beginnings.get(attribute.name);
  return beginning === undefined ? rows : rows.filter((row) => row.sequence > beginning.sequence);
}

function takenBy({ plan, events }: ProfileFacts, index: number): Row[] {
  const measure = plan.measures[index]!;
  const rows: Row[] = [];
  for (const { sequence, dataset, atMs, eventType, body } of events) {
    const looking = plan.byEventType.get(eventType) ?? plan.anyEventType;
    if (looking.includes(index) && measure.matches(body)) rows.push({ sequence, dataset, atMs, value: measure.valueOf(body) });
  }
  return rows;
}

export function isOverEvents(attribute: OracleAttribute): attribute is OverEvents {
  return attribute.function !== 'expression';
}

/** Puts the plan's expressions over `values`, whatever stood there. */
export function addExpressions(facts: ProfileFacts, values: Record<string, ExpectedValue>): void {
  const { plan, identity, record } = facts;
  const entry = (index: number): ExpectedValue | undefined => {
    const { name } = plan.attributes[index]!;
    return Object.hasOwn(values, name) ? values[name] : undefined;
  };
  for (const index of plan.expressions) {
    const { name, expression } = plan.attributes[index]!;
    const value = expression!.evaluate({
      valueOf: (input) => entry(input)?.value,
      identity: () => identity,
      record: () => record,
    });
    delete values[name];
    if (value === undefined) continue;
    values[name] = { value, ...earliest(inputsOf(plan, index).map((input) => entry(input)?.nextChangeAt)) };
  }
}

/** The attributes over events that an expression rests on, through other expressions too. */
export function inputsOf(plan: OraclePlan, index: number): number[] {
  const { expression } = plan.attributes[index]!;
  return expression === null ? [index] : [...new Set(expression.inputs.flatMap((input) => inputsOf(plan, input)))];
}

function earliest(times: readonly (string | undefined)[]): { nextChangeAt?: string } {
  const ms = times.flatMap((time) => (time === undefined ? [] : [parseRfc3339(time)]));
  return ms.length === 0 ? {} : { nextChangeAt: formatTime(Math.min(...ms)) };
}

/** The audiences that a profile with these values is in, in the order of the plan. */
export function audiencesOf(plan: OraclePlan, values: Readonly<Record<string, ExpectedValue>>): string[] {
  const within = plan.attributes.filter(
    ({ name, audience }) => audience && Object.hasOwn(values, name) && values[name]!.value === true,
  );
  return within.map(({ name }) => name);
}

/** Does some matching event leave the window of some attribute at `instantMs`? Of an attribute with a slack: or would it, had it
 *  happened so much later at most? */
export function somethingLeaves(facts: ProfileFacts, instantMs: EpochMs, slackMs: (name: string) => DurationMs): boolean {
  return facts.plan.attributes.some(
    (attribute) =>
      isOverEvents(attribute) &&
      attribute.window.kind !== 'lifetime' &&
      rowsOf(facts, attribute).some(({ atMs }) => canLeaveAt(attribute.window, instantMs, atMs, slackMs(attribute.name))),
  );
}
