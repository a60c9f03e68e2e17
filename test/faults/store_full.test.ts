// F8: the disk of the state is full, or its file is damaged: the shard halts and says why, nothing wrong is served, the worker lives,
// and with room, or without the folder, the next start repairs everything from the log.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Client } from '../../src/worker/client.ts';
import { eventually, rejectionOf } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { shardsOf } from '../support/shards_of.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const PARTITIONS = 4;
const QUIET_MS = 300; // all events are older than every window
const FILE_KB = 500;
const DISK_MB = 2;

let world: World;
let client: Client;
let data: string;
const mounted: string[] = [];

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1s' });
  await world.setup();
  client = await world.client();
  data = join(world.folder, 'data');
});
afterEach(async () => {
  await world.stopWorkers();
  for (const folder of mounted.splice(0)) spawnSync('umount', ['-l', folder]);
  await world.stop();
});

let run = 0;
/** Of so many customers one event each, every one about 400 bytes in the store. */
function events(customers: number): Sendable[] {
  run++;
  const event = (n: number): Sendable =>
    purchase(`customer-${run}-${n}-${'x'.repeat(200)}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000 });
  return Array.from({ length: customers }, (_, n) => event(n));
}

/** Until no shard folds any more. @returns why, by shard */
async function allHalted(): Promise<{ code: string | null; reason: string | null }[]> {
  const nc = await world.connect();
  return eventually(
    'every shard is halted',
    async () => {
      const { shards } = await client.status();
      const halted = shards.filter(({ state }) => state === 'halted');
      if (halted.length === PARTITIONS) return halted.map(({ reasonCode, reason }) => ({ code: reasonCode, reason }));
      await publishAll(events(1_000), { nc });
      return undefined;
    },
    { timeoutMs: 40_000 },
  );
}

async function expectHalted(log: readonly string[], code: string, reason: RegExp): Promise<void> {
  for (const shard of await allHalted()) expect(shard).toEqual({ code, reason: expect.stringMatching(reason) as string });
  for (const id of shardsOf(PARTITIONS).values())
    expect((await rejectionOf(client.profile({ namespace: 'customerId', id }))).code).toBe('shard_halted');
  const halts = log.filter((line) => line.includes('"msg":"shard halted"'));
  expect(halts.length).toBe(PARTITIONS); // once each
  const { adminPort } = JSON.parse(log.find((line) => line.includes('worker started'))!) as { adminPort: number };
  const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  expect(await answer.json()).toMatchObject({ ready: true, degraded: ['halted shards 0, 1, 2, 3'] });
  const page = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  expect(page).toContain(`visage_shard_halts_total{shard="0",code="${code}"} 1`);
}

/** Everything in the log is in the profiles, once, and in the change events, once. */
async function expectRepaired(): Promise<void> {
  const verdict = await verifyAll(client, QUIET_MS);
  expect(verdict.problems.slice(0, 5)).toEqual([]);
  expect(verdict.events).toBeGreaterThan(1_000);
}

test('the store can write no more: every shard halts with the reason, and goes on after a start with room', async () => {
  const overrides = {
    'nats.servers': world.server.url,
    partitions: PARTITIONS,
    dataDirectory: data,
    'checkpoint.interval': '200ms',
  };
  const limited = spawnWorker(overrides, { fileKB: FILE_KB });
  try {
    await limited.ready;
    await expectHalted(limited.log, 'store_write_failed', /^a checkpoint was not written to .*shard-\d: /);
  } finally {
    await limited.kill('SIGTERM');
  }
  expect(limited.said()).toBe('stopped drained');
  await world.startReady();
  await expectRepaired();
});

if (canMount()) test('the disk is full: the reason says so, and there is room after a start on a larger one', onFullDisk);
else console.warn('no disk can be mounted here: a limit on the size of files alone stands for one that is full');

async function onFullDisk(): Promise<void> {
  mount(`${DISK_MB}m`);
  const { worker, log } = await world.startReady();
  await expectHalted(log, 'store_full', /^the disk with .*shard-\d is full: a checkpoint of \d+ bytes was not written$/);
  await worker.stop();
  mount('200m', 'remount,');
  await world.startReady();
  await expectRepaired();
}

test('a file that is cut short: it is set aside, and the state comes from the snapshot or the log; the others go on', async () => {
  const first = await world.startReady();
  await publishAll(events(2_000), { nc: client.nc });
  await expectRepaired();
  await first.worker.stop();
  const folder = join(data, 'shard-2');
  const whole = statSync(join(folder, 'data.mdb')).size;
  const others = [1, 3].map((shard) => statSync(join(data, `shard-${shard}`, 'data.mdb')).ino);
  for (const cut of [3 * 4_096, Math.floor(whole / 8_192) * 4_096]) {
    const file = join(folder, 'data.mdb');
    truncateSync(file, statSync(file).size - cut);
    const { worker, log } = await world.startReady();
    await expectRepaired();
    expect(log.filter((line) => line.includes('cut short')).map((line) => (JSON.parse(line) as { shard: number }).shard)).toEqual(
      [2],
    );
    expect(existsSync(`${folder}.damaged`)).toBe(true);
    await worker.stop();
  }
  expect([1, 3].map((shard) => statSync(join(data, `shard-${shard}`, 'data.mdb')).ino)).toEqual(others);
});

function mount(size: string, how = ''): void {
  mkdirSync(data, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `${how}size=${size}`, 'tmpfs', data]);
  expect(status).toBe(0);
  if (how === '') mounted.push(data);
}

/** Needs the right to: root has it, in most containers too. */
function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'visage-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe]);
  if (status === 0) spawnSync('umount', [probe]);
  rmdirSync(probe);
  return status === 0;
}
