// The shard's meta in the store: MessagePack, plain maps (no shared structures: those would be state of their own).
import { Packr } from 'msgpackr';
import type { ShardMeta } from '../ports/profile_store.ts';

const packr = new Packr({ useRecords: false });

export function packMeta(meta: ShardMeta): Buffer {
  return packr.pack(meta);
}

/** States written before there was an event clock have no `logTimeMs`: theirs was the shard's time. Numbers come back as numbers: every one in a meta is a safe integer. */
export function parseMeta(bytes: Buffer | undefined): ShardMeta | undefined {
  if (bytes === undefined) return undefined;
  const meta = packr.unpack(bytes.subarray(0, bytes.length)) as Omit<ShardMeta, 'logTimeMs'>;
  return { logTimeMs: meta.shardTimeMs, ...meta };
}
