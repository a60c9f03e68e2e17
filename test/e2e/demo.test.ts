// The demo, unattended: it verifies what it did, and it can fail. And while it keeps running: what it prints to paste does what it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { changeEvents, type ChangeEvent } from '../../src/cli/change_event.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import { openClient, type Client } from '../../src/worker/client.ts';
import { eventually, within } from '../support/eventually.ts';
import { start, ended, PROGRAM } from './program.ts';

const NEW = 'appSpend';
const ADA = { namespace: 'customerId', id: 'ada' };
const GRACE = { namespace: 'customerId', id: 'grace' };
const FIRST_NAME = 'person.name.firstName';
const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');

// each waits half a minute for an order to leave its window: they wait together
test.concurrent('--exit verifies everything; with --sabotage it does not', async () => {
  const [good, bad] = await Promise.all([
    ended(start(['demo', '--exit', '--events', '2000'])),
    ended(start(['demo', '--exit', '--events', '1000', '--sabotage'])),
  ]);
  expect(good.stderr).toBe('');
  const summary = JSON.parse(good.stdout.trimEnd().split('\n').at(-1)!) as Record<string, number>;
  expect(summary).toMatchObject({ events: 2000, applied: 2000, records: 4, verified: true, lost: 0, repeated: 0 });
  expect(summary.deadLettered).toBeGreaterThan(0);
  expect(summary.latenessMs).toBeLessThan(2_000);
  expect(good.stdout).toMatch(
    /spend30s absent → 25\.00[^]*kill -9[^]*spend30s 25\.00 → 0\.00[^]*enters the audience wentQuiet\n[^]*: 0 differences/,
  );
  expect(shapeOf(good.stdout)).toEqual(shapeOf(/^```text\n(\[[^]*?)^```/m.exec(README)![1]!));
  expect(good.code).toBe(0);

  const failed = JSON.parse(bad.stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
  expect(failed.verified).toBe(false);
  expect(bad.stdout).toContain('sabotage: one value');
  expect(bad.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(bad.code).toBe(1);
});

/** What a run of the demo says, whatever its numbers are. */
function shapeOf(text: string): readonly string[] {
  const numberless = text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/-?\d+(?:\.\d+)*/g, 'N');
  return numberless
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' '));
}

test.concurrent('a thirteenth attribute while it runs: one command, no restart, no lost event', async () => {
  const demo = start(['demo', '--events', '500']);
  const lines = await untilInvited(demo.stdout!);
  const line = (...words: readonly string[]): string => lines.find((all) => words.every((word) => all.includes(word)))!;
  const client = await openClient(loadSettings({ file: / --config (\S+)$/.exec(line('npx visage get'))![1]!, env: {} }), 'test');
  try {
    const before = await client.status();
    await recordsAsTold(client);
    const [merged] = await Promise.all([
      pasted(line('npx visage publish', '--operation merge')),
      pasted(line('npx visage publish')), // by the app, before there is an attribute for that
    ]);
    const bronze = await client.profile({ ...ADA, after: sequenceOf(merged) });
    expect(bronze).toMatchObject({ attributes: { person: { name: { firstName: 'Ada' } }, loyalty: { tier: 'bronze' } } });
    const applied = await pasted(line('npx visage definitions apply'));
    expect(applied).toMatch(
      /^added {2}computed attribute appSpend\nlive {3}definitions \w+, revision 2: 4 of 4 shards have them\n$/,
    );
    const published = await pasted(line('npx visage publish'));
    const sequence = sequenceOf(published);

    const ada = await client.profile({ namespace: 'customerId', id: 'ada', after: sequence });
    const { value, since } = ada!.computed[NEW]!;
    expect([ada!.computed['orders30s']!.value, value]).toEqual([2, 9.99]);
    expect(Date.parse(since!)).toBeGreaterThan(Date.parse(before.startedAt));
    const explain = line('npx visage explain');
    const [got, spend, why, otherwise, name] = await Promise.all(
      [
        line('npx visage get'),
        explain,
        `${explain.replace('spend30s', NEW)} --json`,
        line('npx visage get', '--policy crmFirst'),
        line('npx visage explain', FIRST_NAME),
      ].map(pasted),
    );
    expect(otherwise).toMatch(
      / person\.name\.firstName +"Augusta"\n[^]* loyalty\.tier +"bronze"\n {2}merged by policy crmFirst\n/,
    );
    expect(name).toMatch(/"Ada"\n[^]*\n\* +loyalty +"Ada" .* wins\n +crm +"Augusta" .* older/);
    expect(got).toMatch(/ appSpend +9\.99 +counts since \d{4}-.*Z\n/);
    expect(spend).toMatch(/^customerId:ada {2}spend30s 19\.98\n[^]*\n2 events, sum 19\.98\n$/);
    expect(JSON.parse(why!)).toMatchObject({ since, counted: 1, value: 9.99, events: [{ sequence }] });
    const [deleted] = await Promise.all([
      pasted(line('npx visage delete')),
      within('an order of its own feed is counted too', 20_000, orderOfTheFeed(client)),
    ]);
    expect(await client.profile({ ...ADA, after: sequenceOf(deleted) })).toBeUndefined();

    const after = await client.status();
    expect(livesOf(after)).toEqual(livesOf(before));
    expect(() => process.kill(before.pid, 0)).not.toThrow(); // it is there
    const views: ProfileView[] = [];
    const report = await verifyRoot(client, { onProfile: (view) => views.push(view) });
    expect(report).toMatchObject({ verified: true, unverifiable: null, differences: [], chains: { whole: true, problems: [] } });
    const counted = views.reduce((sum, { computed }) => sum + (computed['events']!.value as number), 0);
    expect(counted).toBe(report.events - 3); // ada's went with her
    expect(views.every(({ computed }) => computed[NEW]?.since !== undefined)).toBe(true);
  } finally {
    await client.close();
    demo.kill('SIGINT');
    await once(demo, 'close');
  }
});

