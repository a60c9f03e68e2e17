// F-ingest: a file through a real server, stopped in every way there is. What counts is what the log has in the end: every row once.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { ingestFile, type IngestFileOptions } from '../../src/cli/ingest_file.ts';
import type { IngestReport } from '../../src/ingest/ingest.ts';
import { parseIngestMap } from '../../src/ingest/ingest_map.ts';
import { parseControl } from '../../src/message/control.ts';
import { startServer } from '../../src/server/start_server.ts';
import type { Client } from '../../src/worker/client.ts';
import { ended, start, visage, type Ended } from '../e2e/program.ts';
import { eventually } from '../support/eventually.ts';
import { startWorld, type Overrides, type World } from '../support/world.ts';

const SECRET = 'geheim';

let world: World;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

async function root(name: string, overrides: Overrides = {}): Promise<{ client: Client; config: string; ingest: Ingest }> {
  const all = { root: name, ...overrides };
  await world.setup(all);
  const client = await world.client(all);
  const config = file(`${name}.yaml`, `nats: { servers: [${world.server.url}] }\nroot: ${name}\npartitions: 4\n`);
  return {
    client,
    config,
    ingest: (path, options) => ingestFile(client, world.settings(all), { ...DEFAULTS, path, ...options }),
  };
}
type Ingest = (path: string, options?: Partial<IngestFileOptions>) => Promise<IngestReport>;
const DEFAULTS = { format: 'ndjson', dataset: 'orders', map: null, signal: new AbortController().signal } as const;

function file(name: string, content: string | Uint8Array): string {
  const path = join(world.folder, name);
  writeFileSync(path, content);
  return path;
}

function line(n: number, id = true): string {
  const customer = `c${n % 97}.${SECRET}`;
  const own = id ? `"_id":"e-${n}",` : '';
  return `{${own}"timestamp":"${formatTime(Date.UTC(2026, 0, 1) + n * 1000)}","identityMap":{"customerId":[{"id":"${customer}"}]},"n":${n}.10}`;
}
const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => line(i + 1));
const ndjson = (count: number): string => `${lines(count).join('\n')}\n`;

type Logged = { readonly row: number; readonly subject: string; readonly body: string };

async function logged(client: Client): Promise<Logged[]> {
  const messages: Logged[] = [];
  for await (const message of client.readDataset('orders', 0)) {
    const id = /^i[0-9a-f]{20}-(\d+)$/.exec(message.headers?.()['Nats-Msg-Id'] ?? '');
    messages.push({ row: Number(id![1]), subject: message.subject, body: Buffer.from(message.body).toString() });
  }
  return messages.sort((a, b) => a.row - b.row);
}

/** Every row of `expected`, each once: the log is asked, not the report. */
async function expectOnce(client: Client, expected: readonly string[]): Promise<void> {
  const messages = await logged(client);
  expect(messages.length).toBe(expected.length);
  expect(messages.map(({ body }) => body)).toEqual(expected);
}

test('the log has what the file has; a second run adds nothing', async () => {
  const { client, ingest } = await root('whole');
  const rows = ['', ...lines(300), SECRET, '{"_id":"x"}', line(301, false)];
  const path = file('whole.ndjson.gz', gzipSync(`\ufeff${rows.join('\r\n')}\r\n`));
  const report = await ingest(path);
  expect(report).toMatchObject({
    state: 'done',
    rows: 303,
    sent: 301,
    skipped: 0,
    refused: 2,
    greatestTimestamp: '2026-01-01T00:05:01.000Z',
  });
  expect(report.refusals.map((refusal) => refusal.line)).toEqual([302, 303]);
  expect(JSON.stringify(report)).not.toContain(SECRET);
  const own = line(301, false).replace('{', `{"_id":"${report.hash!.slice(0, 16)}-303",`);
  await expectOnce(client, [...lines(300), own]);
  const [first] = await logged(client);
  expect(first!.subject).toMatch(/^whole\.log\.\d\.in\.orders\.customerId\.c1%2Egeheim$/);
  expect(await ingest(path)).toMatchObject({
    state: 'already',
    rows: 303,
    sent: 0,
    skipped: 301,
    refused: 2,
    refusals: report.refusals,
  });
  expect((await logged(client)).length).toBe(301);
});

