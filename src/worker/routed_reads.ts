// Reads of any shard, by any worker: what is here is answered here, the rest through its owner.
// RR1: while a shard moves nobody answers for it, for a moment: that is waited for, and is an error to try again only when it takes longer.
// RR2: an owner that stands still answers nothing: it is not waited for once it has lost the shard, nor longer than the reader would wait.
import { setTimeout as delay } from 'node:timers/promises';
import { errorText, VisageError } from '../base/errors.ts';
import type { Member } from '../cluster/entries.ts';
import { identityKey, partitionOf } from '../message/identity.ts';
import type { EraseService } from '../ports/erase_service.ts';
import type { ReadService, ShardSummary, WorkerStatus, WorkerSummary } from '../ports/reads.ts';
import type { Forward } from '../api/forward.ts';
import type { OwnedShards } from './owned_shards.ts';

const MOVING_MS = 2_000;
/** A worker that ends does not wait for what nobody may take over. */
const DRAINING_MS = 500;
const LOOK_MS = 40;
const FORWARD_MS = 35_000;
/** What a read of a profile waits for when it does not say. */
const READ_MS = 5_000;
/** Beside the wait that a reader asks for. */
const ANSWER_MS = 2_000;
const STATUS_MS = 2_000;
const MOVING: readonly string[] = ['shard_elsewhere', 'shard_not_ready'];

export type RoutedOptions = {
  readonly partitions: number;
  readonly local: ReadService;
  readonly localErase: () => EraseService | undefined;
  readonly shards: OwnedShards;
  /** Undefined until the worker is connected. */
  readonly forward: () => Forward | undefined;
  readonly members: () => Iterable<Member>;
  /** The process that has the shard, as far as is known. */
  readonly ownerOf: (shard: number) => string | undefined;
  readonly instance: string;
  readonly draining: () => boolean;
};

export type Routed = { readonly reads: ReadService; readonly erase: EraseService };

export function routed(options: RoutedOptions): Routed {
  const { partitions, local, shards, forward, draining } = options;
  const route = async <T>(
    shard: number,
    here: () => Promise<T>,
    verb: string,
    query: object,
    standardMs = FORWARD_MS,
  ): Promise<T> => {
    const { timeoutMs = standardMs } = query as { readonly timeoutMs?: number };
    const answerMs = Math.min(timeoutMs + ANSWER_MS, FORWARD_MS);
    const startMs = performance.now();
    let untilMs = startMs + MOVING_MS;
    for (;;) {
      const away = forward();
      try {
        if (away === undefined || shards.count === 0 || shards.isHere(shard)) return await here();
        const owner = options.ownerOf(shard);
        const hasMoved = (): boolean => shards.isHere(shard) || options.ownerOf(shard) !== owner;
        const answer = await unlessSo(hasMoved, away.toShard(shard, verb, query, answerMs));
        if (answer !== MOVED) return (answer ?? undefined) as T;
        untilMs = performance.now() + MOVING_MS;
      } catch (error) {
        const isMoving = error instanceof VisageError && MOVING.includes(error.code);
        if (!isMoving || away === undefined || shards.count === 0) throw error;
        if (performance.now() > Math.min(untilMs, draining() ? startMs + DRAINING_MS : Infinity))
          throw new VisageError('shard_not_ready', `shard ${shard} is moving, or is starting; try again: ${errorText(error)}`, {
            kind: 'retry',
          });
      }
      await delay(LOOK_MS);
    }
  };
  const shardOf = (query: { readonly namespace: string; readonly id: string }): number =>
    partitionOf(identityKey(query), partitions);
  return {
    reads: {
      profile: async (query) => route(shardOf(query), () => local.profile(query), 'profile', query, READ_MS),
      explain: async (query) => route(shardOf(query), () => local.explain(query), 'explain', query),
      events: async (query, bytesMax) => route(shardOf(query), () => local.events(query, bytesMax), 'events', query),
      exportPage: async (query) => route(query.shard, () => local.exportPage(query), 'export', query),
      unionSchema: (className) => local.unionSchema(className),
      definitions: () => local.definitions(),
      status: () => statusOf(options),
    },
    erase: {
      erase: async (query) =>
        route(
          shardOf(query),
          async () => {
            const service = options.localErase();
            if (service === undefined)
              throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
            return service.erase(query);
          },
          'erase',
          query,
        ),
    },
  };
}

const MOVED = Symbol('moved');

/** What was asked, or MOVED as soon as that is so. */
async function unlessSo(hasMoved: () => boolean, asked: Promise<unknown>): Promise<unknown> {
  for (;;) {
    const look = new AbortController();
    const looking = delay(LOOK_MS, MOVED, { signal: look.signal }).catch(() => MOVED);
    const found = await Promise.race([asked, looking]).finally(() => look.abort());
    if (found !== MOVED) return found;
    if (!hasMoved()) continue;
    asked.catch(() => undefined); // nobody waits for it any more
    return MOVED;
  }
}

/** What every worker says, in one. */
async function statusOf({ partitions, local, forward, members, instance }: RoutedOptions): Promise<WorkerStatus> {
  const mine = await local.status();
  const away = forward();
  const others = [...members()].filter((member) => member.instance !== instance);
  const said = await Promise.all(
    others.map(async (member) => {
      const status = await away?.toWorker(member.owner, 'status', STATUS_MS).catch(() => undefined);
      return { member, status: status as WorkerStatus | undefined };
    }),
  );
  const all = new Map<number, ShardSummary>();
  const theirs = said.flatMap(({ member, status }) => saidBy(member.instance, status));
  for (const shard of [...theirs, ...saidBy(instance, mine)]) {
    const known = all.get(shard.shard);
    if (known === undefined || Number(shard['epoch'] ?? -1) >= Number(known['epoch'] ?? -1)) all.set(shard.shard, shard);
  }
  const shards = Array.from({ length: partitions }, (_, shard): ShardSummary => {
    const nobody = { shard, state: 'elsewhere', reason: 'no worker that answers has it', reasonCode: 'no_owner' };
    return all.get(shard) ?? nobody;
  });
  return {
    ...mine,
    shards: mine.shards.length === 0 && said.length === 0 ? [] : shards,
    workers: [
      summary(mine, instance, false),
      ...said.map(({ member, status }) => summary(status, member.instance, member.draining)),
    ],
  };
}

function saidBy(instance: string, status: WorkerStatus | undefined): ShardSummary[] {
  return (status?.shards ?? []).map((shard) => ({ ...shard, instance }));
}

function summary(status: WorkerStatus | undefined, instance: string, draining: boolean): WorkerSummary {
  return {
    instance,
    answers: status !== undefined,
    version: status?.version ?? null,
    pid: status?.pid ?? null,
    startedAt: status?.startedAt ?? null,
    ready: status?.ready === true,
    draining,
    shards: status?.shards.length ?? 0,
  };
}
