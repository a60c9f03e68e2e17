// The users of config/nats on a real server: each does all that it is for, and nothing else.
import { jetstream } from '@nats-io/jetstream';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { topologyOf } from '../../src/message/subject.ts';
import type { Connection } from '../../src/nats/connection.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { findServerBinary } from '../../src/server/find_server.ts';
import { openLeaseStore } from '../../src/stream/lease_store.ts';
import { openSnapshotObjects } from '../../src/stream/snapshot_objects.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { notAllowed } from '../../src/stream/permission.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import { tellDelete } from '../../src/worker/delete_dataset.ts';
import { eraseProfile } from '../../src/worker/erase_profile.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import type { Worker } from '../../src/worker/create_worker.ts';
import { ask } from '../support/ask.ts';
import { eventually, rejectionOf, within } from '../support/eventually.ts';
import { purchase } from '../support/purchase.ts';
import { ADA, as, connect, NATS_CONFIG, PASSWORDS, produce, ROLES, send, startRoleWorld, type Role } from '../support/roles.ts';
import { runCommand } from '../support/run_command.ts';
import { DEFINITIONS, type World } from '../support/world.ts';

const API = '$JS.API';
const BUCKET_STREAMS = ['KV_visage_meta', 'KV_visage_leases', 'OBJ_visage_snapshots'];
const STREAMS = ['VISAGE_LOG', 'VISAGE_CHANGES', 'VISAGE_DEAD', ...BUCKET_STREAMS];

/** A settings file for a command. */
function configOf(world: World, role: Role): string {
  const { servers, user, passwordFile, inboxPrefix } = world.settings(as(world, role)).nats;
  const file = join(world.folder, `${role}.yaml`);
  writeFileSync(file, JSON.stringify({ nats: { servers, user, passwordFile, inboxPrefix }, partitions: 4 }));
  return file;
}

