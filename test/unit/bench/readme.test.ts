// The figures in README.md and bench/README.md come from bench/results, and nowhere else. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { figuresOf, GOAL_IDS } from '../../../bench/goals.ts';
import { pictures } from '../../../bench/plot.ts';
import { readResults } from '../../../bench/result_files.ts';
import { readmeSection, resultsPage } from '../../../bench/result_pages.ts';
import { RESULTS } from './made_results.ts';

const results = readResults();

test.each([
  ['README.md', readmeSection(results, pictures().keys())],
  ['bench/README.md', resultsPage(results, pictures().keys())],
])('%s shows the committed results', (name, expected) => {
  const page = new URL(`../../../${name}`, import.meta.url);
  const text = readFileSync(page, 'utf8');
  const begin = '<!-- bench -->\n';
  const end = '\n<!-- /bench -->';
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  expect(from).toBeGreaterThanOrEqual(begin.length);
  expect(to).toBeGreaterThanOrEqual(from);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to)).toBe(expected);
});

test('every goal has its line in both, in order, whether it was measured or not', () => {
  const goalsIn = (text: string): string[] => [...text.matchAll(/^\| (G\d+) \|/gm)].map(([, goal]) => goal!);
  for (const some of [results, {}, RESULTS]) {
    expect(goalsIn(readmeSection(some, []))).toEqual(GOAL_IDS);
    expect([...new Set(goalsIn(resultsPage(some, [])))]).toEqual(GOAL_IDS);
  }
  expect(resultsPage({}, [])).toContain(
    '| G14 | CPU of an event, metrics off ÷ on | ≥ 0.98 | ≥ 0.995 | no result yet: `npm run bench -- metrics` |  | not measured |',
  );
  expect(readmeSection({}, [])).toContain('| G14 | CPU of an event, metrics off ÷ on | ≥ 0.98 | – | not measured |');
});

test('a figure is judged by its median, on either side; a goal by all its figures that have a bar', () => {
  const page = resultsPage({ hot: RESULTS.hot, disk: RESULTS.disk }, []).split('\n');
  expect(page.filter((row) => row.includes('abc1234'))).toEqual([
    '| G10 | one profile gets half of all events ÷ uniform | ≥ 0.8 | ≥ 1.0 | 0.79 (0.70–0.90) | 5 | **missed** | 10 % | abc1234 | 2026-11-30 |',
    '| G15 | files on disk ÷ encoded profiles | ≤ 2 | ≤ 1.4 | 1.50 (1.40–1.60) | 5 | met | 10 % | abc1234 | 2026-11-30 |',
    '| G15 | after one more update of every profile | ≤ 2 | ≤ 1.4 | 2.10 (2.00–2.20) | 5 | **missed** | 10 % | abc1234 | 2026-11-30 |',
  ]);
  const lines = readmeSection(RESULTS, []).split('\n');
  expect(lines.find((line) => line.startsWith('| G15 |'))).toBe(
    '| G15 | files on disk ÷ encoded profiles | ≤ 2 | 1.50 · 2.10 | **missed** |',
  );
  const { flushed: _, ...without } = RESULTS;
  expect(readmeSection(without, [])).toContain('| G1 | worker ÷ echo | ≥ 0.65 | 0.50 · – | **missed** |');
  expect(lines.find((line) => line.startsWith('| G13 |'))).toMatch(/\| 1\.10 · 1\.00 \| aim met \|$/);
});

test('every figure of every committed file is in the table', () => {
  const shown = new Set(figuresOf(results).map(({ bench, key }) => `${bench} ${key}`));
  for (const [bench, result] of Object.entries(results))
    for (const key of 'goals' in result ? Object.keys(result.goals) : []) expect(shown).toContain(`${bench} ${key}`);
});
