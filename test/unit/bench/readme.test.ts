// The figures in README.md come from bench/results, and nowhere else. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Goal } from '../../../bench/figures.ts';
import { pictures } from '../../../bench/plot.ts';
import { readResult, type ResultHead, type Results } from '../../../bench/result_files.ts';
import { RESULTS } from './made_results.ts';

const README = new URL('../../../README.md', import.meta.url);
const CAPTIONS: Readonly<Record<string, string>> = {
  'throughput.svg': 'Events per second of each arm',
  'latency.svg': 'Latency percentiles per round',
  'memory.svg': 'Memory of a worker over time',
  'windows.svg': 'Time of an event against values in its window',
  'expiry.svg': 'Lateness of values that leave their windows, per round',
  'herd.svg': 'Values that were due in one millisecond, leaving over time',
};

type Some = Partial<Results>;
type Row = { readonly what: string; readonly goal: Goal; readonly bar: string; readonly commit: string };

const number = (value: number): string => Math.round(value).toLocaleString('en');
const goalText = ({ median, min, max }: Goal): string => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;

/** `bar`: `≥ 0.8`, `≤ 2`, or that there is none. */
function verdict(goal: Goal, bar: string): string {
  const [, sign, value] = /^([≥≤]) ([\d.]+)$/.exec(bar) ?? [];
  if (value === undefined) return '';
  return (sign === '≥' ? goal.median >= Number(value) : goal.median <= Number(value)) ? 'met' : '**missed**';
}

type Add = (head: ResultHead, what: string, goal: Goal, bar: string) => void;

function rowsOf(results: Some): Row[] {
  const { throughput, hot, latency, disk, memory, ring_bytes: ringBytes, replay, herd } = results;
  const rows: Row[] = [];
  const add: Add = (head, what, goal, bar) => void rows.push({ what, goal, bar, commit: head.commit });
  if (throughput !== undefined) {
    const { goals, size } = throughput;
    add(throughput, 'G1 worker ÷ echo', goals.G1, '≥ 0.50');
    add(throughput, `G2 ${number(size.many)} profiles ÷ ${number(size.few)}, uniform`, goals.G2, '≥ 0.40');
    add(throughput, 'G3 worker ÷ memory', goals.G3, 'reported');
  }
  addWindowRows(results, add);
  if (hot !== undefined) add(hot, 'G10 one profile gets half of all events ÷ uniform', hot.goals.G10, '≥ 0.8');
  if (latency !== undefined) {
    const { rounds, p50Ms } = latency.arms.latency;
    const what = `G12 latency p99.9 ÷ p50 at ${number(rounds[0]!.rate)} events/s, half of what can be sustained (p50 ${p50Ms.median.toFixed(1)} ms)`;
    add(latency, what, latency.goals.G12, '≤ 15');
  }
  if (disk !== undefined) {
    add(disk, 'G15 files on disk ÷ encoded profiles', disk.goals.G15, '≤ 2');
    add(disk, 'G15 after one more update of every profile', disk.goals.G15second, '≤ 2');
  }
  if (memory !== undefined) {
    const { slopes } = memory.arms;
    const percent = (slope: { percentPerMinute: number }): string => `${slope.percentPerMinute.toFixed(2)} % a minute`;
    add(memory, `G16 resident memory ÷ (cache budget + at rest); slope ${percent(slopes.rss)}`, memory.goals.G16, '≤ 1.2');
    const without = `G16 without pages of files (the mapped store); slope ${percent(slopes.anonymous)}`;
    add(memory, without, memory.goals.G16anonymous, 'reported');
  }
  if (ringBytes !== undefined) {
    const { goals, size } = ringBytes;
    const what = (values: number): string => `G17 bytes of a value in a window of ${number(values)} ÷ 16`;
    add(ringBytes, what(size.usual.values), goals.G17, '≤ 0.6');
    add(ringBytes, what(size.long.values), goals.G17long, '≤ 0.6');
  }
  if (replay !== undefined) add(replay, 'G18 replay of history ÷ live', replay.goals.G18, '≥ 1.5');
  if (herd !== undefined) {
    const what = `F11 ${number(herd.size.profiles)} values due in one millisecond`;
    add(herd, `${what}: seconds until all have left, each once`, herd.goals.F11seconds, 'reported');
    add(herd, `${what}: longest block of the event loop, ms`, herd.goals.F11block, 'reported');
    add(herd, `${what}: reads meanwhile, p99, ms`, herd.goals.F11read, 'reported');
  }
  addRecordRows(results, add);
  addHttpRows(results, add);
  addWorkerRows(results, add);
  return rows;
}

