// F11: a million values that are due in the same millisecond, beside reads that go on meanwhile. See bench/README.md.
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { watchExpiries } from './expiry_watch.ts';
import { percentile, spread } from './figures.ts';
import type { Block } from './lag_probe.ts';
import type { Read, ReadAnswer, ReadOrder } from './read_child.ts';
import { shortWindow } from './short_window.ts';
import { checkState } from './stored_state.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_260_411;
/** A machine that is too slow for the window gets one twice as long. */
const TRIES = 3;
const SAMPLE_MS = 100;
/** Reads before it are what those during it are compared with. */
const SETTLE_MS = 500;

/** `windowMs`: long enough to send everything and to have it applied before the first value leaves. */
type Size = {
  readonly profiles: number;
  readonly windowMs: number;
  readonly beforeMs: number;
  readonly allLeftMs: number;
  readonly readsPerSecond: number;
};
const FULL: Size = { profiles: 1_000_000, windowMs: 110_000, beforeMs: 8_000, allLeftMs: 180_000, readsPerSecond: 100 };
const SMOKE: Size = { profiles: 20_000, windowMs: 5_000, beforeMs: 500, allLeftMs: 20_000, readsPerSecond: 50 };

/** How many had left, by the listener, so long after they were due. */
type Left = { readonly afterMs: number; readonly values: number };
type Herd = {
  readonly root: string;
  readonly windowMs: number;
  readonly dueMs: number;
  readonly endMs: number;
  readonly left: readonly Left[];
  readonly reads: readonly Read[];
};

/** There are no rounds: it happens once. */
export async function runHerd(smoke: boolean): Promise<void> {
  const size = smoke ? SMOKE : FULL;
  const world = await startWorld('herd', '2m');
  try {
    let herd: Herd | undefined;
    for (let attempt = 0; herd === undefined; attempt++) {
      if (attempt === TRIES) throw new Error('they were always applied too late: this machine is too slow for that many');
      herd = await measure(world, { ...size, windowMs: size.windowMs * 2 ** attempt }, `herd${attempt}`);
    }
    const { root, windowMs } = herd;
    const blocks = JSON.parse(readFileSync(lagFile(world, root), 'utf8')) as readonly Block[];
    const plan = compilePlan(shortWindow(windowMs));
    const checked = await checkState({ world, root, folder: join(world.folder, root), plan });
    if (checked !== size.profiles) throw new Error(`there are ${checked} profiles, not ${size.profiles}`);
    console.log(`  checked against brute force: ${checked} profiles equal; each value left once`);
    const report = reportOf(size, herd, blocks);
    if (!smoke) writeResult('herd', { size: { ...size, windowMs }, profilesChecked: checked, ...report }, world, SEED);
  } finally {
    await world.stop();
  }
}

const lagFile = (world: World, root: string): string => join(world.folder, `${root}-lag.json`);

/** Undefined when the values were due before everything was applied. */
async function measure(world: World, size: Size, root: string): Promise<Herd | undefined> {
  const definitions = shortWindow(size.windowMs);
  await fillLog(world, root, [], definitions);
  const probe = new URL('./lag_probe.ts', import.meta.url).href;
  const nodeFlags = ['--import', probe];
  const environment = { BENCH_LAG_FILE: lagFile(world, root) };
  const worker = await startWorker({ world, root, folder: join(world.folder, root), nodeFlags, environment });
  const atMs = Date.now();
  const dueMs = atMs + size.windowMs + 1; // inside up to and including the window's length
  const times = new Uint8Array(size.profiles);
  let left = 0;
  const watch = await watchExpiries({ url: world.server.url, root }, (id) => {
    times[Number(id.slice(2))]!++;
    left++;
  });
  let reader: ChildProcess | undefined;
  try {
    await fillLog(world, root, everyCustomer(size.profiles, 'herd', 0, atMs), definitions);
    await caughtUp(world, root, size.windowMs + size.allLeftMs);
    const readyMs = dueMs - Date.now();
    console.log(`${size.profiles} profiles applied ${(readyMs / 1000).toFixed(1)} s before they are due`);
    if (readyMs < size.beforeMs) return undefined;
    await delay(readyMs - size.beforeMs);
    reader = startReader(world, root, size, dueMs);
    const samples: Left[] = [];
    while (left < size.profiles) {
      await Promise.race([watch.ended, delay(SAMPLE_MS)]);
      const afterMs = Date.now() - dueMs;
      if (afterMs >= 0) samples.push({ afterMs, values: left });
      if (afterMs > size.allLeftMs) throw new Error(`after ${afterMs} ms only ${left} of ${size.profiles} values have left`);
    }
    const endMs = Date.now();
    const { reads, wrong } = await answerOf(reader);
    await delay(SETTLE_MS); // one that leaves twice does so soon
    if (left !== size.profiles || times.some((n) => n !== 1)) throw new Error(`${left} values left; some again`);
    if (wrong > 0) throw new Error(`${wrong} of ${reads.length} reads showed another value than their time says`);
    return { root, windowMs: size.windowMs, dueMs, endMs, left: samples, reads };
  } finally {
    reader?.disconnect();
    await watch.close();
    await worker.stop();
  }
}

function startReader(world: World, root: string, { profiles, readsPerSecond: rate }: Size, dueMs: number): ChildProcess {
  const order: ReadOrder = { url: world.server.url, root, profiles, rate, seed: SEED, dueMs };
  return fork(new URL('./read_child.ts', import.meta.url).pathname, [JSON.stringify(order)]);
}

function answerOf(reader: ChildProcess): Promise<ReadAnswer> {
  return new Promise((resolve, reject) => {
    reader.once('exit', (code) => reject(new Error(`the reader ended with ${code}`)));
    reader.once('message', (answer) => resolve(answer as ReadAnswer));
    reader.send('stop');
  });
}

function reportOf({ profiles }: Size, { dueMs, endMs, left, reads }: Herd, blocks: readonly Block[]): Record<string, unknown> {
  const sorted = (during: boolean): number[] =>
    reads.flatMap(([atMs, ms]) => (atMs >= dueMs === during ? [ms] : [])).sort((a, b) => a - b);
  const latencies = (ms: readonly number[]): Record<string, number> => {
    const at = (p: number): number => (ms.length === 0 ? NaN : percentile(ms, p));
    return { reads: ms.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  };
  const [before, during] = [latencies(sorted(false)), latencies(sorted(true))];
  const long = blocks.filter(([atMs]) => atMs >= dueMs && atMs <= endMs).map(([, ms]) => ms);
  const longestMs = Math.max(0, ...long);
  const tookMs = endMs - dueMs;
  console.log(
    `${profiles} values left within ${(tookMs / 1000).toFixed(1)} s of the millisecond they were due: ${Math.round(profiles / (tookMs / 1000)).toLocaleString('en')}/s`,
  );
  console.log(`the worker's event loop: longest block ${longestMs.toFixed(1)} ms, ${long.length} over 5 ms`);
  for (const [name, { reads: n, p50Ms, p99Ms, maxMs }] of Object.entries({ before, during }))
    console.log(`reads ${name}: ${n}, p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms`);
  const goals = { F11block: spread([longestMs]), F11read: spread([during['p99Ms']!]), F11seconds: spread([tookMs / 1000]) };
  printGoals(goals);
  return { arms: { before, during, blocks: { longestMs, over5Ms: long.length }, tookMs, left }, goals };
}
