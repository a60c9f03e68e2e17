// G1, G2, G3: what the worker does a second, beside what a worker that does nothing would cost. See bench/README.md.
import { join } from 'node:path';
import { printArm, printGoals, rates, summaryOf } from './arm_report.ts';
import { everyCustomer, history } from './events.ts';
import { ratio } from './figures.ts';
import { checkExport, fillLog, hashExport, runArm, startWorld, writeResult, type ArmResult, type World } from './world.ts';

const SEED = 20_260_301;

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
    printGoals(goals);
    if (!smoke)
      writeResult(
        'throughput',
        { size, resultHash: arms.resultHash, arms: summaryOf({ ...arms.results, ...scale }), goals },
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
  await fillLog(world, 'zipf', history({ seed: SEED, events: size.events, profiles: size.profiles, zipfS: 1 }));
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
      printArm(`round ${round + 1} ${arm}`, result);
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
    await fillLog(world, kind, everyCustomer(profiles, 'first', 11));
    printArm(
      `fill ${kind}`,
      await runArm('worker', {
        url: world.server.url,
        root: kind,
        out: `fill-${kind}`,
        folder: join(world.folder, `start-${kind}`),
        keep: true,
      }),
    );
    await fillLog(world, kind, history({ seed: SEED + 3, events: size.measured, profiles, zipfS: 0 }));
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
      printArm(`round ${round + 1} worker, ${kind} profiles`, result);
    }
  }
  return results;
}
