// Several workers on one lease store, under a clock of their own: who owns what, and that never two at once trust their lease.
import { expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { Ownership, type ShardHost } from '../../../src/cluster/ownership.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { Scheduler } from '../../../src/simulation/scheduler.ts';
import { MemoryLeases } from '../../support/memory_leases.ts';

const TTL_MS = 2_000;
const PREPARE_MS = 300;
const RELEASE_MS = 50;

class Node implements ShardHost {
  readonly running = new Set<number>();
  readonly ready = new Set<number>();
  readonly following = new Set<number>();
  readonly ownership: Ownership;
  conflict: string | null = null;
  cut = false;
  private pausedUntilMs = 0;
  private readonly world: Cluster;

  constructor(world: Cluster, instance: string, owner: string, folder = instance) {
    this.world = world;
    this.ownership = new Ownership({
      partitions: world.partitions,
      me: { instance, owner, folder },
      clock: this.clock(),
      store: world.leases.port(() => this.reach()),
      host: this,
      log: () => undefined,
      onTurn: () => undefined,
      onConflict: (error) => {
        this.conflict = error.code;
        this.ownership.abandon();
      },
    });
    this.ownership.start();
  }

  pause(ms: number): void {
    this.pausedUntilMs = this.world.scheduler.nowMs + ms;
  }

  kill(): void {
    this.pausedUntilMs = Infinity;
    this.running.clear();
    this.ownership.abandon();
  }

  owns(shard: number): boolean {
    return this.running.has(shard) && this.ownership.isTrusted(shard) && this.world.scheduler.nowMs >= this.pausedUntilMs;
  }

  own(shard: number): void {
    this.following.delete(shard);
    this.ready.delete(shard);
    this.running.add(shard);
  }

  async release(shard: number): Promise<void> {
    await this.later(RELEASE_MS);
    this.running.delete(shard);
  }

  lost(shard: number): void {
    this.running.delete(shard);
  }

  prepare(shard: number): void {
    if (this.following.has(shard)) return;
    this.following.add(shard);
    void this.later(PREPARE_MS).then(() => {
      if (!this.following.has(shard)) return;
      this.ready.add(shard);
      this.ownership.poke();
    });
  }

  unprepare(shard: number): void {
    this.following.delete(shard);
    this.ready.delete(shard);
  }

  prepared(): readonly number[] {
    return [...this.ready];
  }

  stored(): ReadonlyMap<number, number> {
    return new Map();
  }

  private async reach(): Promise<void> {
    await this.later(this.world.random.below(5));
    if (this.cut) throw new Error('cut off');
  }

  private later(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock().timer(ms, () => resolve()));
  }

  private clock(): Clock {
    const { scheduler } = this.world;
    const timer = (ms: number, run: () => void): (() => void) =>
      scheduler.after(ms, () => {
        const left = this.pausedUntilMs - scheduler.nowMs;
        if (left === Infinity) return;
        if (left > 0) timer(left, run);
        else run();
      });
    return { monotonicMs: () => scheduler.nowMs, wallMs: () => scheduler.nowMs, timer, yieldNow: () => scheduler.delay(0) };
  }
}

class Cluster {
  readonly random;
  readonly scheduler: Scheduler;
  readonly leases: MemoryLeases;
  readonly partitions: number;
  nodes: Node[] = [];
  private started = 0;

  constructor(seed = 1, partitions = 8) {
    this.random = seededRandom(seed);
    this.partitions = partitions;
    this.scheduler = new Scheduler(this.random, true);
    this.leases = new MemoryLeases(TTL_MS, () => this.scheduler.nowMs);
  }

  start(instance: string, folder = instance): Node {
    const node = new Node(this, instance, `${instance}-${++this.started}`, folder);
    this.nodes.push(node);
    return node;
  }

  /** By shard who owns it; fails where two do. */
  owners(): (string | undefined)[] {
    return Array.from({ length: this.partitions }, (_, shard) => {
      const owning = this.nodes.filter((node) => node.owns(shard));
      if (owning.length > 1) expect(owning.map(({ ownership }) => ownership.members)).toEqual('one owner');
      return owning[0]?.ownership['options'].me.instance;
    });
  }

  loads(): number[] {
    const owners = this.owners();
    return this.nodes.map((node) => owners.filter((owner) => owner === node.ownership['options'].me.instance).length);
  }

  /** Time passes; at every step no shard has two owners. */
  async pass(ms: number, until: () => boolean = () => false): Promise<void> {
    await this.scheduler.pass(ms, () => {
      this.owners();
      return until();
    });
  }
}

it('one worker takes everything at once; a second gets its half, each shard handed over when it is prepared', async () => {
  const cluster = new Cluster();
  const a = cluster.start('a');
  await cluster.pass(100);
  expect(a.running.size).toBe(8);
  expect(a.ownership.complete).toBe(true);
  cluster.start('b');
  await cluster.pass(PREPARE_MS - 50);
  expect(a.running.size).toBe(8);
  await cluster.pass(3_000);
  expect(cluster.loads()).toEqual([4, 4]);
});

