// One run of F1 with real processes: events stream in while the worker is killed -9 again and again; then everything is checked.
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { verifyAll, type Verdict } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld } from '../support/world.ts';

export type Kill9Options = {
  readonly seed: number;
  readonly events: number;
  readonly kills: number;
  readonly profiles?: number;
};
export type Kill9Result = Verdict & {
  readonly seed: number;
  readonly published: number;
  readonly kills: number;
  /** Kills of a worker that was not ready yet: in the middle of its recovery. */
  readonly killsInRecovery: number;
  readonly seconds: number;
};

const SHORT_WINDOW = '2s';
const QUIET_MS = 2_600;
const AFTER_START_MS = 150;
const LIFE_MS = 1_150;
const EVENTS_PER_SECOND_MAX = 6_000;
const FROZEN_MS = 400; // longer than a checkpoint interval
const PARTIAL_WAIT_MS = 4_000;

/** Events stream in while worker after worker is killed at a random moment of its life. */
export function kill9Run(options: Kill9Options): Promise<Kill9Result> {
  const { seed, events, kills, profiles = Math.ceil(events / 10) } = options;
  return inWorld(options, async ({ random, publish, live }) => {
    const generated = generateEvents({
      seed,
      events,
      profiles,
      zipfS: 1,
      startMs: Date.now() - 1_500,
      spanMs: 1_500, // so that some are still in the short window when they arrive, and leave it during the run
      outOfOrderShare: 0.1,
      maxLateMs: 3_600_000,
      duplicateShare: 0.02,
      invalidShare: 0.01,
    });
    // the stream lasts about as long as the killing, and is slow enough for a worker to catch up in its life
    const lifeMs = Math.max(LIFE_MS, (events / EVENTS_PER_SECOND_MAX / kills) * 1000);
    const publishing = publish(generated, events / ((kills * lifeMs) / 1000));
    publishing.catch(() => undefined); // awaited below
    // every second one at any moment of its start and life, the others when they are surely at work
    for (let kill = 0; kill < kills; kill++) {
      if (kill % 2 === 0) await live({ afterStartMs: AFTER_START_MS + random.below(2 * (lifeMs - AFTER_START_MS)) });
      // and half of those while the server answers nothing: what they sent is stored after their death
      else await live({ afterReadyMs: random.below(lifeMs), ...(kill % 4 === 1 ? { serverFrozenMs: FROZEN_MS } : {}) });
    }
    await publishing;
  });
}

/** Profiles with long values enter the short window together and leave it together: what one message changes does not fit into one
 *  commit, and the worker is killed about then. */
export function kill9AtExpiryRun(options: Kill9Options): Promise<Kill9Result> {
  const { seed, events, kills } = options;
  return inWorld(options, async ({ random, publish, live }) => {
    const perBurst = Math.ceil(events / kills);
    for (let burst = 0; burst < kills; burst++) {
      const atMs = Date.now() - 1_000; // they leave the window in a second, all at once
      const purchases = Array.from({ length: perBurst }, (_, n) =>
        purchase(`c-${n}`, { _id: `e-${seed}-${burst}-${n}`, atMs, channel: String.fromCharCode(97 + burst).repeat(6_000) }),
      );
      // killed when a commit has a part of what one message changed; and again, when that was taken up and there is another one
      await Promise.all([publish(purchases), live({ atPartialCommit: 1 + random.below(4) })]);
      await live(
        burst % 2 === 0 ? { atPartialCommit: 1 + random.below(4) } : { afterStartMs: AFTER_START_MS + random.below(600) },
      );
    }
  });
}

type Run = {
  readonly random: Random;
  readonly publish: (events: Iterable<Sendable>, perSecond?: number) => Promise<unknown>;
  /** A worker that is killed at this moment. */
  readonly live: (moment: Moment) => Promise<void>;
};
type Moment =
  | { readonly afterStartMs: number }
  /** `serverFrozenMs`: and the server was stopped for so long when it was killed. */
  | { readonly afterReadyMs: number; readonly serverFrozenMs?: number }
  /** When it has published so many commits that end in the middle of a message; or none within some seconds. */
  | { readonly atPartialCommit: number };

/** A world, what `act` does in it, a last worker that brings everything to an end, the verdict. */
async function inWorld(options: Kill9Options, act: (run: Run) => Promise<void>): Promise<Kill9Result> {
  const { seed, events } = options;
  const startMs = performance.now();
  const world = await startWorld({ shortWindow: SHORT_WINDOW });
  try {
    await world.setup();
    const overrides = {
      'nats.servers': world.server.url,
      partitions: 4,
      dataDirectory: `${world.folder}/data`,
      instance: 'kill9',
      'checkpoint.interval': '200ms', // many checkpoints to be killed in
    };
    const nc = await world.connect();
    let kills = 0;
    let killsInRecovery = 0;
    let partialCommits = 0;
    nc.subscribe('visage.changes.*', {
      callback: (error, message) => {
        if (error === null && message.data.length > 2 && !message.headers?.get('Visage-Position').endsWith('/-1'))
          partialCommits++;
      },
    });
    await act({
      random: seededRandom(seed),
      publish: (sent, perSecond) => publishAll(sent, { nc, inFlight: 2_000, ...(perSecond === undefined ? {} : { perSecond }) }),
      async live(moment) {
        partialCommits = 0;
        const worker = spawnWorker(overrides);
        let isReady = false;
        worker.ready.then(
          () => (isReady = true),
          () => undefined,
        );
        if ('afterStartMs' in moment) await delay(moment.afterStartMs);
        else if ('afterReadyMs' in moment) {
          await within('the worker is ready', 60_000, worker.ready);
          await delay(moment.afterReadyMs);
        } else {
          const look = { timeoutMs: PARTIAL_WAIT_MS, everyMs: 1 };
          await eventually('a partial commit', () => partialCommits >= moment.atPartialCommit, look).catch(() => undefined);
        }
        const frozenMs = 'serverFrozenMs' in moment ? moment.serverFrozenMs : undefined;
        if (frozenMs !== undefined) {
          world.server.kill('SIGSTOP');
          await delay(frozenMs);
        }
        kills++;
        if (!isReady) killsInRecovery++;
        await worker.kill('SIGKILL');
        world.server.kill('SIGCONT');
        if (worker.said() !== '')
          throw new Error(`the worker ended by itself: ${worker.said()}\n${worker.log.slice(-5).join('\n')}`);
      },
    });
    const last = spawnWorker(overrides);
    await last.ready;
    const verdict = await verifyAll(await world.client(), QUIET_MS);
    await last.kill('SIGTERM');
    const problems =
      last.said() === 'stopped drained' ? verdict.problems : [...verdict.problems, `the last worker: ${last.said()}`];
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    return { seed, published: events, kills, killsInRecovery, ...verdict, problems, seconds };
  } finally {
    await world.stop();
  }
}
