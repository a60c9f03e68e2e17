// Keeps what this worker owns in step with who else is there: announces itself, renews its leases, takes and gives up shards.
// OW1: a shard is started only under a lease that was just taken, and its lease is given up only when it has ended.
// OW2: a shard that somebody else should have stays until that one follows it closely: between the two nobody waits for a replay.
// OW3: a lease is trusted until (when its last renewal was sent) + ttl - margin, by this machine's monotonic clock alone; clocks of
//      machines are never compared. Nothing wrong is written under one that is not trusted: the change stream's fence sees to that.
// OW4: one turn at a time does everything that is written: a renewal and a release never cross.
import { errorText, VisageError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseEntry, LeaseStore } from '../ports/leases.ts';
import { assign } from './assignment.ts';
import {
  encodeMember,
  encodeOwner,
  parseOwner,
  shardKey,
  viewOf,
  workerKey,
  type Member,
  type View,
  type WorkerIdentity,
} from './entries.ts';

/** Where the shards live. */
export interface ShardHost {
  /** The lease was taken: the shard is this worker's to start. */
  own(shard: number): void;
  /** Ends the shard in order; resolves when somebody else may have it. Never rejects. */
  release(shard: number): Promise<void>;
  /** Somebody else has it: ends it at once. */
  lost(shard: number): void;
  /** Follows a shard of somebody else, to take it over soon. May be said again and again. */
  prepare(shard: number): void;
  /** That is not wanted any more. */
  unprepare(shard: number): void;
  prepared(): readonly number[];
  stored(): ReadonlyMap<number, number>;
}

export type OwnershipOptions = {
  readonly partitions: number;
  readonly me: WorkerIdentity;
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly host: ShardHost;
  /** What was taken, given up or lost; and once what goes wrong, until it goes right. */
  readonly log: (level: 'info' | 'warn', event: string, figures?: Readonly<Record<string, unknown>>) => void;
  /** After every turn. */
  readonly onTurn: () => void;
  /** This worker must not go on: its name or its folder is somebody else's too. */
  readonly onConflict: (error: VisageError) => void;
};

type Held = {
  revision: number;
  trustedUntilMs: number;
  renewAtMs: number;
  /** It is being ended; then its lease goes. */
  releasing: boolean;
  ended: boolean;
};

const MARGIN_SHARE = 5;
const RENEWALS_PER_TTL = 3;
const TURNS_PER_TTL = 4;
const RETRY_MS = 500;
/** Two at once would make both of them slower, and each wait is one of readers. */
const HAND_OVERS_MAX = 1;

export class Ownership {
  /** A turn has been taken: what is owned is what should be, as far as it can be. */
  decided = false;
  private readonly options: OwnershipOptions;
  private readonly held = new Map<number, Held>();
  private view: View = { members: new Map(), owners: new Map() };
  private wanted: readonly (string | undefined)[] = [];
  private revisions = new Map<string, number>();
  private announced = '';
  private draining = false;
  private drainUntilMs = Infinity;
  private stopped = false;
  private turning = false;
  private again = false;
  private cancelTimer: (() => void) | null = null;
  private endHints: () => void = () => undefined;
  private readonly left = Promise.withResolvers<void>();
  private failing = false;
  /** Another process under this name, and the revision at which it was first seen. */
  private rival: number | null = null;

  constructor(options: OwnershipOptions) {
    this.options = options;
  }

  start(): void {
    this.endHints = this.options.store.onHint(() => this.poke());
    this.poke();
  }

  /** Looks at once: something has changed. */
  poke(): void {
    if (this.stopped) return;
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.again = true;
    if (!this.turning) void this.turns();
  }

  /** Gives everything up, to successors that are prepared where there are any; after `withinMs` to whoever comes. */
  async drain(withinMs: number): Promise<void> {
    this.draining = true;
    this.drainUntilMs = this.options.clock.monotonicMs() + withinMs;
    const cancel = this.options.clock.timer(withinMs, () => this.poke());
    this.poke();
    await this.left.promise;
    cancel();
  }

  /** Ends all of it at once; leases are left to run out. */
  abandon(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.endHints();
    this.left.resolve();
  }

  /** May this worker answer for the shard? */
  isTrusted(shard: number): boolean {
    const held = this.held.get(shard);
    return held !== undefined && this.options.clock.monotonicMs() < held.trustedUntilMs;
  }

  holds(shard: number): boolean {
    return this.held.has(shard);
  }

