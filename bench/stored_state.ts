// What a worker left in its data directory, read from the outside while no worker runs: an export for the oracle, and sizes.
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChunkList } from '../src/aggregate/chunk_list.ts';
import type { IdentityState } from '../src/aggregate/identity_state.ts';
import type { Plan } from '../src/aggregate/plan.ts';
import type { StoreSnapshot } from '../src/ports/profile_store.ts';
import { ShardOracle } from '../src/oracle/brute_force.ts';
import { compareExport } from '../src/oracle/compare.ts';
import type { ProfileView } from '../src/profile/view.ts';
import { profileView } from '../src/shard/profile_view.ts';
import { LmdbStore } from '../src/store/lmdb_store.ts';
import { openClient } from '../src/worker/client.ts';
import { benchSettings, PARTITIONS, type World } from './world.ts';

const PAGE = 1_000;

/** Writes every profile as a line, as `visage export` shows it. */
export async function exportState(folder: string, plan: Plan, path: string): Promise<void> {
  const lines: string[] = [];
  for (let shard = 0; shard < PARTITIONS; shard++) {
    await withSnapshot(folder, shard, ({ snapshot }) => {
      for (const view of viewsOf(snapshot, plan)) lines.push(JSON.stringify(view));
    });
  }
  writeFileSync(path, lines.join('\n'));
}

/** Compares every stored profile with what its shard's log says, one shard at a time: for more of them than one file of lines could hold.
 *  @returns how many there are  @throws at the first shard with a difference */
export async function checkState(options: {
  readonly world: World;
  readonly root: string;
  readonly folder: string;
  readonly plan: Plan;
}): Promise<number> {
  const { world, root, folder, plan } = options;
  const client = await openClient(benchSettings(world, root), 'bench check');
  let profiles = 0;
  try {
    for (let shard = 0; shard < PARTITIONS; shard++) {
      const oracle = new ShardOracle({ root, shard, partitions: PARTITIONS, planOf: () => plan });
      for await (const message of client.readLog(shard)) oracle.feed(message);
      await withSnapshot(folder, shard, ({ snapshot }) => {
        const views = [...viewsOf(snapshot, plan)];
        const [first, ...others] = compareExport(views, { oracles: [oracle] });
        if (first !== undefined)
          throw new Error(`shard ${shard} is wrong: ${JSON.stringify(first)} and ${others.length} more differences`);
        profiles += views.length;
      });
    }
  } finally {
    await client.close();
  }
  return profiles;
}

export type DiskSizes = {
  readonly profiles: number;
  /** Of all files in all shards' folders. */
  readonly fileBytes: number;
  /** Pages that hold profiles and chunks: the rest of the files is the due index, and free pages that are used again. */
  readonly pageBytes: number;
  /** Of all profiles encoded whole, keys included. */
  readonly encodedBytes: number;
};

export async function sizesOf(folder: string, plan: Plan): Promise<DiskSizes> {
  const sizes = { profiles: 0, fileBytes: 0, pageBytes: 0, encodedBytes: 0 };
  for (let shard = 0; shard < PARTITIONS; shard++) {
    const home = shardFolder(folder, shard);
    for (const file of readdirSync(home)) sizes.fileBytes += statSync(join(home, file)).size;
    await withSnapshot(folder, shard, ({ snapshot, store }) => {
      for (const state of statesOf(snapshot, plan)) {
        for (const list of listsOf(state)) for (const chunk of list.chunks) chunk.dirty = true; // else what is stored is not encoded again
        sizes.encodedBytes += store.encode(state, plan).bytes;
        sizes.profiles++;
      }
      sizes.pageBytes += store.stats().profileBytes;
    });
  }
  return sizes;
}

function listsOf(state: IdentityState): ChunkList[] {
  const lists: (ChunkList | null)[] = [state.seen];
  for (const { ring, extremes, keepers } of state.parts) {
    lists.push(ring, extremes?.low ?? null, extremes?.high ?? null);
    lists.push(keepers?.earliest ?? null, keepers?.list ?? null, keepers?.distinct ?? null);
  }
  return lists.filter((list) => list !== null);
}

function* viewsOf(snapshot: StoreSnapshot, plan: Plan): Iterable<ProfileView> {
  const at = { ...snapshot.meta, sequence: snapshot.meta.applied };
  for (const state of statesOf(snapshot, plan)) if (state.visible) yield profileView(state, plan, at, plan.policy);
}

function* statesOf(snapshot: StoreSnapshot, plan: Plan): Iterable<IdentityState> {
  for (let after = ''; ;) {
    const page = snapshot.page(after, PAGE, plan);
    yield* page;
    if (page.length < PAGE) return;
    after = page[page.length - 1]!.key;
  }
}

type Opened = { readonly snapshot: StoreSnapshot; readonly store: LmdbStore };

async function withSnapshot(folder: string, shard: number, use: (opened: Opened) => void): Promise<void> {
  const store = LmdbStore.open(shardFolder(folder, shard));
  const snapshot = store.snapshot();
  try {
    use({ snapshot, store });
  } finally {
    snapshot.close();
    await store.close();
  }
}

function shardFolder(folder: string, shard: number): string {
  return join(folder, `shard-${shard}`);
}
