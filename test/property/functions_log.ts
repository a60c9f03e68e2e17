// Random definitions over every function and window, and random logs for them. Everything is made from numbers, so that a failing
// case shrinks.
import fc from 'fast-check';
import type { Plan } from '../../src/aggregate/plan.ts';
import { formatTime } from '../../src/base/time.ts';
import { DEFAULT_FOLD_SETTINGS, type FoldSettings } from '../../src/message/control.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { LogWriter, planWith, type AttributeText } from '../unit/shard/fold_run.ts';

const H = 3_600_000;
const D = 24 * H;

/** Just before something ends: a month, a leap day, a year, a week, a day that is nothing else, a century without its leap day. */
const STARTS = [
  Date.UTC(2026, 1, 1),
  Date.UTC(2028, 1, 29),
  Date.UTC(2027, 0, 1),
  Date.UTC(2026, 2, 8),
  Date.UTC(2026, 2, 11),
  Date.UTC(2100, 2, 1),
];
/** Waits and latenesses on both sides of every window's edges. */
const EDGES = [0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 9, 10, 11, 12, 20, 1000, H - 1, H, H + 1, D - 1, D, D + 1, 7 * D, 28 * D, 31 * D];
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
/** Where few values are kept: with a pace of these, forty and more events are in some of the windows, and leave one by one. */
const LONG_WINDOWS = [
  { sliding: '1h' },
  { sliding: '1h' },
  { calendar: 'day' },
  { calendar: 'day', count: 2 },
  'lifetime',
] as const;
const PACES = [75_000, 75_000, 1_800_000, H];
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
const PRICES = [
  '1',
  '9.99',
  '10',
  '10.01',
  '25',
  '0.1',
  '0.2',
  '-3.5',
  '0',
  '-0',
  '1e300',
  '1e-300',
  '-1e300',
  '-5e-324',
  '123456789012345678',
  '12345.678901234567',
  '"12"',
  'null',
  'true',
  '[1,2]',
  undefined,
] as const;
/** The first of PRICES. */
const NUMBERS = 16;
const CHANNELS = [
  '"web"',
  '"store"',
  '"web"',
  '"\\ud800 é"',
  'null',
  '7',
  'true',
  '["a","b"]',
  '{"no":"value"}',
  undefined,
  '"2026-01-01T00:00:00Z"',
  '"2025-12-31T23:00:00.000-01:00"', // the same instant
  '"2031-05-06T07:08:09+02:00"',
  '"0000-01-01T00:00:00+01:00"', // a year before those that RFC 3339 can write
] as const;
const DATASETS = ['orders', 'returns', 'audit'] as const;
const TYPES = ['buy', 'buy', 'view', 'other', undefined] as const;

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

