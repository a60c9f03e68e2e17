// The goals G1 to G20 and what else is measured: bars, aims, and from which margin on a new figure counts as a regression.
// Figures come from result files and nowhere else. GO1: figures are in the goals' order; those without a number come last.
import type { Goal } from './figures.ts';
import type { ResultHead, Results, SomeResults } from './result_files.ts';

export const GOAL_IDS = Array.from({ length: 20 }, (_, i) => `G${i + 1}`);

/** Those with figures. */
type Bench = { [B in keyof Results]: Results[B] extends { readonly goals: unknown } ? B : never }[keyof Results];
type Definition = {
  readonly bench: Bench;
  /** Name in the file's `goals`. */
  readonly key: string;
  /** Null: it belongs to none of G1 to G20. */
  readonly goal: string | null;
  readonly what: string;
  /** `≥ 0.8`, `≤ 2`; null where it is only reported. */
  readonly bar: string | null;
  readonly aim: string | null;
  readonly better: 'more' | 'less';
  /** A new median that is worse by more than this many percent is a regression, when it is also outside of what was measured before. */
  readonly percent: number;
  /** And by more than this, in its own unit: what the clock or the counter cannot tell apart. */
  readonly atLeast: number;
  /** Not a ratio: it means something on the same machine only. */
  readonly isAbsolute: boolean;
};
export type Figure = Definition & {
  /** What the results say of its circumstances; empty where nothing, or where there is no result. */
  readonly detail: string;
  /** Undefined: no result is committed. */
  readonly measured: Goal | undefined;
  readonly commit: string;
  readonly measuredOn: string;
  readonly cpu: string;
};

const number = (value: number): string => Math.round(value).toLocaleString('en');

type Limits = Partial<Pick<Definition, 'bar' | 'aim' | 'better' | 'percent' | 'atLeast' | 'isAbsolute'>>;

/** The figure `key` of a bench. `better` follows from the bar; without one, less is better unless `limits` says otherwise. */
function figure<B extends Bench>(
  bench: B,
  key: string,
  what: string,
  limits: Limits,
  detail: (result: Results[B]) => string = () => '',
): (results: SomeResults) => Figure[] {
  const goal = /^G\d+/.exec(key)?.[0] ?? null;
  const { bar = null, aim = null, percent = 10, atLeast = 0, isAbsolute = false } = limits;
  const better = limits.better ?? (bar?.startsWith('≥') === true ? 'more' : 'less');
  const definition: Definition = { bench, key, goal, what, bar, aim, better, percent, atLeast, isAbsolute };
  return (results) => {
    const result = results[bench];
    if (result === undefined) return [{ ...definition, detail: '', measured: undefined, commit: '', measuredOn: '', cpu: '' }];
    const measured = (result.goals as Readonly<Record<string, Goal>>)[key];
    return [{ ...definition, detail: detail(result), measured, ...headOf(result) }];
  };
}

function headOf({ commit, measuredOn = '', cpu }: ResultHead): Pick<Figure, 'commit' | 'measuredOn' | 'cpu'> {
  return { commit, measuredOn, cpu };
}

const lagGrew = (rounds: readonly { readonly lagGrowth: number }[]): string =>
  `lag grew in ${rounds.filter(({ lagGrowth }) => lagGrowth >= 0.01).length} of ${rounds.length} rounds`;

