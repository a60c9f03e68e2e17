// The shipped Prometheus configuration in a real Prometheus: it is valid, its alerts do what their tests say, a live worker answers its scrape,
// and what the dashboards and the rules ask for is there.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { asked, readDashboards } from '../../bench/dashboards.ts';
import { errorText } from '../../src/base/errors.ts';
import { formatTime } from '../../src/base/time.ts';
import { createProducer } from '../../src/index.ts';
import { controlSubject } from '../../src/message/subject.ts';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { openConnection, PLAIN } from '../../src/nats/connection.ts';
import { type RunningServer, startServer } from '../../src/server/start_server.ts';
import { eventually } from '../support/eventually.ts';
import { RULES } from '../support/monitoring.ts';
import { findPrometheus, startPrometheus, type Prometheus, type RunningPrometheus } from '../support/prometheus.ts';
import { selectorsIn, withoutFilters } from '../support/promql.ts';
import { ended, start } from './program.ts';

const CONFIG = join(import.meta.dirname, '../../config');
/** What the second test makes happen, so that panels do not show zeros alone. */
const HAPPENED = [
  'events_refused',
  'events_duplicate',
  'records_applied',
  'stale_writes',
  'primary_mismatches',
  'expiries',
  'ticks',
  'change_events',
  'checkpoints',
  'snapshots',
];

const found = await findPrometheus().catch((error: unknown) => {
  process.stderr.write(`skipped: Prometheus cannot be had: ${errorText(error)}\n`);
  return undefined;
});

