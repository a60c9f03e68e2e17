// G14: what counting and being scraped costs an event: CPU in the memory arm. See bench/README.md.
import { join } from 'node:path';
import { printArm, printGoals, summaryOf } from './arm_report.ts';
import { history } from './events.ts';
import { ratio } from './figures.ts';
import { checkExport, fillLog, hashExport, runArm, startWorld, writeResult, type ArmResult, type World } from './world.ts';

const SEED = 20_261_130;
const ROOT = 'metrics';

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
const FULL: Size = { events: 500_000, profiles: 100_000, rounds: 10 };
const SMOKE: Size = { events: 1_500, profiles: 200, rounds: 1 };

const ARMS = ['off', 'scraped'] as const;
type Arm = (typeof ARMS)[number];

export async function runMetrics(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld(ROOT, '2m');
  try {
    await fillLog(world, ROOT, history({ seed: SEED, events: size.events, profiles: size.profiles, zipfS: 1 }));
    const resultHash = await checkedResult(world);
    const results = await measure(world, size);
    const cpu = (arm: Arm): number[] => results[arm].map(({ cpuSeconds, events }) => cpuSeconds / events);
    const goals = { G14: ratio(cpu('off'), cpu('scraped')) };
    printGoals(goals);
    if (!smoke) writeResult('metrics', { size, resultHash, arms: summaryOf(results), goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

/** Which arm is first changes from round to round. */
async function measure(world: World, size: Size): Promise<Record<Arm, ArmResult[]>> {
  const results: Record<Arm, ArmResult[]> = { off: [], scraped: [] };
  const done = new Set<string>();
  for (let round = 0; round < size.rounds; round++) {
    for (const arm of round % 2 === 0 ? ARMS : [...ARMS].reverse()) {
      const result = await runArm('memory', { ...parametersOf(world), metrics: arm });
      results[arm].push(result);
      printArm(`round ${round + 1} ${arm}`, result);
      done.add([result.events, result['changes'], result['profiles']].join());
      const isCounting = result['counted']! > 0;
      if (isCounting !== (arm === 'scraped')) throw new Error(`${arm}: ${result['counted']} events were counted`);
    }
  }
  if (done.size !== 1) throw new Error(`the arms did not do the same: ${[...done].join(' · ')}`);
  return results;
}

/** What the whole worker makes of the log, checked against brute force. @returns a hash of it */
async function checkedResult(world: World): Promise<string> {
  const exportTo = join(world.folder, 'export.ndjson');
  await runArm('worker', { ...parametersOf(world), exportTo });
  console.log(`  checked against brute force: ${await checkExport(world, ROOT, exportTo)} profiles equal`);
  return hashExport(exportTo);
}

let outs = 0;

function parametersOf(world: World): Readonly<Record<string, unknown>> {
  return { url: world.server.url, root: ROOT, out: `out-${outs++}`, folder: join(world.folder, 'state') };
}
