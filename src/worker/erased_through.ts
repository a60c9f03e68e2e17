// Up to which sequence of a shard's log somebody was erased: `erased.<shard>` in the meta bucket. Copies that are older are not used.
import type { MetaBucket } from '../stream/meta_bucket.ts';

/** 0: nobody was. @throws VisageError `unavailable` (retry) */
export async function erasedThrough(meta: MetaBucket, shard: number): Promise<number> {
  return Number((await meta.get(keyOf(shard))) ?? 0);
}

/** @throws VisageError `conflict`, `unavailable` (retry) */
export async function noteErased(meta: MetaBucket, shard: number, sequence: number): Promise<void> {
  const { value, revision } = await meta.entry(keyOf(shard));
  if (Number(value ?? 0) < sequence) await meta.putAt(keyOf(shard), String(sequence), revision);
}

function keyOf(shard: number): string {
  return `erased.${shard}`;
}