const DEFINED = [
  figure('throughput', 'G1', 'worker ÷ echo', { bar: '≥ 0.65', aim: '≥ 1.0' }),
  figure(
    'flushed',
    'G1flushed',
    'on a server that flushes every message (`sync_interval: always`)',
    { bar: '≥ 0.65', aim: '≥ 1.0', percent: 25 },
    ({ size }) => `${number(size.events)} events`,
  ),
  figure(
    'throughput',
    'G2',
    'many profiles ÷ few, uniform',
    { bar: '≥ 0.50', aim: '≥ 0.80' },
    ({ size }) => `${number(size.many)} ÷ ${number(size.few)}`,
  ),
  figure('throughput', 'G3', 'worker ÷ memory: what storing and publishing costs', { bar: '≥ 0.60', aim: '≥ 0.85' }),
  figure(
    'windows',
    'G4',
    'time of an event, many values in the window ÷ few',
    { bar: '≤ 1.5', aim: '≤ 1.15' },
    ({ size }) => `${number(size.windows.at(-1)!)} ÷ ${number(size.windows[0]!)}`,
  ),
  figure('windows', 'G4part', 'of it what the windows alone take', {}),
  figure('windows', 'G5', 'time of an event, ten windows on one measure ÷ one', { bar: '≤ 2.5', aim: '≤ 1.6', percent: 15 }),
  figure('windows', 'G6', '10 % out of order, by up to the whole window ÷ all in order', {
    bar: '≥ 0.80',
    aim: '≥ 0.95',
    percent: 15,
  }),
  figure(
    'windows',
    'G7',
    'recomputing the window at every event ÷ incremental, time',
    { bar: '≥ 50', aim: '≥ 200' },
    ({ size }) => `${number(size.naive)} values`,
  ),
  figure('windows', 'G7float', 'when the recomputed sum may have the error of doubles', { better: 'more' }),
  figure('expiry', 'G8', 'lateness of values that leave, p99 at a listener ÷ tick; no events meanwhile', {
    bar: '≤ 2',
    aim: '≤ 1.1',
  }),
  figure('expiry', 'G8busy', 'while events come in', { bar: '≤ 2', aim: '≤ 1.1', percent: 25 }),
  figure(
    'idle',
    'G9',
    'idle with pending expiries, percent of a core',
    { bar: '≤ 1', percent: 25, isAbsolute: true },
    ({ size }) => number(size.profiles),
  ),
  // 0.05 points of a minute are three ticks of the kernel's clock
  figure('idle', 'G9more', 'more than without any, points', {
    bar: '≤ 0.3',
    aim: '≤ 0',
    percent: 25,
    atLeast: 0.05,
    isAbsolute: true,
  }),
  figure('hot', 'G10', 'one profile gets half of all events ÷ uniform', { bar: '≥ 0.8', aim: '≥ 1.0' }),
  figure(
    'restart',
    'G11',
    'from the start of a worker to its first event, many profiles ÷ few',
    { bar: '≤ 1.5', aim: '≤ 1.1' },
    ({ size, arms }) => `${number(size.many)}, ${(arms.many.ms.median / 1000).toFixed(1)} s ÷ ${number(size.few)}`,
  ),
  figure(
    'latency',
    'G12',
    'latency p99.9 ÷ p50 at half of what can be sustained',
    { bar: '≤ 15', aim: '≤ 8', percent: 25 },
    ({ arms }) => `${number(arms.latency.rounds[0]!.rate)} events/s, p50 ${arms.latency.p50Ms.median.toFixed(1)} ms`,
  ),
  figure(
    'snapshot',
    'G13',
    'latency p99 while snapshots are taken without a pause ÷ while nothing is stored',
    {
      bar: '≤ 1.5',
      aim: '≤ 1.1',
      percent: 25,
    },
    ({ size }) => `${number(size.rate)} events/s, ${number(size.profiles)} profiles`,
  ),
  figure('snapshot', 'G13checkpoints', 'while checkpoints are written ÷ while nothing is stored', {
    bar: '≤ 1.5',
    aim: '≤ 1.1',
    percent: 25,
  }),
  figure('metrics', 'G14', 'CPU of an event, metrics off ÷ on', { bar: '≥ 0.98', aim: '≥ 0.995', percent: 2 }),
  figure('disk', 'G15', 'files on disk ÷ encoded profiles', { bar: '≤ 2', aim: '≤ 1.4' }),
  figure('disk', 'G15second', 'after one more update of every profile', { bar: '≤ 2', aim: '≤ 1.4' }),
  figure(
    'memory',
    'G16',
    'resident memory ÷ (cache budget + at rest), over a soak',
    { bar: '≤ 1.2', aim: '≤ 1.1' },
    ({ arms }) => `slope ${arms.slopes.rss.percentPerMinute.toFixed(2)} % a minute, to be 0`,
  ),
  figure(
    'memory',
    'G16anonymous',
    'without pages of files (the mapped store)',
    {},
    ({ arms }) => `slope ${arms.slopes.anonymous.percentPerMinute.toFixed(2)} % a minute`,
  ),
  figure(
    'ring_bytes',
    'G17',
    'bytes of a value that a window keeps ÷ 16',
    { bar: '≤ 0.6', aim: '≤ 0.35' },
    ({ size }) => `${number(size.usual.values)} values`,
  ),
  figure(
    'ring_bytes',
    'G17long',
    'the same in a long window',
    { bar: '≤ 0.6', aim: '≤ 0.35' },
    ({ size }) => `${number(size.long.values)} values`,
  ),
  figure('replay', 'G18', 'replay of history ÷ live', { bar: '≥ 1.5', aim: '≥ 3' }),
  figure('workers', 'G19', 'events per CPU second, two workers ÷ one', { bar: '≥ 0.85', aim: '≥ 0.95' }),
  figure(
    'http',
    'G20',
    'profiles read over HTTP ÷ bare node:http, requests/s',
    { bar: '≥ 0.5', aim: '≥ 0.8' },
    ({ bytes, arms }) =>
      `${number(bytes)} bytes, ${number(arms.worker.requestsPerSecond.median)} ÷ ${number(arms.echo.requestsPerSecond.median)}`,
  ),
  figure(
    'herd',
    'F11seconds',
    'F11, values due in one millisecond: seconds until all have left, each once',
    { isAbsolute: true, percent: 25 },
    ({ size }) => number(size.profiles),
  ),
  figure('herd', 'F11block', 'F11: longest block of the event loop, ms', { isAbsolute: true, percent: 25 }),
  figure('herd', 'F11read', 'F11: reads meanwhile, p99, ms', { isAbsolute: true, percent: 25 }),
  figure('schemas', 'checked', 'CPU of an event that is checked against its schema ÷ with an empty schema, memory arm', {
    bar: '≤ 1.15',
  }),
  figure('schemas', 'checkAlone', 'the same ÷ with the same schema, unchecked', {}),
  figure(
    'dataset_delete',
    'deleting',
    'latency p99 while a dataset is deleted ÷ before',
    { bar: '≤ 2', percent: 25 },
    ({ size, arms }) => {
      const { sweepMs, duringP99Ms } = arms.deleting;
      const took = `${(sweepMs.median / 1000).toFixed(1)} s, p99 ${duringP99Ms.median.toFixed(1)} ms`;
      return `${number(size.profiles)} profiles, ${number(size.rate)} events/s, ${took}`;
    },
  ),
  figure(
    'readers',
    'readersP99',
    'latency p99 without readers ÷ with 1,000 reads/s over HTTP',
    { bar: '≥ 0.5', percent: 25 },
    ({ arms }) => `${number(arms.search.sustainable / 2)} events/s, ${lagGrew(arms.readers.rounds)}`,
  ),
  figure(
    'readers',
    'badTokensP99',
    'latency p99 without ÷ with 500 requests/s that have a bad token',
    { bar: '≥ 0.5', percent: 25 },
    ({ arms }) => `${number(arms.search.sustainable / 2)} events/s, ${lagGrew(arms.badTokens.rounds)}`,
  ),
  rolling,
] as const;

