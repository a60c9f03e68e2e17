// The simulated world with several workers: they own, follow and hand over a shard as the product does, while processes die, stand still and
// are cut off from the log, the change stream or the leases.
// FT1: after every step at most one worker acts as owner. FT2: when the faults have stopped, somebody owns the shard soon.
// FT3: a log or change stream that has lost its end halts whoever owns the shard next, and is never gone on from.
import { VisageError } from '../base/errors.ts';
import { seededRandom, type Random } from '../base/random.ts';
import { SimulatedFault, type Life } from './life.ts';
import { Node } from './node.ts';
import { type SimulatedDisk } from './simulated_store.ts';
import { SimulatedLeases } from './simulated_leases.ts';
import { oneOf } from './swarm.ts';
import { World, type WorldOptions } from './world.ts';

const TTL_MS = 2_000;
const DOWN_MS_MAX = 1_500;
const PARTIES = ['log', 'sink', 'leases'] as const;
const HALT_MS_MAX = 30_000;

export type FleetOptions = WorldOptions & { readonly workers: number };

export class Fleet extends World {
  readonly leases: SimulatedLeases;
  readonly shards = 3;
  readonly realShard = 1;
  private readonly chance: Random;
  private readonly workersMax: number;
  private nodes: Node[] = [];
  private readonly rate: number;
  private readonly trustsForEver: boolean;
  private calmed = false;
  private names = 0;
  /** What happened how often: what the faults came to, and what the workers made of them. */
  readonly counts: Record<string, number> = {};
  private readonly snapshots: SimulatedDisk[] = [];
  /** Codes with which a shard may halt from now on, and what came of it. */
  private expected: readonly string[] = [];
  private halted: string | null = null;

  constructor(options: FleetOptions) {
    super(options);
    this.chance = seededRandom(options.swarm.seed + 0xf1ee7);
    this.workersMax = options.workers;
    this.trustsForEver = options.bug === 'trusts-for-ever';
    this.rate = oneOf(this.chance, [0.01, 0.03, 0.1]);
    this.leases = new SimulatedLeases(TTL_MS, {
      random: this.random,
      faults: () => this.faults,
      nowMs: () => this.scheduler.nowMs,
    });
  }

  /** Whoever acts as the owner; null while nobody does. */
  override get life(): Life | null {
    return this.nodes.find(({ isOwner }) => isOwner)?.life ?? null;
  }

  override start(): void {
    for (let n = 0; n < this.workersMax; n++) this.add();
  }

  /** The owner leaves in order, and comes back later. */
  override drain(): void {
    const node = this.nodes.find(({ isOwner, draining }) => isOwner && !draining);
    if (node !== undefined) void this.leave(node);
  }

  override calm(): void {
    super.calm();
    this.calmed = true;
    for (const node of this.nodes) {
      node.cut.clear();
      node.suspendedUntilMs = 0;
      if (node.life !== null) node.life.diesAt = Infinity;
    }
    if (this.nodes.length === 0) this.add();
  }

  override onAwait(life: Life, port: string): void {
    this.awaits++;
    this.witness.observed(`a${life.number} ${port}`);
    if (life.awaits < life.diesAt) return;
    const node = this.nodes.find((one) => one.life === life);
    if (node !== undefined) this.kill(node);
  }

