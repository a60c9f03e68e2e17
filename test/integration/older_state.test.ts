// A state that an earlier release stored: it is folded anew, as long as the log has all of it.
import { jetstreamManager } from '@nats-io/jetstream';
import { afterEach, expect, test } from 'vitest';
import { FORMAT_VERSION } from '../../src/shard/recovery.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { generationFolder } from '../../src/worker/generation_folders.ts';
import { startWorld, type World } from '../support/world.ts';

const PARTITIONS = 2;
const NAMES = ['ada', 'bob', 'cleo', 'dan', 'eve'] as const;

let world: World | undefined;
afterEach(() => world?.stop());

function foldersOf({ folder }: World): string[] {
  return Array.from({ length: PARTITIONS }, (_, shard) => generationFolder(`${folder}/data`, shard, 1));
}

/** @returns the formats that the states had */
async function formats(of: World, write?: number): Promise<number[]> {
  const found: number[] = [];
  for (const folder of foldersOf(of)) {
    const store = LmdbStore.open(folder);
    const meta = store.readMeta()!;
    found.push(meta.formatVersion);
    if (write !== undefined) await (await store.beginCheckpoint()).commit({ ...meta, formatVersion: write });
    await store.close();
  }
  return found;
}

test(
  'a state of an earlier format is folded anew from the log; without the log it is left as it is',
  { timeout: 60_000 },
  async () => {
    world = await startWorld();
    const settings = { partitions: PARTITIONS };
    await world.startReady(settings, { setup: true, definitions: world.document });
    const client = await world.client(settings);
    const producer = await client.producer();
    for (const [i, id] of [...NAMES, ...NAMES].entries()) {
      const timestamp = new Date().toISOString();
      const body = {
        _id: `e-${i}`,
        timestamp,
        eventType: 'commerce.purchases',
        commerce: { order: { priceTotal: i, channel: 'web' } },
      };
      await producer.send('orders', body, { identity: { namespace: 'customerId', id } });
    }
    const { lastSequence } = await client.streamState('log');
    const lifetimes = async (): Promise<unknown[]> => {
      const views = NAMES.map((id) => client.profile({ namespace: 'customerId', id, after: lastSequence }));
      return (await Promise.all(views)).map((view) => [
        view!.profile.id,
        view!.computed['spendLifetime'],
        view!.computed['lastChannel'],
      ]);
    };
    const before = await lifetimes();
    expect(before).toHaveLength(NAMES.length);
    await world.stopWorkers();
    expect(await formats(world, 1)).toEqual([FORMAT_VERSION, FORMAT_VERSION]);

    const { log } = await world.startReady(settings);
    expect(log.filter((line) => line.includes('folded anew'))).toHaveLength(PARTITIONS);
    expect(await lifetimes()).toEqual(before);
    await world.stopWorkers();
    expect(await formats(world, 1)).toEqual([FORMAT_VERSION, FORMAT_VERSION]);

    await (await jetstreamManager(await world.connect())).streams.purge('VISAGE_LOG', { seq: 3 });
    await world.startReady(settings);
    const { shards } = await client.status();
    expect(shards.map(({ state, reasonCode }) => [state, reasonCode])).toEqual([
      ['halted', 'older_format'],
      ['halted', 'older_format'],
    ]);
    await world.stopWorkers();
    expect(await formats(world)).toEqual([1, 1]);
  },
);