  /** Are all shards that should be here held, but for those that others still have? */
  get complete(): boolean {
    const { instance } = this.options.me;
    return (
      this.decided &&
      this.wanted.every((wanted, shard) => {
        if (wanted !== instance || this.held.has(shard)) return true;
        const owner = this.view.owners.get(shard);
        return owner !== undefined && this.view.members.get(owner.instance)?.owner === owner.owner;
      })
    );
  }

  /** Who is there, by instance; this worker too. */
  get members(): ReadonlyMap<string, Member> {
    return this.view.members;
  }

  /** Is nobody there who could take shards? */
  get isAlone(): boolean {
    const { me } = this.options;
    return [...this.view.members.values()].every(({ instance, draining }) => draining || instance === me.instance);
  }

  ownerOf(shard: number): WorkerIdentity | undefined {
    return this.view.owners.get(shard);
  }

  /** The shard's life has ended by itself: another owner fenced it off. */
  ended(shard: number): void {
    if (this.held.get(shard)?.releasing !== false) return;
    this.held.delete(shard); // its lease is another's by now; where it is not, the next turn takes it anew
    this.revisions.delete(shardKey(shard));
    this.poke();
  }

  private async turns(): Promise<void> {
    this.turning = true;
    let waitMs = this.options.store.ttlMs / TURNS_PER_TTL;
    while (this.again && !this.stopped) {
      this.again = false;
      waitMs = this.options.store.ttlMs / TURNS_PER_TTL;
      try {
        await this.turn();
        if (this.failing) this.options.log('info', 'leases are renewed again');
        this.failing = false;
      } catch (error) {
        if (!this.failing) this.options.log('warn', 'leases cannot be renewed; trying again', { reason: errorText(error) });
        this.failing = true;
        waitMs = Math.min(waitMs, RETRY_MS);
        if (this.draining) this.drainAlone();
      }
      this.options.onTurn();
    }
    this.turning = false;
    if (!this.stopped) this.cancelTimer = this.options.clock.timer(waitMs, () => this.poke());
  }

  private async turn(): Promise<void> {
    const { store } = this.options;
    const entries = await store.list();
    for (const { key, revision } of entries) this.revisions.set(key, Math.max(revision, this.revisions.get(key) ?? 0));
    this.view = viewOf(entries);
    if (!(await this.announce(entries))) {
      if (this.draining) this.drainAlone(); // what is held under another's name cannot be given back
      return;
    }
    await Promise.all([...this.held].map(([shard, held]) => this.keep(shard, held)));
    this.want();
    await Promise.all(this.wanted.map((wanted, shard) => this.settle(shard, wanted)));
    this.decided = true;
    if (this.draining && this.held.size === 0) await this.leave();
  }

  /** @returns false while another process has this worker's name */
  private async announce(entries: readonly LeaseEntry[]): Promise<boolean> {
    const { me, store, host } = this.options;
    const key = workerKey(me.instance);
    const there = entries.find((entry) => entry.key === key);
    const named = there === undefined ? undefined : parseOwner(there.value);
    if (there !== undefined && named?.owner !== me.owner && !this.mayReplace(there, named)) return false;
    const member: Member = { ...me, draining: this.draining, prepared: host.prepared(), stored: host.stored() };
    const value = encodeMember(member);
    const outcome = await store.put(key, value, there?.revision ?? 0);
    if (!outcome.done) {
      if (outcome.now !== undefined) this.revisions.set(key, outcome.now.revision);
      this.again = true; // the list was old
      return this.decided;
    }
    this.revisions.set(key, outcome.revision);
    // others wait for a change of these, not for the sequences
    const news = JSON.stringify([member.draining, member.prepared]);
    if (news !== this.announced) store.hint();
    this.announced = news;
    this.view.members.set(me.instance, member);
    return true;
  }

  private mayReplace(there: LeaseEntry, named: WorkerIdentity | undefined): boolean {
    const { me, onConflict } = this.options;
    if (named?.folder === me.folder && !this.decided) return true; // an earlier process on this folder: it has ended
    this.rival ??= there.revision;
    if (this.rival === there.revision) {
      this.options.log('info', `another worker was called '${me.instance}'; waiting until its entry runs out`);
      return false;
    }
    const text = `another worker that runs now is called '${me.instance}'${named?.folder === me.folder ? ', on a copy of this data directory' : ''}: give each worker its own instance name and data directory`;
    onConflict(new VisageError('instance_in_use', text, { kind: 'usage' }));
    return false;
  }

