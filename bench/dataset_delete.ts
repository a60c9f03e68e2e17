// From when an event is due to be published to when its change is read, while a deleted dataset is taken out of every profile, beside the
// same before. See bench/README.md.
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { openClient, type Client } from '../src/worker/client.ts';
import { awaitDelete, tellDelete } from '../src/worker/delete_dataset.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { percentile, ratio, spread } from './figures.ts';
import { LoadGenerator, type LoadResult } from './load.ts';
import { checkState } from './stored_state.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { benchSettings, fillLog, startWorld, writeResult, type Sendable, type World } from './world.ts';

const SEED = 20_261_130;
const ROOT = 'deleting';
const DELETED = 'returns';
const DEFINITIONS = new URL('./dataset_delete.yaml', import.meta.url).pathname;
const FILL_MS_MAX = 120_000;

type Size = {
  readonly profiles: number;
  readonly rounds: number;
  readonly rate: number;
  readonly warmSeconds: number;
  readonly settleSeconds: number;
  readonly beforeSeconds: number;
  /** Longer than the sweep: what is due after it is not counted. */
  readonly duringSeconds: number;
  readonly tellAfterSeconds: number;
};
const FULL: Size = {
  profiles: 100_000,
  rounds: 5,
  rate: 3_000,
  warmSeconds: 8,
  settleSeconds: 4,
  beforeSeconds: 20, // as long as a sweep: a major collection comes about every ten seconds
  duringSeconds: 30,
  tellAfterSeconds: 1,
};
const SMOKE: Size = {
  profiles: 500,
  rounds: 1,
  rate: 500,
  warmSeconds: 0.2,
  settleSeconds: 0.2,
  beforeSeconds: 0.6,
  duringSeconds: 1,
  tellAfterSeconds: 0.2,
};

type Round = {
  readonly sweepMs: number;
  readonly beforeP99Ms: number;
  /** Of what was due from the delete until the last profile was through. */
  readonly duringP99Ms: number;
  readonly duringMaxMs: number;
  readonly eventsDuring: number;
  readonly sendLateP999Ms: number;
};

export async function runDatasetDelete(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('dataset_delete', '2m');
  try {
    const folder = join(world.folder, 'state');
    const measured = await measure(world, size, folder);
    const plan = compilePlan(loadDefinitionsFile(DEFINITIONS));
    const profiles = await checkState({ world, root: ROOT, folder, plan });
    if (profiles !== size.profiles) throw new Error(`there are ${profiles} profiles, not ${size.profiles}`);
    console.log(`  checked against brute force: ${profiles} profiles equal`);
    const of = (figure: keyof Round): number[] => measured.map((round) => round[figure]);
    const goals = { deleting: ratio(of('duringP99Ms'), of('beforeP99Ms')) };
    printGoals(goals);
    const figures = ['sweepMs', 'beforeP99Ms', 'duringP99Ms', 'duringMaxMs'] as const;
    const summary = Object.fromEntries(figures.map((figure) => [figure, spread(of(figure))]));
    const arms = { deleting: { ...summary, rounds: measured } };
    if (!smoke) writeResult('dataset_delete', { size, profilesChecked: profiles, arms, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, folder: string): Promise<Round[]> {
  const definitions = loadDefinitionsFile(DEFINITIONS);
  await fillLog(world, ROOT, everyCustomer(size.profiles, 'first', 11), definitions);
  const worker = await startWorker({ world, root: ROOT, folder });
  await caughtUp(world, ROOT, FILL_MS_MAX);
  const load = await LoadGenerator.start(world, ROOT);
  const client = await openClient(benchSettings(world, ROOT), 'bench delete');
  const rounds: Round[] = [];
  try {
    await load.run(orderOf('warm', size.warmSeconds, size));
    for (let round = 0; round < size.rounds; round++) {
      await fillLog(world, ROOT, returned(size.profiles, `returned${round}`), definitions);
      await caughtUp(world, ROOT, FILL_MS_MAX);
      // what filling leaves behind (checkpoints, garbage) is not part of either
      await load.run(orderOf(`settle${round}`, size.settleSeconds, size));
      rounds.push(await measureRound(client, load, size, round));
      print(round, rounds[round]!);
    }
  } finally {
    await client.close();
    await load.stop();
    await worker.stop();
  }
  return rounds;
}

async function measureRound(client: Client, load: LoadGenerator, size: Size, round: number): Promise<Round> {
  const before = await load.run(orderOf(`before${round}`, size.beforeSeconds, size));
  const running = load.run({ ...orderOf(`during${round}`, size.duringSeconds, size), keepAll: true });
  running.catch(() => undefined); // awaited below
  await delay(size.tellAfterSeconds * 1000);
  const toldMs = Date.now();
  await awaitDelete(client, await tellDelete(client, DELETED), () => undefined);
  const sweptMs = Date.now();
  const during = await running;
  if (sweptMs > during.all!.startedAtMs + size.duringSeconds * 1000)
    throw new Error('the load ended before the delete was through: let it last longer');
  const counted = dueWithin(during, toldMs, sweptMs);
  if (counted.length === 0) throw new Error('no event was due while the dataset was deleted');
  return {
    sweepMs: sweptMs - toldMs,
    beforeP99Ms: before.p99Ms,
    duringP99Ms: percentile(counted, 0.99),
    duringMaxMs: counted[counted.length - 1]!,
    eventsDuring: counted.length,
    sendLateP999Ms: during.sendLateP999Ms,
  };
}

/** Latencies of the events that were due then, ascending. */
function dueWithin({ rate, all }: LoadResult, fromMs: number, toMs: number): readonly number[] {
  const { startedAtMs, latenciesMs } = all!;
  const index = (ms: number): number => Math.max(0, Math.ceil(((ms - startedAtMs) * rate) / 1000));
  return latenciesMs.slice(index(fromMs), index(toMs)).sort((a, b) => a - b);
}

/** Something of the dataset for every customer, cheaper than everything else: the least of all is what has to go. */
function* returned(profiles: number, tag: string): Iterable<Sendable> {
  for (const event of everyCustomer(profiles, tag, 0))
    yield { ...event, dataset: DELETED, body: event.body.replace(/"priceTotal":[\d.]+/, '"priceTotal":0.005') };
}

let orders = 0;

function orderOf(tag: string, seconds: number, { rate, profiles }: Size): Parameters<LoadGenerator['run']>[0] {
  return { tag, rate, seconds, profiles, customers: 'c', seed: SEED + orders++ };
}

function print(round: number, { sweepMs, beforeP99Ms, duringP99Ms, duringMaxMs, eventsDuring }: Round): void {
  const ms = (value: number): string => value.toFixed(1);
  console.log(
    `round ${round + 1}: p99 ${ms(beforeP99Ms)} ms before, ${ms(duringP99Ms)} during (max ${ms(duringMaxMs)}, ${eventsDuring} events); the delete took ${Math.round(sweepMs)} ms`,
  );
}
