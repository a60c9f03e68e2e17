// Every curl command of the documentation, in reading order, asked of a real worker: what it answers is what the page shows.
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import { asShown, settled, stepsOf, type Step } from '../support/console_session.ts';
import { curl, parseCurl } from '../support/curl.ts';
import { blocksOf, PAGES, ROOT } from '../support/doc_pages.ts';
import { eventually } from '../support/eventually.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const FIRST = ['docs/api.md', 'docs/publish.md'];
const WITH_CURL = [...FIRST, ...PAGES.filter((page) => !FIRST.includes(page) && curlsOf(page).length > 0)];

let world: World;
let started: StartedWorker;

beforeAll(async () => {
  world = await startWorld();
  const definitions = loadDefinitionsFile(join(ROOT, 'config/definitions.example.yaml'));
  started = await world.startReady({}, { setup: true, definitions });
  for (const name of ['orders', 'events'])
    await writeFile(join(world.folder, `${name}.ndjson`), blocksOf('docs/api.md', 'ndjson')[0]!.text);
});
afterAll(() => world.stop());

function curlsOf(page: string): Step[] {
  const steps = blocksOf(page, 'console').flatMap(({ text }) => stepsOf(text));
  return steps.filter(({ command }) => command.startsWith('curl '));
}

test('docs/api.md shows each kind of question and answer', () => {
  const shown = curlsOf('docs/api.md');
  expect(shown.length).toBeGreaterThan(20);
  for (const { command, shown: answer } of shown) expect(answer.trim(), command).not.toBe('');
});

test.each(WITH_CURL)('the curl commands of %s', async (page) => {
  const streams: { readonly step: Step; readonly told: () => string }[] = [];
  for (const step of curlsOf(page)) {
    const command = parseCurl(step.command, world.folder);
    if (command.isStream) {
      const stream = { step, told: textOf(started.worker.ports.httpPort!, command.path) };
      await eventually('the stream is open', () => stream.told() !== '' || undefined);
      streams.push(stream);
      continue;
    }
    const isFull = step.shown.includes('"code":"log_full"');
    const { answer, out } = isFull ? await whileFull(() => ask(step)) : await ask(step);
    if (!step.shown.startsWith('HTTP/')) expect(answer.status, `${step.command}\n${out}`).toBeLessThan(300);
    if (step.shown.trim() !== '') expect(settled(out)).toMatch(asShown(settled(step.shown)));
  }
  for (const { step, told } of streams) {
    const pattern = asShown(settled(`${step.shown.trimEnd()}…`));
    if (page === 'docs/watch.md') await somethingHappens();
    await eventually(`what ${step.command} shows`, () => pattern.test(settled(told())) || undefined);
  }
});

const ask = ({ command }: Step): ReturnType<typeof curl> => curl(started.worker.ports.httpPort, parseCurl(command, world.folder));

/** To whom docs/watch.md looks at. */
async function somethingHappens(): Promise<void> {
  const client = await world.client();
  const producer = await client.producer();
  const body = {
    _id: 'new',
    timestamp: new Date().toISOString(),
    eventType: 'commerce.purchases',
    commerce: { order: { priceTotal: 5 } },
  };
  await producer.send('orders', body, { identity: { namespace: 'customerId', id: 'ada@example.com' } });
  await producer.close();
}

/** The log takes nothing more. */
async function whileFull<T>(then: () => Promise<T>): Promise<T> {
  const { streams } = await jetstreamManagerOf(await world.connect());
  const { config, state } = await streams.info('VISAGE_LOG');
  await streams.update('VISAGE_LOG', { max_bytes: state.bytes + 10 });
  try {
    return await then();
  } finally {
    await streams.update('VISAGE_LOG', { max_bytes: config.max_bytes });
  }
}

/** What a stream has said so far; it ends with the worker. */
function textOf(port: number, path: string): () => string {
  let said = '';
  get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => void (said += text));
    response.on('error', () => undefined);
  });
  return () => said;
}
