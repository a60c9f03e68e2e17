// The shards of a root in this worker, with their statecharts: which are here, what state each is in, which can be read, how they end.
// OS1: a shard is read only under a lease that is trusted: past it, somebody else may have gone on.
import { createActor, type ActorRefFrom } from 'xstate';
import { VisageError } from '../base/errors.ts';
import type { ShardHost } from '../cluster/ownership.ts';
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

/** Shards of others that are followed at the same time: each replays, and the owner has the other core. */
const FOLLOWED_MAX = 2;

export class OwnedShards implements ShardHost {
  private readonly shards: Owned[] = [];
  private readonly waiting = new Set<number>();
  private readonly cacheMaxBytes: number;
  /** Asked before every read. */
  isTrusted: (shard: number) => boolean = () => true;
  /** The shard's life began here, or ended. */
  onHere: (shard: number, isHere: boolean) => void = () => undefined;
  /** A shard of somebody else is followed closely. */
  onPrepared: () => void = () => undefined;
  /** The shard's life ended by itself. */
  onEnded: (shard: number) => void = () => undefined;

  constructor(cacheMaxBytes: number) {
    this.cacheMaxBytes = cacheMaxBytes;
  }

  get count(): number {
    return this.shards.length;
  }

  /** Adds the next shard; `start` starts all of them. `onStep` is called after every step of its life, `onDefect` when the
   *  statechart itself fails. */
  add(life: LiveShard, meter: LifeMeter, onStep: () => void, onDefect: (error: unknown) => void): void {
    const actor = createActor(shardMachine, { input: { life } });
    const shard: Owned = { life, actor, meter, lastState: 'elsewhere' };
    const index = this.shards.push(shard) - 1;
    const step = (): void => {
      const before = shard.lastState;
      const state = countStep(shard);
      if (state !== before) this.stepped(index, before, state);
      onStep();
    };
    actor.subscribe({ next: step, complete: step, error: onDefect });
  }

  start(): void {
    for (const { actor } of this.shards) actor.start();
  }

  own(shard: number): void {
    this.waiting.delete(shard);
    this.at(shard).meter.takeovers++;
    this.at(shard).actor.send({ type: 'OWN' });
    this.shareCache();
  }

  async release(shard: number): Promise<void> {
    const { actor, life } = this.at(shard);
    await life.keeper.end();
    actor.send({ type: 'RELEASE' });
    await gone(this.at(shard));
    this.shareCache();
  }

  lost(shard: number): void {
    this.at(shard).actor.send({ type: 'LOST' });
    this.shareCache();
  }

  prepare(shard: number): void {
    if (stateName(this.at(shard)) !== 'elsewhere') return;
    this.waiting.add(shard);
    this.followNext();
  }

  unprepare(shard: number): void {
    this.waiting.delete(shard);
    if (FOLLOWING.includes(stateName(this.at(shard)))) this.at(shard).actor.send({ type: 'UNPREPARE' });
  }

  prepared(): readonly number[] {
    return this.shards.flatMap((shard, index) => (stateName(shard) === 'prepared' ? [index] : []));
  }

  stored(): ReadonlyMap<number, number> {
    return new Map(
      this.shards.flatMap((shard, index): [number, number][] => {
        const through = folding(shard)?.position.applied ?? shard.life.storedThrough;
        return through > 0 ? [[index, through]] : [];
      }),
    );
  }

  /** How many bytes the cache of each shard that is here may take. */
  get cacheShare(): number {
    const here = this.shards.filter(({ actor }) => actor.getSnapshot().context.owned).length;
    return Math.floor(this.cacheMaxBytes / Math.max(1, here));
  }

  states(): string[] {
    return this.shards.map(stateName).filter(isHere);
  }

  /** Has the shard its life here, whatever state it is in? */
  isHere(shard: number): boolean {
    const found = this.shards[shard];
    return found !== undefined && isHere(stateName(found));
  }

  /** Has somebody here its folder open, or is about to? */
  isInUse(shard: number): boolean {
    const found = this.shards[shard];
    return found !== undefined && !['elsewhere', 'released'].includes(stateName(found));
  }

  /** No shard that is here is restoring or replaying: a halted one does not keep the others from being served. */
  get settled(): boolean {
    return this.states().every((state) => ['active', 'halted'].includes(state));
  }

  /** An operator has said something about a shard: it is looked at again. @returns whether it was halted */
  resync(index: number): boolean {
    const { actor } = this.at(index);
    const halted = actor.getSnapshot().value === 'halted';
    actor.send({ type: 'RESYNC' });
    return halted;
  }

  lifeOf(index: number): LiveShard {
    return this.at(index).life;
  }