  /** One fault more, perhaps. */
  override disturb(): void {
    const { chance, nodes } = this;
    this.oneOwner();
    if (this.calmed || nodes.length === 0 || chance.next() >= this.rate) return;
    const node = oneOf(chance, nodes);
    const fault = oneOf(chance, ['kill', 'pause', 'pause', 'cut', 'cut', 'heal', 'leave', 'add', 'snapshot'] as const);
    this.count(fault);
    switch (fault) {
      case 'kill':
        return this.kill(node);
      case 'pause':
        node.suspendedUntilMs = Math.max(node.suspendedUntilMs, this.scheduler.nowMs + chance.below(3 * TTL_MS));
        return;
      case 'cut':
        node.cut.add(oneOf(chance, PARTIES));
        return;
      case 'heal':
        return node.cut.clear();
      case 'leave':
        if (!node.draining) void this.leave(node);
        return;
      case 'add':
        if (nodes.length <= this.workersMax) this.add();
        return;
      case 'snapshot':
        if (node.disk.meta !== undefined) this.snapshots.push(node.disk.copy(++this.names));
        return;
    }
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** No two act as the owner at once. */
  oneOwner(): void {
    const owners = this.nodes.filter(({ isOwner }) => isOwner);
    if (owners.length > 1) this.witness.problem(`two workers act as owner: ${owners.map(({ instance }) => instance).join(', ')}`);
  }

  /** A life of a node begins: every moment of it is as likely to be its last. */
  give(life: Life): void {
    const { awaitsPerCrash } = this.faults;
    if (awaitsPerCrash > 0) life.diesAt = Math.ceil(-Math.log(1 - this.deaths.next()) * awaitsPerCrash);
  }

  override judge(life: Life): void {
    const { failure } = life;
    if (life.lost) this.count('lost');
    if (life.fenced) this.count('fenced');
    if (life.lost || failure === undefined || failure instanceof SimulatedFault) return;
    if (failure instanceof VisageError && this.expected.includes(failure.code)) {
      this.halted = failure.code;
      this.count(failure.code);
      return;
    }
    super.judge(life);
  }

  /** At the very end: a server comes back without the end of one of its streams. Whoever owns the shard next must halt. */
  async loseTail(): Promise<void> {
    const { chance, scheduler, witness } = this;
    const stream = oneOf(chance, ['log', 'changes'] as const);
    // what is stored knows of what is lost
    for (const node of this.nodes) void node.leave(5_000);
    await scheduler.pass(HALT_MS_MAX, () => this.nodes.every(({ dead }) => dead));
    const disk = this.nodes.map((node) => node.disk).reduce((a, b) => ((b.meta?.applied ?? 0) > (a.meta?.applied ?? 0) ? b : a));
    this.nodes = [];
    const isLost =
      stream === 'log'
        ? this.log.loseTail(1 + chance.below(3), disk.meta?.applied ?? 0)
        : this.sink.loseTail(disk.meta?.commitStreamSequence ?? 0);
    if (!isLost) return;
    this.expected = stream === 'log' ? ['log_rewound'] : ['changes_rewound'];
    this.nodes.push(new Node(this, `n${++this.names}`, disk));
    await scheduler.pass(HALT_MS_MAX, () => this.halted !== null);
    if (this.halted === null) witness.problem(`the ${stream} has lost its end, and nobody halts`);
  }

  private add(disk?: SimulatedDisk): void {
    const { chance, snapshots } = this;
    const isNew = disk === undefined;
    const from = isNew && snapshots.length > 0 && chance.next() < 0.7 ? oneOf(chance, snapshots).copy(++this.names) : undefined;
    const node = new Node(this, `n${++this.names}`, disk ?? from ?? this.newDisk(++this.names));
    if (this.trustsForEver) node.ownership.isTrusted = (shard) => node.ownership.holds(shard);
    this.nodes.push(node);
    this.witness.observed(`start ${node.instance}`);
  }

  private kill(node: Node): void {
    this.crashes++;
    this.witness.observed(`kill ${node.instance}`);
    this.remove(node);
    node.kill();
    this.comesBack(node);
  }

  private async leave(node: Node): Promise<void> {
    this.witness.observed(`leave ${node.instance}`);
    await node.leave(this.chance.below(20_000));
    if (!this.nodes.includes(node)) return;
    this.remove(node);
    this.comesBack(node);
  }

  private comesBack({ disk }: Node): void {
    const isSame = this.calmed || this.chance.next() < 0.6;
    this.scheduler.after(this.chance.below(DOWN_MS_MAX), () => this.add(isSame ? disk : undefined));
  }

  private remove(node: Node): void {
    this.nodes = this.nodes.filter((one) => one !== node);
  }
}
