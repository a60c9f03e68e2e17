// A rolling restart of three workers under load: for how long reads of a shard fail, and that nothing comes twice. See bench/README.md.
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { identityKey, partitionOf } from '../src/message/identity.ts';
import { openClient, type Client } from '../src/worker/client.ts';
import { everyCustomer } from './events.ts';
import { spread } from './figures.ts';
import { LoadGenerator } from './load.ts';
import { caughtUp, startWorker, type BenchWorker } from './worker_process.ts';
import { benchSettings, checkExport, fillLog, PARTITIONS, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_214;
const WORKERS = 3;
const FILL_MS_MAX = 400_000;
const SHARED_MS_MAX = 120_000;
const POLL_MS = 20;

type Size = { readonly profiles: readonly number[]; readonly rate: number; readonly secondsMax: number };
const FULL: Size = { profiles: [10_000, 500_000], rate: 1_000, secondsMax: 150 };
const SMOKE: Size = { profiles: [300], rate: 200, secondsMax: 30 };

type Outcome = {
  readonly profiles: number;
  /** By shard: between two answers of its profile, beyond the pause between two questions. */
  readonly longestGapMs: number;
  readonly gapsMs: readonly number[];
  readonly failedReads: number;
  readonly answeredReads: number;
  readonly restartMs: readonly number[];
  readonly p99Ms: number;
  readonly events: number;
};

export async function runRolling(smoke: boolean): Promise<void> {
  const size = smoke ? SMOKE : FULL;
  const outcomes: Outcome[] = [];
  let head: World | undefined;
  for (const profiles of size.profiles) {
    const world = (head = await startWorld('rolling', '2m'));
    try {
      outcomes.push(await measure(world, size, profiles));
    } finally {
      await world.stop();
    }
  }
  const goals = Object.fromEntries(
    outcomes.map(({ profiles, longestGapMs }) => [`rolling${profiles}`, spread([longestGapMs / 1000])]),
  );
  if (!smoke) writeResult('rolling', { size, arms: { outcomes }, goals }, head!, SEED);
}

async function measure(world: World, size: Size, profiles: number): Promise<Outcome> {
  const root = 'rolling';
  await fillLog(world, root, everyCustomer(profiles, 'first', 11));
  const start = (n: number): Promise<BenchWorker> =>
    startWorker({
      world,
      root,
      folder: join(world.folder, `state${n}`),
      more: { instance: `w${n}`, 'snapshot.interval': '20s' },
    });
  const workers: BenchWorker[] = [];
  for (let n = 0; n < WORKERS; n++) workers.push(await start(n));
  await caughtUp(world, root, FILL_MS_MAX);
  const client = await openClient(benchSettings(world, root), 'bench rolling');
  await shared(client);
  const load = await LoadGenerator.start(world, root);
  const over = { now: false };
  const reading = Promise.all(onePerShard(profiles).map((id) => gapsOf(client, id, over)));
  const restartMs: number[] = [];
  try {
    await load.run({ tag: 'warm', rate: size.rate, seconds: 2, customers: 'c', profiles, seed: SEED });
    const rolling = (async (): Promise<void> => {
      for (let n = 0; n < WORKERS; n++) {
        const startMs = performance.now();
        await workers[n]!.stop();
        workers[n] = await start(n);
        await shared(client);
        restartMs.push(Math.round(performance.now() - startMs));
      }
    })();
    let events = 0;
    let p99Ms = 0;
    let isRolled = false;
    rolling.then(
      () => (isRolled = true),
      () => (isRolled = true),
    );
    // a piece at a time, until all have been restarted; each throws where an event was lost or came twice
    for (let piece = 0; !isRolled && piece < size.secondsMax / 3; piece++) {
      const result = await load.run({
        tag: `roll${piece}`,
        rate: size.rate,
        seconds: 3,
        customers: 'c',
        profiles,
        seed: SEED + piece,
      });
      events += result.events;
      p99Ms = Math.max(p99Ms, result.p99Ms);
    }
    await rolling;
    over.now = true;
    const reads = await reading;
    const gapsMs = reads.map(({ longestMs }) => Math.round(longestMs));
    const longestGapMs = Math.max(...gapsMs);
    const sum = (of: 'failed' | 'answered'): number => reads.reduce((total, read) => total + read[of], 0);
    const outcome = {
      profiles,
      longestGapMs,
      gapsMs,
      failedReads: sum('failed'),
      answeredReads: sum('answered'),
      restartMs,
      p99Ms,
      events,
    };
    console.log(
      `${profiles} profiles: reads of a shard failed or waited for at most ${longestGapMs} ms (${outcome.failedReads} of ${outcome.answeredReads + outcome.failedReads} failed), restarts took ${restartMs.join(', ')} ms`,
    );
    await check(world, root, client, profiles);
    return outcome;
  } finally {
    over.now = true;
    await load.stop();
    await client.close();
    await Promise.all(workers.map((worker) => worker.stop().catch(() => undefined)));
  }
}

/** Every worker has its share of the shards, and all are active. */
async function shared(client: Client): Promise<void> {
  for (const endMs = performance.now() + SHARED_MS_MAX; performance.now() < endMs; await delay(100)) {
    const { workers = [], shards } = await client.status();
    const least = Math.floor(PARTITIONS / WORKERS);
    const isShared = workers.length === WORKERS && workers.every((worker) => worker.shards >= least);
    if (isShared && shards.every(({ state }) => state === 'active')) return;
  }
  throw new Error(`the shards were not shared within ${SHARED_MS_MAX} ms`);
}

/** A customer of each shard. */
function onePerShard(profiles: number): readonly string[] {
  const found = new Map<number, string>();
  for (let i = 0; i < profiles && found.size < PARTITIONS; i++)
    found.set(partitionOf(identityKey({ namespace: 'customerId', id: `c-${i}` }), PARTITIONS), `c-${i}`);
  return [...found.values()];
}

type Gaps = { readonly longestMs: number; readonly failed: number; readonly answered: number };

/** Reads one profile again and again. */
async function gapsOf(client: Client, id: string, over: { readonly now: boolean }): Promise<Gaps> {
  let longestMs = 0;
  let failed = 0;
  let answered = 0;
  let lastMs = performance.now();
  while (!over.now) {
    await delay(POLL_MS);
    try {
      const view = await client.profile({ namespace: 'customerId', id, timeoutMs: 1_000 });
      if (view === undefined) throw new Error('a profile that is there was not found');
      answered++;
      longestMs = Math.max(longestMs, performance.now() - lastMs - POLL_MS);
      lastMs = performance.now();
    } catch {
      failed++;
    }
  }
  return { longestMs, failed, answered };
}

async function check(world: World, root: string, client: Client, profiles: number): Promise<void> {
  await caughtUp(world, root, FILL_MS_MAX);
  const path = join(world.folder, 'export.ndjson');
  const file = createWriteStream(path);
  let first = true;
  for await (const { text } of client.exportProfiles()) {
    if (!file.write(first ? text : `\n${text}`)) await once(file, 'drain');
    first = false;
  }
  file.end();
  await once(file, 'finish');
  const checked = await checkExport(world, root, path);
  if (checked !== profiles) throw new Error(`there are ${checked} profiles, not ${profiles}`);
  console.log(`  checked against brute force: ${checked} profiles equal`);
}
