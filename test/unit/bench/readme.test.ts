// The figures in README.md come from bench/results/throughput.json, and nowhere else. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const README = new URL('../../../README.md', import.meta.url);
const RESULT = new URL('../../../bench/results/throughput.json', import.meta.url);

type Goal = { median: number; min: number; max: number; rounds: number };
type Result = {
  commit: string;
  node: string;
  server: string;
  syncInterval: string;
  cpu: string;
  size: { events: number; profiles: number; many: number; few: number };
  arms: Record<string, { eventsPerSecond: { median: number; min: number; max: number } }>;
  goals: Record<'G1' | 'G2' | 'G3', Goal>;
};

const number = (value: number): string => Math.round(value).toLocaleString('en');
const goal = ({ median, min, max }: Goal): string => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;

function section(result: Result): string {
  const { size, goals } = result;
  const bar = (value: Goal, least: number): string => (value.median >= least ? 'met' : '**missed**');
  const arm = (name: string, what: string): string => {
    const { median, min, max } = result.arms[name]!.eventsPerSecond;
    return `| ${what} | ${number(median)} | ${number(min)}–${number(max)} |`;
  };
  return [
    `Worker and server on the same two cores (${result.cpu}), ${number(size.events)} events of ${number(size.profiles)} customers (Zipf), ten attributes, change events on, server`,
    `${result.server} with \`sync_interval: ${result.syncInterval}\`, Node ${result.node.slice(1)}, commit ${result.commit}; median of ${goals.G1.rounds} interleaved rounds. The profiles of the first worker run were compared with brute force: all equal.`,
    '',
    '| arm | events/s | min–max |',
    '|---|---|---|',
    arm('drain', 'drain: an ordered reader that does nothing'),
    arm('echo', 'echo: a reader that parses and publishes each event again'),
    arm('memory', 'memory: the fold, nothing stored or published'),
    arm('worker', 'the worker: fold, LMDB, change events, final checkpoint'),
    '',
    '| goal | ratio, median (min–max) | bar here | |',
    '|---|---|---|---|',
    `| G1 worker ÷ echo | ${goal(goals.G1)} | 0.50 | ${bar(goals.G1, 0.5)} |`,
    `| G2 ${number(size.many)} profiles ÷ ${number(size.few)}, uniform | ${goal(goals.G2)} | 0.40 | ${bar(goals.G2, 0.4)} |`,
    `| G3 worker ÷ memory | ${goal(goals.G3)} | reported | |`,
  ].join('\n');
}

test('README.md shows the committed result', () => {
  const text = readFileSync(README, 'utf8');
  const begin = '<!-- bench -->\n';
  const end = '\n<!-- /bench -->';
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  const expected = section(JSON.parse(readFileSync(RESULT, 'utf8')) as Result);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(README, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to)).toBe(expected);
});