const wait = fc.constantFrom(...EDGES);
const step = fc.record({
  kind: fc.constantFrom(...Array.from({ length: 14 }, () => 'event' as const), 'tick', 'tick', 'cut', 'again', 'back', 'revise'),
  who: fc.nat(2),
  wait,
  late: fc.oneof(fc.constant(0), wait, fc.constantFrom(-1, -50, -300_000, -300_001, 61 * D), fc.nat(15), fc.nat(3 * D)),
  id: fc.oneof(fc.nat(5), fc.nat(60)),
  price: fc.nat(PRICES.length - 1),
  channel: fc.nat(CHANNELS.length - 1),
  type: fc.nat(TYPES.length - 1),
  dataset: fc.constantFrom(0, 0, 0, 1, 1, 2),
  paces: fc.nat(4),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** One run: definitions, a log, and where it is stored, killed and started again. `few`: so few values are kept that some are folded. */
export const functionsCase = fc
  .record({
    attributes: fc.array(attribute, { minLength: 1, maxLength: 8, size: 'max' }),
    streams: fc.array(fc.nat(STREAMS.length - 1), { minLength: 3, maxLength: 3 }),
    few: fc.constantFrom(false, false, false, true),
    exactEvents: fc.integer({ min: 16, max: 24 }),
    /** How prices go when few are kept: rising or falling values make long staircases. */
    slope: fc.constantFrom(-1, 0, 1),
    paceMs: fc.constantFrom(...PACES),
    oneDataset: fc.boolean(),
    profiles: fc.integer({ min: 1, max: 3 }),
    start: fc.nat(STARTS.length - 1),
    before: fc.constantFrom(0, 1, 5, H, D),
    dedupeHorizonMs: fc.constantFrom(0, 10, H, 7 * D),
    dedupeIds: fc.constantFrom(2, 5, 10_000),
    cacheMaxBytes: fc.constantFrom(0, Infinity),
    storedAfter: fc.nat(60),
    killedAfter: fc.nat(60),
    restarts: fc.boolean(),
  })
  .chain((choice) =>
    fc.record({
      choice: fc.constant(choice),
      steps: fc.array(step, { minLength: choice.few ? 60 : 1, maxLength: choice.few ? 120 : 58, size: 'max' }),
    }),
  );
type Case = typeof functionsCase extends fc.Arbitrary<infer C> ? C : never;
export type Choice = Case['choice'];

/** The plans of revision 1, 2 and 3, as far as there is something of each; attributes in them are named a0 to a7. */
export function plansOf(choice_: Choice): Plan[] {
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

function overEvents(choice: AttributeChoice, { streams, few }: Choice): AttributeText {
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

export function settingsOf({ few, exactEvents, dedupeHorizonMs, dedupeIds }: Choice): FoldSettings {
  return { ...DEFAULT_FOLD_SETTINGS, dedupeHorizonMs, dedupeIds, ...(few ? { exactEvents } : {}) };
}

/** The dataset that an event goes to, by what it is; null: nowhere. */
export type Spread = (dataset: (typeof DATASETS)[number], id: string) => string | null;
export const asMade: Spread = (dataset) => dataset;

/** An id names its dataset, so that a duplicate stays one however events are spread. */
export function logOf({ choice, steps }: Case, plans: readonly Plan[], spread: Spread): LogMessage[] {
  const log = new LogWriter();
  const settings = settingsOf(choice);
  let now = STARTS[choice.start]! - choice.before;
  let plan = 0;
  log.definitions(plans[0]!, now, settings);
  for (const s of choice.few ? steps.map((each, n) => crowded(each, n, choice)) : steps) {
    if (s.kind === 'back') {
      log.tick(now - s.wait); // the server's stamp went back: time does not
      continue;
    }
    now += s.wait;
    if (s.kind === 'tick') log.tick(now);
    else if (s.kind === 'cut') log.control({ kind: 'cut', id: 'x' }, now);
    else if (s.kind === 'again') log.definitions(plans[plan]!, now, settings);
    else if (s.kind === 'revise') log.definitions(plans[(plan = Math.min(plan + 1, plans.length - 1))]!, now, settings);
    else {
      const made = DATASETS[s.dataset]!;
      const id = `${made}-${s.id}`;
      const dataset = spread(made, id);
      if (dataset === null) log.tick(now);
      else log.event(`c-${s.who % choice.profiles}`, bodyOf(s, id, now, choice), now, dataset);
    }
  }
  return log.messages;
}

/** So that many events of one profile, all different, are in one window, and leave it one by one. */
function crowded(s: Step, n: number, { paceMs, oneDataset }: Choice): Step {
  const isRare = s.id % 16 === 0;
  return {
    ...s,
    kind: ['tick', 'revise'].includes(s.kind) && isRare ? s.kind : 'event',
    who: 0,
    wait: isRare ? s.wait : Math.floor((paceMs * s.paces) / 2),
    late: isRare || s.late < 9 ? s.late : (s.late * 7_919) % (paceMs * 40),
    id: n,
    type: 0,
    dataset: isRare || !oneDataset ? s.dataset : 0,
  };
}

function bodyOf(s: Step, id: string, now: number, { few, slope }: Choice): string {
  const type = TYPES[s.type];
  const price = !few ? PRICES[s.price] : slope === 0 ? PRICES[s.price % NUMBERS] : `${1_000 + slope * s.id}.5`;
  const channel = CHANNELS[s.channel];
  const fields = [`"_id":"${id}"`, `"timestamp":"${formatTime(now - s.late)}"`];
  if (type !== undefined) fields.push(`"eventType":"${type}"`);
  if (price !== undefined) fields.push(`"price":${price}`);
  if (channel !== undefined) fields.push(`"channel":${channel}`);
  return `{${fields.join()}}`;
}
