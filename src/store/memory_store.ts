// The store's memory twin, for tests and simulation: the same records through the same codec, in maps instead of LMDB.
// MS1: a checkpoint is applied in one turn, by `commit`; one that was not committed leaves nothing.
// MS2: a disk belongs to the store that was opened last: what an earlier one still tries to write is refused, as if its process were dead.
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type {
  Checkpoint,
  DueEntry,
  EncodedProfile,
  ProfileStore,
  ShardMeta,
  StoreSnapshot,
  StoreStats,
} from '../ports/profile_store.ts';
import { decodeProfile, type ChunkSource } from './decode_profile.ts';
import { encodeProfile } from './encode_profile.ts';
import type { ChunkKey, ProfileRecords } from './records.ts';

/** What survives the store: open another one on it to restart. */
export class MemoryDisk {
  heads = new Map<IdentityKey, Buffer>();
  chunks = new Map<ChunkKey, Buffer>();
  /** `<due>/<key>` → entry. */
  due = new Map<string, DueEntry>();
  meta: ShardMeta | undefined;
  owner: MemoryStore | undefined;
  /** Kept until the next commit changes them. */
  sortedDue: DueEntry[] | null = null;
}

export class MemoryStore implements ProfileStore {
  readonly disk: MemoryDisk;
  private closed = false;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.disk = disk;
    disk.owner = this;
  }

  readMeta(): ShardMeta | undefined {
    return this.opened().meta;
  }

  get(key: IdentityKey, plan: Plan): IdentityState | undefined {
    return decode(key, plan, this.opened().heads, this.opened().chunks);
  }

  prefetch(_keys: readonly IdentityKey[]): Promise<void> {
    return Promise.resolve();
  }

  keysAfter(after: IdentityKey, limit: number): readonly IdentityKey[] {
    return [...this.opened().heads.keys()]
      .filter((key) => key > after)
      .sort()
      .slice(0, limit);
  }

  encode(state: IdentityState, plan: Plan): EncodedProfile {
    return encodeProfile(state, plan);
  }

  beginCheckpoint(): Promise<Checkpoint> {
    const collected: ProfileRecords[] = [];
    return Promise.resolve({
      put: (profiles) => {
        for (const profile of profiles) collected.push(profile as ProfileRecords);
      },
      commit: async (meta) => {
        this.opened();
        await Promise.resolve();
        this.apply(collected, meta);
      },
    });
  }

  scanDue(after: DueEntry, limit: number): readonly DueEntry[] {
    const disk = this.opened();
    const sorted = (disk.sortedDue ??= [...disk.due.values()].sort(compareDue));
    const from = firstPast(sorted, (entry) => compareDue(entry, after) > 0);
    return sorted.slice(from, from + limit);
  }

  snapshot(): StoreSnapshot {
    const { meta } = this.opened();
    if (meta === undefined) throw new VisageError('store_empty', 'nothing was stored yet', { kind: 'retry' });
    const heads = new Map(this.disk.heads);
    const chunks = new Map(this.disk.chunks);
    const keys = [...heads.keys()].sort();
    return {
      meta,
      page: (after, limit, plan) => {
        const from = firstPast(keys, (key) => key > after);
        return keys.slice(from, from + limit).map((key) => decode(key, plan, heads, chunks)!);
      },
      close: () => {
        heads.clear();
        chunks.clear();
        keys.length = 0;
      },
    };
  }

  stats(): StoreStats {
    let bytes = 0;
    const { heads, chunks } = this.opened();
    for (const map of [heads, chunks]) for (const [key, value] of map) bytes += key.length + value.length;
    return { fileBytes: bytes, profileBytes: bytes, mapBytes: bytes };
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  private opened(): MemoryDisk {
    assert(!this.closed, 'the store is open');
    return this.disk;
  }

  private apply(profiles: readonly ProfileRecords[], meta: ShardMeta): void {
    const { disk } = this;
    if (disk.owner !== this) throw new VisageError('store_taken', 'the store was opened again', { kind: 'stop_shard' });
    for (const profile of profiles) {
      if (profile.head.length === 0) disk.heads.delete(profile.key);
      else disk.heads.set(profile.key, profile.head);
      for (const key of profile.removed) disk.chunks.delete(key);
      for (const chunk of profile.chunks) disk.chunks.set(chunk.key, chunk.bytes);
      if (profile.dueBeforeMs !== Infinity) disk.due.delete(`${profile.dueBeforeMs}/${profile.key}`);
      if (profile.dueMs !== Infinity) disk.due.set(`${profile.dueMs}/${profile.key}`, { dueMs: profile.dueMs, key: profile.key });
    }
    disk.sortedDue = null;
    disk.meta = structuredClone(meta);
  }
}

function decode(
  key: IdentityKey,
  plan: Plan,
  heads: ReadonlyMap<IdentityKey, Buffer>,
  chunks: ReadonlyMap<ChunkKey, Buffer>,
): IdentityState | undefined {
  const head = heads.get(key);
  return head === undefined ? undefined : decodeProfile(key, head, head.length, plan, new MapChunks(chunks));
}

class MapChunks implements ChunkSource {
  bytes: Buffer = Buffer.alloc(0);
  private readonly chunks: ReadonlyMap<ChunkKey, Buffer>;

  constructor(chunks: ReadonlyMap<ChunkKey, Buffer>) {
    this.chunks = chunks;
  }

  read(key: ChunkKey): number {
    const found = this.chunks.get(key);
    if (found === undefined) return -1;
    this.bytes = found;
    return found.length;
  }
}

/** Index of the first item of a sorted list that is past some point. */
function firstPast<T>(sorted: readonly T[], isPast: (item: T) => boolean): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const mid = (low + high) >> 1;
    if (isPast(sorted[mid]!)) high = mid;
    else low = mid + 1;
  }
  return low;
}

function compareDue(a: DueEntry, b: DueEntry): number {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
