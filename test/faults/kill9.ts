// One run of F1 with real processes: events stream in while the worker is killed -9 again and again; then everything is checked.
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../src/base/random.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { publishAll } from '../support/publish_all.ts';
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
const LIFE_MS_MAX = 2_000;

export async function kill9Run(options: Kill9Options): Promise<Kill9Result> {
  const { seed, events, kills, profiles = Math.ceil(events / 10) } = options;
  const startMs = performance.now();
  const random = seededRandom(seed);
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
    const lifeMs = AFTER_START_MS + LIFE_MS_MAX / 2;
    const perSecond = events / ((kills * lifeMs) / 1000); // the stream lasts about as long as the killing
    const publishing = publishAll(generated, { nc: await world.connect(), perSecond, inFlight: 2_000 });
    publishing.catch(() => undefined); // awaited below
    let killsInRecovery = 0;
    for (let kill = 0; kill < kills; kill++) {
      const worker = spawnWorker(overrides);
      let isReady = false;
      worker.ready.then(
        () => (isReady = true),
        () => undefined,
      );
      await delay(AFTER_START_MS + random.below(LIFE_MS_MAX));
      if (!isReady) killsInRecovery++;
      await worker.kill('SIGKILL');
      if (worker.said() !== '') throw new Error(`the worker ended by itself: ${worker.said()}\n${worker.log.slice(-5).join('\n')}`);
    }
    const last = spawnWorker(overrides);
    await last.ready;
    await publishing;
    const verdict = await verifyAll(await world.client(), QUIET_MS);
    await last.kill('SIGTERM');
    const problems = last.said() === 'stopped drained' ? verdict.problems : [...verdict.problems, `the last worker: ${last.said()}`];
    return {
      seed,
      published: events,
      kills,
      killsInRecovery,
      ...verdict,
      problems,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
    };
  } finally {
    await world.stop();
  }
}
