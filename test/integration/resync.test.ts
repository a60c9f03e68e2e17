// The operator's ways out of a halt: each does what it says, and afterwards everything is as the log says.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { identityKey, partitionOf } from '../../src/message/identity.ts';
import type { Client } from '../../src/worker/client.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
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

/** Folders and snapshots: what comes next folds the log. */
async function loseState(): Promise<void> {
  await rm(join(world.folder, 'data'), { recursive: true });
  await (await jetstreamManagerOf(client.nc)).streams.purge('OBJ_visage_snapshots');
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

describe('--skip', () => {
  const ADA = { namespace: 'customerId', id: 'ada' };
  const SHARD = partitionOf(identityKey(ADA), PARTITIONS);

  const hers = (_id: string, price: number): Promise<number> =>
    publishAll([purchase(ADA.id, { _id, atMs: Date.now() - 60_000, price })], { nc: client.nc });

  /** A control message that no release knows: the shard halts there. @returns its sequence */
  async function poison(): Promise<number> {
    const answer: { seq: number } = (await client.nc.request(`visage.log.${SHARD}.ctl.nosuch`, '{}')).json();
    return answer.seq;
  }

  const skip = (sequence: number): Promise<Ran> => resync(SHARD, '--skip', String(sequence), '--yes');
  const said = (sequence: number): string => `shard ${SHARD}: message ${sequence} is skipped\nit is active\n`;

  async function haltsAt({ worker }: StartedWorker, code: string): Promise<void> {
    await eventually(`shard ${SHARD} is halted with ${code}`, () =>
      worker.status().shards.some((shard) => shard.shard === SHARD && shard.reasonCode === code),
    );
  }

  test('of a message that nobody understands: the shard goes on, and so does every later life', async () => {
    const started = await world.startReady();
    await publish();
    const [first, between, second] = [await poison(), await hers('h-1', 5), await poison()];
    await publish();
    await haltsAt(started, 'unknown_control');
    const once = await skip(first);
    expect([once.code, once.stderr]).toEqual([0, '']);
    await haltsAt(started, 'unknown_control'); // at the other one
    expect(await skip(second)).toEqual({ code: 0, stdout: said(second), stderr: '' });
    expect((await client.profile({ ...ADA, after: between }))?.computed['spendLifetime']).toEqual({ value: 5 });
    await isWhole();
    await started.worker.stop();
    // from the checkpoint, and from nothing
    await world.startReady().then(({ worker }) => worker.stop());
    await loseState();
    await world.startReady();
    await isWhole();
  });

  test('of an event that was not applied yet: it is in no value, list or explanation; the others are', async () => {
    const started = await world.startReady();
    await hers('h-1', 5);
    const poisoned = await poison();
    await haltsAt(started, 'unknown_control');
    const unwanted = await hers('h-2', 1_000);
    const wanted = await hers('h-3', 7);
    await resync(SHARD, '--skip', String(unwanted), '--yes');
    expect(await skip(poisoned)).toEqual({ code: 0, stdout: said(poisoned), stderr: '' });
    const view = await client.profile({ ...ADA, after: wanted });
    expect(view?.computed['spendLifetime']).toEqual({ value: 12 });
    const { events } = (await client.events(ADA))!;
    expect(events.map((event) => event['_id'])).toEqual(['h-1', 'h-3']);
    const explained = (await client.explain({ ...ADA, field: 'spendLifetime' }))!;
    expect(explained.events.map(({ _id, value }) => [_id, value])).toEqual([
      ['h-3', 7],
      ['h-1', 5],
    ]);
    const listed = await runCommand(['events', ADA.namespace, ADA.id, '--config', configFile(world)]);
    expect([listed.code, listed.stdout.includes('h-3'), listed.stdout.includes('h-2')]).toEqual([0, true, false]);
    // its id was never seen
    await hers('h-2', 100);
    await isWhole();
    expect((await client.profile(ADA))?.computed['spendLifetime']).toEqual({ value: 112 });
  });

  test('what was applied, is not there, or is of another shard, is not skipped', async () => {
    const started = await world.startReady();
    const applied = await hers('h-1', 5);
    await client.profile({ ...ADA, after: applied });
    await settled(client, QUIET_MS);
    const refused = await skip(applied);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toBe(
      `error: message ${applied} has been applied, and what it changed was published: it can no longer be skipped\n`,
    );
    const poisoned = await poison();
    await haltsAt(started, 'unknown_control');
    for (const [shard, sequence] of [
      [SHARD, poisoned + 1],
      [1 - SHARD, poisoned],
    ] as const) {
      const { code, stderr } = await resync(shard, '--skip', String(sequence), '--yes');
      expect([code, stderr]).toEqual([1, `error: the log has no message ${sequence} of shard ${shard}\n`]);
    }
    expect(started.worker.status().shards[SHARD]?.state).toBe('halted');
  });
});

test('wrong use is one line and exit code 2; nothing is done', async () => {
  await world.startReady();
  const before = (await client.streamState('log')).lastSequence;
  for (const [words, line] of [
    [['--shard', '0'], 'say one of --again, --accept-gap, --skip SEQUENCE, --adopt, --rebuild'],
    [
      ['--shard', '0', '--rebuild', '--accept-gap', '--yes'],
      'say one of --again, --accept-gap, --skip SEQUENCE, --adopt, --rebuild',
    ],
    [['--shard', '0', '--rebuild'], 'nothing was done: add --yes if you mean it'],
    [['--shard', '0', '--skip', '1', '--partial', '--yes'], '--partial goes with --rebuild'],
    [['--shard', '7', '--rebuild', '--yes'], 'there is no shard 7; there are 2'],
  ] as const)
    expect(await runCommand(['resync', ...words, '--config', configFile(world)])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${line}\n`,
    });
  for (const words of [
    ['--rebuild', '--yes'],
    ['--shard', 'x', '--rebuild', '--yes'],
    ['--shard', '0', '--skip', '0', '--yes'],
  ]) {
    const { code, stderr } = await runCommand(['resync', ...words, '--config', configFile(world)]);
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
  }
  const { code, stderr } = await resync(0, '--accept-gap', '--yes');
  expect([code, stderr]).toEqual([1, 'error: the log has its beginning: there is no gap to accept\n']);
  expect((await client.streamState('log')).lastSequence).toBe(before);
});
