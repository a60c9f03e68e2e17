// May this shard go on from here? Compares what the checkpoint, the last commit and the two streams say of each other.
// RC1: nothing is skipped silently: a log or change stream that is not the one we knew, or lost its end, halts the shard.
// RC2: the checks are made both at our `applied` and at the position of the last commit.
import { VisageError } from '../base/errors.ts';
import type { ClockMode } from '../message/control.ts';
import type { CommitHeader, LastCommit } from '../ports/change_sink.ts';
import type { ShardLog, StreamState } from '../ports/log.ts';
import { ALL_CHANGES, type ShardMeta } from '../ports/profile_store.ts';
import { reaches } from './commit_builder.ts';
import { FOLD_VERSION } from './fold.ts';

/** The version of what `ShardMeta` and the store's records mean. 2: it knows which datasets' events counted; records, tombstones. */
export const FORMAT_VERSION = 2;

export type RecoveryInput = {
  readonly shard: number;
  readonly partitions: number;
  readonly clockMode: ClockMode;
  readonly meta: ShardMeta | undefined;
  readonly last: LastCommit | undefined;
  readonly log: ShardLog;
  readonly logState: StreamState;
  readonly changesState: StreamState;
  readonly logGap: 'halt' | 'continue';
  readonly gapThrough: number;
  /** Streams that were restored from a copy, by when they were made: an operator says that they are the ones that were. */
  readonly adopted: { readonly log: string; readonly changes: string } | null;
};

export type GapReport = { readonly from: number; readonly to: number } | null;

/** The operator's last way out. */
function anew({ shard }: Pick<RecoveryInput, 'shard'>): string {
  return `build the state anew with 'visage resync --shard ${shard} --rebuild'`;
}

function halt(code: string, message: string): never {
  throw new VisageError(code, message, { kind: 'stop_shard' });
}

/** Checks everything that must hold before the shard replays. @returns the gap that policy let pass, or null
 *  @throws VisageError (stop_shard) `newer_format`, `partitions_changed`, `clock_changed`, `newer_fold`, `log_recreated`, `log_rewound`, `log_gap`, `changes_recreated`, `changes_rewound` */
export async function checkBeforeReplay(input: RecoveryInput): Promise<GapReport> {
  const { shard, meta, last } = input;
  if (meta !== undefined) {
    checkMeta(input, meta);
    checkLogIdentity(input, meta.logCreated, 'the checkpoint');
    await checkLogReaches(input, meta.applied, meta.fingerprint, 'the checkpoint');
    if (meta.readThrough > input.logState.lastSequence) {
      halt(
        'log_rewound',
        `shard ${shard}: the log ends at ${input.logState.lastSequence}, but was read through ${meta.readThrough}: it was rewound. Restore the log, or ${anew(input)}`,
      );
    }
  }
  checkChanges(input, meta);
  if (last !== undefined) await checkCommit(input, last.header);
  return checkGap(input, meta);
}

function checkMeta(input: RecoveryInput, meta: ShardMeta): void {
  if (meta.formatVersion > FORMAT_VERSION)
    halt(
      'newer_format',
      `shard ${input.shard}: its state has format ${meta.formatVersion}, this release knows ${FORMAT_VERSION}: start a later release`,
    );
  if (meta.partitions !== input.partitions) {
    halt(
      'partitions_changed',
      `shard ${input.shard}: its state was made with ${meta.partitions} partitions, now there are ${input.partitions}: the number of partitions is for life. Set it back`,
    );
  }
  if (meta.clock !== input.clockMode)
    halt(
      'clock_changed',
      `shard ${input.shard}: its state was made under the ${meta.clock} clock, now it is the ${input.clockMode} clock: the clock is for life. Set it back`,
    );
  if (meta.shard !== input.shard)
    halt('wrong_folder', `the folder of shard ${input.shard} holds shard ${meta.shard}: a folder was moved under another name`);
  if (meta.foldVersion > FOLD_VERSION)
    halt(
      'newer_fold',
      `shard ${input.shard}: its state has fold version ${meta.foldVersion}, this release knows ${FOLD_VERSION}: start a later release`,
    );
}

