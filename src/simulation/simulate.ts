// One seed: a world, its traffic and faults, then calm, and everything is compared with the oracle.
// SM1: with the same seed, definitions and options everything observed is the same; `hash` says so.
import { errorText, VisageError } from '../base/errors.ts';
import { seededRandom, type Random } from '../base/random.ts';
import type { Plan } from '../aggregate/plan.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { encodeControl, type ControlMessage } from '../message/control.ts';
import { OPERATION_HEADER } from '../message/decode.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ProfileView } from '../profile/view.ts';
import { eventDomain, recordDomain } from './event_domain.ts';
import { EventWriter } from './event_writer.ts';
import { Fleet } from './fleet.ts';
import { SimulatedFault } from './life.ts';
import { People } from './people.ts';
import type { PlantedBug } from './planted_bug.ts';
import { RecordWriter } from './record_writer.ts';
import { simulatedHash } from './simulated_erasures.ts';
import { oneOf, swarmOf, type Swarm } from './swarm.ts';
import { rest } from './rest.ts';
import type { Finding } from './witness.ts';
import { World } from './world.ts';

export type SimulationOptions = {
  readonly seed: number;
  readonly document: DefinitionsDocument;
  readonly bug?: PlantedBug;
  /** How many messages producers send, instead of what the seed says. */
  readonly events?: number;
  /** One crash only: at this await. */
  readonly crashAt?: number;
  /** How many workers share the shards; default: one, which has its shard for itself. */
  readonly workers?: number;
};

export type SimulationResult = {
  readonly seed: number;
  readonly messages: number;
  readonly events: number;
  readonly duplicates: number;
  /** Writes to records that were applied, and those that came too late. */
  readonly records: number;
  readonly stale: number;
  /** Events and writes of what was deleted. */
  readonly dead: number;
  readonly refused: number;
  readonly lives: number;
  readonly crashes: number;
  readonly awaits: number;
  readonly commits: number;
  readonly changeEvents: number;
  readonly checkpoints: number;
  readonly comparisons: number;
  /** With several workers: what happened how often. */
  readonly faults: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  /** Of everything observed, in hex. */
  readonly hash: string;
  /** The first thing that was wrong. */
  readonly finding: Finding | null;
};

const STEPS_MAX = 2_000_000;
const NEAR_MS = 3_000;
const LEAP_MS = 40 * 86_400_000;
const READ_MS = 2_000;

let compiled: { readonly document: DefinitionsDocument; readonly plan: Plan } | undefined;

/** Cost: about 60 ms. @throws never for what goes wrong in the world: that is `finding` */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, document, bug, events, crashAt } = options;
  if (compiled?.document !== document) compiled = { document, plan: compilePlan(document) };
  const { plan } = compiled;
  const swarm = swarmOf(seed, events);
  const { workers = 1 } = options;
  const common = { swarm, plan, bug: bug ?? null, crashAt: crashAt ?? null };
  const world = workers === 1 ? new World(common) : new Fleet({ ...common, workers });
  await new Run(world, swarm, document, plan).all();
  const { witness, scheduler, lives, crashes, awaits } = world;
  return {
    seed,
    messages: world.log.messages.length,
    events: witness.oracle.events,
    duplicates: witness.oracle.duplicates,
    records: witness.oracle.counts.records,
    stale: witness.oracle.counts.stale,
    dead: witness.oracle.counts.dead,
    refused: witness.oracle.refused.size,
    lives,
    crashes,
    awaits,
    commits: witness.commits,
    changeEvents: witness.chain.events,
    checkpoints: witness.checkpoints,
    comparisons: witness.comparisons,
    faults: world instanceof Fleet ? world.counts : {},
    virtualMs: Math.floor(scheduler.nowMs),
    hash: witness.hash.toString(16).padStart(8, '0'),
    finding: witness.finding,
  };
}

class Run {
  private readonly world: World;
  private readonly swarm: Swarm;
  private readonly random: Random;
  private readonly people: People;
  private readonly events: EventWriter;
  private readonly records: RecordWriter | null;
  private readonly datasets: readonly string[];
  private readonly policies: readonly string[];
  private cuts = 0;

  constructor(world: World, swarm: Swarm, document: DefinitionsDocument, plan: Plan) {
    this.world = world;
    this.swarm = swarm;
    this.random = seededRandom(swarm.seed + 0x7aff);
    const events = eventDomain(document, plan, swarm.startMs);
    const records = recordDomain(document, plan, swarm.startMs);
    this.people = new People(events.namespaces, swarm, seededRandom(swarm.seed + 0x9e09));
    this.events = new EventWriter(events, this.people, swarm);
    this.records = records.datasets.length === 0 ? null : new RecordWriter(records, this.people, swarm);
    this.datasets = plan.datasets;
    this.policies = plan.policies.map(({ name }) => name);
  }

  async all(): Promise<void> {
    const { world, swarm } = this;
    if (this.random.next() < 0.9) world.setup();
    world.start();
    for (let sent = 0; sent < swarm.traffic.events && !this.over; sent++) {
      await this.wait();
      this.send();
      this.disturb();
    }
    await this.pass(NEAR_MS);
    if (!this.over) await rest(world, swarm);
    if (!this.over && world instanceof Fleet) await world.loseTail();
  }

