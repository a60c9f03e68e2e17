// Random definitions over every function and window, of up to three revisions. Everything is made from numbers, so that a failing case
// shrinks.
import fc from 'fast-check';
import type { Plan } from '../../src/aggregate/plan.ts';
import { planWith, type AttributeText } from '../unit/shard/fold_run.ts';

const WINDOWS = [
  { sliding: '1ms' },
  { sliding: '3ms' },
  { sliding: '10ms' },
  { sliding: '10ms' },
  { sliding: '1h' },
  { sliding: '1h' },
  { calendar: 'day' },
  { calendar: 'day', count: 2 },
  { calendar: 'week' },
  { calendar: 'week', count: 2 },
  { calendar: 'month' },
  { calendar: 'month', count: 2 },
  'lifetime',
] as const;
/** Where few values are kept. */
const LONG_WINDOWS = [
  { sliding: '1h' },
  { sliding: '1h' },
  { calendar: 'day' },
  { calendar: 'day', count: 2 },
  'lifetime',
] as const;
const FUNCTIONS = [
  'count',
  'sum',
  'average',
  'min',
  'max',
  'mostRecent',
  'earliest',
  'list',
  'countDistinct',
  'exists',
  'expression',
  'expression',
] as const;
/** Which events: every one, of a type, or those that pass a filter. */
const STREAMS = [
  {},
  { eventTypes: ['buy'] },
  { eventTypes: ['buy', 'view'], filter: 'event.price > 10.0' },
  { filter: 'event.channel == "web"' },
] as const;

const attribute = fc.record({
  function: fc.nat(FUNCTIONS.length - 1),
  stream: fc.nat(2),
  value: fc.nat(2),
  window: fc.nat(WINDOWS.length - 1),
  limit: fc.integer({ min: 1, max: 5 }),
  revision: fc.constantFrom(1, 1, 1, 1, 2, 3),
  audience: fc.boolean(),
  inputs: fc.tuple(fc.nat(7), fc.nat(7)),
  form: fc.nat(7),
});
type AttributeChoice = typeof attribute extends fc.Arbitrary<infer A> ? A : never;

export const definitionsChoice = {
  attributes: fc.array(attribute, { minLength: 1, maxLength: 8, size: 'max' }),
  streams: fc.array(fc.nat(STREAMS.length - 1), { minLength: 3, maxLength: 3 }),
};
/** `few`: so few values are kept that some are folded. */
type DefinitionsChoice = {
  readonly attributes: readonly AttributeChoice[];
  readonly streams: readonly number[];
  readonly few: boolean;
};

/** The plans of revision 1, 2 and 3, as far as there is something of each; attributes in them are named a0 to a7. */
export function plansOf(choice_: DefinitionsChoice): Plan[] {
  const texts = new Map<string, AttributeText & { readonly revision: number }>();
  choice_.attributes.forEach((choice, index) => {
    const text = choice.function < 10 || index === 0 ? overEvents(choice, choice_) : overAttributes(choice, [...texts]);
    const revision = index === 0 ? 1 : choice.revision;
    texts.set(`a${index}`, { ...text, revision: Math.max(revision, text.revision ?? 1) });
  });
  const upTo = (revision: number): Plan =>
    planWith(
      Object.fromEntries(
        [...texts].filter(([, text]) => text.revision <= revision).map(([name, text]) => [name, withoutFirst(text)]),
      ),
    );
  const revisions = [...new Set([...texts.values()].map(({ revision }) => revision))].sort();
  return revisions.map(upTo);
}

function withoutFirst({ revision, ...text }: AttributeText & { readonly revision: number }): AttributeText {
  return revision === 1 ? text : { ...text, revision };
}

function overEvents(choice: AttributeChoice, { streams, few }: DefinitionsChoice): AttributeText {
  const function_ = FUNCTIONS[choice.function % 10]!;
  const stream = STREAMS[streams[choice.stream]! % (few ? 2 : 4)]!;
  const text = {
    function: function_,
    window: few ? LONG_WINDOWS[choice.window % LONG_WINDOWS.length]! : WINDOWS[choice.window]!,
    ...('eventTypes' in stream ? { eventTypes: [...stream.eventTypes] } : {}),
    ...('filter' in stream ? { filter: stream.filter } : {}),
    ...(choice.audience && function_ === 'exists' ? { audience: true } : {}),
  };
  switch (function_) {
    case 'count':
    case 'exists':
      return text;
    case 'sum':
    case 'average':
      return { ...text, value: 'event.price' };
    case 'list':
      return { ...text, value: ['event.price', 'event.channel', 'event.channel'][choice.value]!, limit: choice.limit };
    case 'min':
    case 'max':
      return { ...text, value: ['event.price', 'event.timestamp', 'event.channel'][choice.value]! };
    default:
      return { ...text, value: ['event.price', 'event.channel', 'event.price'][choice.value]! };
  }
}

type Known = readonly (readonly [string, AttributeText & { readonly revision: number }])[];

function overAttributes(choice: AttributeChoice, known: Known): AttributeText {
  const [[a, first], [b, second]] = choice.inputs.map((input) => known[input % known.length]!) as [Known[number], Known[number]];
  const revision = Math.max(first.revision, second.revision);
  const formula = (expression: string): AttributeText => ({ function: 'expression', expression, revision });
  const test = (expression: string): AttributeText => ({
    ...formula(expression),
    ...(choice.audience ? { audience: true } : {}),
  });
  switch (choice.form) {
    case 0:
      return test(`has(computed.${a}) && !has(computed.${b})`);
    case 1:
      return test(`profile.id == "c-0" && ${truthOf(b, second)}`);
    case 2:
      return test(`!(${truthOf(a, first)})`);
    case 3:
      return test(`${truthOf(a, first)} || ${truthOf(b, second)}`);
    case 4:
      return formula(`${truthOf(a, first)} ? 1 : 2`);
    case 5:
      return formula(`has(computed.${a}) ? ["${a}", profile.id] : ["${b}"]`);
    default:
      return formula(numberOf(a, first));
  }
}

/** An expression of type bool. */
function truthOf(name: string, { function: function_, value }: AttributeText): string {
  switch (function_) {
    case 'exists':
      return name;
    case 'count':
    case 'countDistinct':
      return `${name} > 1`;
    case 'sum':
    case 'average':
      return `${name} > 10.0`;
    case 'list':
      return `size(${name}) > 1`;
    case 'expression':
      return `has(computed.${name})`;
    default:
      return value === 'event.price' ? `${name} > 9.99` : `${name} == "web"`;
  }
}

function numberOf(name: string, { function: function_, value }: AttributeText): string {
  switch (function_) {
    case 'count':
    case 'countDistinct':
      return `12 / ${name}`; // no value of nothing
    case 'list':
      return `size(${name}) * 3`;
    case 'exists':
    case 'expression':
      return `has(computed.${name}) ? 1 : 0`;
    case 'sum':
    case 'average':
      return `${name} / 3.0`;
    default:
      return value === 'event.price' ? `${name} * 1.5` : `size(${name})`;
  }
}
