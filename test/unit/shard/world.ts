// A whole shard over in-memory ports: lives that start, crash and start again on the same log, change stream and disk.
import { VisageError } from '../../../src/base/errors.ts';
import { formatTime } from '../../../src/base/time.ts';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl, type FoldSettings } from '../../../src/message/control.ts';
import { encodeId, type IdentityKey } from '../../../src/message/identity.ts';
import { NO_ERASURES } from '../../../src/shard/resolve_erase.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../../../src/oracle/chain.ts';
import type { ProfileView } from '../../../src/profile/view.ts';
import { FOLD_VERSION } from '../../../src/shard/fold.ts';
import { newShardMeter, newWorkerMeter } from '../../../src/shard/metering.ts';
import { Shard } from '../../../src/shard/shard.ts';
import type { ShardOptions } from '../../../src/shard/shard_options.ts';
import { MemoryDisk, MemoryStore } from '../../../src/store/memory_store.ts';
import { FakeClock, FakeDeadLetters, FakeLog, FakeSink, LifeClock, settle } from './fakes.ts';
import { EVERYTHING, ROOT } from './fold_run.ts';

export const START = Date.UTC(2026, 0, 1);
const utf8 = new TextEncoder();

export type Life = {
  readonly shard: Shard;
  readonly clock: LifeClock;
  readonly running: Promise<void>;
  active: boolean;
  ended: { error: unknown } | undefined;
};

export class World {
  readonly clock = new FakeClock();
  readonly log: FakeLog;
  readonly sink: FakeSink;
  readonly letters: FakeDeadLetters;
  readonly plan: Plan;
  disk = new MemoryDisk();
  lives = 0;
  readonly meter = newShardMeter();
  readonly workerMeter = newWorkerMeter();

  constructor(plan: Plan = EVERYTHING) {
    this.clock.wallOffset = START;
    this.log = new FakeLog(this.clock, START);
    this.sink = new FakeSink(this.clock);
    this.letters = new FakeDeadLetters(this.clock);
    this.plan = plan;
  }

  definitions(settings: Partial<FoldSettings> = {}): number {
    return this.log.put(
      'ctl.definitions',
      encodeControl({
        kind: 'definitions',
        hash: this.plan.hash,
        foldVersion: FOLD_VERSION,
        settings: { ...DEFAULT_FOLD_SETTINGS, ...settings },
      }),
    );
  }

  event(id: string, body: Record<string, unknown>, lateMs = 0, dataset = 'orders'): number {
    const all = { timestamp: formatTime(this.log.nowMs - lateMs), eventType: 'buy', ...body };
    return this.log.put(`in.${dataset}.customerId.${encodeId(id)}`, utf8.encode(JSON.stringify(all)));
  }

  broken(id: string): number {
    return this.log.put(`in.orders.customerId.${id}`, utf8.encode('{"_id":"x","timestamp":"yesterday"}'));
  }

  make(more: Partial<ShardOptions> = {}): { shard: Shard; clock: LifeClock } {
    const clock = new LifeClock(this.clock);
    const { plan } = this;
    const shard = new Shard({
      root: ROOT,
      logStream: 'VISAGE_LOG',
      shard: 0,
      partitions: 1,
      clockMode: 'log',
      owner: `life-${++this.lives}`,
      clock,
      log: this.log.port(clock),
      sink: this.sink.port(clock),
      deadLetters: this.letters.port(clock),
      store: new MemoryStore(this.disk),
      definitions: {
        load: async (hash) => {
          await Promise.resolve();
          if (hash !== plan.hash) throw new VisageError('unknown_definitions', hash, { kind: 'retry' });
        },
        planOf: () => plan,
      },
      meter: this.meter,
      workerMeter: this.workerMeter,
      cacheMaxBytes: 3000,
      tickMs: 100,
      commitIntervalMs: 10,
      commitRefreshMs: 600_000,
      checkpointIntervalMs: 2000,
      checkpointMaxDirty: 50,
      maxClockJumpMs: 600_000,
      logGap: 'halt',
      gapThrough: 0,
      adopted: null,
      erasures: NO_ERASURES,
      onErase: () => undefined,
      onWarning: () => undefined,
      generation: null,
      ...more,
    });
    return { shard, clock };
  }

  /** Restores and runs; what it ends with is in `ended`. */
  async start(more: Partial<ShardOptions> = {}): Promise<Life> {
    const { shard, clock } = this.make(more);
    const life: Life = { shard, clock, running: this.#run(shard, () => life), active: false, ended: undefined };
    await settle();
    return life;
  }

  async #run(shard: Shard, life: () => Life): Promise<void> {
    await Promise.resolve();
    try {
      await shard.restore();
      await shard.run(() => void (life().active = true));
      life().ended = { error: undefined };
    } catch (error) {
      life().ended = { error };
    }
  }

  /** Power off: the life neither hears nor does anything any more. */
  crash(life: Life): void {
    life.clock.dead = true;
    life.shard.abandon();
    this.sink.inFlight = 0;
    if (this.disk.owner !== undefined) this.disk.owner = undefined; // its open transaction is lost
  }

  /** Until everything in the log is applied, and what was visible is committed. */
  async quiet(life: Life): Promise<void> {
    for (let i = 0; i < 100; i++) {
      await this.clock.advance(300);
      if (life.ended !== undefined) throw new Error('the shard ended', { cause: life.ended.error });
      const { applied, changes } = life.shard.status();
      if (life.active && applied === this.log.messages.at(-1)?.sequence && this.sink.last()?.header.changeCount === changes)
        return;
    }
    throw new Error(`not quiet: ${JSON.stringify(life.shard.status())}`);
  }

  oracle(): ShardOracle {
    const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => this.plan });
    for (const message of this.log.messages) oracle.feed(message);
    return oracle;
  }

  /** Every change event in the stream, checked to be one chain over all lives. */
  chain(): ChainChecker {
    const checker = new ChainChecker();
    for (const { body } of this.sink.commits) for (const event of JSON.parse(body) as ChainEvent[]) checker.feed(event);
    return checker;
  }

  async views(life: Life, keys: readonly IdentityKey[]): Promise<ProfileView[]> {
    return Promise.all(keys.map(async (key) => (await life.shard.reads.get(key, 0, 1000))!));
  }
}
