// What takes longer than `npm test` may: many events, many kills, thousands of simulated worlds. Whatever the outcome, it is written to
// test/soak-results/.
//   node test/soak.ts                       both
//   node test/soak.ts kill9 [seed …]        real processes killed -9; seeds 1, 2, 3. VISAGE_SOAK_EVENTS overrides 200,000 events
//   node test/soak.ts simulation [seeds]    so many simulated worlds (5,000), from seed 1
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill9AtExpiryRun, kill9Run, type Kill9Result } from './faults/kill9.ts';
import { simulationSoak } from './simulation/simulation_soak.ts';

const EVENTS = Number(process.env['VISAGE_SOAK_EVENTS'] ?? 200_000);
const KILLS = 10;
const EXPIRY_EVENTS = 24_000;
const PROBLEMS_MAX = 20;
const SIMULATED_SEEDS = 5_000;
const NAMES = ['kill9', 'simulation'];

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

const named = NAMES.includes(process.argv[2] ?? '');
const what = named ? [process.argv[2]] : NAMES;
const numbers = process.argv.slice(named ? 3 : 2).map(Number);
let wrong = 0;
if (what.includes('simulation')) wrong += await simulation(named ? (numbers[0] ?? SIMULATED_SEEDS) : SIMULATED_SEEDS);
if (what.includes('kill9')) wrong += await kill9(numbers.length > 0 ? numbers : [1, 2, 3]);
if (wrong > 0) process.exitCode = 1;
