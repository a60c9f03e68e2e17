// What takes longer than `npm test` may: many events, many kills, thousands of simulated worlds, many random definitions and logs.
// Whatever the outcome, it is written to test/soak-results/.
//   node test/soak.ts                       all of it
//   node test/soak.ts kill9 [seed …]        real processes killed -9; seeds 1, 2, 3. VISAGE_SOAK_EVENTS overrides 200,000 events
//   node test/soak.ts chaos [seconds]       workers that come, go, stand still and are killed, on one server and on three (180 s each)
//   node test/soak.ts simulation [seeds]    so many simulated worlds (5,000), from seed 1
//   node test/soak.ts properties [seed …]   test/property/functions.test.ts; seeds 1, 2, 3. VISAGE_PROPERTY_RUNS overrides 20,000 runs
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill9AtExpiryRun, kill9Run, type Kill9Result } from './faults/kill9.ts';
import { chaosRun } from './faults/chaos.ts';
import { RETAIL_FILE } from './support/retail.ts';
import { checkFunctions } from './property/functions_run.ts';
import { simulationSoak } from './simulation/simulation_soak.ts';

const EVENTS = Number(process.env['VISAGE_SOAK_EVENTS'] ?? 200_000);
const PROPERTY_RUNS = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? 20_000);
const KILLS = 10;
const EXPIRY_EVENTS = 24_000;
const PROBLEMS_MAX = 20;
const SIMULATED_SEEDS = 5_000;
const CHAOS_SECONDS = 180;
const CHAOS_SEED = 1;
const NAMES = ['kill9', 'chaos', 'simulation', 'properties'];

type Outcome = Omit<Kill9Result, 'problems'> & {
  readonly run: string;
  readonly problems: number;
  readonly firstProblems: readonly string[];
};

const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname }).trim();

function write(name: string, result: object): string {
  const folder = join(import.meta.dirname, 'soak-results');
  mkdirSync(folder, { recursive: true });
  const commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', '../src') === '' ? '' : '+changes');
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ commit, node: process.version, ...result }, null, 2)}\n`);
  return `written: test/soak-results/${name}.json`;
}

async function one(run: string, act: () => Promise<Kill9Result>): Promise<Outcome> {
  const { problems, ...counts } = await act();
  const outcome = { run, ...counts, problems: problems.length, firstProblems: problems.slice(0, PROBLEMS_MAX) };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
  return outcome;
}

/** @returns how many problems there were */
async function kill9(seeds: readonly number[]): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const seed of seeds) {
    outcomes.push(await one('stream', () => kill9Run({ seed, events: EVENTS, kills: KILLS })));
    outcomes.push(await one('expiry', () => kill9AtExpiryRun({ seed, events: EXPIRY_EVENTS, kills: KILLS })));
  }
  const problems = outcomes.reduce((sum, outcome) => sum + outcome.problems, 0);
  const written = write('kill9', { seeds, problems, outcomes });
  const kills = outcomes.reduce((sum, outcome) => sum + outcome.kills, 0);
  const events = outcomes.reduce((sum, outcome) => sum + outcome.published, 0);
  process.stdout.write(
    `soak: ${events} events, ${kills} kills -9, seeds ${seeds.join(', ')}: ${problems} problems; ${written}\n`,
  );
  return problems;
}

/** @returns how many seeds found something wrong */
async function simulation(seeds: number): Promise<number> {
  const result = await simulationSoak(1, seeds);
  const written = write('simulation', result);
  for (const { seed, what, sequence, replay } of result.firstDifferences)
    process.stdout.write(`seed ${seed}: at sequence ${sequence}: ${what}\n  ${replay}\n`);
  const { messages, crashes, awaits, comparisons, differences, seconds } = result;
  process.stdout.write(
    `soak: ${seeds} simulated worlds in ${seconds} s: ${messages} messages, ${crashes} crashes, ${awaits} awaits, ${comparisons} comparisons: ${differences} differences; ${written}\n`,
  );
  return differences;
}

/** @returns how many problems there were */
async function chaos(secondsEach: number): Promise<number> {
  if (RETAIL_FILE === undefined) throw new Error('the retail file is not there');
  const outcomes: object[] = [];
  let problems = 0;
  for (const servers of [1, 3] as const) {
    const { problems: found, ...counts } = await chaosRun({
      seed: CHAOS_SEED,
      seconds: secondsEach,
      retailFile: RETAIL_FILE,
      servers,
      ...(servers === 3 && { linesPerSecond: 300 }), // three servers and the workers share the cores
    });
    problems += found.length;
    const outcome = { servers, ...counts, problems: found.length, firstProblems: found.slice(0, PROBLEMS_MAX) };
    outcomes.push(outcome);
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
  const written = write('chaos', { seconds: secondsEach, problems, outcomes });
  process.stdout.write(`soak: ${secondsEach} s of chaos on one server and on three: ${problems} problems; ${written}\n`);
  return problems;
}

/** @returns how many seeds found something wrong */
async function properties(seeds: readonly number[]): Promise<number> {
  const outcomes: object[] = [];
  let problems = 0;
  for (const seed of seeds) {
    const startedMs = performance.now();
    const { runs, met, problem } = await checkFunctions(Math.ceil(PROPERTY_RUNS / seeds.length), seed);
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    const outcome = { run: 'functions', seed, runs, ...met, seconds, problem };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    outcomes.push(outcome);
    if (problem !== null) problems++;
  }
  const written = write('properties', { seeds, problems, outcomes });
  process.stdout.write(`soak: ${PROPERTY_RUNS} runs, seeds ${seeds.join(', ')}: ${problems} problems; ${written}\n`);
  return problems;
}

const named = NAMES.includes(process.argv[2] ?? '');
const what = named ? [process.argv[2]] : NAMES;
const numbers = process.argv.slice(named ? 3 : 2).map(Number);
let wrong = 0;
if (what.includes('properties')) wrong += await properties(numbers.length > 0 ? numbers : [1, 2, 3]);
if (what.includes('simulation')) wrong += await simulation(named ? (numbers[0] ?? SIMULATED_SEEDS) : SIMULATED_SEEDS);
if (what.includes('chaos')) wrong += await chaos(named ? (numbers[0] ?? CHAOS_SECONDS) : CHAOS_SECONDS);
if (what.includes('kill9')) wrong += await kill9(numbers.length > 0 ? numbers : [1, 2, 3]);
if (wrong > 0) process.exitCode = 1;
