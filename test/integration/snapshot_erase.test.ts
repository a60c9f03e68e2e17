// Erasing somebody of whom there are snapshots, and folders of workers that had the shard before.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeId, identityKey, partitionOf } from '../../src/message/identity.ts';
import type { Client } from '../../src/worker/client.ts';
import { eraseProfile } from '../../src/worker/erase_profile.ts';
import { bytesIn } from '../support/bytes_in.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { manifestOf, objectNames, said, settingsAs, takeSnapshot } from '../support/snapshots.ts';
import { startWorld, type Overrides, type StartedWorker, type World } from '../support/world.ts';

const PARTITIONS = 2;
const ADA = { namespace: 'customerId', id: 'ada.l@lovelace.example' };
const TOKEN = encodeId(ADA.id);
const SHARD = partitionOf(identityKey(ADA), PARTITIONS);

let world: World;
let client: Client;
let run = 0;

beforeEach(async () => {
  world = await startWorld({
    shortWindow: '1h',
    overrides: { partitions: PARTITIONS, 'lease.ttl': '1s', 'snapshot.interval': '1h' },
  });
  await world.setup();
  client = await world.client();
});
afterEach(() => world.stop());

const as = (instance: string): Overrides => settingsAs(world, instance);
const folderOf = (instance: string): string => join(world.folder, `data-${instance}`);
const objectsFolder = (): string => join(world.folder, 'nats', 'jetstream', '$G', 'streams', 'OBJ_visage_snapshots');

/** Ada's events among those of others. */
async function publish(): Promise<void> {
  run++;
  const events = Array.from({ length: 60 }, (_, n) =>
    purchase(n % 10 === 0 ? ADA.id : `c-${n}`, { _id: `e-${run}-${n}`, atMs: Date.now() - 60_000, price: n }),
  );
  const last = await publishAll(events, { nc: client.nc });
  await eventually('all of it is in checkpoints', async () =>
    (await client.status()).shards.every((shard) => {
      const checkpoint = shard['checkpoint'] as { sequence: number } | null;
      return shard.state === 'active' && shard['lag'] === 0 && checkpoint?.sequence === shard['applied'];
    }),
  );
  await client.profile({ ...ADA, after: last });
}

const active = ({ worker }: StartedWorker): number => worker.status().shards.filter(({ state }) => state === 'active').length;

test('no snapshot has anything of an erased identity, also none that was replaced before', async () => {
  await world.startReady(as('a'));
  const names: string[] = [];
  for (let n = 0; n < 4; n++) {
    await publish();
    names.push((await takeSnapshot(client, SHARD)).name);
    await takeSnapshot(client, 1 - SHARD);
  }
  expect(bytesIn(objectsFolder(), TOKEN, ADA.id).length).toBeGreaterThan(0);
  const others = await manifestOf(client, 1 - SHARD);
  await eraseProfile(client, ADA);
  const kept = await manifestOf(client, SHARD);
  expect(kept).toHaveLength(1);
  expect(names).not.toContain(kept[0]!.name);
  expect(await objectNames(client, `p${SHARD}/`)).toEqual([kept[0]!.name]);
  expect(await manifestOf(client, 1 - SHARD)).toEqual(others); // those of others stay
  expect(bytesIn(objectsFolder(), TOKEN, ADA.id)).toEqual([]);
});

test('a folder from before is not gone on with: its worker begins from the new snapshot', async () => {
  const a = await world.startReady(as('a'));
  await publish();
  const b = await world.startReady(as('b'));
  await eventually('one each', () => active(a) === 1 && active(b) === 1);
  await publish();
  await a.worker.stop(); // the other has both, and follows them in its own folder
  await eventually('both are there', () => active(b) === 2);
  await publish();
  const old = (await takeSnapshot(client, SHARD)).name;
  expect(existsSync(join(folderOf('a'), `shard-${SHARD}`))).toBe(true);
  expect(bytesIn(folderOf('a'), TOKEN).length).toBeGreaterThan(0);
  await eraseProfile(client, ADA);
  expect(bytesIn(folderOf('b'), TOKEN, ADA.id)).toEqual([]);
  await b.worker.stop();

  const again = await world.startReady(as('a'));
  const [kept] = await manifestOf(client, SHARD);
  expect(kept!.name).not.toBe(old);
  expect(said(again).filter((line) => line.startsWith('restored from the snapshot at'))).toContain(
    `restored from the snapshot at ${kept!.sequence}, ${kept!.bytes} bytes`,
  );
  expect(bytesIn(folderOf('a'), TOKEN, ADA.id)).toEqual([]);
  expect(await client.profile(ADA)).toBeUndefined();
});
