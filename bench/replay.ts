// G18: replaying history that was emitted before, beside the live run that emitted it. See bench/README.md.
import { join } from 'node:path';
import { printArm, printGoals, rates, summaryOf } from './arm_report.ts';
import { history } from './events.ts';
import { ratio } from './figures.ts';
import {
  checkExport,
  fillLog,
  hashExport,
  PARTITIONS,
  runArm,
  startWorld,
  writeResult,
  type ArmResult,
  type World,
} from './world.ts';

const SEED = 20_260_318;
const ROOT = 'replayed';
const ARMS = ['live', 'replay'] as const;

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
const FULL: Size = { events: 500_000, profiles: 100_000, rounds: 5 };
const SMOKE: Size = { events: 4_000, profiles: 500, rounds: 1 };

export async function runReplay(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('replay', '2m');
  try {
    await fillLog(world, ROOT, history({ seed: SEED, events: size.events, profiles: size.profiles, zipfS: 1 }));
    const results: Record<string, ArmResult[]> = { live: [], replay: [] };
    let resultHash = '';
    for (let round = 0; round < size.rounds; round++) {
      const exportTo = round === 0 ? join(world.folder, 'export.ndjson') : undefined;
      for (const arm of ARMS) results[arm]!.push(await measure(world, arm, round, exportTo));
      checkSilence(results['live']![round]!, results['replay']![round]!);
      if (exportTo === undefined) continue;
      console.log(`  checked against brute force: ${await checkExport(world, ROOT, exportTo)} profiles equal`);
      resultHash = hashExport(exportTo);
    }
    const goals = { G18: ratio(rates(results['replay']!), rates(results['live']!)) };
    printGoals(goals);
    if (!smoke) writeResult('replay', { size, resultHash, arms: summaryOf(results), goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

/** Both start with an empty folder; the replay finds the change stream that the live run left. */
async function measure(world: World, arm: string, round: number, exportTo: string | undefined): Promise<ArmResult> {
  const replays = arm === 'replay';
  const result = await runArm('worker', {
    url: world.server.url,
    root: ROOT,
    out: `out-${round}`,
    folder: join(world.folder, 'state'),
    outExists: replays,
    keepOut: !replays,
    exportTo: replays ? exportTo : undefined,
  });
  printArm(`round ${round + 1} ${arm}`, result);
  return result;
}

/** A replay that emits again, or one that found nothing to be silent about, measures something else. */
function checkSilence(live: ArmResult, replay: ArmResult): void {
  const again = replay['outMessages']! - live['outMessages']!;
  if (again !== PARTITIONS || live['outMessages']! <= 2 * PARTITIONS)
    throw new Error(
      `the replay added ${again} messages to ${live['outMessages']}; each of ${PARTITIONS} shards takes over with one`,
    );
  if (replay['changes'] !== live['changes'])
    throw new Error(`the replay saw ${replay['changes']} changes, the live run ${live['changes']}`);
}
