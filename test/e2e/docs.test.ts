// Every ```sh block of the documentation, in reading order, against a real server and worker, and what ```console blocks show of `npx visage`;
// then every ```ts block. yaml, csv and json blocks that the commands use are the docs' own. curl is for test/integration/api_examples.test.ts.
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findServerBinary } from '../../src/server/find_server.ts';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { asShown, settled, stepsOf, type Step } from '../support/console_session.ts';
import { blocksOf, PAGES as ALL, ROOT } from '../support/doc_pages.ts';
import { within } from '../support/eventually.ts';
import { freePort } from '../support/free_port.ts';
import { PROGRAM, runLine, start, untilLogged } from './program.ts';

/** In reading order; then whatever other pages have commands. */
const FIRST = ['run.md', 'definitions_reference.md', 'publish.md', 'records.md', 'watch.md', 'ask_why.md'];
const GUIDE = 'definitions.md'; // has a root of its own: guide.test.ts
const OTHERS = ALL.filter((page) => page.startsWith('docs/'))
  .map((page) => page.replace('docs/', ''))
  .filter((page) => page !== GUIDE && !FIRST.includes(page));
const PAGES = [...FIRST, ...OTHERS.filter((page) => blocks(page, 'sh').length > 0)];

let folder: string;
let server: RunningServer;
let worker: ChildProcess | undefined;

function blocks(page: string, language: string): string[] {
  return blocksOf(`docs/${page}`, language).map(({ text }) => text);
}

/** What is run here, in the order of the page. */
function stepsOfPage(page: string): Step[] {
  return blocksOf(`docs/${page}`).flatMap(({ language, text }) => {
    if (language === 'sh') return stepsOf(text.replaceAll(/^(?=.)(?<!\\\n)/gm, '$ '));
    return language === 'console'
      ? stepsOf(text).filter(({ command, shown }) => command.includes('npx visage') && shown.trim() !== '')
      : [];
  });
}

async function run(line: string): Promise<{ code: number | null; out: string }> {
  const { code, stdout, stderr } = await runLine(line.replaceAll('config/definitions', `${ROOT}/config/definitions`), folder);
  return { code, out: stdout + stderr };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'visage-docs-'));
  server = await startServer({ storeDirectory: join(folder, 'nats') });
  // the settings of the page, at this test's server
  writeFileSync(join(folder, 'worker.yaml'), blocks('run.md', 'yaml')[0]!.replace('nats://127.0.0.1:4222', server.url));
  for (const [n, name] of ['orders', 'customers'].entries()) {
    writeFileSync(join(folder, `${name}.csv`), blocks('publish.md', 'csv')[n]!);
    writeFileSync(join(folder, `${name}.map.yaml`), blocks('publish.md', 'yaml')[n]!);
  }
  writeFileSync(join(folder, 'changes.ndjson'), blocks('publish.md', 'ndjson')[0]!);
});

