// The shards of a worker with their statecharts: what state each is in, which can be read, how they end.
import { createActor, type ActorRefFrom } from 'xstate';
import { VisageError } from '../base/errors.ts';
import type { ShardSummary } from '../ports/reads.ts';
import type { Shard } from '../shard/shard.ts';
import type { ShardStatus } from '../shard/shard_options.ts';
import type { LiveShard } from './shard_life.ts';
import { reasonOf, shardMachine } from './shard_machine.ts';
import { countHalt, type LifeMeter, type ShardNow } from './worker_metrics.ts';

type Owned = {
  readonly life: LiveShard;
  readonly actor: ActorRefFrom<typeof shardMachine>;
  readonly meter: LifeMeter;
  lastState: string;
};

export class OwnedShards {
  private readonly shards: Owned[] = [];

  get count(): number {
    return this.shards.length;
  }

  /** Adds the next shard; `start` starts all of them. `onStep` is called after every step of its life, `onDefect` when the
   *  statechart itself fails. */
  add(life: LiveShard, meter: LifeMeter, onStep: () => void, onDefect: (error: unknown) => void): void {
    const actor = createActor(shardMachine, { input: { life } });
    const shard: Owned = { life, actor, meter, lastState: '' };
    this.shards.push(shard);
    const step = (): void => {
      countStep(shard);
      onStep();
    };
    actor.subscribe({ next: step, complete: step, error: onDefect });
  }

  start(): void {
    for (const { actor } of this.shards) actor.start();
  }

  states(): string[] {
    return this.shards.map(stateName);
  }

  /** Every shard was taken over by another owner. */
  get allFenced(): boolean {
    return this.shards.every((shard) => stateName(shard) === 'halted' && whyOf(shard).reasonCode === 'fenced');
  }

  /** Neither restoring nor replaying: a halted shard does not keep the others from being served. */
  get settled(): boolean {
    return this.shards.every((shard) => ['active', 'halted'].includes(stateName(shard)));
  }

  /** @throws VisageError `no_such_shard` (usage) · `shard_halted` (stop_shard) · `shard_not_ready` (retry) */
  active(index: number): Shard {
    if (this.count === 0) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    const shard = this.shards[index];
    if (shard === undefined) throw new VisageError('no_such_shard', `there is no shard ${index}`, { kind: 'usage' });
    const state = stateName(shard);
    if (state === 'halted')
      throw new VisageError('shard_halted', `shard ${index} is halted: ${whyOf(shard).reason}`, { kind: 'stop_shard' });
    if (state !== 'active' || shard.life.shard === undefined)
      throw new VisageError('shard_not_ready', `shard ${index} is ${state}; try again`, { kind: 'retry' });
    return shard.life.shard;
  }

  summaries(): ShardSummary[] {
    return this.shards.map((shard, index) => ({
      ...folding(shard)?.status(),
      shard: index,
      state: stateName(shard),
      ...whyOf(shard),
    }));
  }

  now(): ShardNow[] {
    return this.shards.map((shard) => {
      const running = folding(shard);
      return { state: stateName(shard), status: running?.status(), store: running?.options.store.stats() };
    });
  }

  /** What does not go as it should in shards that are at work, a line a kind. */
  troubles(): string[] {
    const working = this.shards.flatMap((shard) => folding(shard)?.status() ?? []);
    const list = (failing: (status: ShardStatus) => boolean): string =>
      working
        .filter(failing)
        .map(({ shard }) => shard)
        .join(', ');
    const lines = [
      ['commits do not get out of shards', list(({ commitsFailing }) => commitsFailing)],
      ['ticks cannot be appended to the logs of shards', list(({ ticksFailing }) => ticksFailing)],
      ['halted shards', this.shards.flatMap((shard, index) => (stateName(shard) === 'halted' ? [index] : [])).join(', ')],
    ] as const;
    return lines.flatMap(([what, shards]) => (shards === '' ? [] : [`${what} ${shards}`]));
  }

  /** Drains all of them. */
  async stop(): Promise<void> {
    await Promise.all(this.shards.map(ended));
  }
}

/** The shard's driver while it is folding: before and after, its figures mean nothing and its store is closed. */
function folding(shard: Owned): Shard | undefined {
  return ['active', 'replaying'].includes(stateName(shard)) ? shard.life.shard : undefined;
}

function countStep(shard: Owned): void {
  const state = stateName(shard);
  if (state === shard.lastState) return;
  shard.lastState = state;
  if (state === 'failed') shard.meter.restarts++;
  if (state === 'halted') countHalt(shard.meter, whyOf(shard).reasonCode ?? 'defect');
}

function whyOf(shard: Owned): ReturnType<typeof reasonOf> {
  return reasonOf(shard.actor.getSnapshot().context.error);
}

function stateName({ actor }: Owned): string {
  const value = actor.getSnapshot().value;
  return typeof value === 'string' ? value : Object.values(value)[0]!;
}

function ended({ actor }: Owned): Promise<void> {
  return new Promise((resolve) => {
    if (actor.getSnapshot().status !== 'active') return resolve();
    actor.subscribe({ complete: resolve, error: () => resolve() });
    actor.send({ type: 'STOP' });
  });
}