describe.skipIf(found === undefined)('with Prometheus', () => {
  const { prometheus, promtool } = found ?? ({} as Prometheus);
  const children: ChildProcess[] = [];
  let running: RunningPrometheus | undefined;
  let folder = '';
  let server: RunningServer;
  let settings: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-prometheus-'));
    server = await startServer({ storeDirectory: join(folder, 'server'), config: { syncInterval: '2m' } });
    settings = { VISAGE_NATS_SERVERS: server.url, VISAGE_LOG_MAX_BYTES: '100MB', VISAGE_PARTITIONS: '2' };
  });

  afterAll(async () => {
    await running?.stop();
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

  describe('beside a worker', () => {
    beforeAll(async () => {
      const adminPort = await startWorker();
      running = await startPrometheus({ program: prometheus, folder, scraped: [{ target: `127.0.0.1:${adminPort}` }] });
      await eventually('the scrape works', async () => (await one('up{job="visage"}')) === 1);
    });

    const values = async (query: string): Promise<number[]> => {
      const { result } = await running!.api<{ result: { value: [number, string] }[] }>(
        `query?query=${encodeURIComponent(query)}`,
      );
      return result.map(({ value }) => Number(value[1]));
    };
    const one = async (query: string): Promise<number | undefined> => (await values(query))[0];

    test('every metric is announced, every rule can be evaluated, events are counted as they are applied', async () => {
      const feed = start(['demo', '--feed', '--rate', '100'], settings);
      const fed = ended(feed);
      await eventually('events are counted', async () => ((await one('sum(visage_events_applied_total)')) ?? 0) > 20);
      feed.kill('SIGTERM');
      const stored = Number(/^\d+/.exec((await fed).stdout)![0]);
      const known = '(sum(visage_events_refused_total) or vector(0))';
      const sum = `sum(visage_events_applied_total) + sum(visage_events_duplicate_total) + ${known}`;
      await eventually(`all ${stored} are counted`, async () => (await one(sum)) === stored);
      expect(await one('count(visage_build_info)')).toBe(1);

      const metadata = await running!.api<Record<string, { type: string; help: string }[]>>('metadata');
      for (const { name, kind, help } of CATALOGUE) expect(metadata[name], name).toMatchObject([{ type: kind, help }]);
      const { groups } = await running!.api<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>(
        'rules',
      );
      const rules = groups.flatMap((group) => group.rules);
      expect(rules).toHaveLength(RULES.length);
      for (const { name, health, lastError } of rules) expect({ name, health, lastError }).toEqual({ name, health: 'ok' });
      await eventually('the rule has a value', async () => ((await one('visage:events_applied:rate1m')) ?? 0) > 0);
      expect(await one('count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)')).toBe(0);
    });

    test('every panel of every dashboard shows something, and every rule looks at something', async () => {
      await publishOfEachKind();
      for (const counter of HAPPENED) {
        const metric = `visage_${counter}_total`;
        await eventually(`${metric} counts`, async () => ((await one(`sum(${metric})`)) ?? 0) > 0);
      }
      await haltShard(1);
      await eventually('a shard has halted', async () => (await one('sum(visage_shard_halted)')) === 1);
      await eventually(
        'its alert fires',
        async () => (await one('count(ALERTS{alertname="ShardHalted", alertstate="firing"})')) === 1,
      );

      // selectors apart too: what is added up with `or vector(0)` always has an answer
      const panels = [...readDashboards()].flatMap(([file, { panels: all }]) =>
        all.flatMap(({ title, targets }) => {
          const queries = targets.map(({ expr }) => asked(expr, '1m')).flatMap((expr) => [expr, ...selectorsIn(expr)]);
          return queries.map((query) => ({ what: `${file}, ${title}`, query }));
        }),
      );
      const rules = RULES.flatMap(({ alert, record, expr }) =>
        [withoutFilters(expr), ...selectorsIn(expr)].map((query) => ({ what: alert ?? record!, query })),
      );
      expect(panels.length).toBeGreaterThan(150);
      expect(rules.length).toBeGreaterThan(2 * RULES.length);
      const empty = async (): Promise<string[]> => {
        const asking = [...panels, ...rules].map(async ({ what, query }) => {
          const numbers = await values(query);
          return numbers.some((value) => Number.isFinite(value)) ? [] : [`${what}: ${query}`];
        });
        return (await Promise.all(asking)).flat();
      };
      let found = ['nothing was asked'];
      // a rate needs two scrapes of a series that has just begun
      await eventually('all have an answer', async () => (found = await empty()).length === 0).catch(() => undefined);
      expect(found).toEqual([]);
    });
  });

  /** Once each of what happens to messages, beside what the feed sends. */
  async function publishOfEachKind(): Promise<void> {
    const producer = await createProducer({ servers: server.url });
    const identity = { namespace: 'customerId', id: 'panel' };
    const event = {
      _id: 'panel-1',
      timestamp: formatTime(Date.now() - 28_000), // leaves the windows of 30 s in two
      eventType: 'commerce.purchases',
      commerce: { order: { priceTotal: 5, channel: 'web' } },
    };
    await producer.send('orders', event, { identity });
    await producer.send('orders', event, { identity });
    await producer.send('orders', { ...event, timestamp: 'yesterday' }, { identity });
    const better = { identityMap: { customerId: [{ id: 'better' }] } };
    await producer.send(
      'orders',
      { ...event, ...better, _id: 'panel-2' },
      { identity: { namespace: 'email', id: 'p@example.com' } },
    );
    const row = { homeAddress: { city: 'Oslo' } };
    await producer.send('crm', row, { identity, lastUpdated: new Date() });
    await producer.send('crm', row, { identity, lastUpdated: new Date(Date.now() - 60_000) });
    await producer.close();
  }

  /** By a control message that no release knows. */
  async function haltShard(shard: number): Promise<void> {
    const nc = await openConnection({ ...PLAIN, servers: [server.url] }, 'test');
    await nc.request(controlSubject('visage', shard, 'nonsense'), '{}');
    await nc.close();
  }

  /** @returns its admin port */
  async function startWorker(): Promise<number> {
    const definitions = parse(await readFile(join(CONFIG, 'demo.definitions.yaml'), 'utf8')) as { namespaces: object };
    Object.assign(definitions.namespaces, { email: { type: 'person', priority: 2 } }); // so that one can rank higher than another
    await writeFile(join(folder, 'definitions.yaml'), stringify(definitions));
    const env = {
      ...settings,
      VISAGE_DATA_DIRECTORY: join(folder, 'data'),
      VISAGE_SNAPSHOT_INTERVAL: '1s',
      NODE_OPTIONS: '--max-semi-space-size=1', // V8 collects soon: before the first collection its metrics have no line
    };
    const worker = start(['worker', '--setup', '--definitions', join(folder, 'definitions.yaml')], env);
    children.push(worker);
    let log = '';
    worker.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await eventually('the worker is ready', () => log.includes('"msg":"worker ready"'));
    return (JSON.parse(log.split('\n').find((line) => line.includes('"msg":"worker started"'))!) as { adminPort: number })
      .adminPort;
  }
});
