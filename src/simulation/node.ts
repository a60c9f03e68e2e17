// One worker of several in the simulated world: its process, its disk, the shard's life or follower in it. The ownership is the product's own.
// ND1: a process that stands still does nothing until it goes on; what it had sent arrives all the same.
// ND2: of the root's shards one is real; the others are there to be shared out.
import { Ownership, type ShardHost } from '../cluster/ownership.ts';
import { Follower } from '../shard/follow.ts';
import type { LeaseStore } from '../ports/leases.ts';
import type { Random } from '../base/random.ts';
import type { Shard } from '../shard/shard.ts';
import type { ShardOptions } from '../shard/shard_options.ts';
import { Life, type Surroundings } from './life.ts';
import type { SimulatedDisk } from './simulated_store.ts';

const AGAIN_MS_MAX = 400;
const DRAIN_MS_MAX = 15_000;

/** What a worker needs of its world. */
export interface NodeSurroundings extends Surroundings {
  readonly random: Random;
  readonly shards: number;
  readonly realShard: number;
  readonly leases: { port(life: Life): LeaseStore };
  readonly witness: { observed(text: string): void; problem(what: string): void };
  lives: number;
  count(what: string): void;
  /** A life of a shard begins. */
  give(life: Life): void;
  shardOf(life: Life, disk: SimulatedDisk): Shard;
  shardOptions(life: Life, disk: SimulatedDisk): ShardOptions;
  run(life: Life): Promise<void>;
  judge(life: Life): void;
}

export class Node implements ShardHost {
  readonly instance: string;
  /** What it is cut off from; it does not hear of it. */
  readonly cut = new Set<string>();
  suspendedUntilMs = 0;
  dead = false;
  draining = false;
  life: Life | null = null;
  readonly ownership: Ownership;
  readonly disk: SimulatedDisk;
  private readonly fleet: NodeSurroundings;
  private readonly process: Life;
  private following: { readonly life: Life; readonly follower: Follower; prepared: boolean } | null = null;
  private followed: Promise<void> = Promise.resolve();
  private owned = false;
  private released: (() => void) | null = null;

  constructor(fleet: NodeSurroundings, instance: string, disk: SimulatedDisk) {
    this.fleet = fleet;
    this.instance = instance;
    this.disk = disk;
    this.process = this.newLife();
    this.ownership = new Ownership({
      partitions: fleet.shards,
      me: { instance, owner: this.process.owner, folder: `${disk.number}` },
      store: fleet.leases.port(this.process),
      clock: this.process.clock,
      host: this,
      log: (_, event) => fleet.witness.observed(`${this.process.owner} ${event}`),
      onTurn: () => undefined,
      onConflict: (error) => fleet.witness.problem(`${instance}: ${error.message}`),
    });
    this.ownership.start();
  }

  /** Does it act as the shard's owner just now? */
  get isOwner(): boolean {
    const isAwake = !this.dead && this.suspendedUntilMs <= this.fleet.scheduler.nowMs;
    return isAwake && this.life?.active === true && !this.life.draining && this.ownership.isTrusted(this.fleet.realShard);
  }

  kill(): void {
    this.dead = true;
    for (const life of [this.process, this.life, this.following?.life]) if (life != null) life.dead = true;
    this.ownership.abandon();
    this.disk.leave(true);
  }

  async leave(withinMs: number): Promise<void> {
    this.draining = true;
    await this.ownership.drain(withinMs);
    this.dead = true;
    this.process.dead = true;
  }

  own(shard: number): void {
    if (shard !== this.fleet.realShard) return;
    this.owned = true;
    this.fleet.count(this.following?.prepared === true ? 'handedOver' : 'taken');
    void this.begin();
  }

  release(shard: number): Promise<void> {
    if (shard !== this.fleet.realShard) return Promise.resolve();
    this.owned = false;
    return new Promise((resolve) => {
      this.released = resolve;
      if (this.life === null) return this.gone();
      this.life.draining = true;
      void this.life.shard.stop();
      const { life } = this;
      life.later(DRAIN_MS_MAX, () => life === this.life && life.shard.abandon());
    });
  }

  lost(shard: number): void {
    if (shard !== this.fleet.realShard) return;
    this.owned = false;
    if (this.life === null) return;
    this.life.lost = true;
    void this.life.shard.stop();
    this.life.shard.abandon();
  }

  prepare(shard: number): void {
    if (shard !== this.fleet.realShard || this.following !== null || this.life !== null) return;
    this.followed = this.follow();
  }

  unprepare(shard: number): void {
    if (shard === this.fleet.realShard) this.following?.follower.stop();
  }

  prepared(): readonly number[] {
    const others = Array.from({ length: this.fleet.shards }, (_, shard) => shard).filter(
      (shard) => shard !== this.fleet.realShard,
    );
    return this.following?.prepared === true ? [...others, this.fleet.realShard] : others;
  }

  stored(): ReadonlyMap<number, number> {
    const { meta } = this.disk;
    return meta === undefined ? new Map() : new Map([[this.fleet.realShard, meta.applied]]);
  }

  private async begin(): Promise<void> {
    this.following?.follower.finish();
    await this.followed.catch(() => undefined);
    if (!this.owned || this.dead || this.life !== null) return;
    const life = this.newLife();
    this.life = life;
    this.fleet.give(life);
    life.shard = this.fleet.shardOf(life, this.disk);
    await this.fleet.run(life);
    if (this.dead || this.life !== life) return;
    this.life = null;
    this.fleet.judge(life);
    if (!this.owned) return this.gone();
    if (life.fenced) {
      this.owned = false;
      return this.ownership.ended(this.fleet.realShard);
    }
    this.process.later(this.fleet.random.below(AGAIN_MS_MAX), () => void this.begin());
  }

  private gone(): void {
    this.released?.();
    this.released = null;
  }

  private async follow(): Promise<void> {
    const life = this.newLife();
    const follower = new Follower(this.fleet.shardOptions(life, this.disk));
    const following = { life, follower, prepared: false };
    this.following = following;
    try {
      await follower.run(() => {
        following.prepared = true;
        this.fleet.count('prepared');
        this.ownership.poke();
      });
    } catch (error) {
      life.failure = error;
      this.fleet.judge(life);
    }
    if (this.following === following) this.following = null;
  }

  private newLife(): Life {
    const life = new Life(++this.fleet.lives, this.fleet);
    life.suspendedUntilMs = () => this.suspendedUntilMs;
    life.isCut = (party) => this.cut.has(party);
    return life;
  }
}
