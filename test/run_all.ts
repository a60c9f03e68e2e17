// The whole test run: stages in order, each with a wall budget for two cores, and one last line that counts everything.
//
//   node test/run_all.ts                          everything
//   node test/run_all.ts --only unit,integration  some stages or folders
//
// R1: the last line alone says the result, `N passed, N failed` (and `, N skipped` if any), and the exit code agrees with it.
// R2: a stage over its budget is a failure; one far over it is killed, with everything it started. Budgets are two and a half times of
//     what a quiet machine takes: the same commit took 30 and 82 s to lint on the same kind of machine on two days. Whether the whole took
//     more than fifteen minutes is said, and is no failure.
// R3: with CI=true a skipped test is a failure.
// R4: a folder without tests is not a stage: it is not listed, and it is never counted as passed.
// R5: what failed is named once more above the last line: what is kept of a long output is often only its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Stage {
  readonly title: string;
  readonly budgetMs: number;
  /** What `--only` may name. */
  readonly names: readonly string[];
  /** False if there is nothing to run. */
  readonly exists: (names: readonly string[]) => boolean;
  readonly run: (names: readonly string[]) => Promise<Counts>;
}

interface Tool {
  readonly name: string;
  readonly command: readonly string[];
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
  readonly wallMs: number;
}

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules/.bin');
const CI = process.env.CI === 'true' || process.env.CI === '1';
const LINT_CONCURRENCY = 2;
/** Of all stages together. */
const ALL_TARGET_MS = 900_000;
/** A stage this many times over its budget hangs. */
const KILL_FACTOR = 2;

// Longest first, so that two cores end together.
const LINT_TOOLS: readonly Tool[] = [
  { name: 'eslint', command: [bin('eslint'), '.'] },
  { name: 'tsc', command: [bin('tsc'), '--noEmit'] },
  { name: 'tsc of the explorer', command: [bin('tsc'), '--noEmit', '-p', 'src/explorer'] },
  { name: 'knip', command: [bin('knip'), '--no-progress', '--no-config-hints'] },
  { name: 'dependency-cruiser', command: [bin('depcruise'), '--config', '.dependency-cruiser.cjs', 'src'] },
  { name: 'prettier', command: [bin('prettier'), '--check', '.'] },
];
const BUILD: Tool = { name: 'build', command: ['npm', 'run', '--silent', 'build'] };
/** What the page is looked at with. It takes a minute or two where it is not there yet: beside the first stages, and with a budget of its own. */
const CHROMIUM: Tool = { name: 'chromium', command: [process.execPath, 'test/install_chromium.ts'] };
const CHROMIUM_MS_MAX = 300_000;
const BENCH_SMOKE: Tool = { name: 'bench smoke', command: [process.execPath, 'bench/main.ts', 'all', '--smoke'] };

const STAGES: readonly Stage[] = [
  {
    title: 'lint and types',
    budgetMs: 150_000,
    names: ['lint'],
    exists: () => true,
    run: () => runTools(LINT_TOOLS, LINT_CONCURRENCY),
  },
  vitestStage('unit and property', 240_000, ['unit', 'property']),
  vitestStage('conformance', 60_000, ['conformance']),
  vitestStage('simulation', 150_000, ['simulation']),
  vitestStage('integration', 480_000, ['integration']),
  vitestStage('faults', 420_000, ['faults']),
  vitestStage('e2e', 450_000, ['e2e'], BUILD),
  {
    title: 'bench smoke',
    budgetMs: 280_000,
    names: ['bench'],
    exists: () => existsSync(join(ROOT, 'bench/main.ts')),
    run: () => runTools([BENCH_SMOKE], 1),
  },
];

const running = new Set<ChildProcess>();
const failures: string[] = [];
const jsonFolder = mkdtempSync(join(tmpdir(), 'visage-test-'));

function bin(name: string): string {
  return join(BIN, name);
}

function testFiles(folder: string): readonly string[] {
  return globSync(`test/${folder}/**/*.test.ts`, { cwd: ROOT });
}

/** @param before built or prepared first, inside the same budget; the tests run only if it succeeds. */
function vitestStage(title: string, budgetMs: number, folders: readonly string[], before?: Tool): Stage {
  return {
    title,
    budgetMs,
    names: folders,
    exists: (names) => names.some((name) => testFiles(name).length > 0),
    run: async (names) => {
      if (before !== undefined) {
        const prepared = await runTool(before);
        if (!prepared.ok) return { passed: 0, failed: 1, skipped: 0 };
      }
      return runVitest(names.filter((name) => testFiles(name).length > 0));
    },
  };
}

/** Runs a command in its own process group, so that killing it kills what it started. */
function execute(tool: Tool, live: boolean, signal?: AbortSignal): Promise<Outcome> {
  const startedMs = performance.now();
  const [file, ...args] = tool.command;
  return new Promise((resolve) => {
    const child = spawn(file ?? '', args, {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
      // node_modules/.bin holds the pinned Node: tools start on it however this file was started
      env: { ...process.env, PATH: `${BIN}:${process.env.PATH ?? ''}` },
    });
    running.add(child);
    signal?.addEventListener('abort', () => kill(child));
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
    const done = (ok: boolean, note: string): void => {
      running.delete(child);
      resolve({ ok, output: Buffer.concat(chunks).toString('utf8') + note, wallMs: performance.now() - startedMs });
    };
    child.on('error', (error) => done(false, `\n${tool.name}: ${error.message}\n`));
    child.on('close', (code, signal) => done(code === 0, signal === null ? '' : `\n${tool.name}: ended by ${signal}\n`));
  });
}

