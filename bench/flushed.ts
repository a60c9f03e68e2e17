// G1 once more, on a server that flushes every message before it acknowledges it, as docker/nats.conf has it. See bench/README.md.
import { join } from 'node:path';
import { printArm, printGoals, rates, summaryOf } from './arm_report.ts';
import { history } from './events.ts';
import { ratio } from './figures.ts';
import { checkExport, fillLog, hashExport, restartServer, runArm, startWorld, writeResult, type ArmResult } from './world.ts';

const SEED = 20_261_131;
const ROOT = 'flushed';

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
const FULL: Size = { events: 100_000, profiles: 100_000, rounds: 5 };
const SMOKE: Size = { events: 1_500, profiles: 200, rounds: 1 };

const ARMS = ['echo', 'worker'] as const;

export async function runFlushed(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  let world = await startWorld(ROOT, '2m');
  try {
    // filled by a server that does not flush: what is measured is what the arms publish
    await fillLog(world, ROOT, history({ seed: SEED, events: size.events, profiles: size.profiles, zipfS: 1 }));
    world = await restartServer(world, 'always');
    const results: Record<(typeof ARMS)[number], ArmResult[]> = { echo: [], worker: [] };
    let resultHash = '';
    for (let round = 0; round < size.rounds; round++) {
      for (const arm of ARMS) {
        const exportTo = round === 0 && arm === 'worker' ? join(world.folder, 'export.ndjson') : undefined;
        const out = `out-${arm}-${round}`;
        const result = await runArm(arm, {
          url: world.server.url,
          root: ROOT,
          out,
          folder: join(world.folder, 'state'),
          exportTo,
        });
        results[arm].push(result);
        printArm(`round ${round + 1} ${arm}`, result);
        if (exportTo === undefined) continue;
        console.log(`  checked against brute force: ${await checkExport(world, ROOT, exportTo)} profiles equal`);
        resultHash = hashExport(exportTo);
      }
    }
    const goals = { G1flushed: ratio(rates(results.worker), rates(results.echo)) };
    printGoals(goals);
    if (!smoke) writeResult('flushed', { size, resultHash, arms: summaryOf(results), goals }, world, SEED);
  } finally {
    await world.stop();
  }
}
