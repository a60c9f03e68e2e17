// From one generation of a shard's state to the next: the log is folded anew under other definitions, and what differs is emitted.
// RB1: the earlier state ends before the generation's message, at R; the later one begins there, as if it had always been.
// RB2: every change event up to R is the earlier generation's and is in the stream before; those at R say what differs, in an order
//      that does not depend on when it is asked for: a commit that ends after the n-th is gone on from there.
// RB3: the last commit at R says that it is done; until then both stores are kept.
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { CommitHeader, LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import { ALL_CHANGES, type ProfileStore, type ShardMeta } from '../ports/profile_store.ts';
import type { PendingEvent } from './commit_builder.ts';
import { CommitEncoder } from './commit_encoder.ts';
import { fence } from './fence.ts';
import { generationDiff, namesOfBoth, type GenerationView, type NamedAttributes } from './generation_diff.ts';
import { refold } from './refold.ts';
import type { ShardOptions } from './shard_options.ts';

const COMMIT_BYTES_MAX = 400 * 1024;
const RETRY_MS = 250;

export type RebuildOptions = {
  /** Its store is the new generation's, its generation the new one. */
  readonly shard: ShardOptions;
  readonly next: GenerationStart;
  readonly before: { readonly store: ProfileStore; readonly generation: GenerationStart | null };
  readonly stopped: () => boolean;
};

/** Is the shard between two generations: has the earlier one ended, and is what differs not all emitted? */
export function isBetween(next: GenerationStart, last: LastCommit | undefined, meta: ShardMeta | undefined): boolean {
  if (last?.header.generation === next.generation) {
    const { sequence, ordinal } = last.header.position;
    return sequence === next.sequence && ordinal !== ALL_CHANGES;
  }
  return meta?.endedBy === next.sequence;
}

/** Cost: a replay of the whole log, and reading both states once.
 *  @throws VisageError `stopped`, `fenced`, `unavailable` (retry): call it again; and what a fold throws */
export async function rebuild(options: RebuildOptions): Promise<void> {
  const { shard, next, before, stopped } = options;
  const last = await shard.sink.last(); // before the streams, as in Shard.restore
  const [logState, changesState] = await Promise.all([shard.log.state(), shard.sink.state()]);
  const both = {
    shard,
    until: next.sequence,
    last,
    logCreated: logState.created,
    changesCreated: changesState.created,
    stopped,
  };
  await refold({ ...both, store: before.store, generation: before.generation });
  await refold({ ...both, store: shard.store, generation: next });
  const old = await openView(before.store, shard);
  const now = await openView(shard.store, shard);
  try {
    await emit(options, last, old, now, logState.created);
  } finally {
    old.snapshot.close();
    now.snapshot.close();
  }
}

async function openView(store: ProfileStore, { definitions }: ShardOptions): Promise<GenerationView> {
  const snapshot = store.snapshot();
  const { definitionsHash } = snapshot.meta;
  if (definitionsHash === null) return { snapshot, plan: null };
  await definitions.load(definitionsHash);
  return { snapshot, plan: definitions.planOf(definitionsHash) };
}

async function emit(
  options: RebuildOptions,
  last: LastCommit | undefined,
  old: GenerationView,
  now: GenerationView,
  logCreated: string,
): Promise<void> {
  const { shard, next } = options;
  const { meta } = now.snapshot;
  const { commit, epoch } = await fence({ ...shard, logCreated, foldVersion: meta.foldVersion }, last, meta);
  const names = namesOfBoth(old.plan, now.plan);
  const header: CommitHeader = {
    epoch,
    owner: shard.owner,
    position: { sequence: next.sequence, ordinal: 0 },
    changeCount: meta.changeCount,
    changeDigest: meta.changeDigest,
    definitionsHash: meta.definitionsHash,
    foldVersion: meta.foldVersion,
    generation: next.generation,
    logCreated,
    fingerprint: (await shard.log.fingerprintAt(next.sequence)) ?? '',
  };
  const commits = new DiffCommits(options, header, names, commit);
  const isOurs = last?.header.generation === next.generation && last.header.position.sequence === next.sequence;
  const emitted = isOurs ? last.header.position.ordinal : 0;
  const at = { sequence: next.sequence, timeMs: Math.max(meta.shardTimeMs, old.snapshot.meta.shardTimeMs) };
  for (const event of generationDiff(old, now, names, at)) {
    if (event.ordinal > emitted) await commits.add(event);
  }
  await commits.finish();
}

class DiffCommits {
  private readonly options: RebuildOptions;
  private readonly header: CommitHeader;
  private readonly names: NamedAttributes;
  private readonly encoder: CommitEncoder;
  private last: LastCommit;
  private events: PendingEvent[] = [];
  private bytes = 0;

  constructor(options: RebuildOptions, header: CommitHeader, names: NamedAttributes, last: LastCommit) {
    const { root, logStream, shard } = options.shard;
    this.options = options;
    this.header = header;
    this.names = names;
    this.last = last;
    this.encoder = new CommitEncoder({ root, logStream, shard, generation: header.generation, repeatedThrough: 0 });
  }

  async add(event: PendingEvent): Promise<void> {
    this.events.push(event);
    this.bytes += event.bytes + 1_024;
    if (this.bytes >= COMMIT_BYTES_MAX) await this.publish(event.ordinal);
  }

  finish(): Promise<void> {
    return this.publish(ALL_CHANGES);
  }

  private async publish(ordinal: number): Promise<void> {
    const { shard, stopped } = this.options;
    const body = this.encoder.encode({ events: this.events, plan: { attributes: this.names } });
    const header = { ...this.header, position: { ...this.header.position, ordinal } };
    this.events = [];
    this.bytes = 0;
    for (;;) {
      if (stopped()) throw new VisageError('stopped', `shard ${shard.shard} is stopping`, { kind: 'retry' });
      const outcome = await shard.sink.publish(header, body, this.last);
      if (outcome.kind === 'committed') {
        this.last = { streamSequence: outcome.streamSequence, header };
        return;
      }
      if (outcome.kind === 'fenced')
        throw new VisageError('fenced', `another owner has taken the shard over (${outcome.by})`, { kind: 'stop_shard' });
      assert(outcome.kind === 'unavailable', 'an outcome is one of three');
      await new Promise<void>((resolve) => shard.clock.timer(RETRY_MS, resolve));
    }
  }
}
