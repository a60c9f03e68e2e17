// A dataset is deleted of 2,000 profiles while events and records come in: every value is what a recomputation without it gives, also those
// that keep no list of what they were made of; readers see it at once, consumers once.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { identityKey } from '../../src/message/identity.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import type { Client } from '../../src/worker/client.ts';
import { awaitDelete, tellDelete, type ShardDelete } from '../../src/worker/delete_dataset.ts';
import { everyone, sendShop, SHOP, someOfAll } from '../support/record_load.ts';
import { checkAgainstOracle, checkChains, checkDeadLetters, exportAll, settled, type Export } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

const SEED = 20_261_130;
const CUSTOMERS = 2_000;
const MESSAGES = 3_000;
const QUIET_MS = 2_300; // past the short window

let world: World;
let client: Client;

beforeEach(async () => {
  world = await startWorld();
  const file = join(world.folder, 'shop.json');
  await writeFile(file, JSON.stringify(SHOP));
  // a cache that holds a part of them: the others come from the store
  await world.startReady({ 'cache.maxBytes': '4MB' }, { setup: true, definitions: loadDefinitionsFile(file) });
  client = await world.client();
});
afterEach(() => world.stop());

/** What a log would say that had never heard of what the dataset said up to its delete, or says of times before. */
async function differencesWithout(dataset: string, deletes: readonly ShardDelete[], { views, cuts }: Export): Promise<unknown[]> {
  const differences: unknown[] = [];
  for (const { shard, sequence, timeMs } of deletes) {
    const plan = await client.plan(String((await client.status()).shards[shard]!['definitions']));
    const { partitions, topology } = client;
    const oracle = new ShardOracle({ root: topology.root, shard, partitions, planOf: () => plan });
    const isGone = (message: LogMessage): boolean => {
      if (!message.subject.includes(`.in.${dataset}.`)) return message.sequence === sequence;
      const { timestamp } = JSON.parse(new TextDecoder().decode(message.body)) as { timestamp: string };
      return message.sequence < sequence || Date.parse(timestamp) <= timeMs;
    };
    for await (const message of client.readLog(shard, cuts.get(shard))) if (!isGone(message)) oracle.feed(message);
    const mine = views.filter((view) => view.shard === shard);
    expect(mine.map((view) => identityKey(view.profile)).sort()).toEqual(oracle.keys().sort());
    for (const view of mine) differences.push(...compareProfile(view, oracle));
  }
  return differences;
}

const pricesOf = ({ computed }: ProfileView): unknown[] =>
  ['cheapest', 'dearest', 'firstPrice'].map((name) => computed[name]?.value);

test('what a deleted dataset said is gone, exactly, under load', async () => {
  const random = seededRandom(SEED);
  const producer = await client.producer();
  await sendShop(producer, everyone(random, CUSTOMERS, 'first'));
  await settled(client, 0);
  const before = new Map((await exportAll(client)).views.map((view) => [view.profile.id, pricesOf(view)]));

  const load = sendShop(producer, someOfAll(random, CUSTOMERS, MESSAGES, 'load'));
  const deletes = await tellDelete(client, 'returns');
  const told = deletes.map(({ sequence }) => sequence);
  await producer.send(
    'returns',
    { _id: 'after', timestamp: new Date().toISOString(), eventType: 'buy', price: 0.01, channel: 'late' },
    { identity: { namespace: 'customerId', id: 'c-0' } },
  );
  await Promise.all([awaitDelete(client, deletes, () => undefined), load]);
  await settled(client, QUIET_MS);

  const exported = await exportAll(client);
  const verdict = await checkAgainstOracle(client, exported);
  expect(verdict.problems).toEqual([]);
  expect(await differencesWithout('returns', deletes, exported)).toEqual([]);
  expect((await checkChains(client, exported)).problems).toEqual([]);
  expect((await checkDeadLetters(client, verdict.oracles)).problems).toEqual([]);
  // it was not for nothing: half of the lowest prices were those of what is gone
  const changed = exported.views.filter(
    (view) => before.has(view.profile.id) && pricesOf(view).join() !== before.get(view.profile.id)!.join(),
  );
  expect(changed.length).toBeGreaterThan(CUSTOMERS / 2);
  expect(await tellDelete(client, 'returns').then((again) => again.some(({ sequence }) => !told.includes(sequence)))).toBe(true);
});

test('readers see nothing of it from the delete on, whether the sweep has come by or not', async () => {
  const producer = await client.producer();
  await sendShop(producer, everyone(seededRandom(SEED + 1), CUSTOMERS, 'first'));
  await settled(client, 0);
  const deletes = await tellDelete(client, 'orders');
  const gone = await tellDelete(client, 'returns');
  let seen = 0;
  for (let n = CUSTOMERS - 1; n > CUSTOMERS - 40; n--) {
    const view = await client.profile({
      namespace: 'customerId',
      id: `c-${n}`,
      after: Math.max(...gone.map(({ sequence }) => sequence)),
    });
    expect(view!.computed).toMatchObject({
      spend: { value: 0 },
      orders30d: { value: 0 },
      prices: { value: [] },
      channels: { value: 0 },
    });
    expect([view!.computed['cheapest'], view!.computed['firstPrice']]).toEqual([undefined, undefined]);
    expect(view!.attributes).toHaveProperty('city');
    seen++;
  }
  expect(seen).toBe(39);
  await awaitDelete(client, [...deletes, ...gone], () => undefined);
});
