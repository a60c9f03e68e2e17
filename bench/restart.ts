// G11: from the start of a worker's process to its first event, with many profiles stored, beside the same with few. See bench/README.md.
import { join } from 'node:path';
import { openClient, type Client } from '../src/worker/client.ts';
import { inputSubject } from '../src/message/subject.ts';
import { formatTime } from '../src/base/time.ts';
import { printGoals } from './arm_report.ts';
import { everyCustomer } from './events.ts';
import { ratio, spread } from './figures.ts';
import { caughtUp, startWorker } from './worker_process.ts';
import { benchSettings, fillLog, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_211;
const FILL_MS_MAX = 400_000;

type Size = { readonly few: number; readonly many: number; readonly rounds: number };
const FULL: Size = { few: 10_000, many: 1_000_000, rounds: 5 };
const SMOKE: Size = { few: 100, many: 500, rounds: 1 };

export async function runRestart(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('restart', '2m');
  try {
    const arms = { few: [] as number[], many: [] as number[] };
    for (const arm of ['few', 'many'] as const) {
      await fillLog(world, arm, everyCustomer(size[arm], 'first', 11));
      const worker = await startWorker({ world, root: arm, folder: join(world.folder, arm) });
      await caughtUp(world, arm, FILL_MS_MAX);
      await worker.stop();
      console.log(`${arm}: ${size[arm]} profiles stored`);
    }
    for (let round = 0; round < size.rounds; round++) {
      for (const arm of ['few', 'many'] as const) arms[arm].push(await restart(world, arm, size[arm], round));
      console.log(`round ${round + 1}: few ${Math.round(arms.few[round]!)} ms, many ${Math.round(arms.many[round]!)} ms`);
    }
    const goals = { G11: ratio(arms.many, arms.few) };
    printGoals(goals);
    const summary = { few: { ms: spread(arms.few), rounds: arms.few }, many: { ms: spread(arms.many), rounds: arms.many } };
    if (!smoke) writeResult('restart', { size, arms: summary, goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

/** @returns milliseconds from the start of the process until an event that waits for it is in the answer of a read */
async function restart(world: World, root: string, profiles: number, round: number): Promise<number> {
  const client = await openClient(benchSettings(world, root), 'bench restart');
  try {
    const id = `c-${(round * 7_919) % profiles}`;
    const sequence = await publish(client, root, id, round);
    const startMs = performance.now();
    const starting = startWorker({ world, root, folder: join(world.folder, root) });
    const view = await firstAnswer(client, { namespace: 'customerId', id, after: sequence });
    const tookMs = performance.now() - startMs;
    if ((view?.version ?? 0) < sequence) throw new Error(`the answer is as of ${view?.version}, not of ${sequence}`);
    await (await starting).stop();
    return tookMs;
  } finally {
    await client.close();
  }
}

async function firstAnswer(client: Client, query: Parameters<Client['profile']>[0]): ReturnType<Client['profile']> {
  for (;;) {
    try {
      return await client.profile(query);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5)); // nobody answers yet
    }
  }
}

async function publish({ nc }: Client, root: string, id: string, round: number): Promise<number> {
  const order = { priceTotal: 1, channel: 'web' };
  const body = {
    _id: `restart-${round}`,
    timestamp: formatTime(Date.now()),
    eventType: 'commerce.purchases',
    commerce: { order },
  };
  const subject = inputSubject(root, 'orders', { namespace: 'customerId', id });
  const { seq }: { seq: number } = (await nc.request(subject, JSON.stringify(body), { timeout: 10_000 })).json();
  return seq;
}