  private get over(): boolean {
    const { witness, scheduler } = this.world;
    if (scheduler.steps > STEPS_MAX) witness.problem(`stuck: ${STEPS_MAX} steps were not enough`);
    return witness.finding !== null;
  }

  private pass(ms: number): Promise<void> {
    const { world } = this;
    const isFleet = world instanceof Fleet;
    return world.scheduler.pass(ms, () => {
      if (isFleet) world.oneOwner();
      return this.over;
    });
  }

  private async wait(): Promise<void> {
    const { random, swarm, world } = this;
    const { together, leaps } = swarm.traffic;
    if (random.next() < together) return;
    if (random.next() < leaps) {
      const edges = [random.below(NEAR_MS), random.below(60_000), random.below(7_200_000), random.below(LEAP_MS)];
      world.scheduler.leap(oneOf(random, edges));
      return;
    }
    await this.pass(
      oneOf(random, [0, 1, random.below(10), random.below(2 * swarm.tickMs), random.below(300), random.below(NEAR_MS)]),
    );
  }

  private send(): void {
    const { world, random, swarm } = this;
    const { nowMs } = world.log;
    if (this.records !== null && random.next() < swarm.traffic.records) {
      const { tail, body, headers } = this.records.next(nowMs);
      world.log.put(tail, body, headers);
      return;
    }
    const { tail, body } = this.events.next(nowMs);
    world.log.put(tail, body);
  }

  /** Whatever else happens after a message. */
  private disturb(): void {
    const { random, swarm, world, people } = this;
    const { drains, cuts, reads, profileDeletes, datasetDeletes, erasures } = swarm.traffic;
    if (random.next() < reads) void this.read(people.anyone(random));
    if (random.next() < cuts) this.cut();
    if (random.next() < profileDeletes) this.deleteProfile();
    if (random.next() < datasetDeletes) this.deleteDataset();
    if (random.next() < erasures)
      this.control({ kind: 'erase', hash: simulatedHash(random.next() < 0.9 ? people.someone(random) : 'nobody.nobody') });
    if (random.next() < 0.01) this.tick();
    if (random.next() < drains) world.drain();
    world.disturb();
  }

  private deleteProfile(): void {
    const { random, world, people } = this;
    people.noteDelete(world.log.nowMs);
    // one in a few asks for an erasure, or for what there is not
    const operation = oneOf(random, ['delete', 'delete', 'delete', 'erase', 'remove']);
    world.log.put(`in._profile.${people.someone(random)}`, new Uint8Array(0), { [OPERATION_HEADER]: operation });
  }

  private deleteDataset(): void {
    const { random } = this;
    this.control({ kind: 'deleteDataset', dataset: random.next() < 0.95 ? oneOf(random, this.datasets) : 'nosuchdataset' });
  }

  /** Something is deleted. */
  private control(message: Extract<ControlMessage, { readonly kind: 'deleteDataset' | 'erase' }>): void {
    this.people.noteDelete(this.world.log.nowMs);
    this.world.log.put(`ctl.${message.kind}`, encodeControl(message));
  }

  /** Under the event clock somebody (ingest) moves time; under the log clock the body says nothing. */
  private tick(): void {
    const timeMs = this.world.log.nowMs - this.random.below(1_000);
    const isTimed = this.swarm.clockMode === 'event' && this.random.next() < 0.8;
    this.world.log.put('ctl.tick', encodeControl(isTimed ? { kind: 'tick', timeMs } : { kind: 'tick' }));
  }

  /** Reads a profile after some sequence of the log, now or when it is reached. */
  private async read(key: IdentityKey): Promise<void> {
    const { world, random } = this;
    const { life, log, witness } = world;
    if (life === null || !life.active) return;
    const after = random.next() < 0.5 ? log.lastForShard : random.below(log.lastForShard + 1);
    const through = log.messages[log.indexAfter(after) - 1]?.sequence ?? 0;
    const policy = random.next() < 0.5 ? undefined : oneOf(random, this.policies);
    try {
      const view = await life.shard.reads.get(key, after, READ_MS, policy);
      if (!life.dead) witness.read(key, after, through, view);
    } catch (error) {
      this.excuse(error, 'a read');
    }
  }

  /** Exports everything at exactly one sequence. */
  private cut(): void {
    const { world, random } = this;
    const id = `cut-${++this.cuts}`;
    const sequence = world.log.put('ctl.cut', encodeControl({ kind: 'cut', id }));
    world.scheduler.after(random.below(NEAR_MS), () => {
      const { life } = world;
      if (life === null || !life.active) return;
      try {
        const views: ProfileView[] = [];
        for (let after: IdentityKey | null = ''; after !== null;) {
          const page: ReturnType<typeof life.shard.exports.page> = life.shard.exports.page(id, after);
          if (page.sequence !== sequence) world.witness.problem(`an export stands at ${page.sequence}`, sequence);
          views.push(...page.profiles.map((text) => JSON.parse(text) as ProfileView));
          after = page.next;
        }
        world.witness.exported(views, sequence);
      } catch (error) {
        this.excuse(error, 'an export');
      }
    });
  }

  private excuse(error: unknown, what: string): void {
    if (error instanceof SimulatedFault || (error instanceof VisageError && error.kind === 'retry')) return;
    this.world.witness.problem(`${what} failed: ${errorText(error)}`);
  }
}
