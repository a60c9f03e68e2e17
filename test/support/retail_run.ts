// The retail file through `visage ingest` and a worker process, with as many kill -9 of either as asked for.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Client } from '../../src/worker/client.ts';
import { ended, start, type Ended } from '../e2e/program.ts';
import { eventually } from './eventually.ts';
import { RETAIL_MAP } from './retail.ts';
import { RETAIL_DEFINITIONS } from './retail_values.ts';
import { spawnWorker, type WorkerProcess } from './worker_process.ts';
import type { World } from './world.ts';

const OVERRIDES = { clock: 'event', root: 'retail', instance: 'retail', 'checkpoint.interval': '100ms' } as const;

export type RetailRun = {
  readonly client: Client;
  /** How the run of `ingest` that came to its end ended. */
  readonly ingest: Ended;
  /** Runs `ingest` on the same file again. */
  again(): Promise<Ended>;
  stop(): Promise<void>;
};

/** @param kills at which lengths of the log (of its 48,762 messages and a few) the worker, or ingest, is killed and started again */
export async function runRetail(
  world: World,
  file: string,
  kills: { readonly worker: readonly number[]; readonly ingest: readonly number[] },
): Promise<RetailRun> {
  const definitions = join(world.folder, 'retail.yaml');
  const map = join(world.folder, 'map.yaml');
  const config = join(world.folder, 'retail.worker.yaml');
  await writeFile(definitions, RETAIL_DEFINITIONS);
  await writeFile(map, RETAIL_MAP);
  await writeFile(
    config,
    `nats: { servers: ['${world.settings().nats.servers[0]!}'] }\nroot: retail\npartitions: 4\nclock: event\n`,
  );
  await world.setup(OVERRIDES, loadDefinitionsFile(definitions));
  const settings = world.settings(OVERRIDES);
  const overrides = {
    ...OVERRIDES,
    'nats.servers': settings.nats.servers[0],
    partitions: 4,
    'log.maxBytes': '1GB',
    dataDirectory: settings.dataDirectory,
    'http.port': 0,
    'admin.port': 0,
  };
  const client = await world.client(OVERRIDES);
  const length = async (): Promise<number> => (await client.streamState('log')).lastSequence;
  const ingest = (): ReturnType<typeof start> =>
    start(['ingest', file, '--dataset', 'lines', '--map', map, '--config', config, '--json']);
  let worker: WorkerProcess = spawnWorker(overrides);
  await worker.ready;

  const ingesting = (async (): Promise<Ended> => {
    for (const at of kills.ingest) {
      const child = ingest();
      const end = ended(child);
      await reached(at);
      child.kill('SIGKILL');
      if ((await end).code !== null) throw new Error(`ingest had ended before it could be killed at ${at}`);
    }
    return ended(ingest());
  })();
  for (const at of kills.worker) {
    await Promise.race([reached(at), ingesting]);
    await worker.kill('SIGKILL');
    worker = spawnWorker(overrides);
  }
  const last = await ingesting;
  await worker.ready;
  return {
    client,
    ingest: last,
    again: () => ended(ingest()),
    stop: () => worker.kill('SIGTERM'),
  };

  /** Looked at often: the whole file takes seconds. */
  async function reached(at: number): Promise<void> {
    await eventually(`the log has ${at} messages`, async () => (await length()) >= at, { timeoutMs: 60_000, everyMs: 2 });
    await delay(0);
  }
}
