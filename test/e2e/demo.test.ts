// The demo, unattended: it verifies what it did, and it can fail. And while it keeps running: what it prints to paste does what it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { changeEvents } from '../../src/cli/change_event.ts';
import { verifyRoot } from '../../src/cli/verify_root.ts';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import type { ProfileView } from '../../src/profile/view.ts';
import { openClient, type Client } from '../../src/worker/client.ts';
import { eventually, within } from '../support/eventually.ts';
import { start, ended, PROGRAM } from './program.ts';

const NEW = 'appSpend';

// each waits half a minute for an order to leave its window: they wait together
test.concurrent('--exit verifies everything; with --sabotage it does not', async () => {
  const [good, bad] = await Promise.all([
    ended(start(['demo', '--exit', '--events', '2000'])),
    ended(start(['demo', '--exit', '--events', '1000', '--sabotage'])),
  ]);
  expect(good.stderr).toBe('');
  const summary = JSON.parse(good.stdout.trimEnd().split('\n').at(-1)!) as Record<string, number>;
  expect(summary).toMatchObject({ events: 2000, applied: 2000, verified: true, lost: 0, repeated: 0 });
  expect(summary.deadLettered).toBeGreaterThan(0);
  expect(summary.latenessMs).toBeLessThan(2_000);
  expect(good.stdout).toMatch(
    /spend30s absent → 25\.00[^]*kill -9[^]*spend30s 25\.00 → 0\.00[^]*enters the audience wentQuiet\n[^]*: 0 differences/,
  );
  expect(good.code).toBe(0);

  const failed = JSON.parse(bad.stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
  expect(failed.verified).toBe(false);
  expect(bad.stdout).toContain('sabotage: one value');
  expect(bad.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(bad.code).toBe(1);
});

test.concurrent('a thirteenth attribute while it runs: one command, no restart, no lost event', async () => {
  const demo = start(['demo', '--events', '500']);
  const lines = await untilInvited(demo.stdout!);
  const line = (...words: readonly string[]): string => lines.find((all) => words.every((word) => all.includes(word)))!;
  const client = await openClient(loadSettings({ file: / --config (\S+)$/.exec(line('npx visage get'))![1]!, env: {} }), 'test');
  try {
    const before = await client.status();
    await pasted(line('npx visage publish')); // by the app, before there is an attribute for that
    const applied = await pasted(line('npx visage definitions apply'));
    expect(applied).toMatch(
      /^added {2}computed attribute appSpend\nlive {3}definitions \w+, revision 2: 4 of 4 shards have them\n$/,
    );
    const published = await pasted(line('npx visage publish'));
    const sequence = Number(/sequence (\d+)/.exec(published)![1]);

    const ada = await client.profile({ namespace: 'customerId', id: 'ada', after: sequence });
    const { value, since } = ada!.computed[NEW]!;
    expect([ada!.computed['orders30s']!.value, value]).toEqual([2, 9.99]);
    expect(Date.parse(since!)).toBeGreaterThan(Date.parse(before.startedAt));
    const explain = line('npx visage explain');
    const [got, spend, why] = await Promise.all(
      [line('npx visage get'), explain, `${explain.replace('spend30s', NEW)} --json`].map(pasted),
    );
    expect(got).toMatch(/ appSpend +9\.99 +counts since \d{4}-.*Z\n/);
    expect(spend).toMatch(/^customerId:ada {2}spend30s 19\.98\n[^]*\n2 events, sum 19\.98\n$/);
    expect(JSON.parse(why!)).toMatchObject({ since, counted: 1, value: 9.99, events: [{ sequence }] });
    await within('an order of its own feed is counted too', 20_000, orderOfTheFeed(client));

    const after = await client.status();
    expect(livesOf(after)).toEqual(livesOf(before));
    expect(() => process.kill(before.pid, 0)).not.toThrow(); // it is there
    const views: ProfileView[] = [];
    const report = await verifyRoot(client, { onProfile: (view) => views.push(view) });
    expect(report).toMatchObject({ verified: true, unverifiable: null, differences: [], chains: { whole: true, problems: [] } });
    const counted = views.reduce((sum, { computed }) => sum + (computed['events']!.value as number), 0);
    expect(counted).toBe(report.events);
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
  return said.split('\n').filter((line) => line.includes('npx visage'));
}

/** In the shell that people have, where the demo was started. */
async function pasted(line: string): Promise<string> {
  const command = line.replaceAll('npx visage', `'${process.execPath}' '${PROGRAM}'`);
  const child = spawn('bash', ['-c', command], { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(stderr, line).toBe('');
  return stdout;
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
