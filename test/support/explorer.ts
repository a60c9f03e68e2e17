// For tests of the page: a server, a worker in a process of its own on a port that it keeps, data to look at, and a real browser.
// EX1: what a page asks the network for, and what it complains of, is kept: both are looked at.
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { errorText } from '../../src/base/errors.ts';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { openClient, type Client } from '../../src/worker/client.ts';
import { start, untilLogged } from '../e2e/program.ts';
import { findChromium } from './chromium.ts';
import { eventually, within } from './eventually.ts';
import { freePort } from './free_port.ts';

const FLAGS = [
  '--disable-quic',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** So long an order stays in the window of `spendShort`. */
export const SHORT_MS = 6_000;

export const DEFINITIONS = `
version: 1
namespaces:
  customerId: { type: person, priority: 1, unique: true }
  email: { type: person, priority: 2 }
schemas:
  purchase:
    class: individual
    behavior: event
    jsonSchema: { type: object, properties: { commerce: { type: object, properties: { order: { type: object, properties: { priceTotal: { type: number }, channel: { type: string } } } } } } }
  customer:
    class: individual
    behavior: record
    jsonSchema: { type: object, properties: { person: { type: object, properties: { name: { type: object, properties: { firstName: { type: string }, lastName: { type: string } } } } }, loyalty: { type: object, properties: { tier: { type: string } } } } }
datasets:
  orders: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
mergePolicies:
  default: { class: individual, attributes: timestampOrdered, default: true }
  crmFirst: { class: individual, attributes: { dataSetPrecedence: [crm, loyalty] } }
computedAttributes:
  spendShort: { class: individual, description: Spend in the last seconds., eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: sum, window: { sliding: ${SHORT_MS / 1000}s } }
  spendLifetime: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: sum, window: lifetime }
  dearest: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.priceTotal, function: max, window: lifetime }
  channels: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: countDistinct, window: lifetime }
  lastChannel: { class: individual, eventTypes: [commerce.purchases], value: event.commerce.order.channel, function: mostRecent, window: lifetime }
  averageOrder: { class: individual, function: expression, expression: "spendLifetime / 3.0" }
  isShopping: { class: individual, function: expression, expression: "spendShort > 0.0", audience: true }
`;

export interface ExplorerWorld {
  readonly url: string;
  readonly client: Client;
  readonly producer: Producer;
  order(id: string, _id: string, priceTotal: number, more?: object): Promise<void>;
  record(dataset: string, id: string, record: object, lastUpdated: string): Promise<void>;
  killWorker(): Promise<void>;
  /** On the same port. */
  startWorker(): Promise<void>;
  stop(): Promise<void>;
}

/** @param settings of the worker, as environment variables */
export async function startExplorerWorld(settings: NodeJS.ProcessEnv = {}): Promise<ExplorerWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-explorer-'));
  const definitions = join(folder, 'definitions.yaml');
  await writeFile(definitions, DEFINITIONS);
  const server: RunningServer = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
  const port = await freePort();
  const env = {
    VISAGE_NATS_SERVERS: server.url,
    VISAGE_LOG_MAX_BYTES: '100MB',
    VISAGE_PARTITIONS: '2',
    VISAGE_DATA_DIRECTORY: join(folder, 'data'),
    VISAGE_INSTANCE: 'explorer-test',
    VISAGE_HTTP_PORT: String(port),
    ...settings,
  };
  let worker: ChildProcess | undefined;
  const startWorker = async (): Promise<void> => {
    worker = start(['worker', '--setup', '--definitions', definitions], env);
    await within('the worker is ready', 30_000, untilLogged(worker, '"msg":"worker ready"'));
  };
  const endWorker = async (signal: NodeJS.Signals): Promise<void> => {
    if (worker === undefined || worker.exitCode !== null || worker.signalCode !== null) return;
    const ended = once(worker, 'close');
    worker.kill(signal);
    await within(`the worker ends after ${signal}`, 30_000, ended);
  };
  await startWorker();
  const client = await openClient(
    loadSettings({ env: {}, overrides: { 'nats.servers': server.url, partitions: 2, 'log.maxBytes': '100MB' } }),
    'test',
  );
  const producer = await client.producer();
  return {
    url: `http://127.0.0.1:${port}/`,
    client,
    producer,
    async order(id, _id, priceTotal, more = { commerce: { order: { priceTotal, channel: 'web' } } }) {
      const event = { _id, timestamp: new Date().toISOString(), eventType: 'commerce.purchases', ...more };
      await producer.send('orders', event, { identity: { namespace: 'customerId', id } });
    },
    async record(dataset, id, record, lastUpdated) {
      await producer.send(dataset, record, { identity: { namespace: 'customerId', id }, operation: 'create', lastUpdated });
    },
    killWorker: () => endWorker('SIGKILL'),
    startWorker,
    async stop() {
      await producer.close();
      await client.close();
      await endWorker('SIGTERM');
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where Chromium is; undefined, loudly, when there is none. */
export async function chromiumOrSkip(): Promise<string | undefined> {
  const found = await findChromium().catch((error: unknown) => void process.stderr.write(`${errorText(error)}\n`));
  if (found === undefined) process.stderr.write('skipped: there is no Chromium; `node test/install_chromium.ts` gets one\n');
  return found;
}

export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: FLAGS });
}

export type Watched = {
  readonly page: Page;
  /** Addresses that it asked for. */
  readonly requests: readonly string[];
  /** Uncaught errors, and what the browser forbade. */
  readonly complaints: readonly string[];
};

/** A page in a browser that has nothing of another. */
export async function watchedPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    ...options,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const [requests, complaints]: [string[], string[]] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted|Refused to|blocked/i.test(message.text())) complaints.push(message.text());
  });
  return { page, requests, complaints };
}

export function profileUrl(url: string, id: string, namespace = 'customerId'): string {
  return `${url}#/profile/${encodeURIComponent(namespace)}/${encodeURIComponent(id)}`;
}

/** The row of a computed attribute. */
export function rowOf(page: Page, name: string): Locator {
  return page.locator(`[data-name="${name}"]`);
}

export async function valueOf(page: Page, name: string): Promise<string | null> {
  return rowOf(page, name).locator('.value').getAttribute('title');
}

/** Until the row shows the value, as the worker has it. */
export async function shows(page: Page, name: string, value: string, timeoutMs = 15_000): Promise<void> {
  await eventually(`${name} shows ${value}`, async () => (await valueOf(page, name)) === value, { timeoutMs });
}

/** What the page lists for a value that was asked why: exact values of the events, and what it says that they come to. */
export async function listed(page: Page, name: string): Promise<{ values: number[]; total: number; verdict: string | null }> {
  const why = rowOf(page, name).locator('.why');
  const values = await why
    .locator('tbody td.number')
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('title'))));
  const total = Number(await why.locator('[data-total]').getAttribute('title'));
  return { values, total, verdict: await why.locator('.verdict').getAttribute('data-verdict') };
}
