// What the permissions of config/nats cannot stop, and the accounts that do: an answer that is asked for into the log.
import { expect, test } from 'vitest';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { rejectionOf, within } from '../support/eventually.ts';
import { ADA, as, connect, produce, send, startRoleWorld } from '../support/roles.ts';
import type { World } from '../support/world.ts';

/** Does the log have what a producer has the server answer into it? */
async function forge(world: World): Promise<boolean> {
  const producer = await connect(world, 'producer', 'forger');
  const administrator = await connect(world, 'administrator');
  producer.publish('visage.in.orders.customerId.1', '{}', { reply: 'visage.log.0.ctl.tick' });
  // the server answers in the order in which it stored: when the first of these is answered, the answer to the one before is on its way
  // to the log, and the second is stored behind it
  for (let n = 0; n < 2; n++) await producer.request('visage.in.orders.customerId.1', '{}');
  const jsm = await jetstreamManagerOf(administrator);
  const found = await jsm.streams.getMessage('VISAGE_LOG', { last_by_subj: 'visage.log.0.ctl.tick' });
  await producer.close();
  await administrator.close();
  return found !== null;
}

test('users.conf: the answer to a message goes where the message says, also into the log, where the shard halts over it', async () => {
  const world = await startRoleWorld('users.conf');
  await world.setup(as(world, 'administrator'));
  expect(await forge(world)).toBe(true);
  await world.startReady(as(world, 'worker')); // ready: active or halted
  const client = await world.client(as(world, 'reader'));
  expect((await client.status()).shards[0]).toMatchObject({ state: 'halted', reasonCode: 'unknown_control' });
  await world.stop();
});

test('accounts.conf: not into the log; producer, worker and reader work as before', async () => {
  const world = await startRoleWorld('accounts.conf');
  await world.setup(as(world, 'administrator'));
  expect(await forge(world)).toBe(false);
  await world.startReady(as(world, 'worker'));
  const producer = await produce(world);
  const { sequence } = await send(producer, 1);
  const client = await world.client(as(world, 'reader'));
  expect(await client.profile({ ...ADA, after: sequence })).toMatchObject({ computed: { spendLifetime: { value: 10 } } });
  const denied = rejectionOf(producer.send('refunds', '{}', { identity: ADA }));
  expect(await within('it is told at once', 2_000, denied)).toMatchObject({ code: 'not_allowed' });
  await producer.close();
  await world.stop();
});