it('a killed worker is replaced within its ttl and a turn', async () => {
  const cluster = new Cluster();
  const [a, b] = [cluster.start('a'), cluster.start('b')];
  await cluster.pass(4_000);
  expect(cluster.loads()).toEqual([4, 4]);
  a.kill();
  await cluster.pass(TTL_MS + TTL_MS / 4 + 50);
  expect(b.running.size).toBe(8);
});

it('a worker that starts again on its folder has its shards back at once, under whatever name', async () => {
  const cluster = new Cluster();
  cluster.start('a').kill();
  const a = cluster.start('a');
  await cluster.pass(100);
  expect(a.running.size).toBe(8);
  a.kill();
  const renamed = cluster.start('renamed', 'a');
  await cluster.pass(100);
  expect(renamed.running.size).toBe(8);
});

it('a paused worker does not answer for what others have taken, and rejoins', async () => {
  const cluster = new Cluster();
  const [a, b] = [cluster.start('a'), cluster.start('b')];
  await cluster.pass(4_000);
  a.pause(2 * TTL_MS);
  await cluster.pass(2 * TTL_MS - 1);
  expect(b.running.size).toBe(8);
  await cluster.pass(6_000);
  expect(cluster.loads()).toEqual([4, 4]);
});

it('a worker that leaves hands everything over, and stays until it has', async () => {
  const cluster = new Cluster();
  const [a, b] = [cluster.start('a'), cluster.start('b')];
  await cluster.pass(4_000);
  let gone = false;
  void a.ownership.drain(20_000).then(() => void (gone = true));
  await cluster.pass(60_000, () => gone);
  expect(a.running.size).toBe(0);
  await cluster.pass(10);
  expect(b.running.size).toBe(8);
  expect(cluster.scheduler.nowMs).toBeLessThan(8_000);
});

it('the last worker that leaves gives up everything; one that is cut off does so too', async () => {
  for (const cut of [false, true]) {
    const cluster = new Cluster();
    const a = cluster.start('a');
    await cluster.pass(1_000);
    a.cut = cut;
    let gone = false;
    void a.ownership.drain(20_000).then(() => void (gone = true));
    await cluster.pass(2_000, () => gone);
    expect({ cut, gone, running: a.running.size }).toEqual({ cut, gone: true, running: 0 });
  }
});

it('a worker that is cut off from the leases only stops answering, and goes on where nobody took its shards', async () => {
  const cluster = new Cluster();
  const a = cluster.start('a');
  await cluster.pass(100);
  a.cut = true;
  await cluster.pass(3 * TTL_MS);
  expect(cluster.owners()).toEqual(new Array(8).fill(undefined));
  expect(a.running.size).toBe(8);
  a.cut = false;
  await cluster.pass(1_000);
  expect(cluster.loads()).toEqual([8]);
});

it('two workers of one name: the second waits, then refuses; a copied folder too', async () => {
  const cluster = new Cluster();
  cluster.start('a');
  await cluster.pass(100);
  const second = cluster.start('a', 'elsewhere');
  await cluster.pass(3 * TTL_MS);
  expect(second.conflict).toBe('instance_in_use');
});

it('a name whose worker is gone for good is free after its ttl', async () => {
  const cluster = new Cluster();
  const a = cluster.start('a');
  await cluster.pass(100);
  a.kill();
  const second = cluster.start('a', 'elsewhere');
  await cluster.pass(TTL_MS + 1_500);
  expect(second.conflict).toBeNull();
  expect(second.running.size).toBe(8);
});

it('whatever happens, no two own a shard, and every shard has an owner soon after the last fault', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new Cluster(seed, 1 + (seed % 9));
    const { random } = cluster;
    for (const name of ['a', 'b', 'c'].slice(0, 1 + random.below(3))) cluster.start(name);
    const alive = (): Node[] => cluster.nodes;
    for (let n = 0; n < 12; n++) {
      await cluster.pass(random.below(3_000));
      const node = alive()[random.below(alive().length)]!;
      const name = node.ownership['options'].me.instance;
      const what = random.below(5);
      if (what === 0) node.pause(random.below(3 * TTL_MS));
      if (what === 1) node.cut = !node.cut;
      if (what >= 2) {
        if (what === 2) node.kill();
        else void node.ownership.drain(random.below(5_000));
        if (what > 2) await cluster.pass(6_000, () => node.running.size === 0);
        node.kill();
        cluster.nodes = alive().filter((one) => one !== node);
        cluster.start(random.below(2) === 0 ? name : `new${n}`);
      }
    }
    for (const node of alive()) node.cut = false;
    const isDone = (): boolean => cluster.owners().every((owner) => owner !== undefined);
    await cluster.pass(3 * TTL_MS + TTL_MS + 5_000, isDone);
    expect({ seed, owners: cluster.owners(), conflicts: alive().map(({ conflict }) => conflict) }).toEqual({
      seed,
      owners: cluster.owners().map(() => expect.any(String) as string),
      conflicts: alive().map(() => null),
    });
  }
});
