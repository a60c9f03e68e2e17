// G19: events per second of CPU that workers use, two of them beside one. See bench/README.md.
import { join } from 'node:path';
import { openClient } from '../src/worker/client.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer, history } from './events.ts';
import { ratio, spread } from './figures.ts';
import { readCpuSeconds } from './process_cpu.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { benchSettings, fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_213;
const CATCH_UP_MS_MAX = 240_000;
const BALANCED_MS_MAX = 60_000;

type Size = { readonly profiles: number; readonly events: number; readonly rounds: number };
const FULL: Size = { profiles: 100_000, events: 300_000, rounds: 5 };
const SMOKE: Size = { profiles: 300, events: 1_000, rounds: 1 };

export async function runWorkers(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const measured: Record<'one' | 'two', number[]> = { one: [], two: [] };
  let head: World | undefined;
  for (let round = 0; round < size.rounds; round++) {
    for (const arm of ['one', 'two'] as const) {
      const world = (head = await startWorld('workers', '2m'));
      try {
        measured[arm].push(await measure(world, size, arm === 'one' ? 1 : 2, round));
      } finally {
        await world.stop();
      }
    }
    console.log(
      `round ${round + 1}: ${measured.one[round]!.toFixed(0)} events per CPU second with one worker, ${measured.two[round]!.toFixed(0)} with two`,
    );
  }
  const goals = { G19: ratio(measured.two, measured.one) };
  printGoals(goals);
  const arms = {
    one: { eventsPerSecond: spread(measured.one), rounds: measured.one },
    two: { eventsPerSecond: spread(measured.two), rounds: measured.two },
  };
  if (!smoke) writeResult('workers', { size, arms, goals }, head!, SEED);
}

/** @returns events per second of the workers' CPU, from when they share the shards until all is applied */
async function measure(world: World, { profiles, events }: Size, count: number, round: number): Promise<number> {
  const root = 'shared';
  await fillLog(world, root, everyCustomer(profiles, 'first', 11));
  const workers = [];
  for (let n = 0; n < count; n++)
    workers.push(await startWorker({ world, root, folder: join(world.folder, `state${n}`), more: { instance: `w${n}` } }));
  await caughtUp(world, root, CATCH_UP_MS_MAX);
  await balanced(world, root, count);
  const before = workers.map(({ pid }) => readCpuSeconds(pid));
  await fillLog(world, root, history({ seed: SEED + round, events, profiles, zipfS: 1 }));
  await caughtUp(world, root, CATCH_UP_MS_MAX);
  const used = workers.reduce((sum, { pid }, n) => sum + readCpuSeconds(pid) - before[n]!, 0);
  await Promise.all(workers.map((worker) => worker.stop()));
  return events / used;
}

async function balanced(world: World, root: string, count: number): Promise<void> {
  const client = await openClient(benchSettings(world, root), 'bench balance');
  try {
    for (const endMs = performance.now() + BALANCED_MS_MAX; performance.now() < endMs;) {
      const { workers = [], shards } = await client.status();
      const isActive = shards.every(({ state }) => state === 'active');
      if (isActive && workers.length === count && workers.every((worker) => worker.shards === shards.length / count)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the shards were not shared within ${BALANCED_MS_MAX} ms`);
  } finally {
    await client.close();
  }
}
