// The shipped dashboards, as a model: Grafana itself takes no part. They ask for what a worker shows, in its units; panels do not overlap; links
// lead somewhere; what is provisioned is what is there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { asked, readDashboards, type Panel } from '../../../bench/dashboards.ts';
import { isMade, readConfig, unknownIn } from '../../support/monitoring.ts';
import { namesIn } from '../../support/promql.ts';

const DASHBOARDS = [...readDashboards()].map(([file, dashboard]) => ({ file, dashboard }));
const PANELS = DASHBOARDS.flatMap(({ file, dashboard }) =>
  dashboard.panels.map((panel) => ({ file, title: panel.title, panel })),
);
const SOURCE = { type: 'prometheus', uid: '${datasource}' };
const COLUMNS = 24;
/** What each must show at least. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  'overview.json': [
    'visage_events_applied_total',
    'visage_change_events_total',
    'visage_lag_messages',
    'visage_lag_seconds',
    'visage_end_to_end_latency_seconds_bucket',
    'visage_expiry_lateness_seconds_bucket',
  ],
  'shards.json': [
    'visage_shards',
    'visage_shard_active',
    'visage_shard_takeovers_total',
    'visage_shard_halts_total',
    'visage_shard_halted',
    'visage_checkpoints_total',
    'visage_checkpoint_duration_seconds_bucket',
    'visage_checkpoint_age_seconds',
    'visage_commits_total',
    'visage_commit_failures_total',
    'visage_commit_duration_seconds_bucket',
  ],
  'storage.json': [
    'visage_store_file_bytes',
    'visage_store_used_bytes',
    'visage_store_map_bytes',
    'visage_cached_bytes',
    'visage_cache_budget_bytes',
    'visage_cache_misses_total',
    'visage_snapshots_total',
    'visage_snapshot_failures_total',
  ],
  'input_quality.json': [
    'visage_events_refused_total',
    'visage_events_duplicate_total',
    'visage_stale_writes_total',
    'visage_primary_mismatches_total',
  ],
};

test('there are four, each with what it is for', () => {
  expect(DASHBOARDS.map(({ file }) => file).sort()).toEqual(Object.keys(SHOWN).sort());
  for (const { file, dashboard } of DASHBOARDS) {
    const metrics = new Set(dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => [...namesIn(expr).metrics])));
    for (const metric of SHOWN[file]!) expect([...metrics], file).toContain(metric);
  }
});

test.each(DASHBOARDS)('$file is a dashboard of its own, with its variables and links', ({ file, dashboard }) => {
  const { uid, title, description, tags, links, templating, panels } = dashboard;
  expect(uid).toBe(`visage-${file.replace('.json', '').replaceAll('_', '-')}`);
  expect(title).toBe(`Visage: ${file.replace('.json', '').replaceAll('_', ' ')}`);
  expect(description.length).toBeGreaterThan(20);
  expect(tags).toEqual(['visage']);
  expect(links).toMatchObject([{ type: 'dashboards', tags, includeVars: true }]); // from each to all
  expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
    ['datasource', 'datasource'],
    ['instance', 'query'],
  ]);
  const [source, instance] = templating.list;
  expect(source!.query).toBe('prometheus');
  const [, metric] = /^label_values\((\w+), instance\)$/.exec((instance!.query as { query: string }).query)!;
  expect(isMade(metric!)).toBe(true);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map((panel) => panel.title)).size).toBe(panels.length);
});

test.each(DASHBOARDS)('the panels of $file lie beside each other, in rows without holes', ({ dashboard }) => {
  const taken = new Map<string, string>();
  let height = 0;
  for (const { title, gridPos } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    expect(x + w, title).toBeLessThanOrEqual(COLUMNS);
    height = Math.max(height, y + h);
    for (let column = x; column < x + w; column++)
      for (let row = y; row < y + h; row++) {
        expect(taken.get(`${column},${row}`), `${title} is on top of it`).toBeUndefined();
        taken.set(`${column},${row}`, title);
      }
  }
  expect(taken.size).toBe(COLUMNS * height);
});

/** The unit that follows from what is asked; undefined where one quantity is divided by another. */
function unitOf(expr: string): string | undefined {
  if (expr.includes(' / ')) return undefined;
  const name = [...namesIn(expr).metrics][0]!;
  if (/^sum (by \([^)]*\) )?\(rate\(/.test(expr)) {
    if (name.includes('gc_duration')) return 'percentunit';
    return name.includes('cpu_seconds') ? 'short' : 'ops';
  }
  if (/_seconds(_bucket)?$/.test(name)) return 's';
  return name.endsWith('_bytes') ? 'bytes' : 'short';
}

test.each(PANELS)('$file, $title', ({ panel }: { panel: Panel }) => {
  expect(['stat', 'timeseries']).toContain(panel.type);
  expect(panel.description.length).toBeGreaterThan(10);
  expect(panel.datasource).toEqual(SOURCE);
  expect(panel.targets.length).toBeGreaterThan(0);
  const legends = panel.targets.map(({ legendFormat }) => legendFormat);
  expect(new Set(legends).size).toBe(legends.length);
  for (const { expr, legendFormat, datasource } of panel.targets) {
    expect(datasource).toEqual(SOURCE);
    expect(unknownIn(expr), expr).toEqual([]);
    expect(asked(expr, '1m'), 'no other variable').not.toContain('$');
    // of the workers that are chosen, or of a shard whoever has it
    expect(expr.includes('instance=~"$instance"') || expr.includes('max by (shard)'), expr).toBe(true);
    const unit = unitOf(expr);
    if (unit !== undefined) expect(panel.fieldConfig.defaults.unit, expr).toBe(unit);
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
    for (const label of shown) expect(namesIn(expr).labels, expr).toContain(label);
    // a line for each value of a label says which
    for (const label of /\bby \(([^)]*)\) \((?!.*\bby\b)/.exec(expr)?.[1]?.split(', ') ?? [])
      if (label !== 'le' && panel.type === 'timeseries') expect(shown, expr).toContain(label);
  }
});

test('panels lead to dashboards that are there', () => {
  const uids = DASHBOARDS.map(({ dashboard }) => dashboard.uid);
  const urls = PANELS.flatMap(({ panel }) => panel.links ?? []).map(({ url }) => url);
  const led = urls.map(
    (url) => /^\/d\/([\w-]+)\?\$\{__url_time_range\}&\$\{instance:queryparam\}&\$\{datasource:queryparam\}$/.exec(url)?.[1],
  );
  for (const uid of led) expect(uids).toContain(uid);
  expect(new Set(led).size).toBe(uids.length - 1); // from the overview to each of the others
});

test('what is provisioned is there: the folder, the source of data with the pace of the scrapes, the page to begin with', () => {
  const { providers } = parse(readConfig('grafana/provisioning/dashboards/visage.yaml')) as {
    providers: { options: { path: string } }[];
  };
  const { datasources } = parse(readConfig('grafana/provisioning/datasources/prometheus.yaml')) as {
    datasources: { type: string; isDefault: boolean; jsonData: { timeInterval: string } }[];
  };
  const { global } = parse(readConfig('prometheus/prometheus.yml')) as { global: { scrape_interval: string } };
  expect(datasources).toMatchObject([
    { type: 'prometheus', isDefault: true, jsonData: { timeInterval: global.scrape_interval } },
  ]);
  const compose = parse(readFileSync(join(import.meta.dirname, '../../../docker/compose.yaml'), 'utf8'), { merge: true }) as {
    services: { grafana: { environment: Record<string, string>; volumes: string[] } };
  };
  const { environment, volumes } = compose.services.grafana;
  const folder = providers[0]!.options.path;
  expect(volumes).toContain(`../config/grafana/dashboards:${folder}:ro`);
  const first = environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH!;
  expect(first).toBe(`${folder}/overview.json`);
  expect(DASHBOARDS.map(({ file }): string => `${folder}/${file}`)).toContain(first);
});