test('CSV with a map, as a command: summary, JSON, and what it refuses', async () => {
  const { client, config } = await root('csv');
  const map = file(
    'orders.map.yaml',
    `identity: { namespace: customerId, column: Customer, as: integer }
timestamp: { column: Date, zone: Europe/London }
eventType: { const: commerce.purchases }
fields:
  line.total: row.Quantity * row["Unit price"]
  line.note: row.Note
`,
  );
  const csv = `Customer,Date,Quantity,Unit price,Note\n17850.0,2026-07-01 12:00,6,2.55,"two\nlines"\n,2026-07-01 12:01,1,1,${SECRET}\n4,2026-07-01,1,${SECRET},\n5,2026-07-02,-1,0.1,\n`;
  const path = file('orders.csv', csv);
  const done = await visage(['ingest', path, '--dataset', 'orders', '--map', map, '--config', config]);
  expect(done.stdout.split('\n').slice(1)).toEqual([
    '2 sent, 0 already there, 2 refused',
    'line 4: column Customer is empty',
    'line 5: column Unit price is not a number',
    '',
  ]);
  expect(done.stdout + done.stderr).not.toContain(SECRET);
  expect(done.code).toBe(0);
  const bodies = (await logged(client)).map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  expect(bodies).toMatchObject([
    { timestamp: '2026-07-01T11:00:00.000Z', eventType: 'commerce.purchases', line: { total: 15.3, note: 'two\nlines' } },
    { timestamp: '2026-07-01T23:00:00.000Z', line: { total: -0.1 } },
  ]);
  const again = await visage(['ingest', path, '--dataset', 'orders', '--map', map, '--config', config, '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({
    state: 'already',
    rows: 4,
    sent: 0,
    skipped: 2,
    refused: 2,
    dataset: 'orders',
  });
  const [noMap, unknown] = await Promise.all([
    visage(['ingest', path, '--dataset', 'orders', '--config', config]),
    visage(['ingest', file('x.ndjson', ''), '--dataset', 'order', '--config', config]),
  ]);
  expect(noMap).toMatchObject({ code: 2, stderr: expect.stringContaining('needs --map') as string });
  expect(unknown).toMatchObject({
    code: 1,
    stderr: "error: no dataset 'order' is defined (did you mean 'orders'?); defined: orders, refunds\n",
  });
});

test('stopped at any point and run again, until it is done: every row once', async () => {
  const { client, ingest } = await root('stopped');
  const path = file('stopped.ndjson', ndjson(3000));
  let report: IngestReport;
  let runs = 0;
  do {
    const stop = new AbortController();
    const at = Math.random() * 60;
    const timer = setTimeout(() => stop.abort(), at);
    report = await ingest(path, runs < 12 ? { signal: stop.signal } : {});
    clearTimeout(timer);
    runs++;
    expect(report.rows).toBe(report.sent + report.skipped);
  } while (report.state === 'interrupted');
  expect(runs).toBeGreaterThan(1);
  expect(report).toMatchObject({ state: 'done', rows: 3000 });
  await expectOnce(client, lines(3000));
});

test('kill -9 twice, SIGTERM once: every row once, by the log and not by luck', async () => {
  const { client, config, ingest } = await root('killed');
  const path = file('killed.ndjson', ndjson(30_000));
  let last: Ended | undefined;
  for (const signal of ['SIGKILL', 'SIGKILL', 'SIGTERM'] as const) {
    const { lastSequence } = await client.streamState('log');
    const child = start(['ingest', path, '--dataset', 'orders', '--config', config]);
    const end = ended(child);
    const isUnderWay = async (): Promise<boolean> => (await client.streamState('log')).lastSequence > lastSequence + 1500;
    await eventually('a run is under way', isUnderWay, { timeoutMs: 10_000 });
    child.kill(signal);
    last = await end;
  }
  expect(last).toMatchObject({
    code: 143,
    stderr: expect.stringMatching(/stopped after [\d,]+ rows; run the same command again/) as string,
  });
  const map = parseIngestMap('map.yaml', 'identity: { namespace: email, column: _id }\ntimestamp: { column: timestamp }\n');
  await expect(ingest(path, { map })).rejects.toMatchObject({ code: 'ingest_differs' });
  const report = await ingest(path);
  expect(report).toMatchObject({ state: 'done', rows: 30_000, refused: 0 });
  expect(report.skipped).toBeGreaterThanOrEqual(4500);
  const messages = await logged(client);
  expect(messages.length).toBe(30_000);
  expect(messages.every(({ row }, i) => row === i + 1)).toBe(true);
});

