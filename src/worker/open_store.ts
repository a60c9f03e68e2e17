// Opens a shard's store. OS1: a checkpoint is never more than what the log gives again: one that an earlier release wrote in a form that says
// too little is folded anew, as long as the log still has its beginning; else nothing is touched.
import { mkdirSync, rmSync } from 'node:fs';
import { VisageError } from '../base/errors.ts';
import type { ShardLog } from '../ports/log.ts';
import { FORMAT_VERSION } from '../shard/recovery.ts';
import { removeUnfinished } from '../store/lmdb_compaction.ts';
import { LmdbStore } from '../store/lmdb_store.ts';

export type OpenStoreOptions = {
  readonly shard: number;
  readonly folder: string;
  readonly log: Pick<ShardLog, 'state'>;
  readonly report: (text: string) => void;
};

/** @throws VisageError `older_format`, `store_unreadable` (stop_shard) · `unavailable` (retry) */
export async function openStore({ shard, folder, log, report }: OpenStoreOptions): Promise<LmdbStore> {
  const open = (): LmdbStore => {
    mkdirSync(folder, { recursive: true });
    removeUnfinished(folder);
    return LmdbStore.open(folder);
  };
  const store = open();
  const format = store.readMeta()?.formatVersion ?? FORMAT_VERSION;
  if (format >= FORMAT_VERSION) return store;
  await store.close();
  if ((await log.state()).firstSequence > 1) {
    const text = `shard ${shard}: its state was stored by an earlier release, and the log no longer has its beginning, so it cannot be folded anew: start the earlier release, or begin a state of what is left with 'worker --rebuild --partial'`;
    throw new VisageError('older_format', text, { kind: 'stop_shard' });
  }
  report(`the state was stored by an earlier release in format ${format}: it is folded anew from the log`);
  rmSync(folder, { recursive: true, force: true });
  return open();
}
