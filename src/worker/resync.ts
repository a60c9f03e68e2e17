// What an operator has said about a shard that is halted: `resync.<shard>` in the meta bucket. What is skipped stands in the log.
// RS1: what is said holds for this cause only: a gap up to a sequence, one message, one rebuild.
// RS2: what is said stands in the bucket or the log before the owner is told: whoever has the shard next does as it says.
import { shardSubject } from '../api/forward.ts';
import { VisageError } from '../base/errors.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { encodeControl } from '../message/control.ts';
import { shardLogPrefix } from '../message/subject.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import { openChangeSink } from '../stream/change_sink.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { generationOf, numberOf } from './begin_generation.ts';
import type { Client } from './client.ts';

export type Resync = {
  /** Messages up to here may be missing in the log. */
  readonly gapThrough: number;
  /** The generation of the state that is to be built from the log as it is, whatever log and change stream say of each other; null: none. */
  readonly rebuild: number | null;
  /** Log and change stream that were restored from a copy, by when they were made; null: none. */
  readonly adopted: Adopted | null;
};

export type Adopted = { readonly log: string; readonly changes: string };

const NOTHING: Resync = { gapThrough: 0, rebuild: null, adopted: null };

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

type Root = Pick<Client, 'nc' | 'topology' | 'meta' | 'partitions' | 'message'>;

/** What the log has lost of a shard may be missing. @returns the sequence up to which  @throws VisageError `no_gap` (usage), `unavailable` (retry) */
export async function acceptGap({ nc, topology, meta }: Root, shard: number): Promise<number> {
  const log = await openShardLog({ nc, reading: nc, topology, shard });
  const { firstSequence } = await log.state();
  if (firstSequence <= 1)
    throw new VisageError('no_gap', 'the log has its beginning: there is no gap to accept', { kind: 'usage' });
  await changeResync(meta, shard, { gapThrough: firstSequence - 1 });
  return firstSequence - 1;
}

/** The streams that are there now are the ones that were, restored from a copy. @throws VisageError `unavailable` (retry) */
export async function adoptStreams({ nc, topology, meta }: Root, shard: number): Promise<void> {
  const log = await openShardLog({ nc, reading: nc, topology, shard });
  const sink = await openChangeSink({ nc, topology, shard });
  const [logState, changesState] = await Promise.all([log.state(), sink.state()]);
  await changeResync(meta, shard, { adopted: { log: logState.created, changes: changesState.created } });
}

/** A message that stops the shard counts for nothing. @throws VisageError `no_such_message`, `already_counted` (usage) · `append_failed` (retry) */
export async function skipMessage({ nc, topology, message }: Root, shard: number, sequence: number): Promise<void> {
  const found = await message('log', sequence);
  if (found?.subject.startsWith(shardLogPrefix(topology.root, shard)) !== true)
    throw new VisageError('no_such_message', `the log has no message ${sequence} of shard ${shard}`, { kind: 'usage' });
  const last = await (await openChangeSink({ nc, topology, shard })).last();
  if ((last?.header.position.sequence ?? 0) >= sequence) {
    const text = `message ${sequence} has been applied, and what it changed was published: it can no longer be skipped`;
    throw new VisageError('already_counted', text, { kind: 'usage' });
  }
  const log = await openShardLog({ nc, reading: nc, topology, shard });
  await log.append('skip', encodeControl({ kind: 'skip', sequence }));
}

/** Begins a generation of this shard's state: everything that the log has is folded anew, and what differs from what is stored is published.
 *  @param partial go on although the log has lost its beginning  @returns the generation
 *  @throws VisageError `log_not_whole` (usage), `no_definitions`, `append_failed`, `unavailable` (retry) */
export async function rebuildShard(root: Root, settings: Settings, shard: number, partial: boolean): Promise<number> {
  const { nc, topology, meta } = root;
  const log = await openShardLog({ nc, reading: nc, topology, shard });
  const { firstSequence } = await log.state();
  if (firstSequence > 1 && !partial) {
    const text = `the log begins at sequence ${firstSequence}: what was before is gone, and values built anew would not count it. Add --partial to go on all the same; values then say since when they count`;
    throw new VisageError('log_not_whole', text, { kind: 'usage' });
  }
  const hash = await meta.liveDefinitions();
  if (hash === undefined)
    throw new VisageError('no_definitions', "there are no definitions yet; run 'visage setup --definitions FILE'");
  const starts = await log.generations();
  const last = await (await openChangeSink({ nc, topology, shard })).last();
  const known = await generationOf(meta, shard);
  const generation = Math.max(known, starts.at(-1)?.generation ?? 1, last?.header.generation ?? 1) + 1;
  const before = (await (await openDefinitionsLog(nc, topology)).last(shard))?.control;
  const previous = starts.at(-1)?.sequence ?? 0;
  const first = firstSequence > 1 ? await root.message('log', firstSequence) : undefined;
  // first what a worker looks for when it finds the message in the log
  await changeResync(meta, shard, { rebuild: generation });
  await meta.putAt(numberOf(shard), String(generation), (await meta.entry(numberOf(shard))).revision);
  const message = {
    kind: 'generation',
    generation,
    previous,
    hash,
    foldVersion: FOLD_VERSION,
    settings: before?.settings ?? foldSettingsOf(settings),
    partialFrom: firstSequence > 1 ? { sequence: firstSequence, timeMs: first?.stampMs ?? 0 } : null,
  } as const;
  await log.append('generation', encodeControl(message), previous);
  return generation;
}

/** Tells whoever has the shard. @returns false: nobody has it just now; whoever takes it will know */
export async function tellOwner({ nc, topology }: Root, shard: number): Promise<boolean> {
  try {
    await nc.request(shardSubject(topology.root, shard, 'resync'), '{}', { timeout: 5_000 });
    return true;
  } catch {
    return false;
  }
}
