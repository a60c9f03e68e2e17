// A root whose snapshots are taken when a test says so, and ways to spoil them.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from '../../src/worker/client.ts';
import type { Snapshot } from '../../src/worker/shard_snapshots.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { openSnapshotObjects } from '../../src/stream/snapshot_objects.ts';
import { eventually } from './eventually.ts';
import type { Overrides, StartedWorker, World } from './world.ts';

const OBJECTS = 'visage_snapshots';
const STREAM = `OBJ_${OBJECTS}`;

/** Settings of a worker with a folder of its own. */
export function settingsAs(world: World, instance: string, more: Overrides = {}): Overrides {
  return { instance, dataDirectory: join(world.folder, `data-${instance}`), ...more };
}

/** Newest first. */
export async function manifestOf({ meta }: Client, shard = 0): Promise<readonly Snapshot[]> {
  return JSON.parse((await meta.get(`snapshot.${shard}`)) ?? '[]') as Snapshot[];
}

export async function writeManifest({ meta }: Client, list: readonly Snapshot[], shard = 0): Promise<void> {
  const { revision } = await meta.entry(`snapshot.${shard}`);
  await meta.putAt(`snapshot.${shard}`, JSON.stringify(list), revision);
}

/** Has the shard's owner take one now. @returns the newest that there is then */
export async function takeSnapshot({ nc }: Client, shard = 0): Promise<Snapshot> {
  const answer: { ok?: Snapshot; error?: { message: string } } = (
    await nc.request(`visage.api.shard.${shard}.snapshot`, '{}', { timeout: 10_000 })
  ).json();
  if (answer.ok === undefined) throw new Error(answer.error?.message ?? 'no snapshot');
  return answer.ok;
}

export async function objectNames({ nc, topology }: Client, prefix = ''): Promise<readonly string[]> {
  return [...(await (await openSnapshotObjects(nc, topology)).names(prefix))].sort();
}

type Chunk = { readonly seq: number; readonly subject: string; readonly data: Uint8Array };

/** The stored pieces of one snapshot, in order. */
async function chunksOf({ nc }: Client, name: string): Promise<Chunk[]> {
  const jsm = await jetstreamManagerOf(nc);
  const info = `$O.${OBJECTS}.M.${Buffer.from(name).toString('base64url')}`;
  const found = await eventually('the object', () => paddedInfo(jsm, info));
  const { nuid } = JSON.parse(Buffer.from(found.data).toString()) as { nuid: string };
  const { state } = await jsm.streams.info(STREAM);
  const chunks: Chunk[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await jsm.streams.getMessage(STREAM, { seq });
    if (message?.subject === `$O.${OBJECTS}.C.${nuid}`) chunks.push(message);
  }
  return chunks;
}

/** Names are base64 with its padding. */
function paddedInfo(jsm: Awaited<ReturnType<typeof jetstreamManagerOf>>, subject: string): Promise<Chunk | null> {
  const name = subject.slice(subject.lastIndexOf('.') + 1);
  return jsm.streams.getMessage(STREAM, { last_by_subj: subject + '='.repeat((4 - (name.length % 4)) % 4) });
}

/** How a snapshot in the object store, or what the manifest says of it, can be wrong. */
export const DAMAGES: Readonly<Record<string, (client: Client, snapshot: Snapshot) => Promise<void>>> = {
  'a chunk has other bytes': async (client, { name }) => {
    const last = (await chunksOf(client, name)).at(-1)!;
    await (await jetstreamManagerOf(client.nc)).streams.deleteMessage(STREAM, last.seq);
    await client.nc.request(
      last.subject,
      last.data.map((byte, n) => (n % 997 === 0 ? byte ^ 1 : byte)),
    );
  },
  'a chunk is gone': async (client, { name }) => {
    const [first] = await chunksOf(client, name);
    await (await jetstreamManagerOf(client.nc)).streams.deleteMessage(STREAM, first!.seq);
  },
  'all chunks are gone': async (client, { name }) => {
    const [first] = await chunksOf(client, name);
    await (await jetstreamManagerOf(client.nc)).streams.purge(STREAM, { filter: first!.subject });
  },
  'a chunk is there twice': async (client, { name }) => {
    const last = (await chunksOf(client, name)).at(-1)!;
    await client.nc.request(last.subject, last.data);
  },
  'the object is gone': async ({ nc, topology }, { name }) => (await openSnapshotObjects(nc, topology)).remove(name),
  'the manifest has another checksum': (client, { name }) =>
    changeNamed(client, name, { sha256: createHash('sha256').update('other').digest('hex') }),
  'the manifest has another sequence': (client, { name, sequence }) => changeNamed(client, name, { sequence: sequence + 1 }),
};

async function changeNamed(client: Client, name: string, change: Partial<Snapshot>): Promise<void> {
  const list = await manifestOf(client);
  await writeManifest(
    client,
    list.map((each) => (each.name === name ? { ...each, ...change } : each)),
  );
}

type Line = { readonly level: number; readonly msg: string; readonly reason?: string };

/** What a worker logged from a level on: 30 info, 40 warnings, 50 errors. */
export function said({ log }: StartedWorker, level = 30): string[] {
  return log.map((line) => JSON.parse(line) as Line).flatMap((line) => (line.level >= level ? [line.msg] : []));
}
