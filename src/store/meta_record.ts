// The shard's meta in the store: MessagePack, plain maps (no shared structures: those would be state of their own).
import { Packr } from 'msgpackr';
import { asOfEarlier } from '../message/control.ts';
import type { ShardMeta } from '../ports/profile_store.ts';

const packr = new Packr({ useRecords: false });

export function packMeta(meta: ShardMeta): Buffer {
  return packr.pack(meta);
}

const FIRST: Pick<
  ShardMeta,
  'revisions' | 'datasetDeletes' | 'eraseMarks' | 'erasures' | 'sweptTo' | 'generation' | 'generationFrom' | 'endedBy'
> = {
  revisions: [],
  datasetDeletes: [],
  eraseMarks: [],
  erasures: 0,
  sweptTo: null,
  generation: 1,
  generationFrom: 0,
  endedBy: null,
};

/** What states of earlier releases don't have is as it was then: the event clock's `logTimeMs` was the shard's time, definitions had one revision,
 *  the state one generation, and there was nothing to delete. */
export function parseMeta(bytes: Buffer | undefined): ShardMeta | undefined {
  if (bytes === undefined) return undefined;
  const meta = packr.unpack(bytes.subarray(0, bytes.length)) as Omit<ShardMeta, keyof typeof FIRST | 'logTimeMs'>;
  return { logTimeMs: meta.shardTimeMs, ...FIRST, ...meta, settings: asOfEarlier(meta.settings) };
}
