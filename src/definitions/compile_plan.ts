// From a definitions document to the plan that the fold runs.
// L1: the plan is a function of the document: equal hashes give equal plans, whatever the order in the file.
// L2: attributes of one revision that agree on event types × filter × value share one measure, hence one state.
// L3: a document that only adds to another keeps the order of what was there: by revision, then by name (or text).
import type { Attribute, EventFunction, Measure, Plan } from '../aggregate/plan.ts';
import { fnv1a32 } from '../base/fnv1a.ts';
import { VisageError } from '../base/errors.ts';
import { attributeType } from './attribute_type.ts';
import { celEnvironment } from './cel_environment.ts';
import type { ExpressionMistake } from './cel_node.ts';
import { compileFilter, compileValue, isMistake, VALUE_FUNCTIONS, type CompiledValue } from './compile_expression.ts';
import { datasetRule } from './dataset_rules.ts';
import type { AttributeDefinition, DefinitionsDocument } from './definitions_document.ts';
import { recordShape, schemasOf, unionShape, type EventShape } from './event_shape.ts';
import { planPolicies } from './merge_policies.ts';
import { planExpressions } from './plan_expressions.ts';
import { slotOf, windowSet } from './plan_windows.ts';

type NamedDefinition = { readonly name: string; readonly definition: AttributeDefinition };
type Compiled = { readonly measure: Measure; readonly value: CompiledValue | null };

const always = (): boolean => true;
const nothing = (): undefined => undefined;

/** Compiles a checked document. Cost: about 50 µs an expression.
 *  @throws VisageError `bad_definitions` when two measures have one id (rename nothing: change a filter's spelling) */
export function compilePlan(document: DefinitionsDocument): Plan {
  const { data } = document;
  const named = byRevision(data.computedAttributes).map(([name, definition]) => ({ name, definition }));
  const { shape } = unionShape(schemasOf(data, 'event'));
  const { compiled, groups } = compileMeasures(named, shape);
  const measures = compiled.map(({ measure }) => measure);
  refuseCollisions(measures);
  const measureOf = new Map(measures.flatMap((measure) => measure.attributes.map((index) => [index, compiled[measure.index]!])));
  const formulas = named.map(({ name, definition }, index) => ({
    name,
    formula:
      definition.function === 'expression'
        ? { text: definition.expression! }
        : attributeType(definition.function, measureOf.get(index)!.value),
  }));
  const { expressions, order } = planExpressions(formulas, recordShape(schemasOf(data, 'record')));
  const attributes = named.map((each, index): Attribute => ({
    ...attributeOf(each, index, measureOf.get(index)?.measure),
    expression: expressions.get(index) ?? null,
  }));
  const datasets = byRevision(data.datasets).map(([name]) => name);
  return {
    hash: document.hash,
    revision: Math.max(
      1,
      ...[...named.map(({ definition }) => definition), ...data.datasets.values()].map((each) => each.revision),
    ),
    admission: {
      datasets: new Map(datasets.map((name, index) => [name, datasetRule(data, name, index)])),
      namespaces: new Map([...data.namespaces].map(([name, { priority }]) => [name, priority])),
    },
    ...planPolicies(data.mergePolicies, datasets),
    datasets,
    measures,
    attributes,
    expressions: order,
    finiteLatest: attributes.filter(
      (attribute) =>
        (attribute.function === 'mostRecent' || attribute.function === 'exists') && attribute.window.kind !== 'lifetime',
    ),
    ...byEventType(
      measures,
      groups.map((group) => group[0]!.definition.eventTypes),
    ),
  };
}

/** Canonical text of (event types, filter, value), and of the revision after the first: the identity of a measure, in plans and in
 *  stored state. */
export function measureText({ eventTypes, filter, value, revision }: AttributeDefinition): string {
  return JSON.stringify([eventTypes, filter, value, ...(revision > 1 ? [revision] : [])]);
}

