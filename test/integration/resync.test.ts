// The operator's ways out of a halt: each does what it says, and afterwards everything is as the log says.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import type { Client } from '../../src/worker/client.ts';
import type { ChangeEvent } from '../support/change_listener.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { copyOf, recreate } from '../support/rewinding.ts';
import { configFile, runCommand, type Ran } from '../support/run_command.ts';
import { settled } from '../support/verify.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const PARTITIONS = 2;
const QUIET_MS = 300;

let world: World;
let client: Client;
let run = 0;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h', overrides: { partitions: PARTITIONS, 'lease.ttl': '1s' } });
  await world.setup();
  client = await world.client();
});
afterEach(() => world.stop());

function events(count = 40): Sendable[] {
  run++;
  return Array.from({ length: count }, (_, n) =>
    purchase(`c-${n}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000, price: run + n }),
  );
}

const publish = (count?: number): Promise<number> => publishAll(events(count), { nc: client.nc });

/** Started, fed, and stopped with everything in checkpoints. */
async function aLife(): Promise<void> {
  const { worker } = await world.startReady();
  await publish();
  await settled(client, QUIET_MS);
  await worker.stop();
}

async function allHalted({ worker }: StartedWorker, code: string): Promise<void> {
  await within('ready or halted', 20_000, worker.ready);
  await eventually(`halted with ${code}`, () => worker.status().shards.every(({ reasonCode }) => reasonCode === code));
}

const resync = (shard: number, ...words: string[]): Promise<Ran> =>
  runCommand(['resync', '--shard', String(shard), ...words, '--config', configFile(world)]);

async function rebuildAll(): Promise<void> {
  for (let shard = 0; shard < PARTITIONS; shard++) {
    const { code, stdout, stderr } = await resync(shard, '--rebuild', '--yes', '--json');
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ shard, generation: 2, told: true, state: 'active', reason: null });
  }
}

/** Profiles are what the log says, and the change events say so too, as far as there are any. */
async function isWhole(hasAllChanges = true): Promise<void> {
  await settled(client, QUIET_MS);
  const { chains, ...verdict } = await verifyRoot(client);
  expect([verdict.unverifiable, verdict.differences, chains.problems]).toEqual([null, [], []]);
  expect(chains.whole).toBe(hasAllChanges);
}

/** The change events of the new generation: of each profile a chain. */
async function chainsBegin(profiles: number): Promise<void> {
  const versions = new Map<string, number>();
  for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' })) {
    for (const { source, subject, data } of JSON.parse(new TextDecoder().decode(body)) as ChangeEvent[]) {
      expect(source).toMatch(/\/2$/);
      if (versions.has(subject)) expect(data.previousVersion).toBe(versions.get(subject));
      versions.set(subject, data.version);
    }
  }
  expect(versions.size).toBe(profiles);
}

describe('--rebuild', () => {
  test('after the log was rewound', async () => {
    await aLife();
    let restore = async (): Promise<void> => undefined;
    await world.restartServer('stop', async () => {
      restore = await copyOf(world, 'VISAGE_LOG');
    });
    await aLife();
    await world.restartServer('stop', () => restore());
    await allHalted(world.start(), 'log_rewound');
    await rebuildAll();
    await isWhole();
    await publish();
    await isWhole();
  });

  test('after the log was deleted and made again', async () => {
    await aLife();
    await recreate(world, 'VISAGE_LOG');
    await allHalted(world.start(), 'log_recreated');
    await publish(20);
    await rebuildAll();
    await isWhole();
    await publish();
    await isWhole();
  });

  test('while no worker runs: the next one does it, also with an empty folder', async () => {
    await aLife();
    await recreate(world, 'VISAGE_LOG');
    await rm(join(world.folder, 'data'), { recursive: true });
    await publish(20);
    const { code, stdout } = await resync(0, '--rebuild', '--yes');
    expect([code, stdout]).toEqual([
      0,
      'shard 0: generation 2 of its state is built from the log\nno worker has it just now; the next one does as it says\n',
    ]);
    await resync(1, '--rebuild', '--yes');
    const { worker } = await world.startReady();
    expect(worker.status().shards.map(({ state }) => state)).toEqual(['active', 'active']);
    await isWhole();
    await publish();
    await isWhole();
  });

  test('after the change stream was deleted and made again', async () => {
    await aLife();
    await recreate(world, 'VISAGE_CHANGES');
    await allHalted(world.start(), 'changes_recreated');
    await rebuildAll();
    await isWhole(false);
    await chainsBegin(0); // nothing differs
    for (let n = 0; n < 3; n++) await publish();
    await isWhole(false);
    await chainsBegin(40);
  });
});
