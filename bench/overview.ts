// The overview dashboard while the load steps up and a worker is killed: what Prometheus says of its panels. See docs/dashboards.md.
// OV1: what is asked are the expressions of config/grafana/dashboards/overview.json, and no list of its own.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../src/base/errors.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { openClient } from '../src/worker/client.ts';
import { eventually } from '../test/support/eventually.ts';
import { freePort } from '../test/support/free_port.ts';
import { findPrometheus, startPrometheus, type RunningPrometheus } from '../test/support/prometheus.ts';
import { asked, readDashboards, type Panel } from './dashboards.ts';
import { LoadGenerator } from './load.ts';
import { overviewPicture } from './overview_picture.ts';
import type { OverviewPanel, OverviewResult, OverviewSeries } from './overview_result.ts';
import { startWorker, type BenchWorker } from './worker_process.ts';
import { benchSettings, fillLog, PARTITIONS, startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_217;
const ROOT = 'overview';
/** Its windows are of 30 seconds: values leave them during the run. */
const DEFINITIONS = new URL('../config/demo.definitions.yaml', import.meta.url).pathname;
/** Four scrapes of a second each: what Grafana would take at least. */
const RATE_INTERVAL = '4s';
const SHARED_MS_MAX = 60_000;
const SCRAPE_MS = 1_000;

/** Seconds: `warm` is not shown; then the low rate, then the high one until the kill, until the restart, until the end. */
type Size = {
  readonly profiles: number;
  readonly low: number;
  readonly high: number;
  readonly seconds: Readonly<Record<'warm' | 'low' | 'high' | 'killed' | 'restarted', number>>;
  readonly stepSeconds: number;
  readonly leaseTtl: string;
};
const FULL: Size = {
  profiles: 5_000,
  low: 500,
  high: 4_000,
  seconds: { warm: 25, low: 30, high: 30, killed: 30, restarted: 30 },
  stepSeconds: 1,
  leaseTtl: '10s',
};
const SMOKE: Size = {
  profiles: 200,
  low: 50,
  high: 100,
  seconds: { warm: 0, low: 2, high: 1, killed: 1, restarted: 1 },
  stepSeconds: 1,
  leaseTtl: '2s',
};

export async function runOverview(smoke: boolean): Promise<void> {
  const size = smoke ? SMOKE : FULL;
  const found = await findPrometheus().catch((error: unknown) => {
    if (!smoke) throw error;
    console.log(`overview: skipped, Prometheus cannot be had: ${errorText(error)}`);
    return undefined;
  });
  if (found === undefined) return;
  const world = await startWorld('overview', '2m');
  try {
    await fillLog(world, ROOT, [], loadDefinitionsFile(DEFINITIONS));
    const result = await measure(world, size, found.prometheus);
    const drawn = overviewPicture(result);
    console.log(`overview: ${result.arms.panels.length} panels, a picture of ${drawn.length} bytes`);
    if (!smoke) writeResult('overview', result, world, SEED);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, program: string): Promise<OverviewResult> {
  const { low, high, seconds } = size;
  const ports = [await freePort(), await freePort()];
  const start = (n: number): Promise<BenchWorker> =>
    startWorker({
      world,
      root: ROOT,
      folder: join(world.folder, `state${n}`),
      more: { instance: `worker-${n + 1}`, 'admin.port': String(ports[n]!), 'lease.ttl': size.leaseTtl },
    });
  const workers = [await start(0), await start(1)];
  const load = await LoadGenerator.start(world, ROOT);
  const folder = join(world.folder, 'prometheus');
  mkdirSync(folder);
  const scraped = ports.map((port, n) => ({ target: `127.0.0.1:${port}`, instance: `worker-${n + 1}` }));
  const prometheus = await startPrometheus({ program, folder, scraped });
  const order = { customers: 'c', profiles: size.profiles, seed: SEED };
  let victim: BenchWorker | undefined = workers[1];
  try {
    await shared(world);
    await eventually('both are scraped', async () => (await valueOf(prometheus, 'sum(up)')) === 2);
    // each run throws where an event was lost or came back twice
    await load.run({ ...order, tag: 'low', rate: low, seconds: seconds.warm + seconds.low });
    const stepAtMs = Date.now();
    const fromMs = stepAtMs - seconds.low * 1000;
    const marks = [
      { atMs: stepAtMs, what: `the load steps up from ${low.toLocaleString('en')} to ${high.toLocaleString('en')} events/s` },
    ];
    const high$ = load.run({ ...order, tag: 'high', rate: high, seconds: seconds.high + seconds.killed + seconds.restarted });
    const ended = high$.then(() => Date.now());
    ended.catch(() => undefined); // awaited below
    await delay(seconds.high * 1000);
    await victim!.kill();
    victim = undefined;
    marks.push({ atMs: Date.now(), what: 'kill -9 of worker-2' });
    await delay(seconds.killed * 1000);
    marks.push({ atMs: Date.now(), what: 'worker-2 is started again' });
    victim = await start(1);
    const untilMs = await ended;
    await delay(2 * SCRAPE_MS); // so that the end is scraped
    const panels = await ask(prometheus, { fromMs, untilMs, stepSeconds: size.stepSeconds });
    const at = marks.map(({ atMs, what }) => ({ seconds: Math.round((atMs - fromMs) / 100) / 10, what }));
    return { size, arms: { marks: at, stepSeconds: size.stepSeconds, panels } };
  } finally {
    await load.stop();
    await prometheus.stop();
    await Promise.all([workers[0]!.stop(), victim?.stop()]);
  }
}

/** Both have half of the shards, and all are active. */
async function shared(world: World): Promise<void> {
  const client = await openClient(benchSettings(world, ROOT), 'bench overview');
  try {
    const isShared = async (): Promise<boolean> => {
      const { workers = [], shards } = await client.status();
      return workers.every((worker) => worker.shards === PARTITIONS / 2) && shards.every(({ state }) => state === 'active');
    };
    await eventually('the shards are shared', isShared, { timeoutMs: SHARED_MS_MAX, everyMs: 100 });
  } finally {
    await client.close();
  }
}

async function valueOf({ api }: RunningPrometheus, query: string): Promise<number> {
  const { result } = await api<{ result: { value: [number, string] }[] }>(`query?query=${encodeURIComponent(query)}`);
  return Number(result[0]?.value[1] ?? NaN);
}

type Range = { readonly fromMs: number; readonly untilMs: number; readonly stepSeconds: number };
type Answer = {
  readonly result: readonly { readonly metric: Record<string, string>; readonly values: readonly [number, string][] }[];
};

async function ask(prometheus: RunningPrometheus, range: Range): Promise<OverviewPanel[]> {
  const { panels } = readDashboards().get('overview.json')!;
  return Promise.all(panels.map((panel) => askPanel(prometheus, panel, range)));
}

async function askPanel({ api }: RunningPrometheus, panel: Panel, range: Range): Promise<OverviewPanel> {
  const { title, type, gridPos, fieldConfig, targets } = panel;
  const { unit, custom } = fieldConfig.defaults;
  const series: OverviewSeries[] = [];
  for (const { expr, legendFormat } of targets) {
    const query = new URLSearchParams({
      query: asked(expr, RATE_INTERVAL),
      start: String(range.fromMs / 1000),
      end: String(range.untilMs / 1000),
      step: String(range.stepSeconds),
    });
    const { result } = await api<Answer>(`query_range?${query.toString()}`);
    if (result.length === 0) throw new Error(`${title}: Prometheus has nothing of ${expr}`);
    for (const { metric, values } of result) {
      const name = legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? '');
      series.push({ name, values: onGrid(values, range) });
    }
  }
  return {
    title,
    type,
    unit,
    gridPos,
    isStacked: custom?.stacking.mode === 'normal',
    isLog: custom?.scaleDistribution?.type === 'log',
    expressions: targets.map(({ expr }) => expr),
    series,
  };
}

/** One value a step, with four digits; null where there is none, or no number. */
function onGrid(values: readonly [number, string][], { fromMs, untilMs, stepSeconds }: Range): (number | null)[] {
  const grid = new Array<number | null>(Math.floor((untilMs - fromMs) / 1000 / stepSeconds) + 1).fill(null);
  for (const [atSeconds, text] of values) {
    const value = Number(text);
    if (Number.isFinite(value)) grid[Math.round((atSeconds - fromMs / 1000) / stepSeconds)] = Number(value.toPrecision(4));
  }
  return grid;
}