describe('users.conf', () => {
  let world: World;
  let connections: Readonly<Record<Role, Connection>>;
  let producer: Producer;
  let worker: Worker;

  beforeAll(async () => {
    world = await startRoleWorld('users.conf');
    await world.setup(as(world, 'administrator'));
    ({ worker } = await world.startReady(as(world, 'worker')));
    producer = await produce(world);
    const opened = await Promise.all(ROLES.map(async (role) => [role, await connect(world, role)] as const));
    connections = Object.fromEntries(opened) as Record<Role, Connection>;
  });
  afterAll(async () => {
    await producer.close();
    for (const role of ROLES) await connections[role].close();
    await world.stop();
  });

  test('setup by an administrator, folded by a worker, published by a producer, read and followed by a reader', async () => {
    const client = await world.client(as(world, 'reader'));
    const { shard, sequence } = await send(producer, 1);
    expect(await client.profile({ ...ADA, after: sequence })).toMatchObject({ computed: { spendLifetime: { value: 10 } } });
    expect((await client.explain({ ...ADA, field: 'spendLifetime' }))?.events).toHaveLength(1);
    expect((await client.events(ADA))?.events).toHaveLength(1);
    expect((await client.status()).shards).toHaveLength(4);
    const changes: string[] = [];
    for await (const { body } of client.readStream('changes', { from: 'start', until: 'now', filter: `visage.changes.${shard}` }))
      changes.push(Buffer.from(body).toString());
    expect(changes.join('')).toContain(ADA.id);
  });

  test('a worker takes messages and deletes over HTTP', async () => {
    const { httpPort } = worker.ports;
    const body = purchase('grace', { _id: 'h-1', atMs: Date.now() - 1_000 }).body as string;
    const headers = { 'content-type': 'application/json' };
    const path = '/datasets/orders/messages?namespace=customerId&id=grace';
    expect(await ask(httpPort, path, { method: 'POST', headers, body })).toMatchObject({ status: 202 });
    expect(await ask(httpPort, '/profiles/customerId/grace', { method: 'DELETE' })).toMatchObject({ status: 202 });
    expect(await ask(httpPort, '/datasets/refunds/profiles?confirm=refunds', { method: 'DELETE' })).toMatchObject({
      status: 202,
    });
  });

  test('a reader follows with a consumer of its own that acknowledges', async () => {
    await send(producer, 2);
    const { reader } = connections;
    const jsm = await jetstreamManagerOf(reader);
    await jsm.consumers.add('VISAGE_CHANGES', {
      name: 'mine',
      durable_name: 'mine',
      ack_policy: 'explicit',
      deliver_policy: 'all',
    });
    const consumer = await jetstream(reader, { checkAPI: false }).consumers.get('VISAGE_CHANGES', 'mine');
    const message = await consumer.next({ expires: 5_000 });
    expect(await message!.ackAck()).toBe(true);
    expect((await consumer.info()).ack_floor.consumer_seq).toBe(1);
    expect(await jsm.consumers.delete('VISAGE_CHANGES', 'mine')).toBe(true);
  });

  test('a worker keeps leases: made, renewed, listed, released', async () => {
    const leases = await openLeaseStore(connections.worker, topologyOf('visage'));
    const made = await leases.put('shard.90', 'one', 0);
    expect(made.done).toBe(true);
    expect(await leases.put('shard.90', 'two', 0)).toMatchObject({ done: false, now: { value: 'one' } });
    const renewed = await leases.put('shard.90', 'one', made.done ? made.revision : 0);
    const found = async (): Promise<unknown> => (await leases.list()).find(({ key }) => key === 'shard.90')?.value;
    expect([renewed.done, await found()]).toEqual([true, 'one']);
    await leases.remove('shard.90', renewed.done ? renewed.revision : 0);
    expect(await found()).toBeUndefined();
  });

  test('a worker keeps snapshots: stored, read, listed, removed', async () => {
    const snapshots = await openSnapshotObjects(connections.worker, topologyOf('visage'));
    const name = 'p90/e1/s1';
    const pieces = Array.from({ length: 24 }, (_, n) => new Uint8Array(128 * 1024).fill(n));
    await snapshots.put(name, Readable.from(pieces));
    let bytes = 0;
    for await (const piece of (await snapshots.get(name))!) bytes += piece.length;
    expect([bytes, await snapshots.names('p90/')]).toEqual([3 * 1024 * 1024, [name]]);
    await snapshots.remove(name);
    expect(await snapshots.names('p90/')).toEqual([]);
  });

  test('an administrator applies definitions, replays dead letters, deletes, erases, verifies', async () => {
    const config = configOf(world, 'administrator');
    const administrator = await world.client(as(world, 'administrator'));
    const file = join(world.folder, 'more.yaml');
    const added = '  ordersEver: { class: individual, function: count, window: lifetime }\n';
    writeFileSync(file, `${DEFINITIONS.replaceAll('SHORT', '3s').trimEnd()}\n${added}`);
    const settings = world.settings(as(world, 'administrator'));
    expect(await applyDefinitions(administrator, settings, loadDefinitionsFile(file))).toMatchObject({
      added: expect.arrayContaining([expect.stringContaining('ordersEver')]),
      inForce: [0, 1, 2, 3],
    });
    await send(producer, 3, { _id: undefined });
    const letter = await eventually('the dead letter is listed', async () => {
      const { stdout } = await runCommand(['dead', 'list', '--config', config]);
      return /^(\d+) .*missing_id/m.exec(stdout)?.[1];
    });
    const replayed = await runCommand(['dead', 'replay', letter, '--config', config]);
    expect(replayed.stderr + replayed.stdout).not.toMatch(/may not|not_allowed/);
    expect(await tellDelete(administrator, 'refunds')).toHaveLength(4);
    expect(await runCommand(['delete', ADA.namespace, 'somebody', '--config', config])).toMatchObject({ code: 0 });
    const { sequence } = await send(producer, 4);
    await administrator.profile({ ...ADA, after: sequence });
    const receipt = await within('it is erased', 30_000, eraseProfile(administrator, ADA));
    expect(receipt.messages).toBeGreaterThan(2);
    expect(receipt.deadLetters).toBeGreaterThan(0);
    expect(await verifyRoot(administrator)).toMatchObject({ verified: true, differences: [] });
  });

  test('a worker finds the streams as it wants them, and cannot make one that is missing', async () => {
    await expect(world.setup(as(world, 'worker'), null)).resolves.toBeUndefined();
    const { administrator } = connections;
    expect(await (await jetstreamManagerOf(administrator)).streams.delete('VISAGE_DEAD')).toBe(true);
    const error = await rejectionOf(world.setup(as(world, 'worker'), null));
    expect(error).toMatchObject({
      code: 'not_allowed',
      message: `the user of this connection may not publish ${API}.STREAM.CREATE.VISAGE_DEAD`,
    });
    await world.setup(as(world, 'administrator'), null);
  });

  test('the settings of docs/security.md: a command as a reader', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/security.md'), 'utf8');
    const settings = /^```yaml\n(# reader.yaml[^]*?)^```/m.exec(page)![1]!;
    const { servers, passwordFile } = world.settings(as(world, 'reader')).nats;
    const file = join(world.folder, 'reader_of_the_page.yaml');
    writeFileSync(file, settings.replace('nats://127.0.0.1:4222', servers[0]!).replace('reader.password', passwordFile!));
    const { sequence } = await send(producer, 5);
    const { code, stdout, stderr } = await runCommand(['get', ADA.namespace, ADA.id, '--after', `${sequence}`, '--config', file]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('spendLifetime');
  });

  describe('what the product says to a user without the right', () => {
    test('a producer: another dataset, the definitions', async () => {
      const denied = rejectionOf(producer.send('refunds', '{}', { identity: ADA }));
      expect(await within('it is told at once', 2_000, denied)).toMatchObject({
        code: 'not_allowed',
        message: expect.stringContaining('visage.in.<dataset>.>'),
      });
      const { servers, user, passwordFile, inboxPrefix } = world.settings(as(world, 'producer')).nats;
      const learning = createProducer({ servers, user: user!, passwordFile: passwordFile!, inboxPrefix });
      expect(await rejectionOf(learning)).toMatchObject({
        code: 'not_allowed',
        message:
          'this user may not read the bucket visage_meta; its permissions must allow that, or give `partitions` and `namespaces`',
      });
      expect(await rejectionOf(produce(world, { inboxPrefix: '_INBOX' }))).toMatchObject({ code: 'not_allowed' });
      expect(await rejectionOf(world.client(as(world, 'producer')))).toMatchObject({ code: 'not_allowed' });
    });

    test('a reader: erase, delete, definitions, time, publish', async () => {
      const reader = await world.client(as(world, 'reader'));
      const not = (subject: string): unknown =>
        expect.objectContaining({ code: 'not_allowed', message: expect.stringContaining(`may not publish ${subject}`) });
      expect(await rejectionOf(reader.erase(ADA))).toEqual(not('visage.api.erase'));
      expect(await rejectionOf(reader.moveTime(Date.now()))).toEqual(not('visage.log.0.ctl.tick'));
      expect(await rejectionOf(reader.meta.putAt('partitions', '8', 0))).toEqual(not('$KV.visage_meta.partitions'));
      expect(await rejectionOf(reader.meta.get('erase.secret'))).toEqual(
        not(`${API}.DIRECT.GET.KV_visage_meta.$KV.visage_meta.erase.secret`),
      );
      const config = configOf(world, 'reader');
      const { code, stderr } = await runCommand(['delete', ADA.namespace, ADA.id, '--config', config]);
      expect([code, stderr.split('\n').length]).toEqual([1, 2]);
      expect(stderr).toMatch(/may not/);
    });

    test('a producer is no worker', async () => {
      const { worker } = world.start({ ...as(world, 'producer'), instance: 'none', dataDirectory: join(world.folder, 'none') });
      expect(await within('it ends', 10_000, worker.stopped)).toMatchObject({ code: 'not_allowed' });
    });
  });

  /** The stream administration that a role has no right to. */
  const administration = (streams: readonly string[], verbs: readonly string[]): string[] =>
    streams.flatMap((stream) => verbs.map((verb) => `${API}.STREAM.${verb}.${stream}`));
  const PUBLISHED = ['visage.log.0.ctl.tick', 'visage.log.0.in.orders.customerId.1', 'visage.changes.0', 'visage.dead.0.orders'];
  const DENIED: Readonly<Record<Role, readonly string[]>> = {
    producer: [
      'visage.in.refunds.customerId.1',
      'visage.in._profile.customerId.1',
      ...PUBLISHED,
      'visage.api.profile',
      'visage.api.erase',
      '$KV.visage_meta.partitions',
      '$KV.visage_leases.shard.0',
      '_INBOX.reader.x',
      ...administration(STREAMS, ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.GET', 'MSG.DELETE']),
      ...administration(STREAMS.slice(1), ['INFO']),
      ...STREAMS.map((stream) => `${API}.CONSUMER.CREATE.${stream}.x`),
      `${API}.DIRECT.GET.VISAGE_LOG`,
      `${API}.DIRECT.GET.KV_visage_meta`,
      `${API}.DIRECT.GET.KV_visage_meta.$KV.visage_meta.erase.secret`,
      `${API}.INFO`,
    ],
    worker: [
      'visage.log.0.in.orders.customerId.1',
      'other.log.0.ctl.tick',
      ...administration(STREAMS, ['CREATE', 'UPDATE', 'DELETE', 'PURGE']),
      ...administration(['VISAGE_CHANGES', 'KV_visage_meta', 'KV_visage_leases'], ['MSG.DELETE']),
      ...administration(['OTHER_LOG'], ['CREATE', 'INFO', 'MSG.GET']),
      `${API}.STREAM.SNAPSHOT.VISAGE_LOG`,
      `${API}.STREAM.NAMES`,
    ],
    reader: [
      'visage.in.orders.customerId.1',
      ...PUBLISHED,
      'visage.api.erase',
      '$KV.visage_meta.definitions.live',
      '_INBOX.worker.x',
      ...administration(STREAMS, ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.DELETE']),
      ...administration(['VISAGE_LOG', 'VISAGE_DEAD', ...BUCKET_STREAMS], ['INFO', 'MSG.GET']),
      `${API}.CONSUMER.CREATE.VISAGE_LOG.x`,
      `${API}.CONSUMER.CREATE.VISAGE_DEAD.x`,
      `${API}.CONSUMER.MSG.NEXT.VISAGE_LOG.x`,
      `${API}.DIRECT.GET.VISAGE_LOG`,
      `${API}.DIRECT.GET.KV_visage_meta`,
    ],
    administrator: [
      'visage.log.0.in.orders.customerId.1',
      'visage.changes.0',
      'visage.dead.0.orders',
      '$KV.visage_leases.shard.0',
      '$O.visage_snapshots.M.x',
      ...administration(['OTHER_LOG', 'KV_other_meta'], ['CREATE', 'INFO', 'DELETE', 'MSG.GET']),
      `${API}.STREAM.NAMES`,
      '$SYS.REQ.SERVER.PING',
    ],
  };
  test.each(ROLES)('a %s may not publish what is not its own', async (role) => {
    const connection = connections[role];
    for (const subject of DENIED[role]) {
      const error = await rejectionOf(connection.request(subject, '{}', { timeout: 2_000 }));
      expect(notAllowed(error), `${role} ${subject}: ${error.message}`).toMatchObject({ code: 'not_allowed' });
    }
  });

  test.each(ROLES)('a %s may not listen to others', async (role) => {
    const mine = role === 'worker' ? ['visage.api.>'] : [];
    const others = [
      '>',
      '_INBOX.>',
      'visage.>',
      'visage.log.>',
      'visage.in.>',
      'visage.changes.>',
      'visage.api.>',
      '$KV.>',
      '$SYS.>',
    ];
    for (const other of ROLES) if (other !== role) others.push(`_INBOX.${other}.>`);
    for (const subject of others.filter((one) => !mine.includes(one))) {
      const denied = new Promise<Error | null>((resolve) => {
        connections[role].subscribe(subject, { callback: (error) => resolve(error) });
      });
      expect(notAllowed(await within(`${role} ${subject}`, 2_000, denied))).toMatchObject({ code: 'not_allowed' });
    }
  });

  test('a worker answers nowhere but where a user listens: not into the log, not into its own bucket', async () => {
    const { reader, administrator } = connections;
    for (const verb of ['status', 'profile', 'export'])
      for (const reply of [
        'visage.log.0.ctl.forged',
        'visage.changes.0',
        '$KV.visage_meta.partitions',
        '$KV.visage_leases.shard.93',
      ])
        reader.publish(`visage.api.${verb}`, '{}', { reply });
    administrator.publish('visage.api.erase', '{}', { reply: 'visage.log.0.ctl.forged' });
    await administrator.flush();
    // one after the other on one subscription: this is answered after those were
    for (const verb of ['status', 'profile', 'export']) await reader.request(`visage.api.${verb}`, '{}');
    await administrator.request('visage.api.erase', '{}');
    const jsm = await jetstreamManagerOf(administrator);
    expect(await jsm.streams.getMessage('VISAGE_LOG', { last_by_subj: 'visage.log.0.ctl.forged' })).toBeNull();
    expect(await jsm.streams.getMessage('KV_visage_leases', { last_by_subj: '$KV.visage_leases.shard.93' })).toBeNull();
    const client = await world.client(as(world, 'administrator'));
    expect(client.partitions).toBe(4);
    expect((await client.status()).shards.map(({ state }) => state)).toEqual(['active', 'active', 'active', 'active']);
  });
});

test('server.conf is one that a server takes', async () => {
  const { path } = await findServerBinary();
  const run = promisify(execFile);
  const { stderr } = await run(path, ['-t', '-c', join(NATS_CONFIG, 'server.conf')], { env: { ...process.env, ...PASSWORDS } });
  expect(stderr).toContain('configuration file');
});
