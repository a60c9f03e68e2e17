// G20: reads of profiles over HTTP a second ÷ answers of the same size that bare node:http gives. See bench/README.md.
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { ratio, spread } from './figures.ts';
import type { HttpOrder, HttpResult } from './http_load_child.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { fillLog, runChild, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_129;
const ROOT = 'http';
const FILL_MS_MAX = 120_000;
const ORDERS_EACH = 3;

type Size = {
  readonly profiles: number;
  readonly connections: number;
  readonly rounds: number;
  readonly warmSeconds: number;
  readonly seconds: number;
};
const FULL: Size = { profiles: 10_000, connections: 32, rounds: 7, warmSeconds: 2, seconds: 6 };
const SMOKE: Size = { profiles: 200, connections: 4, rounds: 1, warmSeconds: 0.2, seconds: 0.5 };

export async function runHttp(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('http', '2m');
  try {
    await measure(world, size, smoke);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, smoke: boolean): Promise<void> {
  for (let n = 0; n < ORDERS_EACH; n++) await fillLog(world, ROOT, everyCustomer(size.profiles, `order${n}`, 11 - n));
  const worker = await startWorker({ world, root: ROOT, folder: join(world.folder, 'state') });
  const arms: Record<'worker' | 'echo', HttpResult[]> = { worker: [], echo: [] };
  let echo: ChildProcess | undefined;
  let bytes = 0;
  try {
    await caughtUp(world, ROOT, FILL_MS_MAX);
    const profile = await (await fetch(`http://127.0.0.1:${worker.httpPort}/profiles/customerId/c-7`)).text();
    bytes = Buffer.byteLength(profile);
    echo = fork(new URL('./echo_http_child.ts', import.meta.url).pathname, [profile]);
    const echoPort = await new Promise<number>((resolve, reject) => {
      echo!.once('message', (port) => resolve(port as number));
      echo!.once('exit', (code) => reject(new Error(`the echo ended with ${code}`)));
    });
    const { profiles, connections, warmSeconds, seconds } = size;
    for (let round = 0; round < size.rounds; round++) {
      // the other one first in every second round: what a machine does over time falls on both
      const order = [['worker', worker.httpPort] as const, ['echo', echoPort] as const];
      for (const [arm, port] of round % 2 === 0 ? order : order.reverse()) {
        const asked = { port, connections, profiles, warmSeconds, seconds, seed: SEED + round, status: 200 };
        const result = await httpLoad(asked);
        arms[arm].push(result);
        print(`round ${round + 1} ${arm}`, result);
      }
    }
  } finally {
    echo?.disconnect();
    await worker.stop();
  }
  const rates = (results: readonly HttpResult[]): number[] => results.map(({ perSecond }) => perSecond);
  const goals = { G20: ratio(rates(arms.worker), rates(arms.echo)) };
  printGoals(goals);
  const figures = Object.fromEntries(
    Object.entries(arms).map(([arm, results]) => [arm, { requestsPerSecond: spread(rates(results)), rounds: results }]),
  );
  if (!smoke) writeResult('http', { size, bytes, arms: figures, goals }, world, SEED);
}

/** Asks in a process of its own. @throws when an answer was not the one that is expected, or there was none */
export async function httpLoad(order: HttpOrder): Promise<HttpResult> {
  const result = (await runChild<HttpResult>(new URL('./http_load_child.ts', import.meta.url), [JSON.stringify(order)])).at(-1)!;
  if (result.wrong > 0 || result.requests === 0)
    throw new Error(`of ${result.requests} answers ${result.wrong} were not ${order.status}`);
  return result;
}

function print(name: string, { perSecond, p50Ms, p99Ms, maxMs }: HttpResult): void {
  const ms = (value: number): string => value.toFixed(1);
  console.log(
    `${name}: ${Math.round(perSecond).toLocaleString('en')} requests/s, p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)}, max ${ms(maxMs)}`,
  );
}
