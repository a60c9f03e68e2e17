// Where a shard's state comes from when a worker begins with it: its own folder, a snapshot, or the log alone.
// BF1: a folder is thrown away only when what takes its place is there, or when the log has all of it; a damaged one is set aside.
// BF2: what was stored before somebody was erased is not gone on with: its file may still hold what was erased.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { VisageError } from '../base/errors.ts';
import type { ShardLog } from '../ports/log.ts';
import type { ShardMeta } from '../ports/profile_store.ts';
import { inspectStore } from '../store/copy_store.ts';
import { dataFile } from '../store/data_file.ts';
import type { ShardSnapshots } from './shard_snapshots.ts';

/** Replaying so much of the log takes longer than fetching a snapshot. Sequences of the log, which all shards share. */
export const FAR_BEHIND = 200_000;

export type BringOptions = {
  readonly folder: string;
  readonly generation: number;
  readonly log: Pick<ShardLog, 'state'>;
  readonly snapshots: ShardSnapshots;
  /** The sequence of the last erasure whose bytes are gone; 0: there was none. */
  readonly erasedThrough: number;
  readonly signal: AbortSignal;
  readonly report: (level: 'info' | 'warn' | 'error', text: string, error?: unknown) => void;
};

/** Afterwards the folder holds the best state that there is, or nothing. @returns up to where; 0: nothing
 *  @throws VisageError `unavailable` (retry) */
export async function bringFolder(options: BringOptions): Promise<number> {
  const { folder, generation, log, snapshots, erasedThrough, signal, report } = options;
  const local = await lookAt(options);
  const newest = (await snapshots.list()).find((snapshot) => snapshot.generation === generation);
  const { firstSequence } = await log.state();
  const why = whyNotLocal(local, { firstSequence, erasedThrough, newest: newest?.sequence ?? 0 });
  if (why === null) return local!.applied;
  if (newest !== undefined && newest.sequence > (local?.applied ?? 0)) {
    const restored = await snapshots.restore(folder, generation, signal);
    if (restored !== undefined) return restored.applied;
  }
  if (local !== undefined && local.applied < erasedThrough && firstSequence <= 1) {
    report('info', 'the folder is older than the last erasure: it is folded anew from the log');
    rmSync(folder, { recursive: true, force: true });
    return 0;
  }
  return local?.applied ?? 0;
}

/** What the folder holds; undefined: nothing. A store that cannot be read is moved out of the way, in place of the one that was moved before. */
async function lookAt({ folder, report }: BringOptions): Promise<ShardMeta | undefined> {
  if (!existsSync(dataFile(folder))) return undefined;
  try {
    return (await inspectStore(folder))?.meta;
  } catch (error) {
    if (!(error instanceof VisageError) || error.code !== 'store_unreadable') throw error;
    const aside = `${folder}.damaged`;
    rmSync(aside, { recursive: true, force: true });
    renameSync(folder, aside);
    report(
      'error',
      `the store cannot be read; it is set aside as ${aside}, and the state comes from a snapshot or the log`,
      error,
    );
    return undefined;
  }
}

/** Null: the folder is what to go on with. */
function whyNotLocal(
  local: ShardMeta | undefined,
  now: { readonly firstSequence: number; readonly erasedThrough: number; readonly newest: number },
): string | null {
  if (local === undefined) return 'there is none';
  if (local.applied < now.erasedThrough) return 'it is older than an erasure';
  if (Math.max(local.applied, local.readThrough) + 1 < now.firstSequence) return 'the log no longer has what follows';
  if (now.newest - local.applied > FAR_BEHIND) return 'it is far behind';
  return null;
}