function checkLogIdentity(input: RecoveryInput, created: string, who: string): void {
  if (created === '' || created === input.logState.created || input.adopted?.log === input.logState.created) return;
  halt(
    'log_recreated',
    `shard ${input.shard}: the log was made at ${input.logState.created}, but ${who} belongs to one made at ${created}: it was deleted and made again. Restore the log, or ${anew(input)}`,
  );
}

async function checkLogReaches(input: RecoveryInput, sequence: number, known: string, who: string): Promise<void> {
  if (sequence === 0) return;
  if (input.logState.lastSequence < sequence) {
    halt(
      'log_rewound',
      `shard ${input.shard}: the log ends at ${input.logState.lastSequence}, but ${who} stands at ${sequence}: it was rewound. Restore the log, or ${anew(input)}`,
    );
  }
  if (known === '' || sequence < input.logState.firstSequence) return;
  const found = await input.log.fingerprintAt(sequence);
  if (found !== undefined && found !== known) {
    halt(
      'log_rewound',
      `shard ${input.shard}: the message at ${sequence} is not the one that ${who} knows: the log was rewound and grew again. Restore the log, or ${anew(input)}`,
    );
  }
}

function checkChanges(input: RecoveryInput, meta: ShardMeta | undefined): void {
  const { shard, last } = input;
  if (meta === undefined) return;
  const isKnown = ['', input.changesState.created].includes(meta.changesCreated);
  if (!isKnown && input.adopted?.changes !== input.changesState.created) {
    halt(
      'changes_recreated',
      `shard ${shard}: the change stream was made at ${input.changesState.created}, but the checkpoint knows one made at ${meta.changesCreated}: it was deleted and made again. Restore it, or ${anew(input)}`,
    );
  }
  if (last === undefined) {
    // aged out: the stream's numbers still reach ours; otherwise it lost its end
    if (meta.commitStreamSequence <= input.changesState.lastSequence) return;
    halt(
      'changes_rewound',
      `shard ${shard}: the change stream ends at ${input.changesState.lastSequence}, but the checkpoint knows the commit ${meta.commitStreamSequence}: it was rewound. Restore it, or ${anew(input)}`,
    );
  }
  if (
    last.streamSequence < meta.commitStreamSequence ||
    !reaches(last.header.position, { sequence: meta.applied, ordinal: ALL_CHANGES })
  ) {
    halt(
      'changes_rewound',
      `shard ${shard}: the last commit is ${last.streamSequence}, but the checkpoint knows ${meta.commitStreamSequence}: the change stream was rewound. Restore it, or ${anew(input)}`,
    );
  }
}

async function checkCommit(input: RecoveryInput, header: CommitHeader): Promise<void> {
  if (header.foldVersion > FOLD_VERSION)
    halt(
      'newer_fold',
      `shard ${input.shard}: its last commit has fold version ${header.foldVersion}, this release knows ${FOLD_VERSION}: start a later release`,
    );
  checkLogIdentity(input, header.logCreated, 'the last commit');
  await checkLogReaches(input, header.position.sequence, header.fingerprint, 'the last commit');
}

function checkGap(input: RecoveryInput, meta: ShardMeta | undefined): GapReport {
  const readThrough = Math.max(meta?.readThrough ?? 0, meta?.applied ?? 0);
  const first = input.logState.firstSequence;
  if (first <= readThrough + 1) return null;
  if (input.logGap === 'halt' && input.gapThrough < first - 1) {
    halt(
      'log_gap',
      `shard ${input.shard}: the log begins at ${first}, but was read only through ${readThrough}: messages between may be gone. Restore a snapshot, or accept the gap with 'visage resync --shard ${input.shard} --accept-gap'`,
    );
  }
  return { from: readThrough + 1, to: first - 1 };
}
