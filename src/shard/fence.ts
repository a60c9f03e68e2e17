// Taking a shard over: an empty commit under the next epoch. From its acknowledgement on, an earlier owner's commits are refused.
// FE1: it repeats the last commit's position, count and digest: whoever recovers from it recovers from there.
import { VisageError } from '../base/errors.ts';
import type { ChangeSink, CommitHeader, LastCommit } from '../ports/change_sink.ts';
import { ALL_CHANGES, type ShardMeta } from '../ports/profile_store.ts';

/** A commit of no event. */
const EMPTY = Buffer.from('[]');

export type FenceOptions = {
  readonly shard: number;
  readonly owner: string;
  readonly sink: ChangeSink;
  readonly logCreated: string;
  readonly foldVersion: number;
};

/** `repeatedThrough`: events up to this sequence may have been emitted by a life whose commits aged out; 0: none. */
export type Fenced = { readonly commit: LastCommit; readonly epoch: number; readonly repeatedThrough: number };

/** @throws VisageError (retry) `fenced`, `unavailable` */
export async function fence(options: FenceOptions, last: LastCommit | undefined, meta: ShardMeta | undefined): Promise<Fenced> {
  const { shard, owner, sink, logCreated, foldVersion } = options;
  const epoch = Math.max(last?.header.epoch ?? 0, meta?.epoch ?? 0) + 1;
  // no commit although the checkpoint knows one: it aged out. Go on from the checkpoint; what follows it may have been emitted before
  const aged = last === undefined && meta !== undefined && meta.commitStreamSequence > 0 ? meta : undefined;
  const header: CommitHeader = {
    epoch,
    owner,
    position: last?.header.position ?? { sequence: aged?.applied ?? 0, ordinal: ALL_CHANGES },
    changeCount: last?.header.changeCount ?? aged?.changeCount ?? 0,
    changeDigest: last?.header.changeDigest ?? aged?.changeDigest ?? 0,
    definitionsHash: last?.header.definitionsHash ?? meta?.definitionsHash ?? null,
    foldVersion,
    generation: last?.header.generation ?? meta?.generation ?? 1,
    logCreated,
    fingerprint: last?.header.fingerprint ?? aged?.fingerprint ?? '',
  };
  const outcome = await sink.publish(header, EMPTY, last);
  switch (outcome.kind) {
    case 'committed':
      return {
        commit: { streamSequence: outcome.streamSequence, header },
        epoch,
        repeatedThrough: aged?.commitPosition.sequence ?? 0,
      };
    case 'fenced':
      // nothing was read or emitted yet: most often it is the last commit of an owner that just died, still on its way
      throw new VisageError('fenced', `shard ${shard}: a commit of ${outcome.by} came between; take over again`, {
        kind: 'retry',
      });
    case 'unavailable':
      throw new VisageError('unavailable', `shard ${shard}: the change stream does not take commits: ${outcome.why}`, {
        kind: 'retry',
      });
  }
}
