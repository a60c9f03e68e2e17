// What workers tell each other: `worker.<instance>` says that one is there, `shard.<n>` who owns a shard.
// EN1: what cannot be read is nobody's: an entry of a later release must not stop this one.
// EN2: a data directory belongs to one process at a time: of two entries that name one folder, the later is right.
import type { LeaseEntry } from '../ports/leases.ts';

/** `owner`: this process; `folder`: its data directory, over restarts. */
export type WorkerIdentity = { readonly instance: string; readonly owner: string; readonly folder: string };

export type Member = WorkerIdentity & {
  /** It is leaving: it takes no shards, and gives up those that it has. */
  readonly draining: boolean;
  /** Shards of others that it follows so closely that it can take them over at once. */
  readonly prepared: readonly number[];
  /** By shard: up to which sequence its folder stands. */
  readonly stored: ReadonlyMap<number, number>;
};

export type Ownership = WorkerIdentity & { readonly revision: number };

/** By instance, and by shard. */
export type View = { readonly members: Map<string, Member>; readonly owners: Map<number, Ownership> };

const WORKER = 'worker.';
const SHARD = 'shard.';

export function workerKey(instance: string): string {
  return WORKER + instance;
}

export function shardKey(shard: number): string {
  return SHARD + shard;
}

export function encodeMember({ stored, ...member }: Member): string {
  return JSON.stringify({ ...member, stored: [...stored] });
}

export function encodeOwner({ instance, owner, folder }: WorkerIdentity): string {
  return JSON.stringify({ instance, owner, folder });
}

export function parseOwner(value: string): WorkerIdentity | undefined {
  try {
    const { instance, owner, folder } = JSON.parse(value) as Record<string, unknown>;
    if (typeof instance !== 'string' || typeof owner !== 'string' || typeof folder !== 'string') return undefined;
    return { instance, owner, folder };
  } catch {
    return undefined;
  }
}

export function viewOf(entries: readonly LeaseEntry[]): View {
  const byFolder = new Map<string, { readonly member: Member; readonly revision: number }>();
  const owners = new Map<number, Ownership>();
  for (const { key, value, revision } of entries) {
    const named = parseOwner(value);
    if (named === undefined) continue;
    if (key.startsWith(SHARD)) owners.set(Number(key.slice(SHARD.length)), { ...named, revision });
    const before = byFolder.get(named.folder)?.revision ?? 0;
    if (key.startsWith(WORKER) && revision > before)
      byFolder.set(named.folder, { member: { ...named, ...detailsOf(value) }, revision });
  }
  return { members: new Map([...byFolder.values()].map(({ member }) => [member.instance, member])), owners };
}

function detailsOf(value: string): Omit<Member, keyof WorkerIdentity> {
  const { draining, prepared, stored } = JSON.parse(value) as Record<string, unknown>;
  return {
    draining: draining === true,
    prepared: Array.isArray(prepared) ? (prepared as number[]) : [],
    stored: new Map(Array.isArray(stored) ? (stored as [number, number][]) : []),
  };
}
