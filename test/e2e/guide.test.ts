// docs/definitions.md as a reader follows it: its files, its commands one after the other, and what `explain` prints of each of its questions.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { asShown } from '../support/console_session.ts';
import { blocksOf } from '../support/doc_pages.ts';
import { within } from '../support/eventually.ts';
import { DEFINITIONS, EVENTS, GUIDE, questions, SETTINGS } from '../support/guide.ts';
import { runLine, start, untilLogged } from './program.ts';

const SERVER = 'nats://127.0.0.1:4222';

let folder: string;
let server: RunningServer;
let worker: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage-guide-'));
  server = await startServer({ storeDirectory: join(folder, 'nats') });
  expect(SETTINGS).toContain(SERVER);
  await writeFile(join(folder, 'guide.yaml'), SETTINGS.replace(SERVER, server.url));
  await writeFile(join(folder, 'shop.yaml'), DEFINITIONS);
  await writeFile(join(folder, 'ada.ndjson'), EVENTS);
});

afterAll(async () => {
  if (worker !== undefined && worker.exitCode === null) {
    worker.kill('SIGTERM');
    await once(worker, 'close');
  }
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('the commands of the page do what they say, and explain prints what it shows', async () => {
  const [enter, check, ...send] = blocksOf(GUIDE, 'sh').flatMap(({ text }) => text.trimEnd().split('\n'));
  expect(enter).toBe('cd config/guide'); // here it is a folder with the same files, at this test's server
  expect(await run(check!)).toMatch(/^good: 13 computed attributes/);

  const [, ...words] = blocksOf(GUIDE, 'console')[0]!.text.trim().replace('$ npx ', '').split(' ');
  const here = words.map((word) => (word.endsWith('.yaml') ? join(folder, word) : word));
  worker = start(here, { VISAGE_DATA_DIRECTORY: join(folder, 'data') });
  await within('the worker is ready', 30_000, untilLogged(worker, 'worker ready'));

  const said: string[] = [];
  for (const line of send) said.push(await run(line));
  expect(said[0]).toContain('11 sent');
  expect(said.at(-1)).toMatch(/^customerId:ada {2}version \d+, shard 0/);

  for (const { command, answer } of questions()) expect(await run(command)).toMatch(asShown(answer));
});

async function run(line: string): Promise<string> {
  const { code, stdout, stderr } = await runLine(line, folder);
  expect(code, `${line}\n${stderr}`).toBe(0);
  return stdout;
}