/** One for every size that was measured. */
function rolling({ rolling: result }: SomeResults): Figure[] {
  const none = figure('rolling', 'rolling', ROLLING, ROLLING_LIMITS);
  if (result === undefined) return none({});
  return result.arms.outcomes.flatMap(({ profiles, failedReads, answeredReads }) =>
    figure('rolling', `rolling${profiles}`, ROLLING, ROLLING_LIMITS, ({ size }) => {
      const failed = `${number(failedReads)} of ${number(answeredReads + failedReads)} failed`;
      return `${number(profiles)} profiles, ${number(size.rate)} events/s, ${failed}`;
    })({ rolling: result }),
  );
}
const ROLLING = 'rolling restart of three workers: seconds that reads of a shard failed or waited at most';
const ROLLING_LIMITS = { bar: '≤ 1', percent: 25, isAbsolute: true };

/** Of every goal at least one figure, measured or not. */
export function figuresOf(results: SomeResults): Figure[] {
  return DEFINED.flatMap((of) => of(results));
}

export type Verdict = 'missed' | 'met' | 'aim met' | 'reported' | 'not measured';

export function verdictOf({ measured, bar, aim }: Pick<Figure, 'measured' | 'bar' | 'aim'>): Verdict {
  if (measured === undefined) return 'not measured';
  if (bar === null) return 'reported';
  if (!reaches(measured.median, bar)) return 'missed';
  return aim !== null && reaches(measured.median, aim) ? 'aim met' : 'met';
}

function reaches(value: number, limit: string): boolean {
  const wanted = limitOf(limit);
  return limit.startsWith('≥') ? value >= wanted : value <= wanted;
}

/** @throws for what is no limit */
export function limitOf(limit: string): number {
  const [, value] = /^[≥≤] ([\d.]+)$/.exec(limit) ?? [];
  if (value === undefined) throw new Error(`not a limit: ${limit}`);
  return Number(value);
}
