// Folders of shards that are not here keep what was erased since: they are removed. Whoever takes the shard again begins with a snapshot.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inspectStore } from '../store/copy_store.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { erasedThrough } from './erased_through.ts';

/** @param isInUse does somebody here have the shard's folder open?  @returns the folders that were removed
 *  @throws VisageError `unavailable` (retry) */
export async function tidyFolders(
  dataDirectory: string,
  meta: MetaBucket,
  isInUse: (shard: number) => boolean,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of readdirSync(dataDirectory)) {
    const m = /^shard-(\d+)(?:\.generation-\d+)?(\.damaged)?$/.exec(name);
    if (m === null) continue;
    const shard = Number(m[1]);
    const through = await erasedThrough(meta, shard);
    const isDamaged = m[2] !== undefined;
    if (through === 0 || (isInUse(shard) && !isDamaged)) continue;
    const folder = join(dataDirectory, name);
    // one that cannot be read may hold anything
    const applied = isDamaged
      ? 0
      : await inspectStore(folder).then(
          (found) => found?.meta.applied ?? 0,
          () => 0,
        );
    if (applied >= through || (isInUse(shard) && !isDamaged)) continue;
    rmSync(folder, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}
