// Files of records: what they come to is what the same rows come to when they are sent one by one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { ingestFile, type IngestFileOptions } from '../../src/cli/ingest_file.ts';
import type { IngestReport } from '../../src/ingest/ingest.ts';
import { parseIngestMap } from '../../src/ingest/ingest_map.ts';
import type { SendOptions } from '../../src/producer/producer.ts';
import { openClient } from '../../src/worker/client.ts';
import { startRecordRoot, type RecordRoot } from '../support/record_root.ts';
import { startProxy } from '../support/tcp_proxy.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

function file(name: string, lines: readonly string[]): string {
  const path = join(world.folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

function ingest(
  { client, settings }: Pick<RecordRoot, 'client' | 'settings'>,
  path: string,
  options: Partial<IngestFileOptions> = {},
): Promise<IngestReport> {
  const defaults = { format: 'ndjson', dataset: 'crm', map: null, signal: new AbortController().signal } as const;
  return ingestFile(client, settings, { ...defaults, path, ...options });
}

type Row = { readonly operation: 'create' | 'merge' | 'delete'; readonly payload: string };

/** Few people, many rows: what counts is the order. None says when it was updated. */
function rowsOf(seed: number, count: number): Row[] {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  return Array.from({ length: count }, (_, n) => {
    const operation = pick(['create', 'merge', 'merge', 'delete'] as const);
    const address = `p${random.below(12)}@example.com`;
    const fields = pick([`"name":"n${n}"`, `"points":${n}.50`, `"name":null,"points":${n}`]);
    return { operation, payload: `{"personalEmail":{"address":"${address}"},${fields}}` };
  });
}

const enveloped = ({ operation, payload }: Row): string =>
  `{"header":{"datasetId":"x","operations":{"data":"${operation}"}},"body":{"xdmMeta":{},"xdmEntity":${payload}}}`;

test('NDJSON in envelopes: the end is that of streaming the rows; running it again adds nothing', async () => {
  const [streamed, ingested] = await Promise.all([startRecordRoot(world, 'streamed'), startRecordRoot(world, 'ingested')]);
  const rows = rowsOf(7, 400);
  const producer = await streamed.client.producer();
  for (const { operation, payload } of rows) await producer.send('crm', payload, { operation } satisfies SendOptions);
  const path = file('rows.ndjson', [
    ...rows.map(enveloped),
    '{"name":"nobody"}',
    enveloped({ operation: 'merge', payload: '{}' }).replace('"operations":{', '"operations":{"identity":"delete",'),
  ]);
  expect(await ingest(ingested, path)).toMatchObject({
    state: 'done',
    rows: 402,
    sent: 400,
    refused: 2,
    greatestTimestamp: null,
    refusals: [
      { line: 401, reason: expect.stringContaining('/personalEmail/address (email)') as string },
      { line: 402, reason: 'header.operations.identity is not supported, but for create' },
    ],
  });
  const everybody = await streamed.everybody();
  expect(everybody.size).toBeGreaterThan(3);
  expect(everybody.size).toBeLessThan(12); // some were deleted last
  expect(await ingested.everybody()).toEqual(everybody);

  const { lastSequence } = await ingested.client.streamState('log');
  expect(await ingest(ingested, path)).toMatchObject({ state: 'already', sent: 0 });
  expect((await ingested.client.streamState('log')).lastSequence).toBe(lastSequence);
  expect((await ingested.client.streamState('dead')).lastSequence).toBe(0);
});

test('a connection that is cut again and again: every row once, those of each person in the order of the file', async () => {
  const all = { root: 'cut' };
  await startRecordRoot(world, all.root);
  const proxy = await startProxy(world.server.port);
  const settings = world.settings({ ...all, 'nats.servers': `nats://127.0.0.1:${proxy.port}` });
  const client = await openClient(settings, 'test ingest');
  const bodies = Array.from(
    { length: 6_000 },
    (_, n) => `{"_id":"r${n}","personalEmail":{"address":"p${n % 199}@b"},"points":${n}}`,
  );
  let cuts = 0;
  const report = await ingest({ client, settings }, file('cut.ndjson', bodies), {
    onProgress: ({ rows }) => {
      if (rows < 1_000 * (cuts + 1) || cuts === 4) return;
      cuts++;
      proxy.cut();
    },
  });
  expect([report.state, report.sent, cuts > 1]).toEqual(['done', 6_000, true]);
  await client.close();
  await proxy.close();
  const direct = await world.client(all);
  const found = new Map<string, string[]>();
  for await (const { subject, body } of direct.readDataset('crm', 0)) {
    const person = found.get(subject) ?? [];
    found.set(subject, person);
    person.push(Buffer.from(body).toString());
  }
  const expected = Map.groupBy(bodies, (_, n) => n % 199);
  expect([...found.values()].sort(byFirst)).toEqual([...expected.values()].sort(byFirst));
});

const byFirst = ([a]: readonly string[], [b]: readonly string[]): number => (a! < b! ? -1 : 1);

test('plain rows with --operation, and then the same file to delete them', async () => {
  const root = await startRecordRoot(world, 'operations');
  const row = (id: string, fields: string): string => `{"identityMap":{"customerId":[{"id":"${id}"}]},${fields}}`;
  await ingest(root, file('create.ndjson', [row('ada', '"name":"Ada","points":1'), row('bob', '"name":"Bob"')]));
  const changes = file('merge.ndjson', [row('ada', '"points":2'), row('eve', '"points":12345678901234567.5')]);
  await ingest(root, changes, { operation: 'merge' });
  expect(await root.everybody()).toEqual(
    new Map<string, unknown>([
      ['customerId:ada', { name: 'Ada', points: 2 }],
      ['customerId:bob', { name: 'Bob' }],
      ['customerId:eve', { points: Number('12345678901234567.5') }],
    ]),
  );
  const [, , , last] = await root.logged('crm');
  expect(last).toMatchObject({ operation: 'merge', body: expect.stringContaining('12345678901234567.5') as string });
  expect(await ingest(root, changes, { operation: 'delete' })).toMatchObject({ state: 'done', sent: 2 });
  expect([...(await root.everybody()).keys()]).toEqual(['customerId:bob']);
  await expect(ingest(root, changes, { dataset: 'orders', operation: 'merge' })).rejects.toMatchObject({ code: 'bad_operation' });
});

test('CSV: operation and lastUpdated from columns, whatever the order of rows; no clock is moved', async () => {
  const root = await startRecordRoot(world, 'mapped', { clock: 'event' });
  const map = parseIngestMap(
    'map.yaml',
    `identity: { namespace: customerId, column: id }
operation: { column: what }
lastUpdated: { column: at, zone: Europe/London }
fields: { name: row.name, points: number(row.points) }
`,
  );
  const path = file('rows.csv', [
    'id,what,at,name,points',
    'ada,merge,2026-07-01 12:00,,3',
    'ada,create,2026-07-01 11:00,Ada,1',
    'bob,,2026-07-01 11:00,Bob,1',
    'bob,delete,2026-07-01 12:00,,',
    'bob,create,2026-07-01 11:30,Late,9',
    'eve,create,,Eve,1',
    'kim,create,2026-07-01 11:00,Kim,1',
  ]);
  expect(await ingest(root, path, { format: 'csv', map })).toMatchObject({
    state: 'done',
    sent: 6,
    refused: 1,
    refusals: [{ line: 7, reason: 'column at is empty' }],
    greatestTimestamp: null,
  });
  const [first] = await root.logged('crm');
  expect(first).toMatchObject({ operation: 'merge', lastUpdated: '2026-07-01T11:00:00.000Z' });
  expect(await root.everybody()).toEqual(
    new Map<string, unknown>([
      ['customerId:ada', { points: 3 }], // the later write came first: the earlier one is too late
      ['customerId:kim', { name: 'Kim', points: 1 }],
    ]),
  );
  for (let shard = 0; shard < root.client.partitions; shard++)
    for await (const { subject } of root.client.readLog(shard)) expect(subject).not.toContain('ctl.tick');
  await expect(ingest(root, path, { format: 'csv', map, dataset: 'orders' })).rejects.toThrow(
    /'timestamp' is missing.*\n.*'operation' is for records.*\n.*'lastUpdated' is for records/,
  );
});
