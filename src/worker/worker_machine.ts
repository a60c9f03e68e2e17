// The life of a worker as a statechart: connect, run all shards, drain them, stop.
import { assign, fromPromise, setup } from 'xstate';

export interface WorkerLife {
  /** Connects, checks the root, locks the data directory, starts every shard. */
  start(): Promise<void>;
  /** Drains every shard and closes everything. */
  drain(): Promise<void>;
}

export type WorkerEvent = { type: 'STOP' };

export const workerMachine = setup({
  types: { context: {} as { life: WorkerLife; error: unknown }, events: {} as WorkerEvent, input: {} as { life: WorkerLife } },
  actors: {
    start: fromPromise<void, WorkerLife>(({ input }) => input.start()),
    drain: fromPromise<void, WorkerLife>(({ input }) => input.drain()),
  },
  actions: { remember: assign({ error: ({ event }) => (event as unknown as { error?: unknown }).error }) },
}).createMachine({
  id: 'worker',
  context: ({ input }) => ({ life: input.life, error: undefined }),
  initial: 'starting',
  states: {
    starting: {
      invoke: {
        src: 'start',
        input: ({ context }) => context.life,
        onDone: 'running',
        onError: { target: 'draining', actions: 'remember' },
      },
      on: { STOP: 'draining' },
    },
    running: { on: { STOP: 'draining' } },
    draining: {
      invoke: {
        src: 'drain',
        input: ({ context }) => context.life,
        onDone: 'stopped',
        onError: { target: 'stopped', actions: 'remember' },
      },
    },
    stopped: { type: 'final' },
  },
});
