// Erasures and kill -9: whatever step the worker dies in, the next one goes on, and gives a receipt; nobody else loses anything.
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { encodeId, identityKey, partitionOf } from '../../src/message/identity.ts';
import type { Client } from '../../src/worker/client.ts';
import { ERASE_STEPS, jobOf, receiptOf, type EraseStep } from '../../src/worker/erase_jobs.ts';
import { bytesIn } from '../support/bytes_in.ts';
import { eventually, within } from '../support/eventually.ts';
import { publishAll, type Sendable } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { spawnWorker, type WorkerProcess } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

/** Killed so long after the job has come to this step; some end in the middle of rewriting the store, some between two removals. */
const MOMENTS: readonly { readonly step: EraseStep; readonly afterMs: number; readonly losesFolder?: true }[] = [
  { step: 'appended', afterMs: 0 },
  { step: 'appended', afterMs: 600 },
  { step: 'stored', afterMs: 0, losesFolder: true }, // it is built anew from a log that still has her
  { step: 'noted', afterMs: 0 },
  { step: 'lettersRemoved', afterMs: 0 },
  { step: 'lettersRemoved', afterMs: 40 },
];
const HERS = 250;

let world: World;
let worker: WorkerProcess;

beforeEach(async () => {
  world = await startWorld({ shortWindow: '1h' });
});
afterEach(() => world.stop());

/** One after the other in another shard: the store of a shard is rewritten once in five seconds at most. */
function person(n: number): { namespace: string; id: string } {
  for (let i = 0; ; i++) {
    const identity = { namespace: 'customerId', id: `person.${n}.${i}@lovelace.example` };
    if (partitionOf(identityKey(identity), 4) === n % 4) return identity;
  }
}

function events(n: number): Sendable[] {
  const now = Date.now();
  return Array.from({ length: HERS }, (_, i) => [
    purchase(person(n).id, { _id: `${n}-${i}`, atMs: now - 10 * i, price: 3 }),
    purchase(`other-${i % 25}`, { _id: `o-${n}-${i}`, atMs: now - 700 * i, price: 1 + (i % 5) }),
  ])
    .flat()
    .concat({ ...purchase(person(n).id, { _id: 'x', atMs: now }), body: 'no JSON' });
}

async function start(folder: string): Promise<void> {
  worker = spawnWorker({
    'nats.servers': world.server.url,
    partitions: 4,
    'log.maxBytes': '1GB',
    'checkpoint.interval': '200ms',
    dataDirectory: join(world.folder, folder),
    instance: 'killed',
  });
  await within('the worker is ready', 20_000, worker.ready);
}

async function exported(client: Client): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const { view } of client.exportProfiles()) found.set(identityKey(view.profile), [view.version, view.computed]);
  return found;
}

test(`an erasure is finished by the next worker, whenever it is killed -9 (${MOMENTS.length} moments); then all of it from nothing`, async () => {
  await world.setup();
  await start('data');
  const nc = await world.connect();
  const client = await world.client();
  const killedIn: EraseStep[] = [];
  for (const [n, { step, afterMs, losesFolder }] of MOMENTS.entries()) {
    await publishAll(events(n), { nc });
    const { shard, hash, request } = await client.erase(person(n));
    const job = async (): ReturnType<typeof jobOf> => jobOf(client.meta, shard, hash);
    const reached = async (): Promise<boolean> => ERASE_STEPS.indexOf((await job())!.step) >= ERASE_STEPS.indexOf(step);
    await eventually(`the step ${step}`, reached, { timeoutMs: 20_000, everyMs: 1 });
    await delay(afterMs);
    await worker.kill('SIGKILL');
    killedIn.push((await job())!.step);
    if (losesFolder === true) await rm(join(world.folder, 'data', `shard-${shard}`), { recursive: true });
    await start('data');
    const find = async (): Promise<unknown> => receiptOf((await job())!, request);
    const receipt = await eventually(`the receipt of erasure ${n}`, find, { timeoutMs: 30_000 });
    expect(receipt).toMatchObject({ shard, hash, messages: HERS + 1, holes: HERS + 1, deadLetters: 1 });
    const token = encodeId(person(n).id);
    const found: string[] = [];
    for await (const message of client.readLog(shard)) if (message.subject.includes(token)) found.push(message.subject);
    expect(found).toEqual([]);
    expect(bytesIn(join(world.folder, 'data'), token)).toEqual([]);
  }
  expect(killedIn.filter((step) => step !== 'done').length).toBeGreaterThanOrEqual(MOMENTS.length - 1);
  expect(new Set(killedIn).size).toBeGreaterThanOrEqual(4);
  const knowing = await world.client();
  expect(await verifyRoot(knowing)).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  const before = await exported(client);
  expect(before.size).toBe(25);

  await worker.kill('SIGKILL');
  await start('elsewhere');
  expect(await exported(client)).toEqual(before);
  expect(await verifyRoot(knowing)).toMatchObject({ verified: true, differences: [], chains: { whole: true, problems: [] } });
  expect(bytesIn(join(world.folder, 'elsewhere'), 'lovelace')).toEqual([]);
  await worker.kill('SIGTERM');
  expect(worker.said()).toBe('stopped drained');
  expect(worker.log.join('\n')).not.toContain('lovelace');
}, 180_000);
