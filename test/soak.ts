// What takes longer than `npm test` may: many events, many kills, several seeds. Writes test/soak-results/kill9.json, whatever the outcome.
// Arguments: seeds (default: three). VISAGE_SOAK_EVENTS overrides 200,000.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill9AtExpiryRun, kill9Run, type Kill9Result } from './faults/kill9.ts';

const EVENTS = Number(process.env['VISAGE_SOAK_EVENTS'] ?? 200_000);
const KILLS = 10;
const EXPIRY_EVENTS = 24_000;
const PROBLEMS_MAX = 20;
const seeds = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1, 2, 3];

type Outcome = Omit<Kill9Result, 'problems'> & {
  readonly run: string;
  readonly problems: number;
  readonly firstProblems: readonly string[];
};

async function one(run: string, act: () => Promise<Kill9Result>): Promise<Outcome> {
  const { problems, ...counts } = await act();
  const outcome = { run, ...counts, problems: problems.length, firstProblems: problems.slice(0, PROBLEMS_MAX) };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
  return outcome;
}

const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname }).trim();
const outcomes: Outcome[] = [];
for (const seed of seeds) {
  outcomes.push(await one('stream', () => kill9Run({ seed, events: EVENTS, kills: KILLS })));
  outcomes.push(await one('expiry', () => kill9AtExpiryRun({ seed, events: EXPIRY_EVENTS, kills: KILLS })));
}
const problems = outcomes.reduce((sum, outcome) => sum + outcome.problems, 0);
const folder = join(import.meta.dirname, 'soak-results');
mkdirSync(folder, { recursive: true });
const commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', '../src') === '' ? '' : '+changes');
writeFileSync(
  join(folder, 'kill9.json'),
  `${JSON.stringify({ commit, node: process.version, seeds, problems, outcomes }, null, 2)}\n`,
);
const kills = outcomes.reduce((sum, outcome) => sum + outcome.kills, 0);
const events = outcomes.reduce((sum, outcome) => sum + outcome.published, 0);
process.stdout.write(
  `soak: ${events} events, ${kills} kills -9, seeds ${seeds.join(', ')}: ${problems} problems; written: test/soak-results/kill9.json\n`,
);
if (problems > 0) process.exitCode = 1;
