// The life of a shard in this worker as a statechart. Messages never pass through it: it starts, watches and ends the shard's driver.
// SM1: which shards are here is said from outside (OWN, RELEASE, LOST, PREPARE, UNPREPARE): the ownership of shards knows leases, this does not.
// SM2: nothing that was said is forgotten while something else comes to its end: what is wanted stands in the context.
// docs/architecture.md shows its picture, made from this file (test/unit/worker/drawings.test.ts).
import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { AssertionFailed } from '../base/assert.ts';
import { errorText, VisageError } from '../base/errors.ts';

/** What the machine runs; each call throws when it fails. One object per shard; `restore` starts a new life. */
export interface ShardLife {
  /** Brings the state here and follows the log behind another owner, until `restore` or `abandon`; `onPrepared` once little is left. */
  follow(onPrepared: () => void): Promise<void>;
  /** Opens the store, checks it against the streams, fences off an earlier owner. */
  restore(): Promise<void>;
  /** Folds the log until stopped; `onActive` once everything that was there at the start is applied and definitions are in force. */
  fold(onActive: () => void): Promise<void>;
  /** Stops reading, commits, checkpoints, closes the store. */
  drain(): Promise<void>;
  /** Ends the life at once. */
  abandon(): Promise<void>;
  log(level: 'info' | 'warn' | 'error', event: string, error?: unknown): void;
}

/** `owned`, `prepare`: what is wanted now. `stopping`: the worker ends. */
export type ShardContext = {
  readonly life: ShardLife;
  readonly attempts: number;
  readonly error: unknown;
  readonly owned: boolean;
  readonly prepare: boolean;
  readonly stopping: boolean;
};
export type ShardEvent =
  | { type: 'OWN' }
  | { type: 'RELEASE' }
  | { type: 'LOST' }
  | { type: 'PREPARE' }
  | { type: 'UNPREPARE' }
  | { type: 'STOP' }
  | { type: 'RESYNC' }
  | { type: 'PREPARED' }
  | { type: 'ACTIVE' }
  | { type: 'FAILED'; error: unknown }
  | { type: 'ENDED' };

const ASSERTIONS_MAX = 5;
/** With the server away no commit gets out: better to end, and replay, than to be killed in the middle. */
const DRAIN_MS_MAX = 15_000;

/** Lives that end because the next one has something to do first. */
const ON_PURPOSE: readonly string[] = ['generation_ended', 'compacting'];

/** What is not there to be followed yet, or is about to begin anew. */
const NOT_YET: readonly string[] = ['no_commit', 'generation_ended'];

/** A person has to act: going on, or trying again, would give the same or a wrong answer. */
function mustHalt(error: unknown, attempts: number): boolean {
  if (error instanceof VisageError) return error.kind !== 'retry';
  if (error instanceof AssertionFailed) return attempts >= ASSERTIONS_MAX;
  return attempts >= ASSERTIONS_MAX;
}

const errorOf = (event: unknown): unknown => (event as { error?: unknown }).error;
const isFenced = (error: unknown): boolean => error instanceof VisageError && error.code === 'fenced';

