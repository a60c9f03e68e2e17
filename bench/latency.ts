// G12: from when an event is due to be published to when its change is read, at half of the load that can be sustained. See bench/README.md.
import { join } from 'node:path';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { spread } from './figures.ts';
import { LoadGenerator, type LoadOrder, type LoadResult } from './load.ts';
import { exportState } from './stored_state.ts';
import { caughtUp, startWorker, type BenchWorker } from './worker_process.ts';
import { checkExport, DEFINITIONS, fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_260_312;
const ROOT = 'latency';
/** Sustainable: lag grows by less than this share of the load. */
export const LAG_GROWTH_MAX = 0.01;
const STEP_FACTOR = 1.25;
/** A hiccup of the machine must not end the search. */
const TRIES = 2;
const FILL_MS_MAX = 120_000;

export type Size = {
  readonly profiles: number;
  readonly rounds: number;
  readonly warmSeconds: number;
  readonly stepSeconds: number;
  readonly settleSeconds: number;
  readonly roundSeconds: number;
  /** Where the search starts, and where it ends at the latest. Smoke does not search: it runs at half of the first. */
  readonly rateMin: number;
  readonly rateMax: number;
};
export const FULL: Size = {
  profiles: 100_000,
  rounds: 5,
  warmSeconds: 8,
  stepSeconds: 8,
  settleSeconds: 6,
  roundSeconds: 12,
  rateMin: 4_000,
  rateMax: 60_000,
};
export const SMOKE: Size = {
  profiles: 500,
  rounds: 1,
  warmSeconds: 0.3,
  stepSeconds: 0,
  settleSeconds: 0.2,
  roundSeconds: 1,
  rateMin: 1_000,
  rateMax: 0,
};

export async function runLatency(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('latency', '2m'); // the server's default
  try {
    await measure(world, size, smoke);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, smoke: boolean): Promise<void> {
  const measured: LoadResult[] = [];
  const half = await atHalfTheLoad({ world, root: ROOT, size, smoke }, async ({ load, rate }) => {
    for (let round = 0; round < size.rounds; round++) {
      const result = await load.run(orderOf(`round${round}`, rate, size.roundSeconds, size));
      measured.push(result);
      printLoad(`round ${round + 1}`, result);
    }
  });
  const goals = { G12: spread(measured.map(({ p999Ms, p50Ms }) => p999Ms / p50Ms)) };
  printGoals(goals);
  // no hash of the result: how many events there are is for the search to say
  const arms = { search: half.search, latency: { ...summaryOf(measured), rounds: measured } };
  if (!smoke) writeResult('latency', { size, profilesChecked: half.profilesChecked, arms, goals }, world, SEED);
}

type HalfLoad = { readonly load: LoadGenerator; readonly rate: number; readonly worker: BenchWorker };

/** A worker as an operator starts it, with `size.profiles` profiles; the highest load that it sustains; then, when things have settled, `measureAt` half
 *  of that. What it stored is compared with brute force at the end. @param options `more`: settings of the worker */
export async function atHalfTheLoad(
  options: {
    readonly world: World;
    readonly root: string;
    readonly size: Size;
    readonly smoke: boolean;
    readonly more?: Readonly<Record<string, string>>;
  },
  measureAt: (half: HalfLoad) => Promise<void>,
): Promise<{
  readonly search: { readonly sustainable: number; readonly rounds: readonly LoadResult[] };
  readonly profilesChecked: number;
}> {
  const { world, root, size, smoke, more = {} } = options;
  const folder = join(world.folder, 'state');
  await fillLog(world, root, everyCustomer(size.profiles, 'first', 11));
  const worker = await startWorker({ world, root, folder, more });
  await caughtUp(world, root, FILL_MS_MAX);
  const load = await LoadGenerator.start(world, root);
  const rounds: LoadResult[] = [];
  let sustainable = size.rateMin;
  try {
    await load.run(orderOf('warm', size.rateMin, size.warmSeconds, size));
    if (!smoke) sustainable = await findSustainable(load, size, rounds);
    // the search ended with too much: what that left behind (checkpoints, garbage) is not part of half the load
    await load.run(orderOf('settle', sustainable / 2, size.settleSeconds, size));
    await measureAt({ load, rate: sustainable / 2, worker });
  } finally {
    await load.stop();
    await worker.stop();
  }
  const exportTo = join(world.folder, 'export.ndjson');
  await exportState(folder, compilePlan(loadDefinitionsFile(DEFINITIONS)), exportTo);
  const profilesChecked = await checkExport(world, root, exportTo);
  console.log(`  checked against brute force: ${profilesChecked} profiles equal`);
  return { search: { sustainable, rounds }, profilesChecked };
}

/** The highest step at which lag does not grow. @throws when there is none */
async function findSustainable(load: LoadGenerator, size: Size, search: LoadResult[]): Promise<number> {
  let best = 0;
  for (let rate = size.rateMin; rate <= size.rateMax; rate = Math.round(rate * STEP_FACTOR)) {
    let holds = false;
    for (let attempt = 0; attempt < TRIES && !holds; attempt++) {
      const result = await load.run(orderOf(`step${rate}x${attempt}`, rate, size.stepSeconds, size));
      search.push(result);
      holds = result.lagGrowth < LAG_GROWTH_MAX;
      printLoad(
        `step, lag grows by ${(result.lagGrowth * 100).toFixed(2)} % of the load: ${holds ? 'holds' : 'does not hold'}`,
        result,
      );
    }
    if (!holds) break;
    best = rate;
  }
  if (best === 0) throw new Error(`not even ${size.rateMin} events/s can be sustained`);
  console.log(`sustainable: ${best} events/s`);
  return best;
}

let orders = 0;

export function orderOf(tag: string, rate: number, seconds: number, { profiles }: Size): LoadOrder {
  return { tag, rate, seconds, profiles, customers: 'c', seed: SEED + orders++ };
}

function summaryOf(results: readonly LoadResult[]): Record<string, unknown> {
  const figures = ['p50Ms', 'p99Ms', 'p999Ms', 'maxMs', 'sendLateP50Ms', 'sendLateP999Ms'] as const;
  return Object.fromEntries(figures.map((figure) => [figure, spread(results.map((result) => result[figure]))]));
}

export function printLoad(name: string, { rate, p50Ms, p99Ms, p999Ms, maxMs, sendLateP999Ms }: LoadResult): void {
  const ms = (value: number): string => value.toFixed(1);
  console.log(
    `${name}: ${Math.round(rate)} events/s, p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)}, p99.9 ${ms(p999Ms)}, max ${ms(maxMs)}; generator late p99.9 ${ms(sendLateP999Ms)}`,
  );
}