afterAll(async () => {
  worker?.kill('SIGTERM');
  if (worker !== undefined) await new Promise((resolve) => worker!.once('close', resolve));
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the server of docs/run.md starts, and keeps what it has in the folder that is named', async () => {
  const config = blocks('run.md', 'text').find((block) => block.startsWith('# nats.conf\n'))!;
  writeFileSync(join(folder, 'nats.conf'), config.replace('port: 4222', `port: ${await freePort()}`));
  const [{ command }] = blocks('run.md', 'console').flatMap(stepsOf) as [Step];
  const [program, ...args] = command.split(' ');
  expect(program).toBe('nats-server');
  const { path } = await findServerBinary();
  const own = spawn(path, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = once(own, 'close');
  try {
    await within('it is ready', 10_000, untilLogged(own, 'Server is ready'));
    expect(existsSync(join(folder, 'nats-data/jetstream'))).toBe(true);
  } finally {
    own.kill('SIGTERM');
    await gone;
  }
});

test.each(PAGES)('the commands of docs/%s do what they say', async (page) => {
  const steps = stepsOfPage(page);
  expect(steps.length).toBeGreaterThan(0);
  for (const { command: line, shown } of steps) {
    if (line.includes('visage setup')) {
      expect(await run(line), line).toMatchObject({ code: 0 });
      worker = start(['worker', '--config', join(folder, 'worker.yaml')], { VISAGE_DATA_DIRECTORY: join(folder, 'data') });
      await untilLogged(worker, 'worker ready');
      continue;
    }
    const { code, out } = await run(line);
    expect(code, `${line}\n${out}`).toBe(0);
    expect(out.length, line).toBeGreaterThan(0);
    if (shown !== '') expect(settled(out), line).toMatch(asShown(settled(shown)));
    if (line.includes('visage subject')) expect(out.trim()).toBe('visage.in.orders.customerId.ada%40example%2Ecom');
    if (line.includes('visage ingest orders.csv'))
      expect(out).toContain('2 sent, 0 already there, 1 refused\nline 4: column Customer is empty');
    if (line.includes('dead list')) expect(out).toContain('missing_id');
    if (line.includes('visage get customerId ada@example.com --json'))
      expect(JSON.parse(out)).toMatchObject({ computed: { spendLifetime: { value: 25 } } });
    if (line.includes('visage get customerId dan --policy crmFirst --json'))
      expect(JSON.parse(out)).toMatchObject({
        attributes: { person: { name: { firstName: 'Danny' } }, homeAddress: { city: 'Portland' }, loyalty: { tier: 'silver' } },
        policy: 'crmFirst',
      });
    if (line.includes('visage explain customerId dan'))
      expect(out).toMatch(/\n\* +crm +"Danny" .* wins\n +loyalty +"Daniel" .* older/);
    if (line.includes('visage delete customerId dan'))
      expect(out).toMatch(/^customerId:dan is deleted as of shard \d+, sequence \d+\n$/);
    if (line.includes('--json') && line.includes('tail'))
      expect(JSON.parse(out.split('\n')[0]!)).toMatchObject({ type: 'visage.profile.created', data: { previousVersion: 0 } });
  }
});

/** Behind a program that has closed everything: what would keep it from ending. */
const LEFT = `\nif (process.getActiveResourcesInfo().includes('Timeout')) throw new Error('a timer is left');\n`;

/** What each program of a page prints. */
async function programsOf(page: string): Promise<string[]> {
  // inside of the checkout `visage` is the package itself, once it is built; see program.ts
  const built = PROGRAM.includes('/dist/');
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const programs = mkdtempSync(join(ROOT, '.cache/docs-'));
  try {
    const outputs: string[] = [];
    for (const [n, block] of blocks(page, 'ts').entries()) {
      const file = join(programs, `program_${n}.ts`);
      const source = block
        .replace('nats://127.0.0.1:4222', server.url)
        .replace('config/definitions', `${ROOT}/config/definitions`);
      writeFileSync(file, (built ? source : source.replace("'visage'", JSON.stringify(join(ROOT, 'src/index.ts')))) + LEFT);
      const { code, out } = await run(`'${process.execPath}' '${file}'`);
      expect(code, `${block}\n${out}`).toBe(0);
      outputs.push(out);
    }
    return outputs;
  } finally {
    rmSync(programs, { recursive: true, force: true });
  }
}

test('the programs of the pages do what they say', async () => {
  const withPrograms = ALL.filter((page) => blocksOf(page, 'ts').length > 0);
  expect(withPrograms).toEqual(['docs/api.md', 'docs/publish.md', 'docs/read.md', 'docs/watch.md']);
  expect(await programsOf('api.md')).toEqual([expect.stringMatching(/^2 shards, HTTP on a free port: true$/m)]);
  const published = await programsOf('publish.md');
  expect(published).toEqual([
    expect.stringMatching(/^stored in shard \d+ as \d+\n$/),
    '0 to send again later\n',
    expect.stringMatching(/^traced in shard \d+\n$/),
  ]);
  const sequence = / as (\d+)/.exec(published[0]!)![1]!;
  const grace = await run(`npx visage get customerId grace@example.com --after ${sequence} --json --config worker.yaml`);
  expect(JSON.parse(grace.out)).toMatchObject({ computed: { spendLifetime: { value: 20 } } });
  const one = await run('npx visage get customerId customer-7 --json --config worker.yaml');
  expect(JSON.parse(one.out)).toMatchObject({ computed: { spendLifetime: { value: 200 } } });
  const tail = await run(
    'npx visage tail --profile customerId grace@example.com --from start --until now --json --config worker.yaml',
  );
  expect(tail.out).toContain('"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"');
  expect(await programsOf('read.md')).toEqual([expect.stringMatching(/^spend 20\n2 events, of which 2 count\n\d+ shards\n$/)]);
  expect(await programsOf('watch.md')).toEqual(['spend none, now 12.5\nspend 12.5, now 20\nup to date, at a position to keep\n']);
});

test('the event of docs/publish.md is JSON, and the same as the one it publishes', () => {
  const shown = JSON.parse(blocks('publish.md', 'json')[0]!) as unknown;
  const published = /echo '(\{"_id".*\})'/.exec(blocks('publish.md', 'sh').join('\n'))![1]!;
  expect(JSON.parse(published)).toEqual(shown);
});