  /** @throws VisageError `no_such_shard` (usage) · `shard_halted` (stop_shard) · `shard_not_ready`, `shard_elsewhere` (retry) */
  active(index: number): Shard {
    if (this.count === 0) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    const shard = this.at(index);
    const state = stateName(shard);
    if (!isHere(state)) throw new VisageError('shard_elsewhere', `shard ${index} is not here; try again`, { kind: 'retry' });
    if (state === 'halted')
      throw new VisageError('shard_halted', `shard ${index} is halted: ${whyOf(shard).reason}`, { kind: 'stop_shard' });
    if (state !== 'active' || shard.life.shard === undefined)
      throw new VisageError('shard_not_ready', `shard ${index} is ${state}; try again`, { kind: 'retry' });
    if (!this.isTrusted(index))
      throw new VisageError(
        'shard_not_ready',
        `the lease of shard ${index} could not be renewed in time: another worker may have it by now; try again`,
        { kind: 'retry' },
      );
    return shard.life.shard;
  }

  private stepped(index: number, before: string, state: string): void {
    if (isHere(state) !== isHere(before)) this.onHere(index, isHere(state));
    if (state === 'prepared') this.onPrepared();
    // what was to be released or is lost is known to whoever said so; this one was fenced off
    if (state === 'elsewhere' && isHere(before)) this.onEnded(index);
    this.followNext();
  }

  private at(index: number): Owned {
    const shard = this.shards[index];
    if (shard === undefined) throw new VisageError('no_such_shard', `there is no shard ${index}`, { kind: 'usage' });
    return shard;
  }

  private followNext(): void {
    for (const shard of this.waiting) {
      const following = this.shards.filter((one) => stateName(one) === 'behind' || stateName(one) === 'followingLater').length;
      if (following >= FOLLOWED_MAX) return;
      this.waiting.delete(shard);
      this.at(shard).actor.send({ type: 'PREPARE' });
    }
  }

  private shareCache(): void {
    for (const { life } of this.shards) life.shard?.shareCache(this.cacheShare);
  }

  summaries(): ShardSummary[] {
    return this.shards.flatMap((shard, index) => {
      const state = stateName(shard);
      if (!isHere(state)) return [];
      return [{ ...folding(shard)?.status(), shard: index, state, ...whyOf(shard), snapshot: shard.life.lastSnapshot }];
    });
  }

  now(): ShardNow[] {
    return this.shards.map((shard) => {
      const running = folding(shard);
      const { keeper } = shard.life;
      const snapshots = { taken: keeper.taken, failures: keeper.failures };
      return { state: stateName(shard), snapshots, status: running?.status(), store: running?.options.store.stats() };
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

const FOLLOWING: readonly string[] = ['behind', 'prepared', 'followingLater'];
const NOT_HERE: readonly string[] = ['elsewhere', 'released', 'unfollowing', ...FOLLOWING];

function isHere(state: string): boolean {
  return !NOT_HERE.includes(state);
}

/** The shard's driver while it is folding: before and after, its figures mean nothing and its store is closed. */
function folding(shard: Owned): Shard | undefined {
  return ['active', 'replaying'].includes(stateName(shard)) ? shard.life.shard : undefined;
}

function countStep(shard: Owned): string {
  const state = stateName(shard);
  if (state === shard.lastState) return state;
  if (shard.lastState === 'active' && state === 'abandoning') shard.meter.fenceConflicts++;
  shard.lastState = state;
  if (state === 'failed') shard.meter.restarts++;
  if (state === 'halted') countHalt(shard.meter, whyOf(shard).reasonCode ?? 'defect');
  return state;
}

function whyOf(shard: Owned): ReturnType<typeof reasonOf> {
  return reasonOf(shard.actor.getSnapshot().context.error);
}

function stateName({ actor }: Owned): string {
  const value = actor.getSnapshot().value;
  return typeof value === 'string' ? value : Object.values(value)[0]!;
}

/** Resolves when the shard is not here any more. */
function gone(shard: Owned): Promise<void> {
  return new Promise((resolve) => {
    const look = (): boolean => !isHere(stateName(shard)) && (resolve(), true);
    if (look()) return;
    const watching = shard.actor.subscribe({
      next: () => look() && watching.unsubscribe(),
      complete: resolve,
      error: () => resolve(),
    });
  });
}

function ended({ actor }: Owned): Promise<void> {
  return new Promise((resolve) => {
    if (actor.getSnapshot().status !== 'active') return resolve();
    actor.subscribe({ complete: resolve, error: () => resolve() });
    actor.send({ type: 'STOP' });
  });
}
