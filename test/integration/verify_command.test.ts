// `verify` can fail: a worker that is down, one value flipped in its LMDB, and the next verification names it and exits 1.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compilePlan } from '../../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { startServer } from '../../src/server/start_server.ts';
import { sabotage } from '../../src/worker/sabotage.ts';
import { start, untilLogged, visage } from '../e2e/program.ts';

const DEFINITIONS = join(import.meta.dirname, '../../config/definitions.example.yaml');

test('one value flipped in LMDB makes verify exit 1 and name it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'visage-verify-'));
  const server = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
  const config = join(folder, 'worker.yaml');
  const data = join(folder, 'data');
  await writeFile(
    config,
    `nats: { servers: ["${server.url}"] }\npartitions: 2\ndataDirectory: "${data}"\nlog: { maxBytes: 100MB }\n`,
  );
  const run = async (): Promise<ChildProcess> => {
    const worker = start(['worker', '--setup', '--definitions', DEFINITIONS, '--config', config]);
    await untilLogged(worker, '"msg":"worker ready"');
    return worker;
  };
  const end = async (worker: ChildProcess): Promise<void> => {
    worker.kill('SIGTERM');
    await once(worker, 'close');
  };
  let worker = await run();
  const event = {
    _id: 'e-1',
    timestamp: new Date().toISOString(),
    eventType: 'commerce.purchases',
    commerce: { order: { priceTotal: 25, channel: 'web' } },
  };
  expect(await visage(['publish', 'orders', 'customerId', 'ada', '--config', config], JSON.stringify(event))).toMatchObject({
    code: 0,
  });
  expect(await visage(['verify', '--config', config])).toMatchObject({ code: 0 });
  await end(worker);
  expect(await sabotage(data, 2, compilePlan(loadDefinitionsFile(DEFINITIONS)))).toBeDefined();
  worker = await run();
  const { code, stdout, stderr } = await visage(['verify', '--config', config]);
  await end(worker);
  await server.stop();
  await rm(folder, { recursive: true, force: true });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/customerId:ada\s+computed\.\w+\.value/);
});
