// G10: one profile gets half of all events, beside the same number of events spread evenly. See bench/README.md.
import { join } from 'node:path';
import { printArm, printGoals, rates, summaryOf } from './arm_report.ts';
import { history } from './events.ts';
import { ratio } from './figures.ts';
import {
  checkExport,
  fillLog,
  hashExport,
  runArm,
  startWorld,
  writeResult,
  type ArmResult,
  type Sendable,
  type World,
} from './world.ts';

const SEED = 20_260_310;
const HOT = 'c-hot';
const KINDS = ['uniform', 'hot'] as const;

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
const FULL: Size = { events: 300_000, profiles: 100_000, rounds: 5 };
const SMOKE: Size = { events: 4_000, profiles: 500, rounds: 1 };

export async function runHot(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('hot', '2m');
  try {
    const { events, profiles } = size;
    await fillLog(world, 'uniform', history({ seed: SEED, events, profiles, zipfS: 0 }));
    await fillLog(world, 'hot', halfToOne(history({ seed: SEED, events, profiles: 2 * profiles, zipfS: 0 })));
    const results: Record<string, ArmResult[]> = {};
    const hashes: string[] = [];
    for (let round = 0; round < size.rounds; round++) {
      for (const kind of KINDS) (results[kind] ??= []).push(await measure(world, kind, round, hashes));
    }
    const goals = { G10: ratio(rates(results['hot']!), rates(results['uniform']!)) };
    printGoals(goals);
    if (!smoke) writeResult('hot', { size, resultHash: hashes.join('-'), arms: summaryOf(results), goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, kind: string, round: number, hashes: string[]): Promise<ArmResult> {
  const exportTo = round === 0 ? join(world.folder, `export-${kind}.ndjson`) : undefined;
  const result = await runArm('worker', {
    url: world.server.url,
    root: kind,
    out: `out-${kind}-${round}`,
    folder: join(world.folder, 'state'),
    exportTo,
  });
  printArm(`round ${round + 1} ${kind}`, result);
  if (exportTo === undefined) return result;
  console.log(`  checked against brute force: ${await checkExport(world, kind, exportTo)} profiles equal`);
  hashes.push(hashExport(exportTo));
  return result;
}

/** Every second customer becomes the same one: half of the events, their duplicates with them. */
function* halfToOne(events: Iterable<Sendable>): Iterable<Sendable> {
  for (const event of events) {
    const number = /^c-(\d+)$/.exec(event.id)?.[1];
    yield number !== undefined && Number(number) % 2 === 1 ? { ...event, id: HOT } : event;
  }
}
