import { describe, expect, it } from 'vitest';
import type { CommitHeader } from '../../../src/ports/change_sink.ts';
import type { ShardLog } from '../../../src/ports/log.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import type { ShardMeta } from '../../../src/ports/profile_store.ts';
import { FOLD_VERSION } from '../../../src/shard/fold.ts';
import { checkBeforeReplay, type RecoveryInput } from '../../../src/shard/recovery.ts';

const META: ShardMeta = {
  formatVersion: 1,
  shard: 2,
  partitions: 4,
  clock: 'log',
  foldVersion: FOLD_VERSION,
  definitionsHash: 'd',
  settings: DEFAULT_FOLD_SETTINGS,
  applied: 100,
  readThrough: 110,
  shardTimeMs: 1,
  logTimeMs: 1,
  fingerprint: 'f100',
  logCreated: 'log',
  changesCreated: 'changes',
  epoch: 3,
  commitStreamSequence: 50,
  commitPosition: { sequence: 105, ordinal: -1 },
  changeCount: 1,
  changeDigest: 1,
  profiles: 1,
  revisions: [],
  datasetDeletes: [],
  eraseMarks: [],
  erasures: 0,
  sweptTo: null,
  generation: 1,
  generationFrom: 0,
  endedBy: null,
};
const HEADER: CommitHeader = {
  epoch: 3,
  owner: 'w',
  position: { sequence: 120, ordinal: 7 },
  changeCount: 9,
  changeDigest: 9,
  definitionsHash: 'd',
  foldVersion: FOLD_VERSION,
  generation: 1,
  logCreated: 'log',
  fingerprint: 'f120',
};
type More = Partial<Omit<RecoveryInput, 'meta' | 'last'>> & {
  meta?: Partial<ShardMeta> | null;
  header?: Partial<CommitHeader> | null;
  commit?: number;
  found?: (sequence: number) => string | undefined;
};

function check(more: More = {}): ReturnType<typeof checkBeforeReplay> {
  const { meta = {}, header = {}, commit = 60, found = (sequence: number) => `f${sequence}`, ...rest } = more;
  return checkBeforeReplay({
    shard: 2,
    partitions: 4,
    clockMode: 'log',
    logGap: 'halt',
    gapThrough: 0,
    adopted: null,
    meta: meta === null ? undefined : { ...META, ...meta },
    last: header === null ? undefined : { streamSequence: commit, header: { ...HEADER, ...header } },
    log: { fingerprintAt: (sequence: number) => Promise.resolve(found(sequence)) } as ShardLog,
    logState: { created: 'log', firstSequence: 1, lastSequence: 200 },
    changesState: { created: 'changes', firstSequence: 1, lastSequence: 70 },
    ...rest,
  });
}

const log = (firstSequence: number, lastSequence: number, created = 'log') => ({
  logState: { created, firstSequence, lastSequence },
});
const changes = (lastSequence: number, created = 'changes') => ({ changesState: { created, firstSequence: 1, lastSequence } });

describe('a shard goes on', () => {
  it.each<[string, More]>([
    ['when everything agrees', {}],
    ['empty on an empty log', { meta: null, header: null, ...log(1, 0) }],
    ['empty on an empty log that never had a message', { meta: null, header: null, ...log(0, 0) }],
    ['from nothing, with the log whole', { meta: null }],
    ['with a log trimmed up to what it read', log(111, 200)],
    ['with the message at its position trimmed', { ...log(106, 200), found: () => undefined }],
    [
      'with a commit exactly at its checkpoint',
      { header: { position: { sequence: 100, ordinal: -1 }, fingerprint: 'f100' }, commit: 50 },
    ],
    ['with a change stream that aged out', { header: null, ...changes(50) }],
    [
      'with a log that ends where it was read',
      {
        header: { position: { sequence: 110, ordinal: -1 } },
        ...log(1, 110),
        found: (sequence) => (sequence === 110 ? 'f120' : `f${sequence}`),
      },
    ],
  ])('%s', async (_, more) => {
    expect(await check(more)).toBeNull();
  });

  it('over a gap when told so, and says which', async () => {
    expect(await check({ logGap: 'continue', ...log(150, 200) })).toEqual({ from: 111, to: 149 });
    expect(await check({ logGap: 'continue', meta: null, header: null, ...log(5, 200) })).toEqual({ from: 1, to: 4 });
  });
});

describe('a shard halts', () => {
  it.each<[string, string, More]>([
    ['partitions_changed', 'with another number of partitions', { partitions: 8 }],
    ['clock_changed', 'under another clock', { clockMode: 'event' }],
    ['wrong_folder', 'with the folder of another shard', { meta: { shard: 1 } }],
    ['newer_fold', 'with a state of a later release', { meta: { foldVersion: FOLD_VERSION + 1 } }],
    ['newer_fold', 'with a commit of a later release', { header: { foldVersion: FOLD_VERSION + 1 } }],
    ['log_recreated', 'when the log is another one', log(1, 200, 'other')],
    ['log_recreated', 'when the commit is of another log', { meta: null, ...log(1, 200, 'other') }],
    ['log_rewound', 'when the log ends before the checkpoint', { header: null, ...log(1, 99) }],
    ['log_rewound', 'when the log ends before what was read', { header: null, ...log(1, 109) }],
    ['log_rewound', 'when the log ends before the last commit', log(1, 119)],
    ['log_rewound', 'when the log ends before the last commit and there is no checkpoint', { meta: null, ...log(1, 119) }],
    [
      'log_rewound',
      'when the log grew again, at the checkpoint',
      { found: (sequence) => (sequence === 100 ? 'other' : `f${sequence}`) },
    ],
    [
      'log_rewound',
      'when the log grew again, at the commit',
      { found: (sequence) => (sequence === 120 ? 'other' : `f${sequence}`) },
    ],
    ['log_gap', 'when messages may be missing', log(112, 200)],
    ['log_gap', 'when it has nothing and the log is not whole', { meta: null, header: null, ...log(2, 200) }],
    ['log_gap', 'when its data was lost and the log is not whole', { meta: null, ...log(2, 200) }],
    ['changes_recreated', 'when the change stream is another one', changes(70, 'other')],
    ['changes_recreated', 'when the change stream is another one, and empty', { header: null, ...changes(0, 'other') }],
    ['changes_rewound', 'when the last commit is older than the checkpoint’s', { commit: 49 }],
    [
      'changes_rewound',
      'when the last commit does not reach the checkpoint',
      { header: { position: { sequence: 99, ordinal: -1 } } },
    ],
    [
      'changes_rewound',
      'when the last commit reaches the checkpoint only in part',
      { header: { position: { sequence: 100, ordinal: 3 } } },
    ],
    ['changes_rewound', 'when no commit is left and the stream lost its end', { header: null, ...changes(49) }],
  ])('%s: %s', async (code, _, more) => {
    await expect(check(more)).rejects.toMatchObject({ code, kind: 'stop_shard' });
  });
});
