// Several worker processes of one root while everything happens to them: kill -9, stop and continue, come and go, a server that restarts.
// Lines of real invoices stream in all the while; then everything is checked.
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { readRetail, type RetailLine } from '../support/retail.ts';
import { verifyAll, type Verdict } from '../support/verify.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

export type ChaosOptions = {
  readonly seed: number;
  readonly seconds: number;
  readonly retailFile: string;
  readonly linesPerSecond?: number;
  readonly partitions?: number;
  /** One server that is restarted, or a cluster of three of which one at a time is killed, or steps down. */
  readonly servers?: 1 | 3;
};

export type ChaosResult = Verdict & {
  readonly seed: number;
  readonly published: number;
  /** How often each fault was made. */
  readonly faults: Readonly<Record<string, number>>;
  /** From the last fault until every shard was active. */
  readonly activeAfterMs: number;
  readonly seconds: number;
};

export const LEASE_MS = 2_000;
const SHORT_WINDOW = '2s';
const QUIET_MS = 2_600;
const WORKERS_MAX = 4;
const WORKERS_MIN = 2;
const EVERY_MS = 700;
const SERVER_DOWN_MS = 700;
/** A worker that is told to leave has this long. */
const ACTIVE_MS_MAX = LEASE_MS + 5_000;

const FAULTS = ['kill', 'kill', 'pause', 'pause', 'add', 'drain', 'restartServer'] as const;
type Fault = (typeof FAULTS)[number];

/** @throws when a worker ends by itself */
export async function chaosRun(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, seconds, retailFile, linesPerSecond = 600, partitions = 8, servers = 1 } = options;
  const startMs = performance.now();
  const cluster = servers === 1 ? undefined : await startCluster();
  const world = await startWorld({ shortWindow: SHORT_WINDOW, ...(cluster && { servers: cluster.urls }) });
  const fleet = new Fleet(world, cluster, seededRandom(seed), partitions);
  try {
    await world.setup(fleet.overrides());
    await cluster?.current();
    const lines = retailEvents(retailFile, { count: Math.ceil(seconds * linesPerSecond), linesPerSecond, seed });
    await Promise.all([fleet.add(), fleet.add(), fleet.add()]);
    const nc = await world.connect();
    const publishing = publishAll(lines, { nc, inFlight: 1_000, perSecond: linesPerSecond });
    publishing.catch(() => undefined); // awaited below
    const faults = await fleet.suffer(seconds * 1_000);
    const client = await world.client(fleet.overrides());
    const lastMs = performance.now();
    await eventually(
      'every shard is active',
      async () => (await client.status()).shards.every(({ state }) => state === 'active'),
      { timeoutMs: 120_000, everyMs: 20 },
    );
    const activeAfterMs = Math.round(performance.now() - lastMs);
    await publishing;
    const verdict = await verifyAll(client, QUIET_MS);
    const problems = [...verdict.problems, ...(await fleet.stop())];
    if (activeAfterMs > ACTIVE_MS_MAX) problems.push(`shards were active only ${activeAfterMs} ms after the last fault`);
    const took = Math.round((performance.now() - startMs) / 100) / 10;
    return { seed, published: lines.length, faults, ...verdict, problems, activeAfterMs, seconds: took };
  } finally {
    await fleet.end();
    await world.stop();
    await cluster?.stop();
  }
}

type Running = { readonly process: WorkerProcess; readonly instance: string; pausedUntilMs: number; isReady: boolean };

class Fleet {
  private readonly world: World;
  private readonly cluster: Cluster | undefined;
  private readonly random: Random;
  private readonly partitions: number;
  private readonly running: Running[] = [];
  private readonly leaving: Promise<void>[] = [];
  private readonly problems: string[] = [];
  private names = 0;

  constructor(world: World, cluster: Cluster | undefined, random: Random, partitions: number) {
    this.world = world;
    this.cluster = cluster;
    this.random = random;
    this.partitions = partitions;
  }

  overrides(instance = 'chaos'): Record<string, unknown> {
    return {
      'nats.servers': this.cluster?.urls ?? this.world.server.url,
      replicas: this.cluster === undefined ? 1 : 3,
      partitions: this.partitions,
      'log.maxBytes': '1GB',
      'lease.ttl': `${LEASE_MS}ms`,
      'checkpoint.interval': '200ms',
      'snapshot.interval': '3s',
      dataDirectory: `${this.world.folder}/data-${instance}`,
      instance,
    };
  }

  /** A worker, on a new folder or on that of one that was here. */
  async add(instance = `w${++this.names}`): Promise<void> {
    const worker: Running = { process: spawnWorker(this.overrides(instance)), instance, pausedUntilMs: 0, isReady: false };
    this.running.push(worker);
    worker.process.ready.then(
      () => (worker.isReady = true),
      () => undefined, // it may be killed before it is
    );
    await Promise.resolve();
  }