/** Gets the browser of the e2e stage. That it cannot be had is no failure: the tests that need it skip. */
async function prepareChromium(): Promise<void> {
  const child = new AbortController();
  const timer = setTimeout(() => child.abort(), CHROMIUM_MS_MAX);
  const { output, wallMs } = await execute(CHROMIUM, false, child.signal);
  clearTimeout(timer);
  print(`${output.trim()} ${seconds(wallMs)}`);
}

function killRunning(): void {
  for (const child of running) kill(child);
}

function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended meanwhile
  }
}

async function runTool(tool: Tool): Promise<Outcome> {
  const outcome = await execute(tool, false);
  print(`${outcome.ok ? '✓' : '✗'} ${tool.name} ${seconds(outcome.wallMs)}`);
  if (!outcome.ok) {
    print(outcome.output.trimEnd());
    failures.push(tool.name);
  }
  return outcome;
}

async function runTools(tools: readonly Tool[], concurrency: number): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const queue = [...tools];
  const lane = async (): Promise<void> => {
    for (let tool = queue.shift(); tool !== undefined; tool = queue.shift()) {
      const outcome = await runTool(tool);
      if (outcome.ok) counts.passed++;
      else counts.failed++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return counts;
}

/** The part of vitest's JSON report that is counted here. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

async function runVitest(folders: readonly string[]): Promise<Counts> {
  const reportFile = join(jsonFolder, `${folders.join('-')}.json`);
  const projects = folders.flatMap((folder) => ['--project', folder]);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const command = [bin('vitest'), 'run', ...projects, ...reporters, '--allowOnly=false'];
  const outcome = await execute({ name: 'vitest', command }, true);
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (existsSync(reportFile)) countReport(JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport, counts);
  // An unhandled error, a crashed fork or a missing report fails no single test but fails the run.
  if (!outcome.ok && counts.failed === 0) {
    print(`vitest failed outside of any test${outcome.output}`);
    failures.push(`${folders.join(', ')}: outside of any test`);
    counts.failed++;
  }
  return counts;
}

function countReport(report: VitestReport, counts: Counts): void {
  for (const file of report.testResults) {
    const path = relative(ROOT, file.name);
    let failedHere = 0;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') {
        counts.passed++;
      } else if (test.status === 'failed') {
        failedHere++;
        failures.push(`${path} > ${test.fullName.trim()}: ${firstLine(test.failureMessages)}`);
      } else {
        counts.skipped++;
        print(`${CI ? '✗ skipped in CI' : '↓ skipped'}: ${path} > ${test.fullName.trim()}`);
      }
    }
    // A file that does not load, or whose hook fails, has failed without any failed test.
    if (file.status === 'failed' && failedHere === 0) {
      failedHere = 1;
      failures.push(`${path}: does not load, or a hook failed`);
    }
    counts.failed += failedHere;
  }
}

async function runStage(stage: Stage, names: readonly string[]): Promise<Counts> {
  print(`\n── ${stage.title} (budget ${stage.budgetMs / 1000} s)`);
  const startedMs = performance.now();
  const killer = setInterval(() => {
    print(`✗ ${stage.title}: killed at ${KILL_FACTOR} times its budget`);
    killRunning();
  }, stage.budgetMs * KILL_FACTOR);
  const counts = await stage.run(names);
  clearInterval(killer);
  const wallMs = performance.now() - startedMs;
  if (CI) {
    counts.failed += counts.skipped;
    counts.skipped = 0;
  }
  const over = wallMs > stage.budgetMs;
  if (over) {
    counts.failed++;
    failures.push(`${stage.title}: over its budget`);
  }
  print(`── ${stage.title}: ${seconds(wallMs)} of ${stage.budgetMs / 1000} s${over ? ' ✗ OVER BUDGET' : ''}; ${summary(counts)}`);
  return counts;
}

function firstLine(messages: readonly string[] | undefined): string {
  return (messages?.[0] ?? '').split('\n', 1)[0]!.slice(0, 300);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function summary(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** @throws if a name is not that of a stage */
function selectedNames(): ReadonlySet<string> {
  const known = STAGES.flatMap((stage) => stage.names);
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  if (values.only === undefined) return new Set(known);
  const wanted = values.only.split(',').map((name) => name.trim());
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: not a stage; known: ${known.join(', ')}`);
  return new Set(wanted);
}

async function main(): Promise<void> {
  const selected = selectedNames();
  print(`node ${process.version}${CI ? ', CI: skipped tests fail' : ''}`);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const startedMs = performance.now();
  const chromium = selected.has('e2e') ? prepareChromium() : undefined;
  for (const stage of STAGES) {
    const names = stage.names.filter((name) => selected.has(name));
    if (names.length === 0 || !stage.exists(names)) continue;
    if (names.includes('e2e')) await chromium;
    const counts = await runStage(stage, names);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  if (total.passed + total.failed + total.skipped === 0) {
    print('nothing to run');
    process.exitCode = 1;
  }
  const wallMs = performance.now() - startedMs;
  const over = wallMs > ALL_TARGET_MS;
  print(
    `\n── all: ${seconds(wallMs)} of ${ALL_TARGET_MS / 1000} s${over ? ': more than it should take on a quiet machine' : ''}`,
  );
  if (total.failed > 0) process.exitCode = 1;
  for (const failure of failures) print(`✗ ${failure}`);
  print(`\n${summary(total)}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killRunning();
    process.exit(1);
  });
}
process.on('exit', () => rmSync(jsonFolder, { recursive: true, force: true }));

await main();
