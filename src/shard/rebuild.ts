// From one generation of a shard's state to the next: the log is folded anew under other definitions, and what differs is emitted.
// RB1: the earlier state ends before the generation's message, at R; the later one begins there, as if it had always been.
// RB2: every change event up to R is the earlier generation's and is in the stream before; those at R say what differs, in an order
//      that does not depend on when it is asked for: a commit that ends after the n-th is gone on from there.
// RB3: the last commit at R says that it is done; until then both stores are kept.
import { VisageError } from '../base/errors.ts';
import type { CommitHeader, LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import { ALL_CHANGES, type ProfileStore, type ShardMeta, type StoreSnapshot } from '../ports/profile_store.ts';
import { EVENT_BYTES_MAX, type PendingEvent } from './commit_builder.ts';
import { CommitEncoder } from './commit_encoder.ts';
import { fence } from './fence.ts';
import { generationDiff, namesOfBoth, type GenerationView, type NamedAttributes } from './generation_diff.ts';
import { checkBeforeReplay } from './recovery.ts';
import { refold } from './refold.ts';
import type { ShardOptions } from './shard_options.ts';

const COMMIT_BYTES_MAX = 512 * 1024;
const SLICE_MS = 4;
const RETRY_MS = 250;
/** After so many refused publishes in a row the shard says that it failed, and begins again where it was. */
const TRIES_MAX = 20;

export type RebuildOptions = {
  /** Its store is the new generation's, its generation the new one. */
  readonly shard: ShardOptions;
  readonly next: GenerationStart;
  readonly before: { readonly store: ProfileStore; readonly generation: GenerationStart | null };
  /** The log is not the one that the earlier state and its commits came from, or does not lead to it: an operator has said so. The earlier
   *  state is taken as it is stored, and nothing of it is checked. */
  readonly asIs: boolean;
  readonly signal: AbortSignal;
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
 *  @throws VisageError `stopped`, `fenced`, `unavailable` (retry): call it again; what recovery.ts and a fold throw (stop_shard) */
export async function rebuild(options: RebuildOptions): Promise<void> {
  const { shard, next, before, asIs, signal } = options;
  const last = await shard.sink.last(); // before the streams, as in Shard.restore
  const [logState, changesState] = await Promise.all([shard.log.state(), shard.sink.state()]);
  const checked = { ...shard, last: asIs ? undefined : last, logState, changesState };
  const built = { store: shard.store, generation: next };
  const stores = asIs ? [built] : [{ store: before.store, generation: before.generation }, built];
  for (const { store, generation } of stores) {
    const meta = store.readMeta();
    const isPartial = (generation?.partialFrom ?? null) !== null;
    if (meta?.endedBy !== next.sequence) await checkBeforeReplay({ ...checked, meta, ...(isPartial && { logGap: 'continue' }) });
  }
  const { foldVersion } = next;
  const fenced = await fence({ ...shard, logCreated: logState.created, foldVersion }, last, before.store.readMeta());
  const both = { shard, until: next.sequence, last: fenced.commit, changesCreated: changesState.created, signal };
  let refused = 0;
  for (const each of stores) refused = await refold({ ...both, ...each, logCreated: logState.created }); // the new one comes last
  if (refused > 0)
    shard.onWarning(
      `generation ${next.generation} refuses ${refused} messages of the log; those that the earlier one had admitted have no dead letter`,
    );
  const old = await openView(before.store, shard);
  const now = await openView(shard.store, shard);
  try {
    await emit(options, fenced.commit, old, now);
  } finally {
    old.snapshot.close();
    now.snapshot.close();
  }
}

async function openView(store: ProfileStore, { definitions }: ShardOptions): Promise<GenerationView> {
  if (store.readMeta() === undefined) return { snapshot: NOTHING_STORED, plan: null };
  const snapshot = store.snapshot();
  const { definitionsHash } = snapshot.meta;
  if (definitionsHash === null) return { snapshot, plan: null };
  await definitions.load(definitionsHash);
  return { snapshot, plan: definitions.planOf(definitionsHash) };
}

async function emit(options: RebuildOptions, commit: LastCommit, old: GenerationView, now: GenerationView): Promise<void> {
  const { shard, next } = options;
  const { meta } = now.snapshot;
  const names = namesOfBoth(old.plan, now.plan);
  const { epoch, logCreated, generation, position } = commit.header;
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
  const emitted = generation === next.generation && position.sequence === next.sequence ? position.ordinal : 0;
  const at = {
    sequence: next.sequence,
    timeMs: Math.max(meta.shardTimeMs, old.plan === null ? 0 : old.snapshot.meta.shardTimeMs),
  };
  let sliceMs = shard.clock.monotonicMs();
  for (const event of generationDiff(old, now, names, at)) {
    if (event !== null && event.ordinal > emitted) await commits.add(event);
    if (shard.clock.monotonicMs() - sliceMs < SLICE_MS) continue;
    await shard.clock.yieldNow(); // the other shards of the process go on
    throwIfStopped(options);
    sliceMs = shard.clock.monotonicMs();
  }
  await commits.finish();
}

function throwIfStopped({ shard, signal }: RebuildOptions): void {
  if (signal.aborted) throw new VisageError('stopped', `shard ${shard.shard} is stopping`, { kind: 'retry' });
}

class DiffCommits {
  private readonly options: RebuildOptions;
  private readonly header: CommitHeader;
  private readonly names: NamedAttributes;
  private readonly encoder: CommitEncoder;
  private last: LastCommit;
  /** Change events as JSON, and the place of the last of them. */
  private events: Buffer[] = [];
  private bytes = 2;
  private ordinal = 0;

  constructor(options: RebuildOptions, header: CommitHeader, names: NamedAttributes, last: LastCommit) {
    const { root, logStream, shard } = options.shard;
    this.options = options;
    this.header = header;
    this.names = names;
    this.last = last;
    this.encoder = new CommitEncoder({ root, logStream, shard, generation: header.generation, repeatedThrough: 0 });
  }

  async add(event: PendingEvent): Promise<void> {
    let encoded = this.encoded(event);
    if (encoded.length + 1 > EVENT_BYTES_MAX) encoded = this.encoded({ ...event, bytes: EVENT_BYTES_MAX }); // paths only
    const size = encoded.length + 1;
    if (this.events.length > 0 && this.bytes + size > COMMIT_BYTES_MAX) await this.publish(this.ordinal);
    this.events.push(encoded);
    this.bytes += size;
    this.ordinal = event.ordinal;
  }

  finish(): Promise<void> {
    return this.publish(ALL_CHANGES);
  }

  private encoded(event: PendingEvent): Buffer {
    return this.encoder.encode({ events: [event], plan: { attributes: this.names } }).subarray(1, -1);
  }

  private async publish(ordinal: number): Promise<void> {
    const { shard } = this.options;
    const body = Buffer.concat([OPEN, ...this.events.flatMap((event, i) => (i === 0 ? [event] : [COMMA, event])), CLOSE]);
    const header = { ...this.header, position: { ...this.header.position, ordinal } };
    this.events = [];
    this.bytes = 2;
    for (let tries = 1; ; tries++) {
      throwIfStopped(this.options);
      const outcome = await shard.sink.publish(header, body, this.last);
      if (outcome.kind === 'committed') {
        this.last = { streamSequence: outcome.streamSequence, header };
        return;
      }
      if (outcome.kind === 'fenced')
        throw new VisageError('fenced', `another owner has taken the shard over (${outcome.by})`, { kind: 'retry' });
      shard.meter.commitFailures++;
      if (tries === TRIES_MAX)
        throw new VisageError('unavailable', `what a rebuild changed cannot be published: ${outcome.why}`, { kind: 'retry' });
      await new Promise<void>((resolve) => shard.clock.timer(RETRY_MS, resolve));
    }
  }
}

/** Of a state that is lost. */
const NOTHING_STORED: StoreSnapshot = {
  get meta(): never {
    throw new Error('a state that is lost has no position');
  },
  page: () => [],
  close: () => undefined,
};

const [OPEN, COMMA, CLOSE] = ['[', ',', ']'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