function compileMeasures(
  named: readonly NamedDefinition[],
  shape: EventShape,
): { readonly compiled: readonly Compiled[]; readonly groups: readonly (readonly NamedDefinition[])[] } {
  const cel = celEnvironment(shape);
  const indexes = new Map(named.map((each, index) => [each, index]));
  const overEvents = named.filter(({ definition }) => definition.function !== 'expression');
  const groups = [...Map.groupBy(overEvents, ({ definition }) => measureText(definition))]
    .map(([text, group]) => ({ text, group, revision: group[0]!.definition.revision }))
    .sort((a, b) => a.revision - b.revision || (a.text < b.text ? -1 : 1));
  const compiled = groups.map(({ text, group, revision }, index): Compiled => {
    const { filter, value } = group[0]!.definition;
    const values = value === null ? null : checked(compileValue(value, valueFunction(group), cel, shape), group);
    const matches = filter === null ? always : checked(compileFilter(filter, cel, shape), group).matches;
    const stream = { index, id: fnv1a32(text), text, revision, matches, valueOf: values?.valueOf ?? nothing };
    const attributes = group.map((each) => indexes.get(each)!);
    return { measure: { ...stream, hasValue: value !== null, ...needsOf(group, values), attributes }, value: values };
  });
  return { compiled, groups: groups.map(({ group }) => group) };
}

/** What the attributes of a measure ask of it. */
function needsOf(
  group: readonly NamedDefinition[],
  value: CompiledValue | null,
): Omit<Measure, 'index' | 'id' | 'text' | 'revision' | 'matches' | 'valueOf' | 'hasValue' | 'attributes'> {
  const has = (...functions: readonly EventFunction[]): boolean =>
    group.some(({ definition }) => functions.some((function_) => function_ === definition.function));
  const sums = has('sum', 'average');
  const slotted = windowSet(group, 'count', 'sum', 'average');
  return {
    windows: slotted?.windows ?? [],
    calendars: slotted?.calendars ?? [],
    lifetime: slotted?.lifetime ?? false,
    sums,
    low: windowSet(group, 'min'),
    high: windowSet(group, 'max'),
    timestamps: value?.isText === true && !sums && has('min', 'max'),
    recent: has('mostRecent', 'exists'),
    earliest: windowSet(group, 'earliest'),
    distinct: windowSet(group, 'countDistinct'),
    listLimit: Math.max(0, ...group.map(({ definition }) => definition.limit ?? 0)),
    list: windowSet(group, 'list'),
  };
}

function attributeOf({ name, definition }: NamedDefinition, index: number, measure: Measure | undefined): Attribute {
  const { function: function_, window, limit, revision, audience } = definition;
  return {
    index,
    name,
    path: `computed.${name}`,
    function: function_,
    window,
    measure: measure?.index ?? -1,
    slot: measure === undefined ? -1 : slotOf(function_, window, measure),
    timestamps: measure?.timestamps === true && (function_ === 'min' || function_ === 'max'),
    limit: limit ?? 0,
    revision,
    audience,
    expression: null,
  };
}

/** Any of the group: all of them passed the check, and what is compiled does not depend on it. */
function valueFunction(group: readonly NamedDefinition[]): (typeof VALUE_FUNCTIONS)[number] {
  return VALUE_FUNCTIONS.find((function_) => function_ === group[0]!.definition.function)!;
}

function byEventType(
  measures: readonly Measure[],
  eventTypes: readonly (readonly string[] | null)[],
): Pick<Plan, 'byEventType' | 'anyEventType'> {
  const anyEventType = measures.filter((_, i) => eventTypes[i] === null).map((measure) => measure.index);
  const types = [...new Set(eventTypes.flatMap((list) => list ?? []))].sort();
  const lookedAt = (type: string): number[] =>
    measures.filter((_, i) => eventTypes[i] === null || eventTypes[i]!.includes(type)).map((measure) => measure.index);
  return { byEventType: new Map(types.map((type) => [type, lookedAt(type)])), anyEventType };
}

/** Stored state names its measure by 32 bits; two measures of one plan must not share them. */
export function refuseCollisions(measures: readonly Pick<Measure, 'id' | 'text'>[]): void {
  const seen = new Map<number, string>();
  for (const { id, text } of measures) {
    const other = seen.get(id);
    if (other !== undefined) {
      throw new VisageError(
        'bad_definitions',
        `the measures ${other} and ${text} have the same 32-bit id; write one filter or value differently`,
        { kind: 'usage' },
      );
    }
    seen.set(id, text);
  }
}

/** A document has passed the check, so a mistake here means that this release checks differently from the one that stored it. */
function checked<T extends object>(result: T | ExpressionMistake, group: readonly NamedDefinition[]): T {
  if (!isMistake(result)) return result;
  throw new VisageError('bad_definitions', `computedAttributes.${group[0]!.name}: ${result.message}`, { kind: 'usage' });
}

function byRevision<T extends { readonly revision: number }>(map: ReadonlyMap<string, T>): (readonly [string, T])[] {
  return [...map].sort(([a, x], [b, y]) => x.revision - y.revision || (a < b ? -1 : 1));
}