test('the server is gone for 3 s in the middle: it waits, says so, and goes on', async () => {
  const { client, ingest } = await root('gone');
  const path = file('gone.ndjson', ndjson(12_000));
  const waits = new Set<string | null>();
  const running = ingest(path, { onProgress: ({ waitingFor }) => void waits.add(waitingFor) });
  await eventually('some rows', async () => (await client.streamState('log')).lastSequence > 1000, { timeoutMs: 5_000 });
  await world.restartServer('stop', () => new Promise((resolve) => setTimeout(resolve, 3_000)));
  expect(await running).toMatchObject({ state: 'done', rows: 12_000, sent: 12_000, refused: 0 });
  expect([...waits].some((why) => why !== null)).toBe(true);
  const messages = await logged(client);
  expect(messages.length).toBe(12_000);
  expect(messages.every(({ row }, i) => row === i + 1)).toBe(true);
});

test('gzip that ends too early is refused before its first row: the whole file would have another hash', async () => {
  const { client, ingest } = await root('cut');
  const packed = gzipSync(ndjson(5000));
  const path = file('cut.ndjson.gz', packed.subarray(0, packed.length * 0.7));
  await expect(ingest(path)).rejects.toMatchObject({
    code: 'damaged_gzip',
    message: 'the gzip file ends too early; nothing of it is ingested: get the whole file',
  });
  expect(await logged(client)).toEqual([]);
});

test('event clock: every shard is moved to the greatest timestamp, once the rows are in', async () => {
  const { client, ingest } = await root('history', { clock: 'event' });
  const path = file('history.ndjson', ndjson(50));
  expect(await ingest(path)).toMatchObject({ state: 'done', greatestTimestamp: '2026-01-01T00:00:50.000Z' });
  expect(await ingest(path)).toMatchObject({ state: 'already' });
  for (let shard = 0; shard < 4; shard++) {
    const kinds: string[] = [];
    for await (const { subject, body } of client.readLog(shard)) {
      const [, , , kind, name] = subject.split('.');
      kinds.push(kind === 'ctl' ? JSON.stringify(parseControl(name!, body)) : 'event');
    }
    expect(kinds.filter((kind) => kind.includes('tick'))).toEqual([
      JSON.stringify({ kind: 'tick', timeMs: Date.UTC(2026, 0, 1, 0, 0, 50) }),
    ]);
    expect(kinds.at(-1)).toContain('tick');
  }
});

describe('on a server with users', () => {
  const API = '$JS.API';
  /** What docs/publish.md says that it needs. */
  const RIGHTS = [
    'visage.in.orders.>',
    `${API}.STREAM.INFO.KV_visage_meta`,
    `${API}.STREAM.MSG.GET.KV_visage_meta`,
    `${API}.DIRECT.GET.KV_visage_meta.>`,
    '$KV.visage_meta.>',
    `${API}.STREAM.INFO.VISAGE_LOG`,
    `${API}.CONSUMER.*.VISAGE_LOG.>`,
    `${API}.CONSUMER.MSG.NEXT.VISAGE_LOG.>`,
  ];
  const publish = (subjects: readonly string[]): string =>
    `permissions: { publish: [${subjects.map((subject) => `"${subject}"`).join(', ')}], subscribe: ["_INBOX.>"] }`;
  const USERS = [
    '{ user: admin, password: word }',
    `{ user: sender, password: word, ${publish(RIGHTS)} }`,
    `{ user: mover, password: word, ${publish([...RIGHTS, 'visage.log.*.ctl.tick'])} }`,
  ].join(', ');

  /** Who connects without a name is this user. */
  async function as<T>(user: string, act: (overrides: Overrides) => Promise<T>): Promise<T> {
    const config = { extra: `authorization { users: [ ${USERS} ] }\nno_auth_user: ${user}` };
    const server = await startServer({ storeDirectory: join(world.folder, 'users'), config });
    try {
      return await act({ 'nats.servers': server.url, clock: 'event' });
    } finally {
      await server.stop();
    }
  }
  const ingestAs = (user: string, path: string): Promise<IngestReport> =>
    as(user, async (overrides) => {
      const client = await world.client(overrides);
      return ingestFile(client, world.settings(overrides), { ...DEFAULTS, path }).finally(() => client.close());
    });

  test('event clock without the right to move time: it ends and names the subject; with it, it goes on', async () => {
    await as('admin', (overrides) => world.setup(overrides));
    const path = file('rights.ndjson', ndjson(20));
    await expect(ingestAs('sender', path)).rejects.toMatchObject({
      code: 'not_allowed',
      message: expect.stringMatching(/may not publish visage\.log\.0\.ctl\.tick\. The first 20 rows are ingested/) as string,
    });
    expect(await ingestAs('mover', path)).toMatchObject({ state: 'done', rows: 20, skipped: 20, sent: 0 });
  });
});
