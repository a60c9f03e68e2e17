// Random logs for random definitions (functions_plans.ts). Everything is made from numbers, so that a failing case shrinks.
import fc from 'fast-check';
import type { Plan } from '../../src/aggregate/plan.ts';
import { formatTime } from '../../src/base/time.ts';
import { DEFAULT_FOLD_SETTINGS, type FoldSettings } from '../../src/message/control.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { LogWriter } from '../unit/shard/fold_run.ts';
import { definitionsChoice } from './functions_plans.ts';

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
/** With these, forty and more events are in some of the long windows, and leave one by one. */
const PACES = [75_000, 75_000, 1_800_000, H];
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
    ...definitionsChoice,
    clock: fc.constantFrom('log' as const, 'log' as const, 'event' as const),
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
export type Case = typeof functionsCase extends fc.Arbitrary<infer C> ? C : never;
type Choice = Case['choice'];

function settingsOf({ few, exactEvents, dedupeHorizonMs, dedupeIds }: Choice): FoldSettings {
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
  const version = versionOf(choice);
  log.definitions(plans[0]!, now, settings, version);
  for (const s of choice.few ? steps.map((each, n) => crowded(each, n, choice)) : steps) {
    if (s.kind === 'back') {
      log.tick(now - s.wait); // the server's stamp went back: time does not
      continue;
    }
    now += s.wait;
    if (s.kind === 'tick') log.tick(now, now);
    else if (s.kind === 'cut') log.control({ kind: 'cut', id: 'x' }, now);
    else if (s.kind === 'again')
      log.definitions(plans[plan]!, now, { ...settings, exactEvents: settings.exactEvents + s.paces }, version);
    else if (s.kind === 'revise') log.definitions(plans[(plan = Math.min(plan + 1, plans.length - 1))]!, now, settings, version);
    else {
      const made = DATASETS[s.dataset];
      const id = `${made}-${s.id}`;
      const dataset = spread(made, id);
      if (dataset === null)
        log.tick(now, now - s.late); // under the event clock it moves time as the event did
      else log.event(`c-${s.who % choice.profiles}`, bodyOf(s, id, now, choice), now, dataset);
    }
  }
  return log.messages;
}

/** Of the fold: before 3 payloads were not checked against schemas, so values of any type came through. */
export function versionOf({ profiles }: Choice): number {
  return profiles === 1 ? 3 : 2;
}

/** So that many events of one profile, all different, are in one window, and leave it one by one. */
function crowded(s: Step, n: number, { paceMs, oneDataset }: Choice): Step {
  const isRare = s.id % 16 === 0;
  return {
    ...s,
    kind: ['tick', 'revise', 'again'].includes(s.kind) && isRare ? s.kind : 'event',
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
