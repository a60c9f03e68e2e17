// G16: what a worker's process takes while its profiles are many times its cache. See bench/README.md.
import { join } from 'node:path';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { printGoals } from './arm_report.ts';
import { slope, spread, type Goal } from './figures.ts';
import { LoadGenerator, type LoadResult } from './load.ts';
import { canSample, readMemory, sampleMemory, type MemorySample } from './process_memory.ts';
import { exportState } from './stored_state.ts';
import { cacheOf, startWorker, type CacheFigures } from './worker_process.ts';
import { checkExport, DEFINITIONS, fillLog, hashExport, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_260_316;
const ROOT = 'memory';
const PROGRESS_MS = 20_000;

type Size = {
  readonly profiles: number;
  readonly cacheMb: number;
  readonly warmProfiles: number;
  readonly warmSeconds: number;
  readonly baseSeconds: number;
  readonly fillSeconds: number;
  readonly soakSeconds: number;
  readonly rate: number;
};
const FULL: Size = {
  profiles: 300_000,
  cacheMb: 64,
  warmProfiles: 1_000,
  warmSeconds: 10,
  baseSeconds: 6,
  fillSeconds: 60,
  soakSeconds: 120,
  rate: 4_000,
};
const SMOKE: Size = {
  profiles: 2_000,
  cacheMb: 4,
  warmProfiles: 100,
  warmSeconds: 0.3,
  baseSeconds: 0.2,
  fillSeconds: 0.7,
  soakSeconds: 1.2,
  rate: 1_000,
};

type Soak = {
  readonly base: MemorySample;
  readonly samples: readonly MemorySample[];
  readonly load: LoadResult;
  /** At the end: does the cache keep its budget? */
  readonly cache: CacheFigures;
};

/** There are no rounds: one process, and every second of its soak is a sample. */
export async function runMemory(smoke: boolean): Promise<void> {
  if (!canSample) {
    console.log('memory: skipped, it reads /proc');
    return;
  }
  const size = smoke ? SMOKE : FULL;
  const world = await startWorld('memory', '2m');
  try {
    const folder = join(world.folder, 'state');
    const soak = await measure(world, size, folder);
    const exportTo = join(world.folder, 'export.ndjson');
    await exportState(folder, compilePlan(loadDefinitionsFile(DEFINITIONS)), exportTo);
    console.log(`  checked against brute force: ${await checkExport(world, ROOT, exportTo)} profiles equal`);
    const report = reportOf(size, soak);
    printGoals(report.goals);
    if (!smoke) writeResult('memory', { size, resultHash: hashExport(exportTo), ...report }, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, folder: string): Promise<Soak> {
  await fillLog(world, ROOT, []);
  const more = { 'cache.maxBytes': `${size.cacheMb}MB` };
  const nodeFlags = [`--max-old-space-size=${heapMb(size.cacheMb)}`];
  const worker = await startWorker({ world, root: ROOT, folder, more, nodeFlags });
  const load = await LoadGenerator.start(world, ROOT);
  try {
    const { profiles, rate } = size;
    const usual = { rate, seed: SEED, customers: 'c', profiles };
    // warm: compiled, buffers grown; but with so few profiles that the cache holds next to nothing
    await load.run({ ...usual, tag: 'warm', seconds: size.warmSeconds, customers: 'w', profiles: size.warmProfiles });
    const atRest = sampleMemory(worker.pid);
    await new Promise((resolve) => setTimeout(resolve, size.baseSeconds * 1000));
    const base = middle(atRest.stop());
    print('base', base);
    // every customer once, not faster than the worker can: a backlog would be a measurement of its own
    await load.run({ ...usual, tag: 'first', inTurn: true, rate: profiles / size.fillSeconds, seconds: size.fillSeconds });
    print(`${profiles} profiles`, { second: 0, ...readMemory(worker.pid) });
    const soaking = sampleMemory(worker.pid);
    const startMs = performance.now();
    const progress = setInterval(() => {
      const second = Math.round((performance.now() - startMs) / 1000);
      print(`soaking, ${second} of ${size.soakSeconds} s`, { second, ...readMemory(worker.pid) });
    }, PROGRESS_MS);
    const result = await load.run({ ...usual, tag: 'soak', seconds: size.soakSeconds }).finally(() => clearInterval(progress));
    const samples = soaking.stop();
    print('end', samples[samples.length - 1]!);
    const cache = await cacheOf(world, ROOT);
    console.log(
      `  its cache: ${Math.round(cache.bytes / 1024 ** 2)} MB in ${cache.profiles} profiles, ${cache.dirty} not stored yet`,
    );
    return { base, samples, load: result, cache };
  } finally {
    await load.stop();
    await worker.stop();
  }
}

/** The heap that docs/run.md tells operators to allow: without a limit V8 collects late, and the process takes twice as much. */
function heapMb(cacheMb: number): number {
  return 2 * cacheMb + 256;
}

/** The sample with the middle RSS. */
function middle(samples: readonly MemorySample[]): MemorySample {
  return [...samples].sort((a, b) => a.rss - b.rss)[samples.length >> 1]!;
}

type Report = {
  readonly arms: Readonly<Record<string, unknown>>;
  readonly goals: Readonly<Record<'G16' | 'G16anonymous', Goal>>;
};

/** Over the second half of the soak: `G16` by resident set, as the goal says it; `G16anonymous` without pages of files. */
function reportOf({ cacheMb }: Size, { base, samples, load, cache }: Soak): Report {
  const second = samples.slice(samples.length >> 1);
  const budget = cacheMb * 1024 ** 2;
  const goal = (of: (sample: MemorySample) => number): Goal => spread(second.map((sample) => of(sample) / (budget + of(base))));
  const growth = (of: (sample: MemorySample) => number): Record<string, number> => {
    const bytesPerMinute = slope(second.map((sample) => [sample.second / 60, of(sample)]));
    const { median } = spread(second.map(of));
    return { mbPerMinute: bytesPerMinute / 1024 ** 2, percentPerMinute: (100 * bytesPerMinute) / median };
  };
  const slopes = { rss: growth(({ rss }) => rss), anonymous: growth(({ anonymous }) => anonymous) };
  for (const [name, { mbPerMinute, percentPerMinute }] of Object.entries(slopes))
    console.log(`slope of ${name}: ${mbPerMinute!.toFixed(2)} MB/min, ${percentPerMinute!.toFixed(2)} %/min`);
  return {
    arms: { base, budget, cache, slopes, load, soak: samples },
    goals: { G16: goal(({ rss }) => rss), G16anonymous: goal(({ anonymous }) => anonymous) },
  };
}

function print(name: string, { rss, anonymous, file }: MemorySample): void {
  const mb = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MB`;
  console.log(`${name}: resident ${mb(rss)}, of which anonymous ${mb(anonymous)}, pages of files ${mb(file)}`);
}
