// G15: what the files take, beside the bytes of all encoded profiles. See bench/README.md.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { printArm, printGoals } from './arm_report.ts';
import { everyCustomer, history } from './events.ts';
import { spread, type Goal } from './figures.ts';
import { sizesOf, type DiskSizes } from './stored_state.ts';
import { checkExport, DEFINITIONS, fillLog, hashExport, runArm, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_260_315;
const PASSES = ['first', 'second'] as const;

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
/** Three rounds: the log is the same, only when a checkpoint falls differs, and the ratio with it by a few percent. */
const FULL: Size = { events: 500_000, profiles: 100_000, rounds: 3 };
const SMOKE: Size = { events: 3_000, profiles: 500, rounds: 1 };

type Sizes = Record<(typeof PASSES)[number], DiskSizes[]>;

export async function runDisk(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('disk', '2m');
  try {
    const sizes: Sizes = { first: [], second: [] };
    let resultHash = '';
    for (let round = 0; round < size.rounds; round++) {
      const exportTo = round === 0 ? join(world.folder, 'export.ndjson') : undefined;
      await measure({ world, size, round, sizes, exportTo });
      if (exportTo === undefined) continue;
      console.log(`  checked against brute force: ${await checkExport(world, 'disk-0', exportTo)} profiles equal`);
      resultHash = hashExport(exportTo);
    }
    const goals = { G15: ratioOf(sizes.first), G15second: ratioOf(sizes.second) };
    printGoals(goals);
    const arms = Object.fromEntries(PASSES.map((pass) => [pass, { fileToEncoded: ratioOf(sizes[pass]), rounds: sizes[pass] }]));
    if (!smoke) writeResult('disk', { size, resultHash, arms, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

type Round = {
  readonly world: World;
  readonly size: Size;
  readonly round: number;
  readonly sizes: Sizes;
  readonly exportTo: string | undefined;
};

/** The shop's history into an empty store; then a restart, and one more purchase of every customer: every page is written again. */
async function measure({ world, size, round, sizes, exportTo }: Round): Promise<void> {
  const root = `disk-${round}`; // a log of its own: the second pass must not be in the next round's first
  const folder = join(world.folder, 'state');
  const plan = compilePlan(loadDefinitionsFile(DEFINITIONS));
  const usual = { url: world.server.url, root, out: `out-${round}`, folder, keep: true };
  for (const pass of PASSES) {
    const first = pass === 'first';
    await fillLog(
      world,
      root,
      first
        ? history({ seed: SEED, events: size.events, profiles: size.profiles, zipfS: 1 })
        : everyCustomer(size.profiles, 'again', 0),
    );
    const result = await runArm('worker', {
      ...usual,
      keepOut: first,
      goOn: !first,
      outExists: !first,
      exportTo: first ? undefined : exportTo,
    });
    printArm(`round ${round + 1} ${pass} pass`, result);
    const found = await sizesOf(folder, plan);
    sizes[pass].push(found);
    print(found);
  }
  rmSync(folder, { recursive: true });
}

function print({ profiles, fileBytes, pageBytes, encodedBytes }: DiskSizes): void {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(
    `  ${profiles} profiles, ${mb(encodedBytes)} encoded, ${mb(pageBytes)} in pages, ${mb(fileBytes)} in files: ${(fileBytes / encodedBytes).toFixed(2)}`,
  );
}

function ratioOf(sizes: readonly DiskSizes[]): Goal {
  return spread(sizes.map(({ fileBytes, encodedBytes }) => fileBytes / encodedBytes));
}
