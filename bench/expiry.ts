// G8: from when a value is due to leave its window until a listener has read that it did, beside the tick. See bench/README.md.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { formatTime } from '../src/base/time.ts';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { inputSubject } from '../src/message/subject.ts';
import { openConnection, type Connection } from '../src/nats/connection.ts';
import { freePort } from '../test/support/free_port.ts';
import { parseMetrics } from '../test/support/metrics_text.ts';
import { printGoals } from './arm_report.ts';
import { watchExpiries } from './expiry_watch.ts';
import { percentile, spread, type Goal } from './figures.ts';
import { shortWindow } from './short_window.ts';
import { checkState } from './stored_state.ts';
import { startWorker } from './worker_process.ts';
import { benchSettings, fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 0; // nothing is drawn
const ROOT = 'expiry';
/** The worker's default. */
const TICK_MS = 100;
const SEND_EVERY_MS = 5;
const ALL_LEFT_MS = 30_000;
const HISTOGRAM = 'visage_expiry_lateness_seconds';
const KINDS = ['quiet', 'busy'] as const;

type Size = { readonly rounds: number; readonly rate: number; readonly sendSeconds: number; readonly windowMs: number };
const FULL: Size = { rounds: 5, rate: 2_000, sendSeconds: 6, windowMs: 3_000 };
const SMOKE: Size = { rounds: 1, rate: 500, sendSeconds: 0.6, windowMs: 300 };

/** `busy`: due while events still came in, whose stamps move time too; `quiet`: afterwards, when only ticks do. */
type Lateness = { readonly values: number; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
type Round = Readonly<Record<(typeof KINDS)[number], Lateness>>;

/** One customer, one order: one value that leaves. */
type Orders = { readonly dueMs: Float64Array; readonly lateMs: Float64Array; sent: number; left: number; repeated: number };

export async function runExpiry(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('expiry', '2m');
  try {
    const definitions = shortWindow(size.windowMs);
    await fillLog(world, ROOT, [], definitions);
    const folder = join(world.folder, 'state');
    const { measured, worker } = await measure(world, size, folder);
    const checked = await checkState({ world, root: ROOT, folder, plan: compilePlan(definitions) });
    console.log(`  checked against brute force: ${checked} profiles equal; each value left once`);
    const goal = (kind: (typeof KINDS)[number]): Goal => spread(measured.map((round) => round[kind].p99Ms / TICK_MS));
    const goals = { G8: goal('quiet'), G8busy: goal('busy') };
    printGoals(goals);
    const arms = { ...Object.fromEntries(KINDS.map((kind) => [kind, { rounds: measured.map((round) => round[kind]) }])), worker };
    if (!smoke) writeResult('expiry', { size: { ...size, tickMs: TICK_MS }, profilesChecked: checked, arms, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, folder: string): Promise<{ measured: Round[]; worker: WorkerView }> {
  const port = await freePort();
  const worker = await startWorker({ world, root: ROOT, folder, more: { 'admin.port': String(port) } });
  const nc = await openConnection(benchSettings(world, ROOT).nats, 'bench orders');
  let now: Orders = ordersOf(0);
  let tag = '';
  const watch = await watchExpiries({ url: world.server.url, root: ROOT }, (id, arrivedMs) => {
    const dash = id.lastIndexOf('-');
    if (id.slice(0, dash) === tag) left(now, Number(id.slice(dash + 1)), arrivedMs);
    else now.repeated++; // of a round that was over
  });
  try {
    const measured: Round[] = [];
    for (let round = -1, before = await histogramOf(port); ; round++) {
      now = ordersOf(size.rate * size.sendSeconds);
      tag = round < 0 ? 'warm' : `r${round}`;
      const sentAllMs = await send(nc, tag, now, size);
      await Promise.race([watch.ended, allLeft(now)]);
      if (round < 0) {
        before = await histogramOf(port); // the first is compilation as much as work
        continue;
      }
      measured.push(latenessOf(now, sentAllMs));
      print(round, measured[round]!);
      if (round < size.rounds - 1) continue;
      return { measured, worker: viewOf(before, await histogramOf(port), size) };
    }
  } finally {
    await watch.close();
    await nc.close();
    await worker.stop();
  }
}

function ordersOf(values: number): Orders {
  return { dueMs: new Float64Array(values), lateMs: new Float64Array(values).fill(NaN), sent: 0, left: 0, repeated: 0 };
}

/** At a fixed rate; when it was behind, several at once. @returns when the last was sent */
async function send(nc: Connection, tag: string, orders: Orders, { rate, windowMs }: Size): Promise<number> {
  const startMs = performance.now();
  const total = orders.dueMs.length;
  while (orders.sent < total) {
    const until = Math.min(total, Math.floor(((performance.now() - startMs) * rate) / 1000));
    const nowMs = Date.now();
    const timestamp = formatTime(nowMs);
    for (; orders.sent < until; orders.sent++) {
      const id = `${tag}-${orders.sent}`;
      orders.dueMs[orders.sent] = nowMs + windowMs + 1; // inside up to and including the window's length
      nc.publish(
        inputSubject(ROOT, 'orders', { namespace: 'customerId', id }),
        `{"_id":"${id}","timestamp":"${timestamp}","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":9.99}}}`,
      );
    }
    await delay(SEND_EVERY_MS);
  }
  return Date.now();
}

function left(orders: Orders, i: number, arrivedMs: number): void {
  if (!Number.isNaN(orders.lateMs[i]!)) orders.repeated++;
  else {
    orders.left++;
    orders.lateMs[i] = arrivedMs - orders.dueMs[i]!;
  }
}

/** @throws when one did not leave, left twice, or left before it was due */
async function allLeft(orders: Orders): Promise<void> {
  const endMs = performance.now() + ALL_LEFT_MS;
  while (orders.left < orders.dueMs.length && performance.now() < endMs) await delay(20);
  await delay(2 * TICK_MS); // one that leaves twice does so soon
  const early = orders.lateMs.reduce((count, ms) => count + (ms < 0 ? 1 : 0), 0);
  if (orders.left !== orders.dueMs.length || orders.repeated > 0 || early > 0)
    throw new Error(`of ${orders.dueMs.length} values ${orders.left} left, ${orders.repeated} again, ${early} too early`);
}

function latenessOf({ dueMs, lateMs }: Orders, sentAllMs: number): Round {
  const figures = (isBusy: boolean): Lateness => {
    const sorted = lateMs.filter((_, i) => dueMs[i]! < sentAllMs === isBusy).sort();
    return {
      values: sorted.length,
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      maxMs: sorted[sorted.length - 1]!,
    };
  };
  return { quiet: figures(false), busy: figures(true) };
}

function print(round: number, figures: Round): void {
  for (const kind of KINDS) {
    const { values, p50Ms, p99Ms, maxMs } = figures[kind];
    console.log(`round ${round + 1} ${kind}: ${values} values, late p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms`);
  }
}

/** How late the worker says that values left, by the log's time: without the way to a listener. */
type WorkerView = { readonly values: number; readonly meanMs: number; readonly p99MsAtMost: number };
type Buckets = ReadonlyMap<string, number>;

async function histogramOf(port: number): Promise<Buckets> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return parseMetrics(text).get(HISTOGRAM)?.samples ?? new Map();
}

/** @throws when it counts other values than there were */
function viewOf(before: Buckets, after: Buckets, { rounds, rate, sendSeconds }: Size): WorkerView {
  const grown = (sample: string): number => (after.get(sample) ?? 0) - (before.get(sample) ?? 0);
  const values = grown(`${HISTOGRAM}_count`);
  if (values !== rounds * rate * sendSeconds) throw new Error(`the worker counted ${values} values that left`);
  const bounds = [...after.keys()].flatMap((sample) => /_bucket\{le="([\d.]+)"\}/.exec(sample)?.[1] ?? []);
  const within = bounds.find((bound) => grown(`${HISTOGRAM}_bucket{le="${bound}"}`) >= 0.99 * values);
  const view = {
    values,
    meanMs: (1000 * grown(`${HISTOGRAM}_sum`)) / values,
    p99MsAtMost: within === undefined ? Infinity : 1000 * Number(within),
  };
  console.log(`by the worker's histogram: mean ${view.meanMs.toFixed(1)} ms, p99 at most ${view.p99MsAtMost} ms`);
  return view;
}