/** The lines that it prints to paste, once it has come to the end of them. */
async function untilInvited(stdout: NodeJS.ReadableStream): Promise<readonly string[]> {
  let said = '';
  stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually('the demo keeps running', () => said.includes('Ctrl-C ends it.'), { timeoutMs: 60_000, everyMs: 50 });
  return said.split('\n').filter((line) => line.includes('npx visage') && !line.startsWith('['));
}

/** In the shell that people have, where the demo was started. */
async function pasted(line: string): Promise<string> {
  const command = line.replaceAll('npx visage', `'${process.execPath}' '${PROGRAM}'`);
  const child = spawn('bash', ['-c', command], { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(stderr, line).toBe('');
  return stdout;
}

/** What the demo has said about records, as the worker has it. */
async function recordsAsTold(client: Client): Promise<void> {
  const others = { person: { name: { firstName: 'Ada', lastName: 'Lovelace' } }, homeAddress: { city: 'London' } };
  const attributes = { ...others, loyalty: { tier: 'gold' } };
  expect(await client.profile(ADA)).toMatchObject({ policy: 'default', attributes });
  const byCrm = await client.profile({ ...ADA, policy: 'crmFirst' });
  expect(byCrm).toMatchObject({ policy: 'crmFirst', attributes: { person: { name: { firstName: 'Augusta' } } } });
  expect(await client.why({ ...ADA, field: FIRST_NAME })).toMatchObject({
    field: `attributes.${FIRST_NAME}`,
    value: 'Ada',
    winner: { dataset: 'loyalty', value: 'Ada' },
    losers: [{ dataset: 'crm', value: 'Augusta', why: 'older: its lastUpdated is earlier' }],
  });
  expect(await client.profile(GRACE)).toBeUndefined();

  const events: ChangeEvent[] = [];
  for await (const message of client.readStream('changes', { from: 'start', until: 'now' }))
    events.push(...changeEvents(message));
  const merges = events.filter(({ data }) => data.cause?.some((cause) => 'operation' in cause && cause.operation === 'merge'));
  expect(merges.map(({ data }) => [data.profile, data.changes])).toEqual([
    [ADA, [{ path: 'attributes.loyalty.tier', before: 'silver', after: 'gold' }]],
  ]);
  const [created, deleted, ...more] = events.filter(({ data }) => data.profile.id === GRACE.id);
  expect([created!.type, deleted!.type, more]).toEqual(['visage.profile.created', 'visage.profile.deleted', []]);
  expect(deleted!.data.previousVersion).toBe(created!.data.version);
  expect(deleted!.data.changes.filter(({ path }) => path.startsWith('attributes.'))).toEqual([
    { path: 'attributes.person.name.firstName', before: 'Grace' },
    { path: 'attributes.person.name.lastName', before: 'Hopper' },
  ]);
}

function sequenceOf(printed: string): number {
  return Number(/sequence (\d+)/.exec(printed)![1]);
}

async function orderOfTheFeed(client: Client): Promise<void> {
  const stop = new AbortController();
  for await (const message of client.readStream('changes', { from: 'start', until: 'never', signal: stop.signal })) {
    const counts = changeEvents(message).some(
      ({ data }) =>
        data.profile.id !== 'ada' &&
        data.changes.some(({ path, after }) => path === `computed.${NEW}` && typeof after === 'number' && after > 0),
    );
    if (counts) return stop.abort();
  }
}

function livesOf({ pid, startedAt, shards }: Awaited<ReturnType<Client['status']>>): unknown {
  return [pid, startedAt, ...shards.map(({ owner, epoch }) => [owner, epoch])];
}
