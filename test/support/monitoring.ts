// What a worker and the rules make for Prometheus, and what an expression names that nobody makes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { parse } from 'yaml';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { namesIn } from './promql.ts';

const CONFIG = join(import.meta.dirname, '../../config');
/** Labels that Prometheus adds, or that its formats have. */
export const LABELS_OF_PROMETHEUS: readonly string[] = ['instance', 'job', 'le'];

export type Rule = {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly what_to_do?: string; readonly runbook_url?: string };
};

export function readConfig(path: string): string {
  return readFileSync(join(CONFIG, path), 'utf8');
}

export const RULES: readonly Rule[] = (
  parse(readConfig('prometheus/rules.yaml')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

/** Every series that a scrape or a rule makes, with its labels. */
const series = new Map<string, readonly string[]>([['up', []]]);
for (const { name, kind, labels } of CATALOGUE)
  for (const suffix of kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) series.set(name + suffix, labels);
for (const [name, labels] of defaultMetrics()) series.set(name, labels);
for (const { record, expr } of RULES) if (record !== undefined) series.set(record, [...labelsOf(expr)]);

export function isMade(metric: string): boolean {
  return series.has(metric);
}

/** Name → labels; of a histogram or summary each of its lines. */
function* defaultMetrics(): Iterable<[string, readonly string[]]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const metric of registry.getMetricsAsArray()) {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: readonly string[] };
    for (const suffix of 'buckets' in metric ? ['_bucket', '_sum', '_count'] : ['']) yield [name + suffix, labelNames];
  }
  registry.clear();
}

/** Labels that every metric of an expression has. */
export function labelsOf(expr: string): readonly string[] {
  const [first = [], ...others] = [...namesIn(expr).metrics].map((metric) => series.get(metric) ?? []);
  return [...first.filter((label) => others.every((labels) => labels.includes(label))), ...LABELS_OF_PROMETHEUS];
}

/** What an expression names and nothing makes. */
export function unknownIn(expr: string): string[] {
  const { metrics, labels } = namesIn(expr);
  const known = labelsOf(expr);
  return [...metrics]
    .filter((metric) => !series.has(metric))
    .concat([...labels].filter((label) => !known.includes(label)).map((label) => `label ${label}`));
}

/** Metrics that a scrape makes: what an expression names, and instead of a recorded series what that is made from. */
export function scrapedIn(expr: string): ReadonlySet<string> {
  const found = [...namesIn(expr).metrics].flatMap((metric) => {
    const recorded = RULES.find(({ record }) => record === metric);
    return recorded === undefined ? [metric] : [...scrapedIn(recorded.expr)];
  });
  return new Set(found);
}
