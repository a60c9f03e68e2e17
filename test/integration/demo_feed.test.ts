// `demo --feed`: waits for what is not there, says so once, goes on, and counts what the log has.
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import { startServer } from '../../src/server/start_server.ts';
import { openClient } from '../../src/worker/client.ts';
import { ended, start, visage } from '../e2e/program.ts';

const DEFINITIONS = join(import.meta.dirname, '../../config/demo.definitions.yaml');

test('before there is a server, before the root is set up, over a restart of the server, until SIGTERM', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'visage-feed-'));
  let server = await startServer({ storeDirectory: folder });
  await server.stop(); // its port is known now, and nobody answers there
  const settings = { VISAGE_NATS_SERVERS: server.url, VISAGE_LOG_MAX_BYTES: '100MB', VISAGE_PARTITIONS: '2' };
  const feed = start(['demo', '--feed', '--rate', '200'], settings);
  const result = ended(feed);
  const said = listen(feed);
  await said('waiting: no NATS server answers at nats://127.0.0.1:');
  server = await startServer({ storeDirectory: folder, port: server.port });
  await said("waiting: root 'visage' is not set up yet");
  expect(await ended(start(['setup', '--definitions', DEFINITIONS], settings))).toMatchObject({ code: 0 });
  await said("sending 200 events a second to root 'visage'");
  await delay(500);
  await server.stop();
  await said('waiting: the connection to NATS is lost');
  server = await startServer({ storeDirectory: folder, port: server.port });
  await said('sending again');
  await delay(500);
  feed.kill('SIGTERM');

  const { code, stdout, stderr } = await result;
  const client = await openClient(loadSettings({ env: settings }), 'test');
  let events = 0;
  for (const shard of [0, 1]) for await (const { subject } of client.readLog(shard)) if (subject.includes('.in.')) events++;
  await client.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
  // five as above; a server that is connected before its streams are may add a pair
  expect(stderr.trimEnd().split('\n').length, stderr).toBeLessThanOrEqual(7);
  const [, stored] = /^(\d+) events stored in \d+\.\d s, 0 failed, 0 not answered\n$/.exec(stdout) ?? [];
  expect(Number(stored), stdout).toBeGreaterThan(100);
  expect(Number(stored)).toBeLessThan(1_000);
  expect(code).toBe(0);
  expect(events).toBe(Number(stored));
});

test('--rate belongs to --feed, and --feed does not go with the demo', async () => {
  for (const args of [
    ['--rate', '5'],
    ['--config', 'x.yaml'],
    ['--feed', '--exit'],
    ['--feed', '--rate', '0'],
  ])
    expect(await visage(['demo', ...args]), args.join(' ')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: /) as string,
    });
});

/** Waits for words on its stderr, which it may have said already. */
function listen(child: ChildProcess): (words: string) => Promise<void> {
  let text = '';
  child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return async (words) => {
    while (!text.includes(words)) {
      expect(child.exitCode, text).toBeNull();
      await delay(20);
    }
  };
}
