// The world around one shard: its twins, and the supervisor that starts a new life when one ends.
// WO1: everything that happens is a function of the seed, the definitions and the options: the same run, every time, everywhere.
// WO2: an end of a life that the world did not cause is a finding: a shard halts, or an assertion fails.
// WO3: at most one life is the owner; others are zombies, and end when they notice.
import { errorText, VisageError } from '../base/errors.ts';
import { seededRandom, type Random } from '../base/random.ts';
import type { Plan } from '../aggregate/plan.ts';
import { encodeControl, sameSettings, type FoldSettings } from '../message/control.ts';
import type { IdentityKey } from '../message/identity.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import { newShardMeter, newWorkerMeter } from '../shard/metering.ts';
import { Shard } from '../shard/shard.ts';
import type { ShardOptions } from '../shard/shard_options.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { Life, SimulatedFault, type Surroundings } from './life.ts';
import { sabotageOf, type PlantedBug, type Sabotage } from './planted_bug.ts';
import { Scheduler } from './scheduler.ts';
import { erasuresOf, simulatedHash } from './simulated_erasures.ts';
import { SimulatedLog } from './simulated_log.ts';
import { SimulatedDeadLetters, SimulatedSink } from './simulated_sink.ts';
import { SimulatedDisk } from './simulated_store.ts';
import { CALM, type Faults, type Swarm } from './swarm.ts';
import { Witness } from './witness.ts';

export const ROOT = 'visage';
const MAX_CLOCK_JUMP_MS = 600_000;
const IN_FORCE_MS = 30_000;
const DOWN_MS_MAX = 1_000;
/** As a worker does: better to end and replay than to be killed in the middle. */
const DRAIN_MS_MAX = 15_000;
/** From a message that asks for an erasure to the erase message. */
const ERASE_MS_MAX = 500;

export type WorldOptions = {
  readonly swarm: Swarm;
  readonly plan: Plan;
  readonly bug: PlantedBug | null;
  /** The process dies at this await of the whole run, and at no other. */
  readonly crashAt: number | null;
};