  /** Renews a lease, or gives it back. */
  private async keep(shard: number, held: Held): Promise<void> {
    const { store, clock, me, host } = this.options;
    const key = shardKey(shard);
    if (held.ended) {
      await store.remove(key, held.revision);
      this.held.delete(shard);
      this.revisions.delete(key);
      this.view.owners.delete(shard);
      store.hint();
      return;
    }
    if (clock.monotonicMs() < held.renewAtMs) return;
    const sentMs = clock.monotonicMs();
    let outcome = await store.put(key, encodeOwner(me), held.revision);
    if (!outcome.done && outcome.now === undefined) outcome = await store.put(key, encodeOwner(me), 0); // it ran out, and nobody took it
    if (outcome.done) return this.renewed(held, outcome.revision, sentMs);
    const now = outcome.now === undefined ? undefined : parseOwner(outcome.now.value);
    if (now?.owner === me.owner) {
      held.revision = outcome.now!.revision; // an answer was lost; when that one was sent is not known
      this.again = true;
      return;
    }
    this.held.delete(shard);
    this.options.log('warn', 'shard lost: its lease ran out, and another worker has it', { shard, owner: now?.instance });
    if (!held.releasing) host.lost(shard);
  }

  private renewed(held: Held, revision: number, sentMs: number): void {
    const { ttlMs } = this.options.store;
    held.revision = revision;
    held.trustedUntilMs = sentMs + ttlMs - ttlMs / MARGIN_SHARE;
    held.renewAtMs = sentMs + ttlMs / RENEWALS_PER_TTL;
  }

  private want(): void {
    const candidates = [...this.view.members.values()].filter(({ draining }) => !draining);
    const owners = new Map([...this.view.owners].map(([shard, { instance }]) => [shard, instance]));
    for (const shard of this.held.keys()) owners.set(shard, this.options.me.instance);
    this.wanted = assign(this.options.partitions, candidates, owners);
  }

  private async settle(shard: number, wanted: string | undefined): Promise<void> {
    const { me, host } = this.options;
    const held = this.held.get(shard);
    const isMine = wanted === me.instance;
    if (held !== undefined) {
      if (!isMine && !held.releasing && this.mayRelease(shard, wanted)) this.release(shard, held);
      return;
    }
    if (!isMine) return host.unprepare(shard);
    const owner = this.view.owners.get(shard);
    const isFree = owner === undefined || owner.folder === me.folder;
    if (isFree) await this.take(shard, owner?.revision ?? 0);
    else if (this.view.members.get(owner.instance)?.owner === owner.owner) host.prepare(shard);
  }

  private async take(shard: number, revision: number): Promise<void> {
    const { store, clock, me, host } = this.options;
    const sentMs = clock.monotonicMs();
    const outcome = await store.put(shardKey(shard), encodeOwner(me), revision);
    if (!outcome.done) {
      this.again ||= outcome.now === undefined || parseOwner(outcome.now.value)?.folder === me.folder;
      return;
    }
    const held: Held = { revision: outcome.revision, trustedUntilMs: 0, renewAtMs: 0, releasing: false, ended: false };
    this.renewed(held, outcome.revision, sentMs);
    this.held.set(shard, held);
    host.own(shard);
  }

  private mayRelease(shard: number, wanted: string | undefined): boolean {
    if (wanted === undefined) return this.draining; // nobody else is there
    if (this.draining && this.options.clock.monotonicMs() >= this.drainUntilMs) return true;
    if ([...this.held.values()].filter(({ releasing }) => releasing).length >= HAND_OVERS_MAX) return false;
    return this.view.members.get(wanted)?.prepared.includes(shard) === true;
  }

  private release(shard: number, held: Held): void {
    held.releasing = true;
    this.options.log('info', 'shard is handed over', { shard, to: this.wanted[shard] ?? 'nobody' });
    void this.options.host.release(shard).then(() => {
      held.ended = true;
      this.poke();
    });
  }

  /** Nobody can be told: nobody else is there, or it has taken too long. */
  private drainAlone(): void {
    const { clock } = this.options;
    if (!this.isAlone && clock.monotonicMs() < this.drainUntilMs) return;
    for (const [shard, held] of this.held) if (!held.releasing) this.release(shard, held);
    if ([...this.held.values()].every(({ ended }) => ended)) this.abandon(); // the leases run out
  }

  private async leave(): Promise<void> {
    const { store, me } = this.options;
    const key = workerKey(me.instance);
    await store.remove(key, this.revisions.get(key) ?? 0);
    store.hint();
    this.abandon();
  }
}