export const shardMachine = setup({
  types: { context: {} as ShardContext, events: {} as ShardEvent, input: {} as { life: ShardLife } },
  actors: {
    restore: fromPromise<void, ShardLife>(({ input }) => input.restore()),
    drain: fromPromise<void, ShardLife>(({ input }) => input.drain()),
    abandon: fromPromise<void, ShardLife>(({ input }) => input.abandon()),
    follow: fromCallback<ShardEvent, ShardLife>(({ input, sendBack }) => {
      input.follow(() => sendBack({ type: 'PREPARED' })).catch((error: unknown) => sendBack({ type: 'FAILED', error }));
    }),
    fold: fromCallback<ShardEvent, ShardLife>(({ input, sendBack }) => {
      input
        .fold(() => sendBack({ type: 'ACTIVE' }))
        .then(
          () => sendBack({ type: 'ENDED' }),
          (error: unknown) => sendBack({ type: 'FAILED', error }),
        );
    }),
  },
  actions: {
    remember: assign({ error: ({ event }) => errorOf(event), attempts: ({ context }) => context.attempts + 1 }),
    forget: assign({ error: undefined, attempts: 0 }),
    own: assign({ owned: true, prepare: false }),
    disown: assign({ owned: false }),
    prepare: assign({ prepare: true }),
    unprepare: assign({ prepare: false }),
    stop: assign({ owned: false, prepare: false, stopping: true }),
    logHalt: ({ context }) => context.life.log('error', 'shard halted', context.error),
    logRetry: ({ context: { life, error } }) =>
      error instanceof VisageError && ON_PURPOSE.includes(error.code)
        ? life.log('info', error.message)
        : life.log('warn', 'shard failed, starting again from its last checkpoint', error),
    logFollowLater: ({ context: { life, error } }) =>
      error instanceof VisageError && NOT_YET.includes(error.code)
        ? life.log('info', error.message)
        : life.log('warn', 'shard cannot be followed; trying again', error),
    logFenced: ({ context, event }) => context.life.log('warn', 'shard lost: another owner has fenced it off', errorOf(event)),
    logActive: ({ context }) => context.life.log('info', 'shard active'),
    logDrainLate: ({ context }) =>
      context.life.log('warn', `shard could not be drained within ${DRAIN_MS_MAX} ms; the next start replays`),
    logDrainFailed: ({ context, event }) =>
      context.life.log('error', 'shard could not be drained; it will replay', errorOf(event)),
  },
  guards: {
    halts: ({ context, event }) => mustHalt(errorOf(event), context.attempts),
    fenced: ({ event }) => isFenced(errorOf(event)),
    isStopping: ({ context }) => context.stopping,
    isOwned: ({ context }) => context.owned,
    isPreparing: ({ context }) => context.prepare,
  },
  delays: { drainLimit: DRAIN_MS_MAX, backOff: ({ context }) => Math.min(10_000, 200 * 2 ** context.attempts) },
}).createMachine({
  id: 'shard',
  context: ({ input }) => ({
    life: input.life,
    attempts: 0,
    error: undefined,
    owned: false,
    prepare: false,
    stopping: false,
  }),
  initial: 'elsewhere',
  on: {
    OWN: { actions: 'own' },
    RELEASE: { actions: 'disown' },
    LOST: { actions: 'disown' },
    PREPARE: { actions: 'prepare' },
    UNPREPARE: { actions: 'unprepare' },
    STOP: { actions: 'stop' },
  },
  states: {
    elsewhere: {
      entry: 'forget',
      always: [
        { guard: 'isStopping', target: 'released' },
        { guard: 'isOwned', target: 'restoring' },
        { guard: 'isPreparing', target: 'following' },
      ],
    },
    following: {
      invoke: { src: 'follow', input: ({ context }) => context.life },
      initial: 'behind',
      states: { behind: { on: { PREPARED: 'prepared' } }, prepared: { entry: 'forget' } },
      on: {
        OWN: { target: 'restoring', actions: 'own' },
        UNPREPARE: { target: 'unfollowing', actions: 'unprepare' },
        FAILED: { target: 'followingLater', actions: 'remember' },
        STOP: { target: 'unfollowing', actions: 'stop' },
      },
    },
    followingLater: {
      entry: 'logFollowLater',
      after: { backOff: 'following' },
      on: {
        OWN: { target: 'restoring', actions: 'own' },
        UNPREPARE: { target: 'unfollowing', actions: 'unprepare' },
        STOP: { target: 'unfollowing', actions: 'stop' },
      },
    },
    unfollowing: {
      invoke: { src: 'abandon', input: ({ context }) => context.life, onDone: 'elsewhere', onError: 'elsewhere' },
    },
    restoring: {
      invoke: {
        src: 'restore',
        input: ({ context }) => context.life,
        onDone: 'folding',
        onError: [
          { guard: 'halts', target: 'halted', actions: 'remember' },
          { target: 'failed', actions: 'remember' },
        ],
      },
      on: {
        RELEASE: { target: 'abandoning', actions: 'disown' },
        LOST: { target: 'abandoning', actions: 'disown' },
        STOP: { target: 'abandoning', actions: 'stop' },
      },
    },
    folding: {
      invoke: { src: 'fold', input: ({ context }) => context.life },
      initial: 'replaying',
      states: { replaying: { on: { ACTIVE: 'active' } }, active: { entry: ['forget', 'logActive'] } },
      on: {
        FAILED: [
          { guard: 'fenced', target: 'abandoning', actions: ['logFenced', 'disown'] },
          { guard: 'halts', target: 'halted', actions: 'remember' },
          { target: 'failed', actions: 'remember' },
        ],
        RELEASE: { target: 'draining', actions: 'disown' },
        LOST: { target: 'abandoning', actions: 'disown' },
        STOP: { target: 'draining', actions: 'stop' },
      },
    },
    failed: {
      entry: 'logRetry',
      invoke: { src: 'abandon', input: ({ context }) => context.life },
      after: { backOff: 'restoring' },
      on: {
        RELEASE: { target: 'abandoning', actions: 'disown' },
        LOST: { target: 'abandoning', actions: 'disown' },
        STOP: { target: 'abandoning', actions: 'stop' },
      },
    },
    halted: {
      entry: 'logHalt',
      invoke: { src: 'abandon', input: ({ context }) => context.life },
      on: {
        RESYNC: { target: 'restoring', actions: 'forget' },
        RELEASE: { target: 'abandoning', actions: 'disown' },
        LOST: { target: 'abandoning', actions: 'disown' },
        STOP: { target: 'abandoning', actions: 'stop' },
      },
    },
    draining: {
      invoke: {
        src: 'drain',
        input: ({ context }) => context.life,
        onDone: 'elsewhere',
        onError: { target: 'abandoning', actions: 'logDrainFailed' },
      },
      after: { drainLimit: { target: 'abandoning', actions: 'logDrainLate' } },
    },
    abandoning: {
      invoke: { src: 'abandon', input: ({ context }) => context.life, onDone: 'elsewhere', onError: 'elsewhere' },
    },
    released: { type: 'final' },
  },
});

/** One line about a failure, for status. */
export function reasonOf(error: unknown): { reason: string | null; reasonCode: string | null } {
  if (error === undefined) return { reason: null, reasonCode: null };
  return { reason: errorText(error), reasonCode: error instanceof VisageError ? error.code : 'defect' };
}