function addWorkerRows({ restart, snapshot, workers, rolling }: Some, add: Add): void {
  if (restart !== undefined) {
    const { few, many } = restart.size;
    const seconds = (restart.arms.many.ms.median / 1000).toFixed(1);
    add(
      restart,
      `G11 from the start of a worker to its first event, ${number(many)} profiles (${seconds} s) ÷ ${number(few)}`,
      restart.goals.G11,
      '≤ 1.5',
    );
  }
  if (snapshot !== undefined) {
    const { profiles, rate } = snapshot.size;
    const what = `G13 latency p99 at ${number(rate)} events/s of ${number(profiles)} profiles while snapshots are taken without a pause ÷ while nothing is stored`;
    add(snapshot, what, snapshot.goals.G13, '≤ 1.5');
    add(snapshot, 'G13 while checkpoints are written ÷ while nothing is stored', snapshot.goals.G13checkpoints, '≤ 1.5');
  }
  if (workers !== undefined) add(workers, 'G19 events per CPU second, two workers ÷ one', workers.goals.G19, '≥ 0.85');
  for (const { profiles, longestGapMs, failedReads, answeredReads } of rolling?.arms.outcomes ?? []) {
    const what = `rolling restart of three workers, ${number(profiles)} profiles, ${number(rolling!.size.rate)} events/s: seconds that reads of a shard failed or waited at most (${number(failedReads)} of ${number(answeredReads + failedReads)} failed)`;
    const seconds = longestGapMs / 1000;
    add(rolling!, what, { median: seconds, min: seconds, max: seconds, rounds: 1 }, '≤ 1');
  }
}

function addRecordRows({ schemas, dataset_delete: deleting }: Some, add: Add): void {
  if (schemas !== undefined) {
    add(
      schemas,
      'CPU of an event that is checked against its schema ÷ with an empty schema, memory arm',
      schemas.goals.checked,
      '≤ 1.15',
    );
    add(schemas, 'the same ÷ with the same schema, unchecked', schemas.goals.checkAlone, 'reported');
  }
  if (deleting !== undefined) {
    const { sweepMs, duringP99Ms } = deleting.arms.deleting;
    const seconds = `${(sweepMs.median / 1000).toFixed(1)} s, p99 ${duringP99Ms.median.toFixed(1)} ms`;
    const what = `latency p99 at ${number(deleting.size.rate)} events/s while a dataset is deleted of ${number(deleting.size.profiles)} profiles (${seconds}) ÷ before`;
    add(deleting, what, deleting.goals.deleting, '≤ 2');
  }
}

function addHttpRows({ http, readers }: Some, add: Add): void {
  if (http !== undefined) {
    const { worker, echo } = http.arms;
    const rates = `${number(worker.requestsPerSecond.median)} ÷ ${number(echo.requestsPerSecond.median)}`;
    add(
      http,
      `G20 profiles of ${number(http.bytes)} bytes read over HTTP ÷ bare node:http, requests/s (${rates})`,
      http.goals.G20,
      '≥ 0.5',
    );
  }
  if (readers !== undefined) {
    const { readersP99, badTokensP99 } = readers.goals;
    const rate = `${number(readers.arms.search.sustainable / 2)} events/s`;
    const lag = (arm: 'readers' | 'badTokens'): string => {
      const { rounds } = readers.arms[arm];
      return `lag grew in ${rounds.filter(({ lagGrowth }) => lagGrowth >= 0.01).length} of ${rounds.length} rounds`;
    };
    const beside = `latency p99 at ${rate} without readers ÷ with`;
    add(readers, `${beside} 1,000 reads/s over HTTP (${lag('readers')})`, readersP99, '≥ 0.5');
    add(readers, `${beside} 500 requests/s that have a bad token (${lag('badTokens')})`, badTokensP99, '≥ 0.5');
  }
}