  /** Faults at random for so long; at the end nobody is paused, and the server runs. @returns how often each happened */
  async suffer(forMs: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    const endMs = performance.now() + forMs;
    await Promise.all(this.running.map(({ process }) => process.ready));
    while (performance.now() < endMs) {
      await delay(this.random.below(2 * EVERY_MS));
      await this.startAgain(counts);
      const fault = FAULTS[this.random.below(FAULTS.length)]!;
      if (await this.make(fault)) counts[fault] = (counts[fault] ?? 0) + 1;
    }
    for (const worker of this.running) this.resume(worker);
    await this.startAgain(counts);
    while (this.running.length < WORKERS_MIN) await this.add();
    return counts;
  }

  /** Everybody ends in order. @returns what was wrong with that */
  async stop(): Promise<readonly string[]> {
    await Promise.all(this.running.map((worker) => worker.process.ready));
    await Promise.all(this.running.splice(0).map((worker) => this.leave(worker)));
    await Promise.all(this.leaving);
    return this.problems;
  }

  async end(): Promise<void> {
    await Promise.all(this.running.splice(0).map(({ process }) => process.kill('SIGKILL').catch(() => undefined)));
  }

  /** One that found no server when it started has ended, with an error that says so; whoever runs it starts it again. */
  private async startAgain(counts: Record<string, number>): Promise<void> {
    for (const worker of this.running.filter(({ process: { pid } }) => !isAlive(pid))) {
      this.running.splice(this.running.indexOf(worker), 1);
      const said = worker.process.said();
      if (!/^stopped (no_connection|unavailable)$/.test(said))
        this.problems.push(`${worker.instance} ended by itself: ${said}\n${lastLines(worker)}`);
      counts['startAgain'] = (counts['startAgain'] ?? 0) + 1;
      await this.add(worker.instance);
    }
  }

  private async make(fault: Fault): Promise<boolean> {
    const { random, running } = this;
    const worker = running[random.below(running.length)]!;
    switch (fault) {
      case 'kill': {
        running.splice(running.indexOf(worker), 1);
        await worker.process.kill('SIGKILL');
        // on its own folder, as a container that is started again, or on another, as one on another machine
        await this.add(random.below(2) === 0 ? worker.instance : undefined);
        return true;
      }
      case 'pause': {
        if (worker.pausedUntilMs > performance.now()) return false;
        const ms = 200 + random.below(2 * LEASE_MS);
        worker.pausedUntilMs = performance.now() + ms;
        process.kill(worker.process.pid, 'SIGSTOP');
        setTimeout(() => this.resume(worker), ms).unref();
        return true;
      }
      case 'add':
        if (running.length >= WORKERS_MAX) return false;
        await this.add();
        return true;
      case 'drain':
        if (running.length <= WORKERS_MIN || !worker.isReady || worker.pausedUntilMs > performance.now()) return false;
        running.splice(running.indexOf(worker), 1);
        this.leaving.push(this.leave(worker));
        return true;
      case 'restartServer':
        await this.restartServer();
        return true;
    }
  }

  private async restartServer(): Promise<void> {
    const { random, cluster, world } = this;
    if (cluster === undefined)
      return world.restartServer(random.below(2) === 0 ? 'kill' : 'stop', () => delay(random.below(SERVER_DOWN_MS)));
    if (random.below(2) === 0) {
      await cluster.stepDown(random.below(2) === 0 ? 'VISAGE_LOG' : 'VISAGE_CHANGES');
      return;
    }
    const n = random.below(cluster.urls.length);
    await cluster.kill(n, 'SIGKILL');
    await delay(random.below(SERVER_DOWN_MS));
    await cluster.restart(n);
    await cluster.current(); // two of three must be there at any time
  }

  private async leave(worker: Running): Promise<void> {
    this.resume(worker);
    await worker.process.kill('SIGTERM');
    const said = worker.process.said();
    if (said !== 'stopped drained') this.problems.push(`${worker.instance} ended with: ${said}\n${lastLines(worker)}`);
  }

  private resume(worker: Running): void {
    if (worker.pausedUntilMs === 0) return;
    worker.pausedUntilMs = 0;
    try {
      process.kill(worker.process.pid, 'SIGCONT');
    } catch {
      // it is gone
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function lastLines({ process }: Running): string {
  return process.log.slice(-5).join('\n');
}

/** The file's lines in the order of their time, the last of them just now; again from the first when there are not enough. One in four
 *  happens when it is sent, and leaves the short window while the others come. */
function retailEvents(
  path: string,
  { count, linesPerSecond, seed }: { readonly count: number; readonly linesPerSecond: number; readonly seed: number },
): readonly Sendable[] {
  const truth = readRetail(path);
  const all: (RetailLine & { readonly customer: string })[] = [];
  for (const [customer, lines] of truth.customers) for (const line of lines) all.push({ ...line, customer });
  all.sort((a, b) => a.atMs - b.atMs);
  const nowMs = Date.now();
  const shiftMs = nowMs - truth.endMs;
  return Array.from({ length: count }, (_, n) => {
    const line = all[(all.length - (count % all.length) + n) % all.length]!;
    return purchase(line.customer, {
      _id: `r-${seed}-${n}`,
      atMs: n % 4 === 0 ? nowMs + (n / linesPerSecond) * 1_000 : line.atMs + shiftMs,
      price: Number(line.total) / 10_000,
      channel: line.country,
    });
  });
}
