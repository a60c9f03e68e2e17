// What the shipped rules and the dashboard ask Prometheus for is what a worker shows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { CATALOGUE } from '../../../src/metrics/catalogue.ts';
import { namesIn } from '../../support/promql.ts';

const CONFIG = join(import.meta.dirname, '../../../config');
/** Labels that Prometheus adds, or that its formats have. */
const LABELS_OF_PROMETHEUS = ['instance', 'job', 'le'];

type Rule = {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly what_to_do?: string };
};
type Panel = {
  readonly id: number;
  readonly title: string;
  readonly datasource: { readonly uid: string };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
};
type Dashboard = {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { query: { query: string } }[] };
};

const rules = (parse(read('prometheus/rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read('grafana/dashboards/visage.json')) as Dashboard;

/** Every series that a scrape or a rule makes, with its labels. */
const series = new Map<string, readonly string[]>([['up', []]]);
for (const { name, kind, labels } of CATALOGUE)
  for (const suffix of kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) series.set(name + suffix, labels);
for (const name of defaultMetrics()) series.set(name, []);
for (const { record, expr } of rules) if (record !== undefined) series.set(record, [...labelsOf(namesIn(expr).metrics)]);

function read(path: string): string {
  return readFileSync(join(CONFIG, path), 'utf8');
}

function defaultMetrics(): string[] {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const names = registry.getMetricsAsArray().map((metric) => metric.name);
  registry.clear();
  return names;
}

function labelsOf(metrics: Iterable<string>): Set<string> {
  return new Set([...metrics].flatMap((metric) => series.get(metric) ?? []));
}

/** What an expression names and nothing makes. */
function unknownIn(expr: string): string[] {
  const { metrics, labels } = namesIn(expr);
  const known = new Set([...LABELS_OF_PROMETHEUS, ...labelsOf(metrics)]);
  return [...metrics]
    .filter((metric) => !series.has(metric))
    .concat([...labels].filter((label) => !known.has(label)).map((label) => `label ${label}`));
}

test('the reader of expressions finds what is misspelt, and nothing else', () => {
  const { metrics, labels } = namesIn(
    'histogram_quantile(0.99, sum by (le, shard) (rate(visage_a_bucket{job="x y_z", instance=~"$instance"}[$__rate_interval])) > 1e3) or b:c:d unless e offset 1h',
  );
  expect([...metrics]).toEqual(['visage_a_bucket', 'b:c:d', 'e']);
  expect([...labels]).toEqual(['le', 'shard', 'job', 'instance']);
  expect(unknownIn('sum by (shart) (visage_lag_message) + visage_commit_duration_seconds')).toEqual([
    'visage_lag_message',
    'visage_commit_duration_seconds',
    'label shart',
  ]);
  expect(unknownIn('sum by (reason) (visage_lag_messages)')).toEqual(['label reason']);
});

test.each(rules)('rule $alert$record', ({ alert, expr, labels, annotations }) => {
  expect(unknownIn(expr)).toEqual([]);
  expect(namesIn(expr).metrics.size).toBeGreaterThan(0);
  if (alert === undefined) return;
  expect(['critical', 'warning']).toContain(labels?.severity);
  expect(annotations?.what_to_do?.length).toBeGreaterThan(20);
  for (const [, label] of (annotations?.summary ?? '').matchAll(/\$labels\.(\w+)/g))
    expect([...LABELS_OF_PROMETHEUS, ...labelsOf(namesIn(expr).metrics)]).toContain(label);
});

test.each(dashboard.panels)('panel $id, $title', ({ targets, datasource }) => {
  expect(targets.length).toBeGreaterThan(0);
  for (const { expr, legendFormat } of targets) {
    expect(unknownIn(expr), expr).toEqual([]);
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(namesIn(expr).labels, expr).toContain(label);
  }
  const source = parse(read('grafana/provisioning/datasources/prometheus.yaml')) as { datasources: { uid: string }[] };
  expect(source.datasources.map(({ uid }) => uid)).toContain(datasource.uid);
});

test('the dashboard has each panel once, and its variable asks for a metric that is there', () => {
  const { panels, templating } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { query } of templating.list) expect(series.has(/^label_values\((\w+), \w+\)$/.exec(query.query)![1]!)).toBe(true);
});

test('every alert of the rules fires in rules.test.yaml', () => {
  const tested = read('prometheus/rules.test.yaml');
  for (const { alert } of rules) if (alert !== undefined) expect(tested).toContain(`{alertname="${alert}"`);
});
