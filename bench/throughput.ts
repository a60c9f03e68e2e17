// G1, G2, G3: what the worker does a second, beside what a worker that does nothing would cost. See bench/README.md.
import { join } from 'node:path';
import { formatTime } from '../src/base/time.ts';
import { generateEvents } from '../src/oracle/generate.ts';
import {
  checkExport,
  fillLog,
  hashExport,
  ratio,
  runArm,
  startWorld,
  writeResult,
  type ArmResult,
  type Sendable,
  type World,
} from './world.ts';

const SEED = 20_260_301;
const DAY_MS = 86_400_000;

type Size = {
  readonly events: number;
  readonly profiles: number;
  readonly rounds: number;
  readonly many: number;
  readonly few: number;
  readonly measured: number;
};
const FULL: Size = { events: 1_000_000, profiles: 100_000, rounds: 5, many: 1_000_000, few: 10_000, measured: 300_000 };
const SMOKE: Size = { events: 6_000, profiles: 1_000, rounds: 1, many: 3_000, few: 300, measured: 3_000 };

function history(seed: number, events: number, profiles: number, zipfS: number): Iterable<Sendable> {
  const startMs = Date.now() - 10 * DAY_MS;
  const usual = { outOfOrderShare: 0.1, maxLateMs: 2 * DAY_MS, duplicateShare: 0.02, invalidShare: 0.01 };
  return generateEvents({ seed, events, profiles, zipfS, startMs, spanMs: 9 * DAY_MS, ...usual });
}

/** One purchase of every customer. */
function* everyCustomer(profiles: number): Iterable<Sendable> {
  const timestamp = formatTime(Date.now() - 11 * DAY_MS);
  for (let i = 0; i < profiles; i++) {
    const event = {
      _id: `first-${i}`,
      timestamp,
      eventType: 'commerce.purchases',
      commerce: { order: { priceTotal: (i % 9_000) / 100, channel: 'web' } },
    };
    yield { dataset: 'orders', namespace: 'customerId', id: `c-${i}`, body: JSON.stringify(event) };
  }
}

export async function runThroughput(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('throughput', '2m');
  try {
    const arms = await measureArms(world, size);
    const scale = await measureScale(world, size);
    const goals = {
      G1: ratio(rates(arms.results['worker']!), rates(arms.results['echo']!)),
      G2: ratio(rates(scale['many']!), rates(scale['few']!)),
      G3: ratio(rates(arms.results['worker']!), rates(arms.results['memory']!)),
    };
    for (const [name, goal] of Object.entries(goals))
      console.log(
        `${name}: median ${goal.median.toFixed(2)} (${goal.min.toFixed(2)}–${goal.max.toFixed(2)}, ${goal.rounds} rounds)`,
      );
    if (!smoke)
      writeResult(
        'throughput',
        { size, resultHash: arms.resultHash, arms: summary({ ...arms.results, ...scale }), goals },
        world,
        SEED,
      );
  } finally {
    await world.stop();
  }
}

type Arms = { readonly results: Record<string, ArmResult[]>; readonly resultHash: string };

const ARMS = ['drain', 'parse', 'echo', 'memory', 'worker'] as const;

async function measureArms(world: World, size: Size): Promise<Arms> {
  await fillLog(world, 'zipf', history(SEED, size.events, size.profiles, 1));
  const results: Record<string, ArmResult[]> = {};
  let resultHash = '';
  for (let round = 0; round < size.rounds; round++) {
    for (const arm of ARMS) {
      const exportTo = round === 0 && arm === 'worker' ? join(world.folder, 'export.ndjson') : undefined;
      const parameters = {
        url: world.server.url,
        root: 'zipf',
        out: `out-${arm}-${round}`,
        folder: join(world.folder, 'state'),
        exportTo,
        keep: exportTo !== undefined,
      };
      const result = await runArm(arm, parameters);
      (results[arm] ??= []).push(result);
      print(`round ${round + 1} ${arm}`, result);
      if (exportTo === undefined) continue;
      console.log(`  checked against brute force: ${await checkExport(world, 'zipf', exportTo)} profiles equal`);
      resultHash = hashExport(exportTo);
    }
  }
  return { results, resultHash };
}

/** The same number of uniform events on few and on many profiles that are already there. */
async function measureScale(world: World, size: Size): Promise<Record<string, ArmResult[]>> {
  const kinds = { few: size.few, many: size.many };
  for (const [kind, profiles] of Object.entries(kinds)) {
    await fillLog(world, kind, everyCustomer(profiles));
    print(
      `fill ${kind}`,
      await runArm('worker', {
        url: world.server.url,
        root: kind,
        out: `fill-${kind}`,
        folder: join(world.folder, `start-${kind}`),
        keep: true,
      }),
    );
    await fillLog(world, kind, history(SEED + 3, size.measured, profiles, 0));
  }
  const results: Record<string, ArmResult[]> = {};
  for (let round = 0; round < size.rounds; round++) {
    for (const kind of Object.keys(kinds)) {
      const parameters = {
        url: world.server.url,
        root: kind,
        out: `out-${kind}-${round}`,
        folder: join(world.folder, 'state'),
        startFrom: join(world.folder, `start-${kind}`),
      };
      const result = await runArm('worker', parameters);
      (results[kind] ??= []).push(result);
      print(`round ${round + 1} worker, ${kind} profiles`, result);
    }
  }
  return results;
}

function rates(results: readonly ArmResult[]): number[] {
  return results.map((result) => result.events / result.seconds);
}

function print(name: string, result: ArmResult): void {
  const figures = [
    `${Math.round(result.events / result.seconds).toLocaleString('en')} events/s`,
    `${((result.cpuSeconds / result.events) * 1e6).toFixed(1)} µs CPU/event`,
    `${Math.round(result.rssBytes / 1e6)} MB`,
  ];
  console.log(`${name}: ${figures.join(', ')}`);
}

function summary(results: Readonly<Record<string, readonly ArmResult[]>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(results).map(([arm, rounds]) => {
      const sorted = rates(rounds).sort((a, b) => a - b);
      return [
        arm,
        { eventsPerSecond: { median: sorted[sorted.length >> 1], min: sorted[0], max: sorted[sorted.length - 1] }, rounds },
      ];
    }),
  );
}
