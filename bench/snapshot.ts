// G13: from when an event is due to be published to when its change is read, while checkpoints are written and while snapshots are taken,
// beside neither. See bench/README.md.
import { join } from 'node:path';
import { shardSubject } from '../src/api/forward.ts';
import { openClient, type Client } from '../src/worker/client.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { ratio, spread } from './figures.ts';
import { LoadGenerator } from './load.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { benchSettings, fillLog, PARTITIONS, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_212;
const ROOT = 'snapshot';
const FILL_MS_MAX = 120_000;
const NEVER = '1h';

type Size = {
  readonly profiles: number;
  readonly rounds: number;
  readonly rate: number;
  readonly settleSeconds: number;
  readonly seconds: number;
};
const FULL: Size = { profiles: 100_000, rounds: 5, rate: 2_000, settleSeconds: 6, seconds: 12 };
const SMOKE: Size = { profiles: 500, rounds: 1, rate: 500, settleSeconds: 0.2, seconds: 0.6 };

const ARMS = {
  neither: { 'checkpoint.interval': NEVER },
  checkpoints: { 'checkpoint.interval': '2s' },
  snapshots: { 'checkpoint.interval': '2s' },
} as const;
type Arm = keyof typeof ARMS;
type Round = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number; readonly snapshots: number };

export async function runSnapshot(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('snapshot', '2m');
  try {
    await fillLog(world, ROOT, everyCustomer(size.profiles, 'first', 11));
    const measured: Record<Arm, Round[]> = { neither: [], checkpoints: [], snapshots: [] };
    for (let round = 0; round < size.rounds; round++)
      for (const arm of Object.keys(ARMS) as Arm[]) {
        const result = await measure(world, size, arm, round);
        measured[arm].push(result);
        console.log(
          `round ${round + 1}, ${arm}: p99 ${result.p99Ms.toFixed(1)} ms, max ${result.maxMs.toFixed(1)} ms, ${result.snapshots} snapshots`,
        );
      }
    const p99 = (arm: Arm): number[] => measured[arm].map(({ p99Ms }) => p99Ms);
    const goals = { G13: ratio(p99('snapshots'), p99('neither')), G13checkpoints: ratio(p99('checkpoints'), p99('neither')) };
    printGoals(goals);
    const arms = Object.fromEntries(
      Object.entries(measured).map(([arm, results]) => [arm, { p99Ms: spread(p99(arm as Arm)), rounds: results }]),
    );
    if (!smoke) writeResult('snapshot', { size, arms, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, arm: Arm, round: number): Promise<Round> {
  const folder = join(world.folder, 'state');
  const worker = await startWorker({ world, root: ROOT, folder, more: ARMS[arm] });
  await caughtUp(world, ROOT, FILL_MS_MAX);
  const load = await LoadGenerator.start(world, ROOT);
  const client = await openClient(benchSettings(world, ROOT), 'bench snapshot');
  const order = (tag: string, seconds: number): Parameters<LoadGenerator['run']>[0] => ({
    tag: `${tag}-${arm}-${round}`,
    rate: size.rate,
    seconds,
    customers: 'c',
    profiles: size.profiles,
    seed: SEED + round,
  });
  try {
    await load.run(order('settle', size.settleSeconds));
    const running = load.run(order('load', size.seconds));
    const until = { over: false };
    const taking = arm === 'snapshots' ? takeAll(client, until) : Promise.resolve(0);
    const { p50Ms, p99Ms, maxMs } = await running.finally(() => (until.over = true));
    return { p50Ms, p99Ms, maxMs, snapshots: await taking };
  } finally {
    await client.close();
    await load.stop();
    await worker.stop();
  }
}

/** Shard after shard, again and again. @returns how many were taken */
async function takeAll({ nc, topology }: Client, until: { readonly over: boolean }): Promise<number> {
  let taken = 0;
  for (let shard = 0; !until.over; shard = (shard + 1) % PARTITIONS) {
    const answer = await nc.request(shardSubject(topology.root, shard, 'snapshot'), '{}', { timeout: 60_000 });
    const { error }: { error?: { message: string } } = answer.json();
    if (error !== undefined) throw new Error(`no snapshot of shard ${shard}: ${error.message}`);
    taken++;
  }
  return taken;
}
