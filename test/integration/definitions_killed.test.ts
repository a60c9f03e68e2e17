// F12: definitions change under load, by additions and by a rebuild, while the worker is killed -9 again and again.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import { beginGeneration } from '../../src/worker/begin_generation.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { DEFINITIONS, startWorld, type World } from '../support/world.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20261125);
const SHORT = '2s';
const PROFILES = 3_000;
const EVENTS_PER_SECOND = 3_000;
const PLAIN = DEFINITIONS.replaceAll('SHORT', SHORT);
const ADDED = PLAIN.concat(
  '  averageLifetime: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: average, window: lifetime }\n',
  '  isBig: { class: individual, function: expression, expression: spendLifetime > 400.0, audience: true }\n',
);
const CHANGED = ADDED.replace('priceTotal, function: sum, window: lifetime', 'priceTotal, function: max, window: lifetime')
  .replace(/ {2}ordersShort:.*\n/, '')
  .concat('  boughtShort: { class: individual, eventTypes: [commerce.purchases], function: exists, window: { sliding: 2s } }\n');

let world: World;
let client: Client;

beforeEach(async () => {
  world = await startWorld({ shortWindow: SHORT });
  await world.setup();
  client = await world.client();
});
afterEach(() => world.stop());

async function definitions(text: string): Promise<DefinitionsDocument> {
  const file = join(world.folder, 'changed.yaml');
  await writeFile(file, text);
  return loadDefinitionsFile(file);
}

function someEvents(count: number, seed: number): ReturnType<typeof generateEvents> {
  return generateEvents({
    seed,
    events: count,
    profiles: PROFILES,
    zipfS: 0.3,
    startMs: Date.now() - 1_500,
    spanMs: 1_500,
    outOfOrderShare: 0.1,
    maxLateMs: 3_600_000,
    duplicateShare: 0.02,
    invalidShare: 0.01,
  });
}

/** Workers live and die until what is to be reached is; the last one goes on living. */
async function killUntil(kills: number, lifeMsMax: number, change: () => Promise<unknown>): Promise<void> {
  const random = seededRandom(SEED);
  const overrides = {
    'nats.servers': world.server.url,
    partitions: 4,
    dataDirectory: `${world.folder}/data`,
    instance: 'killed',
    'checkpoint.interval': '200ms',
    'log.maxBytes': '1GB',
  };
  const first = spawnWorker(overrides);
  await within('the first worker is ready', 20_000, first.ready);
  const nc = await world.connect();
  await publishAll(someEvents(2 * PROFILES, SEED), { nc });
  const load = publishAll(someEvents(4_500, SEED + 1), { nc, perSecond: EVENTS_PER_SECOND });
  load.catch(() => undefined); // awaited below
  const changing = change();
  changing.catch(() => undefined); // as above
  await delay(random.below(lifeMsMax));
  await first.kill('SIGKILL');
  for (let kill = 1; kill < kills; kill++) {
    const worker = spawnWorker(overrides);
    await delay(300 + random.below(lifeMsMax)); // a process needs about 300 ms to be there at all
    await worker.kill('SIGKILL');
  }
  await Promise.all([load, changing]);
  await within('the last worker is ready', 30_000, spawnWorker(overrides).ready);
}

test(`attributes are added under load while the worker is killed -9 four times (seed ${SEED})`, { timeout: 90_000 }, async () => {
  const document = await definitions(ADDED);
  await killUntil(4, 400, () => applyDefinitions(client, world.settings(), document, 0));
  const report = await verifyRoot(client);
  expect(report).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  expect(report.profiles).toBeGreaterThan(PROFILES * 0.9);
  const { hash } = await applyDefinitions(client, world.settings(), document);
  expect(new Set((await client.status()).shards.map((shard) => shard['definitions']))).toEqual(new Set([hash]));
});

test(`a rebuild under load while the worker is killed -9 six times (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const document = await definitions(CHANGED);
  const { nc, topology, meta } = client;
  await killUntil(6, 600, () => beginGeneration({ nc, topology, meta, settings: world.settings() }, document, false));
  await eventually('every shard has the second generation', async () =>
    (await client.status()).shards.every((shard) => shard['generation'] === 2 && shard.state === 'active'),
  );
  const report = await verifyRoot(client);
  expect(report).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  expect(report.profiles).toBeGreaterThan(PROFILES * 0.9);
});
