// The regression check, on the results that are committed: against themselves, and with every figure made worse in turn.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareResults, runCheck, type Outcome } from '../../../bench/check.ts';
import type { Goal } from '../../../bench/figures.ts';
import { figuresOf, type Figure } from '../../../bench/goals.ts';
import { newResultPath, readResults, RESULTS_FOLDER, type SomeResults } from '../../../bench/result_files.ts';
import { RESULTS } from './made_results.ts';

const MAIN = join(import.meta.dirname, '../../../bench/main.ts');
const committed = readResults();
const figures = figuresOf(committed).filter(({ measured }) => measured !== undefined);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'visage-check-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Every round of this figure times `factor`, and at least by twice what counts. */
function scaled(results: SomeResults, { bench, key, atLeast }: Figure, factor: number): SomeResults {
  const copy = structuredClone(results);
  const goals = copy[bench]!.goals as Record<string, Goal>;
  const { median, min, max, rounds } = goals[key]!;
  const changed = (value: number): number => {
    const by = value * (factor - 1);
    return value + Math.sign(factor - 1) * Math.max(Math.abs(by), 2 * atLeast);
  };
  goals[key] = { median: changed(median), min: changed(min), max: changed(max), rounds };
  return copy;
}

function outcomes(now: SomeResults, before: SomeResults = committed): [string, Outcome][] {
  return compareResults(before, now).map(({ figure, outcome }) => [figure.key, outcome]);
}

test('the committed results are not worse than themselves', () => {
  expect(figures.length).toBeGreaterThan(30);
  const all = new Set(compareResults(committed, committed).map(({ outcome }) => outcome));
  expect([...all].filter((outcome) => outcome !== 'not measured anew')).toEqual(['as before']);
});

test.each(figures.map((figure) => [figure.bench, figure.key, figure] as const))(
  '%s %s: 30 %% worse is found, and only there; 30 %% better is none',
  (_, key, figure) => {
    const [worse, better] = figure.better === 'less' ? [1.3, 0.7] : [0.7, 1.3];
    const others = outcomes(committed).filter(([other]) => other !== key);
    const bad = outcomes(scaled(committed, figure, worse));
    expect(bad.filter(([other]) => other === key)).toEqual([[key, 'worse']]);
    expect(bad.filter(([other]) => other !== key)).toEqual(others);
    expect(outcomes(scaled(committed, figure, better)).map(([, outcome]) => outcome)).not.toContain('worse');
  },
);

test('what is inside of the old spread, or of the margin, is as before', () => {
  const { hot } = RESULTS; // 0.7 to 0.9, median 0.79, margin 10 %
  const now = (median: number, min: number, max: number): SomeResults => ({
    hot: { ...hot, goals: { G10: { median, min, max, rounds: 5 } } },
  });
  const outcome = (some: SomeResults): Outcome =>
    compareResults({ hot }, some).find(({ figure }) => figure.key === 'G10')!.outcome;
  expect(outcome(now(0.705, 0.6, 0.9))).toBe('as before'); // worse by 10.8 %, but as slow was seen before, and the best round is as good
  expect(outcome(now(0.69, 0.68, 0.9))).toBe('worse'); // nothing as slow was seen
  expect(outcome(now(0.705, 0.6, 0.8))).toBe('worse'); // all of it has moved
  expect(outcome(now(0.72, 0.6, 0.8))).toBe('as before'); // 8.9 %
});

test('only like is compared', () => {
  const { hot, herd, rolling } = RESULTS;
  expect(() => compareResults({ herd }, { herd: { ...herd, size: { ...herd.size, profiles: 10 } } })).toThrow(
    /herd.*another size/,
  );
  const slow = { median: 99, min: 99, max: 99, rounds: 1 };
  const other = { ...herd, goals: { ...herd.goals, F11seconds: slow } };
  const of = (now: SomeResults, key: string): Outcome | undefined =>
    compareResults({ hot, herd, rolling }, now).find(({ figure }) => figure.key === key)?.outcome;
  expect(of({ herd: other }, 'F11seconds')).toBe('worse');
  expect(of({ herd: { ...other, cpu: '8 × other' } }, 'F11seconds')).toBe('other machine');
  expect(of({ herd: other }, 'G10')).toBe('not measured anew');
  expect(of({ hot: { ...hot, goals: {} as typeof hot.goals } }, 'G10')).toBe('gone');
});

test('--out says where a bench writes, what check then reads', () => {
  expect(newResultPath('hot')).toBe(join(RESULTS_FOLDER, 'hot.json'));
  process.argv.push(`--out=${folder}`);
  try {
    writeFileSync(newResultPath('hot'), JSON.stringify(RESULTS.hot));
  } finally {
    process.argv.pop();
  }
  expect(readResults(folder)).toEqual({ hot: RESULTS.hot });
});

test('the command ends with 0, 1 or 2, and says which figure is worse', () => {
  const run = (...args: string[]): { code: number | null; out: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'check', ...args], { encoding: 'utf8' });
    return { code: status, out: stdout + stderr };
  };
  expect(run(RESULTS_FOLDER)).toEqual({ code: 0, out: expect.stringMatching(/\n\d+ figures: none is worse\n$/) as string });
  cpSync(RESULTS_FOLDER, folder, { recursive: true });
  const figure = figures.find(({ key }) => key === 'G18')!;
  writeFileSync(join(folder, 'replay.json'), JSON.stringify(scaled(committed, figure, 0.7).replay));
  const { code, out } = run(folder);
  expect(code).toBe(1);
  expect(out).toMatch(/^replay +G18 .* WORSE$/m);
  expect(out).toMatch(/1 of \d+ are worse: replay G18\n$/);
  const lines: string[] = [];
  expect(runCheck(undefined, (line) => lines.push(line))).toBe(2);
  expect(runCheck(join(folder, 'nothing'), (line) => lines.push(line))).toBe(2);
  expect(lines).toHaveLength(2);
});
