// The committed results as Markdown: the whole table of bench/README.md, and what the README shows of it.
import type { Goal } from './figures.ts';
import { figuresOf, GOAL_IDS, verdictOf, type Figure, type Verdict } from './goals.ts';
import type { Results, SomeResults } from './result_files.ts';

const CAPTIONS: Readonly<Record<string, string>> = {
  'goals.svg': 'Every goal beside its bar',
  'throughput.svg': 'Events per second of each arm',
  'pairs.svg': 'Pairs of arms whose ratio is a goal: many profiles, restarts, two workers, HTTP',
  'latency.svg': 'Latency percentiles per round',
  'storing.svg': 'Latency while snapshots are taken and checkpoints written',
  'memory.svg': 'Memory of a worker over time',
  'windows.svg': 'Time of an event against values in its window',
  'expiry.svg': 'Lateness of values that leave their windows, per round',
  'overview.svg': 'The overview dashboard during a load step and the kill of a worker',
  'herd.svg': 'Values that were due in one millisecond, leaving over time',
};
const OVERVIEW = 'goals.svg';

const number = (value: number): string => Math.round(value).toLocaleString('en');
const goalText = ({ median, min, max }: Goal): string => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
const marked = (verdict: Verdict): string => (verdict === 'missed' ? '**missed**' : verdict);

/** Every goal, measured or not, with its figures; then what has no number. */
export function resultsPage(results: SomeResults, pictureNames: Iterable<string>): string {
  const figures = figuresOf(results);
  return [
    ...table(figures.filter(({ goal }) => goal !== null)),
    '',
    'Beside the goals:',
    '',
    ...table(figures.filter(({ goal }) => goal === null)),
    ...[...pictureNames].flatMap((name) => ['', `![${CAPTIONS[name]!}](../docs/pictures/${name})`]),
  ].join('\n');
}

function table(figures: readonly Figure[]): string[] {
  const rows = figures.map((figure) => {
    const { goal, what, detail, bar, aim, measured, percent, commit, measuredOn, bench } = figure;
    const text = detail === '' ? what : `${what} (${detail})`;
    const got =
      measured === undefined
        ? [`no result yet: \`npm run bench -- ${bench}\``, '']
        : [goalText(measured), String(measured.rounds)];
    const cells = [goal ?? '', text, bar ?? '', aim ?? '', ...got, marked(verdictOf(figure)), `${percent} %`, commit, measuredOn];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| goal | what | bar | aim | median (min–max) | rounds | | margin | commit | measured |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ];
}

/** Short: the arms, one picture, one line a goal. */
export function readmeSection(results: SomeResults, pictureNames: Iterable<string>): string {
  const figures = figuresOf(results).filter(({ bar }) => bar !== null);
  const lines = GOAL_IDS.map((id) => goalLine(figures.filter(({ goal }) => goal === id)));
  return [
    ...(results.throughput === undefined ? [] : armsOf(results.throughput)),
    ...([...pictureNames].includes(OVERVIEW) ? [`![${CAPTIONS[OVERVIEW]!}](docs/pictures/${OVERVIEW})`, ''] : []),
    '| goal | what | bar | measured | |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** A goal is met when all its figures with a bar are; they stand in the order of the whole table. */
function goalLine(figures: readonly Figure[]): string {
  const { goal, what } = figures[0]!;
  const verdicts = figures.map(verdictOf);
  const verdict = (['missed', 'not measured', 'met'] as const).find((one) => verdicts.includes(one)) ?? 'aim met';
  const bars = [...new Set(figures.map(({ bar }) => bar))].join(' · ');
  const medians = figures.map(({ measured }) => measured?.median.toFixed(2) ?? '–').join(' · ');
  return `| ${goal} | ${what} | ${bars} | ${medians} | ${marked(verdict)} |`;
}

function armsOf({ size, arms, goals, ...head }: Results['throughput']): string[] {
  const arm = (name: string, what: string): string => {
    const { median, min, max } = arms[name]!.eventsPerSecond;
    return `| ${what} | ${number(median)} | ${number(min)}–${number(max)} |`;
  };
  return [
    `Worker and server on the same two cores (${head.cpu}), ${number(size.events)} events of ${number(size.profiles)} customers (Zipf), ten attributes, change events on, server`,
    `${head.server} with \`sync_interval: ${head.syncInterval}\`, Node ${head.node.slice(1)}, commit ${head.commit}; median of ${goals.G1.rounds} interleaved rounds. The profiles of the first worker run were compared with brute force: all equal.`,
    '',
    '| arm | events/s | min–max |',
    '|---|---|---|',
    arm('drain', 'drain: an ordered reader that does nothing'),
    arm('echo', 'echo: a reader that parses and publishes each event again'),
    arm('memory', 'memory: the fold, nothing stored or published'),
    arm('worker', 'the worker: fold, LMDB, change events, final checkpoint'),
    '',
  ];
}
