// The four paths of README.md, one after the other, as they stand there: each ends in a command that works.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { within } from '../support/eventually.ts';
import { ended, PROGRAM, start, untilLogged } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');
const SERVER = 'nats://127.0.0.1:4222';
const PATHS = ['I run it', 'I publish', 'I watch it', 'I ask why'];

let folder: string;
let server: RunningServer;
let worker: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage-readme-'));
  server = await startServer({ storeDirectory: join(folder, 'nats') });
});

afterAll(async () => {
  if (worker !== undefined && worker.exitCode === null) {
    worker.kill('SIGTERM');
    await once(worker, 'close');
  }
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('each of the four paths ends in a command that works', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const part = readme.slice(readme.indexOf('\n## Four paths\n'), readme.indexOf('\n## What it is\n'));
  const settings = /^```yaml\n([^]*?)^```/m.exec(part)![1]!;
  expect(settings).toContain(SERVER);
  await writeFile(join(folder, 'worker.yaml'), settings.replace(SERVER, server.url));
  const steps = [...part.matchAll(/^\*\*\[([^\]]+)\]\(docs\/\w+\.md\)\*\*: [^]*?^```sh\n([^]*?)\n```/gm)];
  expect(steps.map(([, name]) => name)).toEqual(PATHS);
  const said: string[] = [];
  for (const [, name, command] of steps) said.push(name === 'I run it' ? await runWorker(command!) : await run(command!));
  expect(said.slice(1)).toEqual([
    expect.stringMatching(/sequence \d+/),
    expect.stringMatching(/spend30d[^\n]*25/),
    expect.stringMatching(/^customerId:mary {2}spend30d 25\n[^]* first +orders [^]*\n1 event, sum 25\n$/),
  ]);
});

/** It goes on until the end of the test. */
async function runWorker(command: string): Promise<string> {
  const [npx, program, ...args] = command.replaceAll('config/', `${ROOT}/config/`).split(' ');
  expect([npx, program]).toEqual(['npx', 'visage']);
  const here = args.map((arg) => (arg === 'worker.yaml' ? join(folder, arg) : arg));
  worker = start(here, { VISAGE_DATA_DIRECTORY: join(folder, 'data') });
  await within('the worker is ready', 30_000, untilLogged(worker, 'worker ready'));
  return '';
}

async function run(command: string): Promise<string> {
  const line = command.replaceAll('npx visage', `'${process.execPath}' '${PROGRAM}'`);
  const { code, stdout, stderr } = await ended(spawn('sh', ['-c', line], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }));
  expect({ code, stderr }, line).toEqual({ code: 0, stderr: '' });
  return stdout;
}
