// The four paths of README.md, one after the other, as they stand there: each ends in a command that works.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findServerBinary } from '../../src/server/find_server.ts';
import { eventually, within } from '../support/eventually.ts';
import { freePort } from '../support/free_port.ts';
import { runLine, start, untilLogged } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');
const ADDRESS = '127.0.0.1:4222';
const PATHS = ['I run it', 'I publish', 'I watch it', 'I ask why'];

let part: string;
let settings: string;
let folder: string;
let server: ChildProcess;
let worker: ChildProcess | undefined;

beforeAll(async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  part = readme.slice(readme.indexOf('\n## Four paths\n'), readme.indexOf('\n## What it is\n'));
  folder = await mkdtemp(join(tmpdir(), 'visage-readme-'));
  const port = String(await freePort());
  const [, command] = /^```sh\n([^\n]* nats-server [^\n]*)\n```/m.exec(part)!;
  expect(command).toMatch(/ -p 4222$/);
  // what the demo fetches is in the checkout; here it is where the tests have it
  const found = dirname((await findServerBinary()).path);
  const line = command!.replace('$PWD/.cache/nats-server', found).replace('4222', port);
  server = spawn('sh', ['-c', `exec env ${line}`], { cwd: folder, stdio: 'ignore' });
  settings = /^```yaml\n(# worker\.yaml\n[^]*?)^```/m.exec(part)![1]!;
  expect(settings).toContain(ADDRESS);
  settings = settings.replace(ADDRESS, `127.0.0.1:${port}`);
  await eventually('the server listens', async () => {
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'data'); // it says who it is
    return socket.destroy();
  });
});

afterAll(async () => {
  await stop(worker);
  await stop(server);
  await rm(folder, { recursive: true, force: true });
});

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'close');
}

test('each of the four paths ends in a command that works', async () => {
  await writeFile(join(folder, 'worker.yaml'), settings);
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

test('so do attributes of my own', async () => {
  const [, text, definitions, commands, ask] =
    /^\*\*My own attributes\*\* ([^]*?)^```yaml\n(# my\.yaml\n[^]*?)^```\n+```sh\n([^]*?)\n```\n+```sh\n([^]*?)\n```/m.exec(
      part,
    )!;
  const more = [...text!.matchAll(/`(\w+: mine)`/g)].map(([, line]) => line!);
  expect(more.length).toBe(2);
  await stop(worker);
  await writeFile(join(folder, 'worker.yaml'), `${settings}${more.join('\n')}\n`);
  await writeFile(join(folder, 'my.yaml'), definitions!);
  const [check, work] = commands!.split('\n');
  expect(await run(check!)).toMatch(/^good: 1 computed attribute /);
  await runWorker(work!, 'mine');
  expect(await run(ask!)).toMatch(/sequence \d+[^]*^customerId:mary {2}spend30d 12\.5\n[^]*\n1 event, sum 12\.5\n$/m);
});

/** It goes on until the end of the test. */
async function runWorker(command: string, data = 'data'): Promise<string> {
  const [npx, program, ...args] = command.replaceAll('config/', `${ROOT}/config/`).split(' ');
  expect([npx, program]).toEqual(['npx', 'visage']);
  const here = args.map((arg) => (arg === 'worker.yaml' || arg === 'my.yaml' ? join(folder, arg) : arg));
  worker = start(here, { VISAGE_DATA_DIRECTORY: join(folder, data) });
  await within('the worker is ready', 30_000, untilLogged(worker, 'worker ready'));
  return '';
}

async function run(command: string): Promise<string> {
  const { code, stdout, stderr } = await runLine(command, folder);
  expect({ code, stderr }, command).toEqual({ code: 0, stderr: '' });
  return stdout;
}
