// From a definitions document to the plan that the fold runs.
// L1: the plan is a function of the document: equal hashes give equal plans, whatever the order in the file.
// L2: attributes that agree on event types × filter × value share one measure, hence one state.
import type { Attribute, AttributeFunction, ExtremePlan, Measure, Plan, Window } from '../aggregate/plan.ts';
import { fnv1a32 } from '../base/fnv1a.ts';
import { VisageError } from '../base/errors.ts';
import type { DatasetRule } from '../message/decode.ts';
import { celEnvironment, type CelEnvironment, type ExpressionMistake } from './cel_environment.ts';
import { compileFilter, compileValue, isMistake } from './compile_expression.ts';
import type { AttributeDefinition, DefinitionsDocument } from './definitions_document.ts';
import { unionShape, type EventShape } from './event_shape.ts';

type Named = { readonly name: string; readonly definition: AttributeDefinition };

const always = (): boolean => true;
const nothing = (): undefined => undefined;

/** Compiles a checked document. Cost: about 50 µs an expression.
 *  @throws VisageError `bad_definitions` when two measures have one id (rename nothing: change a filter's spelling) */
export function compilePlan(document: DefinitionsDocument): Plan {
  const { data } = document;
  const { shape } = unionShape(new Map([...data.schemas].map(([name, schema]) => [name, schema.jsonSchema])));
  const cel = celEnvironment(shape);
  const named = sortedNames(data.computedAttributes).map((name) => ({ name, definition: data.computedAttributes.get(name)! }));
  const groups = Map.groupBy(named, ({ definition }) => measureText(definition));
  const texts = [...groups.keys()].sort();
  const measureIndex = new Map(texts.map((text, index) => [text, index]));
  const attributeIndex = new Map(named.map(({ name }, index) => [name, index]));
  const measures = texts.map((text, index) => measureOf(index, text, groups.get(text)!, attributeIndex, cel, shape));
  refuseCollisions(measures);
  const attributes = named.map(({ name, definition }, index): Attribute => {
    const measure = measures[measureIndex.get(measureText(definition))!]!;
    return {
      index,
      name,
      path: `computed.${name}`,
      function: definition.function,
      window: definition.window,
      measure: measure.index,
      slot: slotOf(definition.function, definition.window, measure),
      timestamps: measure.timestamps && isExtreme(definition.function),
    };
  });
  const datasets = sortedNames(data.datasets);
  const rules = datasets.map((name, index): DatasetRule => ({ name, index, profile: data.datasets.get(name)!.profile }));
  return {
    hash: document.hash,
    admission: { datasets: new Map(rules.map((rule) => [rule.name, rule])), namespaces: new Set(sortedNames(data.namespaces)) },
    datasets,
    measures,
    attributes,
    slidingLatest: attributes.filter((attribute) => attribute.function === 'mostRecent' && attribute.window.kind === 'sliding'),
    ...byEventType(
      measures,
      texts.map((text) => groups.get(text)![0]!.definition.eventTypes),
    ),
  };
}

/** Canonical text of (event types, filter, value): the identity of a measure, in plans and in stored state. */
export function measureText(definition: AttributeDefinition): string {
  return JSON.stringify([definition.eventTypes, definition.filter, definition.value]);
}

function measureOf(
  index: number,
  text: string,
  group: readonly Named[],
  attributeIndex: ReadonlyMap<string, number>,
  cel: CelEnvironment,
  shape: EventShape,
): Measure {
  const { filter, value } = group[0]!.definition;
  const slotted = windowsOf(group, 'count', 'sum');
  const sums = group.some(({ definition }) => definition.function === 'sum');
  const use = group.map(({ definition }) => definition.function).find((name) => name !== 'count' && name !== 'mostRecent');
  const compiled = value === null ? null : checked(compileValue(value, use ?? 'mostRecent', cel, shape), group);
  return {
    index,
    id: fnv1a32(text),
    text,
    matches: filter === null ? always : checked(compileFilter(filter, cel, shape), group).matches,
    valueOf: compiled?.valueOf ?? nothing,
    hasValue: value !== null,
    windows: slidingLengths(slotted),
    lifetime: slotted.some((window) => window.kind === 'lifetime'),
    sums,
    low: extremePlan(windowsOf(group, 'min')),
    high: extremePlan(windowsOf(group, 'max')),
    timestamps: compiled?.isText === true && !sums && group.some(({ definition }) => isExtreme(definition.function)),
    recent: group.some(({ definition }) => definition.function === 'mostRecent'),
    attributes: group.map(({ name }) => attributeIndex.get(name)!),
  };
}

function windowsOf(group: readonly Named[], ...functions: readonly AttributeFunction[]): Window[] {
  return group.filter(({ definition }) => functions.includes(definition.function)).map(({ definition }) => definition.window);
}

function slidingLengths(windows: readonly Window[]): number[] {
  const lengths = windows.flatMap((window) => (window.kind === 'sliding' ? [window.ms] : []));
  return [...new Set(lengths)].sort((a, b) => a - b);
}

function extremePlan(windows: readonly Window[]): ExtremePlan | null {
  if (windows.length === 0) return null;
  return { windows: slidingLengths(windows), lifetime: windows.some((window) => window.kind === 'lifetime') };
}

function isExtreme(function_: AttributeFunction): boolean {
  return function_ === 'min' || function_ === 'max';
}

function slotOf(function_: AttributeFunction, window: Window, measure: Measure): number {
  if (function_ === 'mostRecent' || isExtreme(function_)) return -1;
  return window.kind === 'lifetime' ? measure.windows.length : measure.windows.indexOf(window.ms);
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
function checked<T extends object>(result: T | ExpressionMistake, group: readonly Named[]): T {
  if (!isMistake(result)) return result;
  throw new VisageError('bad_definitions', `computedAttributes.${group[0]!.name}: ${result.message}`, { kind: 'usage' });
}

function sortedNames(map: ReadonlyMap<string, unknown>): string[] {
  return [...map.keys()].sort();
}
