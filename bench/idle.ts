// G9: what a worker without events takes of a core while a million values wait to leave their windows. See bench/README.md.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { openClient } from '../src/worker/client.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { spread, type Goal } from './figures.ts';
import { readCpuSeconds } from './process_cpu.ts';
import { canSample } from './process_memory.ts';
import { shortWindow } from './short_window.ts';
import { checkState } from './stored_state.ts';
import { caughtUp, startWorker, type BenchWorker } from './worker_process.ts';
import { benchSettings, fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 0; // nothing is drawn
const ARMS = ['none', 'pending'] as const;
const FILL_MS_MAX = 300_000;
/** Due while nobody looks. */
const WINDOW_MS = 7 * 86_400_000;
const DEFINITIONS = shortWindow(WINDOW_MS);

type Arm = (typeof ARMS)[number];
type Size = {
  readonly profiles: number;
  readonly rounds: number;
  readonly settleSeconds: number;
  readonly roundSeconds: number;
};
const FULL: Size = { profiles: 1_000_000, rounds: 3, settleSeconds: 15, roundSeconds: 60 };
const SMOKE: Size = { profiles: 2_000, rounds: 1, settleSeconds: 0.5, roundSeconds: 1 };

export async function runIdle(smoke: boolean, rounds?: number): Promise<void> {
  if (!canSample) {
    console.log('idle: skipped, it reads /proc');
    return;
  }
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('idle', '2m');
  try {
    await prepare(world, size);
    const percents = await measure(world, size);
    const plan = compilePlan(DEFINITIONS);
    const checked = await checkState({ world, root: 'pending', folder: join(world.folder, 'pending'), plan });
    if (checked !== size.profiles) throw new Error(`there are ${checked} profiles, not ${size.profiles}`);
    console.log(`  checked against brute force: ${checked} profiles equal`);
    // points, not a ratio: both are next to nothing
    const more = percents.pending.map((percent, i) => percent - percents.none[i]!);
    const goals: Record<string, Goal> = { G9: spread(percents.pending), G9more: spread(more) };
    printGoals(goals);
    const arms = Object.fromEntries(ARMS.map((arm) => [arm, { percentOfACore: spread(percents[arm]), rounds: percents[arm] }]));
    if (!smoke) writeResult('idle', { size, profilesChecked: checked, arms, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

/** What the worker will find when it starts: a checkpoint that has everything. The other one finds nothing. */
async function prepare(world: World, { profiles }: Size): Promise<void> {
  await fillLog(world, 'none', [], DEFINITIONS);
  await fillLog(world, 'pending', everyCustomer(profiles, 'first', 0), DEFINITIONS);
  const worker = await startWorker({ world, root: 'pending', folder: join(world.folder, 'pending') });
  await caughtUp(world, 'pending', FILL_MS_MAX);
  await worker.stop();
}

/** Both stand still beside each other, so that the same minute counts for both. @returns percent of a core, by round */
async function measure(world: World, size: Size): Promise<Record<Arm, number[]>> {
  const workers: Partial<Record<Arm, BenchWorker>> = {};
  try {
    for (const arm of ARMS) workers[arm] = await startWorker({ world, root: arm, folder: join(world.folder, arm) });
    const { none, pending } = workers as Record<Arm, BenchWorker>;
    const cpu = (): Record<Arm, number> => ({ none: readCpuSeconds(none.pid), pending: readCpuSeconds(pending.pid) });
    await expectPending(world, size);
    await delay(size.settleSeconds * 1000);
    const percents: Record<Arm, number[]> = { none: [], pending: [] };
    for (let round = 0; round < size.rounds; round++) {
      const startMs = performance.now();
      const before = cpu();
      await delay(size.roundSeconds * 1000);
      const after = cpu();
      const seconds = (performance.now() - startMs) / 1000;
      for (const arm of ARMS) percents[arm].push((100 * (after[arm] - before[arm])) / seconds);
      const shown = ARMS.map((arm) => `${arm} ${percents[arm][round]!.toFixed(2)} %`).join(', ');
      console.log(`round ${round + 1}, ${seconds.toFixed(0)} s: ${shown} of a core`);
    }
    await expectPending(world, size);
    return percents;
  } finally {
    for (const arm of ARMS) await workers[arm]?.stop();
  }
}

/** @throws when not all of them wait any more, or not yet */
async function expectPending(world: World, { profiles }: Size): Promise<void> {
  const client = await openClient(benchSettings(world, 'pending'), 'bench look');
  try {
    const { shards } = await client.status();
    const sum = (name: 'profiles' | 'expired' | 'events'): number =>
      shards.reduce((total, shard) => total + Number(shard[name] ?? 0), 0);
    if (sum('profiles') !== profiles || sum('expired') !== 0 || sum('events') !== 0)
      throw new Error(
        `of ${profiles} profiles there are ${sum('profiles')}, ${sum('expired')} expired, ${sum('events')} replayed`,
      );
  } finally {
    await client.close();
  }
}
