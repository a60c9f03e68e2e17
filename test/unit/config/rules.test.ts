// The shipped rules ask Prometheus for what a worker shows; each alert is tried both ways, and leads to what to do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { anchorsOf, under } from '../../support/headings.ts';
import { LABELS_OF_PROMETHEUS, labelsOf, readConfig, RULES, scrapedIn, unknownIn } from '../../support/monitoring.ts';
import { namesIn, selectorsIn, withoutFilters } from '../../support/promql.ts';

const ROOT = join(import.meta.dirname, '../../..');
const ALERTS = RULES.filter(({ alert }) => alert !== undefined);
const names = ALERTS.map(({ alert }) => alert!);

type RuleTest = {
  readonly name: string;
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly {
    readonly expr: string;
    readonly exp_samples: readonly { readonly labels: string; readonly value: number }[];
  }[];
};
const tried = (parse(readConfig('prometheus/rules.test.yaml')) as { tests: RuleTest[] }).tests;

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
  expect(unknownIn('sum by (reason) (visage_events_refused_total + visage_lag_messages)')).toEqual(['label reason']);
  expect(unknownIn('sum by (kind) (rate(nodejs_gc_duration_seconds_sum[1m]))')).toEqual([]);
});

test('an expression without its filters keeps what it looks at; matchers stay', () => {
  expect(withoutFilters('up{job!="a", x=~"b > 0"} == 0')).toBe('up{job!="a", x=~"b > 0"} == bool 0');
  expect(withoutFilters('a > 0 or (b >= 0 unless b offset 1h) != 2')).toBe(
    'a > bool 0 or (b >= bool 0 or b offset 1h) != bool 2',
  );
  expect(withoutFilters('max by (shard) (a) <= on (shard) b')).toBe('max by (shard) (a) <= bool on (shard) b');
  expect(selectorsIn('rate(a_total{x="y"}[5m]) / on (shard) b > 0 unless a_total offset 1h')).toEqual([
    'a_total{x="y"}',
    'b',
    'a_total',
  ]);
});

test.each(RULES)('rule $alert$record asks for what there is', ({ alert, expr, labels, annotations }) => {
  expect(unknownIn(expr)).toEqual([]);
  expect(namesIn(expr).metrics.size).toBeGreaterThan(0);
  if (alert === undefined) return;
  expect(['critical', 'warning']).toContain(labels?.severity);
  expect(annotations?.what_to_do?.length).toBeGreaterThan(20);
  for (const [, label] of (annotations?.summary ?? '').matchAll(/\$labels\.(\w+)/g))
    expect([...LABELS_OF_PROMETHEUS, ...labelsOf(expr)]).toContain(label);
});

test.each(ALERTS)('alert $alert leads to its runbook', ({ alert, annotations }) => {
  const [, page, anchor] = /^(docs\/\w+\.md)#([\w-]+)$/.exec(annotations?.runbook_url ?? '') ?? [];
  const text = readFileSync(join(ROOT, page!), 'utf8');
  expect(anchorsOf(text).get(alert!)).toBe(anchor);
  expect(under(text, alert!).length, 'it says what to do').toBeGreaterThan(100);
});

test('the pages name every alert there is, with its severity, and no other', () => {
  const operations = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const part = /^## When an alert fires$([\s\S]*?)(?=^## )/m.exec(operations)![1]!;
  expect([...anchorsOf(part).keys()].sort()).toEqual([...names].sort());
  const watch = readFileSync(join(ROOT, 'docs/watch.md'), 'utf8');
  for (const severity of ['critical', 'warning']) {
    const [, listed] = new RegExp(`^\\| ${severity}\\b[^|]*\\| (.*) \\|$`, 'm').exec(watch)!;
    const those = ALERTS.filter(({ labels }) => labels!.severity === severity).map(({ alert }) => alert!);
    expect(listed!.split(', ').sort()).toEqual(those.sort());
  }
});

test.each(ALERTS)('alert $alert is seen to fire and seen not to, with all that it looks at', ({ alert, expr }) => {
  const own = tried.filter(({ name }) => name === alert);
  expect(own).toHaveLength(1);
  const [{ input_series: given, promql_expr_test: questions }] = own as [RuleTest];
  const there = given.map(({ series }) => /^\w+/.exec(series)![0]);
  for (const metric of scrapedIn(expr)) expect(there).toContain(metric);
  const all = 'sum without (alertstate) (ALERTS{alertstate="firing"})'; // whatever fires, so that no other does
  const answers = questions.filter((question) => question.expr === all).map(({ exp_samples }) => exp_samples);
  expect(answers.some((samples) => samples.length === 0)).toBe(true);
  const fires = answers.filter((samples) => samples.length > 0);
  expect(fires.length).toBeGreaterThan(0);
  for (const { labels } of fires.flat()) expect(labels).toContain(`alertname="${alert}"`);
});

test('a worker at work has every metric that an alert looks at, and fires nothing', () => {
  const [calm] = tried;
  const there = calm!.input_series.map(({ series }) => /^\w+/.exec(series)![0]);
  for (const { expr } of ALERTS) for (const metric of scrapedIn(expr)) expect(there).toContain(metric);
  const about = calm!.promql_expr_test.filter(({ expr }) => expr.includes('ALERTS'));
  expect(about.map(({ exp_samples }) => exp_samples)).toEqual([[], [], []]);
});