export class World implements Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly witness: Witness;
  readonly log: SimulatedLog;
  readonly sink: SimulatedSink;
  readonly disk: SimulatedDisk;
  faults: Faults;
  lives = 0;
  crashes = 0;
  awaits = 0;
  readonly meter = newShardMeter();
  protected owner: Life | null = null;
  private readonly options: WorldOptions;
  private readonly letters: SimulatedDeadLetters;
  private readonly sabotage: Sabotage;
  private readonly workerMeter = newWorkerMeter();
  protected readonly deaths: Random;
  private readonly newDiskNumbered: (number: number) => SimulatedDisk;

  constructor(options: WorldOptions) {
    const { swarm, plan, bug } = options;
    this.options = options;
    this.random = seededRandom(swarm.seed + 0xfa17);
    this.deaths = seededRandom(swarm.seed + 0xdead);
    this.scheduler = new Scheduler(this.random, swarm.shuffle);
    this.faults = options.crashAt === null ? swarm.faults : { ...swarm.faults, awaitsPerCrash: 0 };
    const { shard, partitions, clockMode, startMs, neighbours, batchMax } = swarm;
    const witness = (this.witness = new Witness({
      root: ROOT,
      shard,
      partitions,
      clock: clockMode,
      planOf: () => plan,
      hashOf: simulatedHash,
    }));
    const { random, scheduler } = this;
    const faults = (): Faults => this.faults;
    const sabotage = (this.sabotage = sabotageOf(bug, swarm.seed));
    const common = { scheduler, random, faults, neighbours };
    this.log = new SimulatedLog({
      ...common,
      root: ROOT,
      shard,
      startMs,
      batchMax,
      onStored: (message) => witness.stored(message),
      delivered: sabotage.delivered,
    });
    this.sink = new SimulatedSink({
      ...common,
      bugs: sabotage.sink,
      onStored: (commit) => witness.committed(commit),
      onProblem: (problem) => witness.problem(problem),
    });
    this.letters = new SimulatedDeadLetters({
      ...common,
      loses: sabotage.losesLetters,
      onStored: (letter) => witness.letter(letter),
    });
    const written = { ...common, written: sabotage.written, onCommitted: (meta: ShardMeta): void => witness.checkpointed(meta) };
    this.newDiskNumbered = (number) => new SimulatedDisk(written, number);
    this.disk = this.newDisk(0);
  }

  /** The owner; null while none runs. */
  get life(): Life | null {
    return this.owner;
  }

  newDisk(number: number): SimulatedDisk {
    return this.newDiskNumbered(number);
  }

  /** Called after every message that is sent. */
  disturb(): void {
    // one worker: its crashes are enough
  }

  wallMs = (): number => this.options.swarm.startMs + this.scheduler.nowMs + this.options.swarm.wallSkewMs;

  onAwait(life: Life, port: string): void {
    this.awaits++;
    this.witness.observed(`a${life.number} ${port}`);
    const isChosen = this.options.crashAt === null ? life.awaits >= life.diesAt : this.awaits === this.options.crashAt;
    if (isChosen && life === this.life) this.crash();
  }

  /** Definitions come before everything else; without it only when the first life is at work. */
  setup(): void {
    this.log.put('ctl.definitions', this.definitions(this.options.swarm.settings[0]!));
  }

  /** A new life takes the shard over. */
  start(): void {
    const life = new Life(++this.lives, this);
    this.owner = life;
    const { awaitsPerCrash } = this.faults;
    // every moment of a life is as likely as any other
    if (awaitsPerCrash > 0) life.diesAt = Math.ceil(-Math.log(1 - this.deaths.next()) * awaitsPerCrash);
    life.shard = this.shardOf(life, this.disk);
    void this.live(life);
  }

  /** The owner's process is gone, in the middle of whatever it awaits; or it only seems so to everybody else. */
  crash(): void {
    const life = this.life!;
    this.crashes++;
    this.witness.observed(`crash ${life.number}`);
    // one that still takes over would fence off its successor, and rightly so
    life.zombie = life.active && this.random.next() < this.faults.zombies;
    life.dead = !life.zombie;
    this.disk.leave(life.dead);
    this.restartIn(this.random.below(DOWN_MS_MAX));
  }

  /** The owner stops in order: everything applied is committed and stored. */
  drain(): void {
    const { life } = this;
    if (life === null || !life.active || life.draining) return;
    life.draining = true;
    void life.shard.stop(); // `live` goes on when `run` ends
    life.later(DRAIN_MS_MAX, () => {
      if (life !== this.life) return;
      life.dead = true;
      life.shard.abandon();
      this.disk.leave(true);
      this.restartIn(0);
    });
  }

  /** No more faults from here on. */
  calm(): void {
    this.faults = CALM;
    this.log.calm();
    if (this.life !== null) this.life.diesAt = Infinity;
  }

  get settings(): FoldSettings {
    const { settings } = this.options.swarm;
    return settings[(this.lives - 1) % settings.length]!;
  }

  private definitions(settings: FoldSettings): Uint8Array {
    return encodeControl({ kind: 'definitions', hash: this.options.plan.hash, foldVersion: FOLD_VERSION, settings });
  }

  private restartIn(ms: number): void {
    this.owner = null;
    this.scheduler.after(ms, () => this.start());
  }

  private async live(life: Life): Promise<void> {
    await this.run(life);
    this.judge(life);
    if (life === this.life) this.restartIn(this.random.below(DOWN_MS_MAX));
  }

  /** From its start to its end; why it ended is its `failure`. */
  async run(life: Life): Promise<void> {
    const { shard } = life;
    try {
      await shard.restore();
      this.sabotage.inside(shard);
      await shard.run(() => void this.onActive(life));
      if (life.failure === undefined && life.draining) await shard.drain();
    } catch (error) {
      life.failure = error;
    }
    life.active = false;
    this.witness.observed(`end ${life.number}`);
    shard.abandon();
    await shard.ended();
    await shard.options.store.close();
  }

  /** As a worker does: its own definitions and settings are put in force where the log has others. */
  private async onActive(life: Life): Promise<void> {
    const { plan } = this.options;
    const settings = life === this.owner ? this.settings : life.shard.definitionsInForce.settings;
    const inForce = life.shard.definitionsInForce;
    try {
      if (inForce.hash !== plan.hash || !sameSettings(inForce.settings, settings)) {
        const sequence = await life.shard.options.log.append('definitions', this.definitions(settings));
        await life.shard.reads.reached(sequence, IN_FORCE_MS);
      }
      life.active = true;
    } catch (error) {
      life.failure = error;
      await life.shard.stop();
    }
  }

  /** Whose fault is it that this life ended? */
  judge(life: Life): void {
    const { failure } = life;
    if (failure === undefined || failure instanceof SimulatedFault) return;
    if (failure instanceof VisageError) {
      if (failure.kind === 'retry') return;
      return this.witness.problem(`the shard halts: ${failure.code}: ${failure.message}`);
    }
    const where =
      failure instanceof Error ? (failure.stack?.split('\n').slice(1, 3).join(',').replaceAll(/\s+/g, ' ') ?? '') : '';
    this.witness.problem(`a defect: ${errorText(failure)}${where}`);
  }

  /** As a worker does when a message asks for it. */
  private erase(key: IdentityKey, life: Life): void {
    const body = encodeControl({ kind: 'erase', hash: simulatedHash(key) });
    life.later(this.random.below(ERASE_MS_MAX), () => void this.log.put('ctl.erase', body));
  }

  shardOf(life: Life, disk: SimulatedDisk): Shard {
    return new Shard(this.shardOptions(life, disk));
  }

  shardOptions(life: Life, disk: SimulatedDisk): ShardOptions {
    const { swarm, plan } = this.options;
    return {
      root: ROOT,
      logStream: 'VISAGE_LOG',
      shard: swarm.shard,
      partitions: swarm.partitions,
      clockMode: swarm.clockMode,
      owner: life.owner,
      clock: life.clock,
      log: this.log.port(life),
      sink: this.sink.port(life),
      deadLetters: this.letters.port(life),
      store: disk.open(life),
      definitions: { load: () => life.call('definitions.load', () => undefined), planOf: () => plan },
      meter: this.meter,
      workerMeter: this.workerMeter,
      cacheMaxBytes: swarm.cacheMaxBytes,
      tickMs: swarm.tickMs,
      commitIntervalMs: swarm.commitIntervalMs,
      commitRefreshMs: swarm.commitRefreshMs,
      checkpointIntervalMs: swarm.checkpointIntervalMs,
      checkpointMaxDirty: swarm.checkpointMaxDirty,
      maxClockJumpMs: MAX_CLOCK_JUMP_MS,
      logGap: 'halt',
      gapThrough: 0,
      adopted: null,
      erasures: erasuresOf(life),
      onErase: (key) => this.erase(key, life),
      onWarning: () => undefined,
      generation: null,
    };
  }
}