function addWindowRows({ windows, expiry, idle }: Some, add: Add): void {
  if (windows !== undefined) {
    const { goals, size } = windows;
    const what = `${number(size.windows[size.windows.length - 1]!)} values in the window ÷ ${number(size.windows[0]!)}`;
    add(windows, `G4 time of an event, ${what}`, goals.G4, '≤ 1.5');
    add(windows, 'G4 of it what the windows alone take', goals.G4part, 'reported');
    add(windows, 'G5 ten windows on one measure ÷ one', goals.G5, '≤ 2.5');
    add(windows, 'G6 10 % out of order, by up to the whole window ÷ all in order', goals.G6, '≥ 0.8');
    add(windows, `G7 recomputing ${number(size.naive)} values at every event ÷ incremental, time`, goals.G7, '≥ 50');
    add(windows, 'G7 when the recomputed sum may have the error of doubles', goals.G7float, 'reported');
  }
  if (expiry !== undefined) {
    add(expiry, 'G8 lateness of values that leave, p99 at a listener ÷ tick; no events meanwhile', expiry.goals.G8, '≤ 2');
    add(expiry, 'G8 while events come in', expiry.goals.G8busy, '≤ 2');
  }
  if (idle !== undefined) {
    add(idle, `G9 idle with ${number(idle.size.profiles)} pending expiries, percent of a core`, idle.goals.G9, '≤ 1');
    add(idle, 'G9 more than without any, points', idle.goals.G9more, '≤ 0.3');
  }
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

/** What there is no result of is left out. */
function section(results: Some, pictureNames: Iterable<string>): string {
  return [
    ...(results.throughput === undefined ? [] : armsOf(results.throughput)),
    ...[...pictureNames].flatMap((name) => [`![${CAPTIONS[name]!}](docs/pictures/${name})`, '']),
    '| goal | ratio, median (min–max) | bar here | | commit |',
    '|---|---|---|---|---|',
    ...rowsOf(results).map(
      ({ what, goal, bar, commit }) => `| ${what} | ${goalText(goal)} | ${bar} | ${verdict(goal, bar)} | ${commit} |`,
    ),
  ].join('\n');
}

function committed(): Some {
  const names = Object.keys(RESULTS) as (keyof Results)[];
  return Object.fromEntries(names.map((name) => [name, readResult(name)]).filter(([, result]) => result !== undefined)) as Some;
}

test('README.md shows the committed results', () => {
  const text = readFileSync(README, 'utf8');
  const begin = '<!-- bench -->\n';
  const end = '\n<!-- /bench -->';
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  const expected = section(committed(), pictures().keys());
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(README, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to)).toBe(expected);
});

test('a goal is met or missed by its median, on either side; what has no result is left out', () => {
  const table = (results: Some): string[] => section(results, []).split('\n').slice(2);
  expect(table({})).toEqual([]);
  expect(table({ hot: RESULTS.hot, disk: RESULTS.disk })).toEqual([
    '| G10 one profile gets half of all events ÷ uniform | 0.79 (0.70–0.90) | ≥ 0.8 | **missed** | abc1234 |',
    '| G15 files on disk ÷ encoded profiles | 1.50 (1.40–1.60) | ≤ 2 | met | abc1234 |',
    '| G15 after one more update of every profile | 2.10 (2.00–2.20) | ≤ 2 | **missed** | abc1234 |',
  ]);
  expect(rowsOf(RESULTS)).toHaveLength(37);
  expect(
    table({ schemas: RESULTS.schemas, dataset_delete: RESULTS.dataset_delete }).map((row) => row.split(' | ').slice(1, 4)),
  ).toEqual([
    ['1.08 (1.05–1.10)', '≤ 1.15', 'met'],
    ['1.16 (1.10–1.20)', 'reported', ''],
    ['1.90 (1.80–2.10)', '≤ 2', 'met'],
  ]);
});
