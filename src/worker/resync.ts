// What an operator has said about a shard that is halted: `resync.<shard>` in the meta bucket. What is skipped stands in the log.
// RS1: what is said holds for this cause only: a gap up to a sequence, one rebuild.
import type { MetaBucket } from '../stream/meta_bucket.ts';

export type Resync = {
  /** Messages up to here may be missing in the log. */
  readonly gapThrough: number;
  /** The generation of the state that is to be built from the log as it is, whatever log and change stream say of each other; null: none. */
  readonly rebuild: number | null;
};

const NOTHING: Resync = { gapThrough: 0, rebuild: null };

/** @throws VisageError `unavailable` (retry) */
export async function readResync(meta: MetaBucket, shard: number): Promise<Resync> {
  const value = await meta.get(keyOf(shard));
  return value === undefined ? NOTHING : { ...NOTHING, ...(JSON.parse(value) as Partial<Resync>) };
}

/** @throws VisageError `conflict`, `unavailable` (retry) */
export async function changeResync(meta: MetaBucket, shard: number, change: Partial<Resync>): Promise<void> {
  const { value, revision } = await meta.entry(keyOf(shard));
  const before = value === undefined ? NOTHING : { ...NOTHING, ...(JSON.parse(value) as Partial<Resync>) };
  await meta.putAt(keyOf(shard), JSON.stringify({ ...before, ...change }), revision);
}

function keyOf(shard: number): string {
  return `resync.${shard}`;
}
