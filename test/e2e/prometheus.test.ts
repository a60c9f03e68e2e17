// The shipped Prometheus configuration in a real Prometheus: it is valid, its alerts do what their tests say, and a live worker answers its scrape.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { errorText } from '../../src/base/errors.ts';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { type RunningServer, startServer } from '../../src/server/start_server.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free_port.ts';
import { findPrometheus, type Prometheus } from '../support/prometheus.ts';
import { ended, start } from './program.ts';

const CONFIG = join(import.meta.dirname, '../../config');
const DEFINITIONS = join(CONFIG, 'demo.definitions.yaml');

const found = await findPrometheus().catch((error: unknown) => {
  process.stderr.write(`skipped: Prometheus cannot be had: ${errorText(error)}\n`);
  return undefined;
});

describe.skipIf(found === undefined)('with Prometheus', () => {
  const { prometheus, promtool } = found ?? ({} as Prometheus);
  const children: ChildProcess[] = [];
  let folder = '';
  let server: RunningServer;
  let settings: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-prometheus-'));
    server = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
    settings = { VISAGE_NATS_SERVERS: server.url, VISAGE_LOG_MAX_BYTES: '100MB', VISAGE_PARTITIONS: '2' };
  });

  afterAll(async () => {
    for (const child of children) {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'close');
    }
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test.each([
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'rules.yaml'],
    ['test', 'rules', 'rules.test.yaml'],
  ])('promtool %s %s %s', async (...args) => {
    const { code, stdout, stderr } = await ended(spawn(promtool, args, { cwd: join(CONFIG, 'prometheus') }));
    expect(code, stdout + stderr).toBe(0);
  });

  test('it scrapes a worker: every metric is announced, every rule can be evaluated, events are counted as they are applied', async () => {
    const adminPort = await startWorker();
    const api = await startPrometheus(`127.0.0.1:${adminPort}`);
    const one = async (query: string): Promise<number | undefined> => {
      const { result } = await api<{ result: { value: [number, string] }[] }>(`query?query=${encodeURIComponent(query)}`);
      return result[0] === undefined ? undefined : Number(result[0].value[1]);
    };
    await eventually('the scrape works', async () => (await one('up{job="visage"}')) === 1);

    const feed = start(['demo', '--feed', '--rate', '100'], settings);
    const fed = ended(feed);
    await eventually('events are counted', async () => ((await one('sum(visage_events_applied_total)')) ?? 0) > 20);
    feed.kill('SIGTERM');
    const stored = Number(/^\d+/.exec((await fed).stdout)![0]);
    const known = '(sum(visage_events_refused_total) or vector(0))';
    const sum = `sum(visage_events_applied_total) + sum(visage_events_duplicate_total) + ${known}`;
    await eventually(`all ${stored} are counted`, async () => (await one(sum)) === stored);
    expect(await one('count(visage_build_info)')).toBe(1);

    const metadata = await api<Record<string, { type: string; help: string }[]>>('metadata');
    for (const { name, kind, help } of CATALOGUE) expect(metadata[name], name).toMatchObject([{ type: kind, help }]);
    const { groups } = await api<{ groups: { name: string; rules: { name: string; health: string; lastError?: string }[] }[] }>(
      'rules',
    );
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(15);
    for (const { name, health, lastError } of rules) expect({ name, health, lastError }).toEqual({ name, health: 'ok' });
    await eventually('the rule has a value', async () => ((await one('visage:events_applied:rate1m')) ?? 0) > 0);
    expect(await one('count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)')).toBe(0);
  });

  /** @returns its admin port */
  async function startWorker(): Promise<number> {
    const env = { ...settings, VISAGE_DATA_DIRECTORY: join(folder, 'data') };
    const worker = start(['worker', '--setup', '--definitions', DEFINITIONS], env);
    children.push(worker);
    let log = '';
    worker.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await eventually('the worker is ready', () => log.includes('"msg":"worker ready"'));
    return (JSON.parse(log.split('\n').find((line) => line.includes('"msg":"worker started"'))!) as { adminPort: number })
      .adminPort;
  }

  /** The shipped configuration with another target, every second. @returns its API */
  async function startPrometheus(target: string): Promise<<T>(path: string) => Promise<T>> {
    const shipped = parse(await readFile(join(CONFIG, 'prometheus/prometheus.yml'), 'utf8')) as {
      global: Record<string, string>;
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    shipped.global = { scrape_interval: '1s', evaluation_interval: '1s' };
    shipped.scrape_configs[0]!.static_configs[0]!.targets = [target];
    await writeFile(join(folder, 'prometheus.yml'), stringify(shipped));
    await copyFile(join(CONFIG, 'prometheus/rules.yaml'), join(folder, 'rules.yaml'));
    const address = `127.0.0.1:${await freePort()}`;
    const options = { 'config.file': 'prometheus.yml', 'storage.tsdb.path': 'tsdb', 'web.listen-address': address };
    const child = spawn(
      prometheus,
      Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    children.push(child);
    const log = text(child.stderr);
    const isReady = async (): Promise<boolean> => (await fetch(`http://${address}/-/ready`)).ok;
    await eventually('Prometheus is ready', isReady).catch(async (error: unknown) => {
      child.kill('SIGKILL');
      throw new Error(`Prometheus did not start: ${await log}`, { cause: error });
    });
    return async <T>(path: string): Promise<T> => {
      const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as { data: T; error?: string };
      expect(answer.error).toBeUndefined();
      return answer.data;
    };
  }
});
