// The catalogue in Prometheus's text format, by prom-client's registry, with its metrics of the process beside ours.
// PM1: the source is asked once a scrape. PM2: a sample that the catalogue does not know is a defect, never shown.
// PM3: every metric of the catalogue is announced (HELP, TYPE), also before it has a value.
import { collectDefaultMetrics, Registry, type Metric } from 'prom-client';
import { assert } from '../base/assert.ts';
import type { Histogram } from '../base/histogram.ts';
import type { Labels, MetricsPage, MetricsSource, Sample } from '../ports/metrics.ts';
import { CATALOGUE, type MetricDefinition } from './catalogue.ts';

/** One line of a page; what prom-client's registry asks a metric for. */
type Line = { readonly metricName?: string; readonly labels: Record<string, string | number>; readonly value: number };

const BY_NAME = new Map(CATALOGUE.map((definition) => [definition.name, definition]));

/** There is one process, however many workers: what watches it (garbage collection, the event loop) cannot be taken down again. */
let ofProcess: Registry | undefined;

/** prom-client's own metrics. */
export function processRegistry(): Registry {
  if (ofProcess === undefined) collectDefaultMetrics({ register: (ofProcess = new Registry()) });
  return ofProcess;
}

/** Cost of a scrape: about 1 µs a line. */
export function createMetricsPage(source: MetricsSource): MetricsPage {
  const registry = new Registry();
  let lines = new Map<string, Line[]>();
  for (const definition of CATALOGUE) registry.registerMetric(shown(definition, () => lines.get(definition.name) ?? []));
  return {
    contentType: registry.contentType,
    text: async () => {
      lines = linesOf(source.collect());
      const texts = [registry.metrics(), processRegistry().metrics()]; // ours are read in this turn: scrapes do not mix
      return (await Promise.all(texts)).join('\n');
    },
  };
}

/** prom-client reads metrics by `name` and `get()`; its own counters and histograms could not be set to what was counted elsewhere. */
function shown({ name, help, kind }: MetricDefinition, values: () => readonly Line[]): Metric {
  const metric = {
    name,
    help,
    type: kind,
    aggregator: 'sum',
    get: () => Promise.resolve({ name, help, type: kind, values: values() }),
  };
  return metric as unknown as Metric;
}

function linesOf(samples: Iterable<Sample>): Map<string, Line[]> {
  const lines = new Map<string, Line[]>();
  for (const sample of samples) {
    const definition = BY_NAME.get(sample.name);
    assert(definition !== undefined, `the catalogue has no metric ${sample.name}`);
    assert(sameLabels(definition, sample.labels), `${sample.name} has other labels than the catalogue says`);
    assert('histogram' in sample === (definition.kind === 'histogram'), `${sample.name} is a ${definition.kind}`);
    let list = lines.get(sample.name);
    if (list === undefined) lines.set(sample.name, (list = []));
    if ('histogram' in sample) list.push(...bucketsOf(sample.name, sample.labels, sample.histogram));
    else list.push({ labels: sample.labels, value: sample.value });
  }
  return lines;
}

function sameLabels(definition: MetricDefinition, labels: Labels): boolean {
  const names = Object.keys(labels);
  return names.length === definition.labels.length && definition.labels.every((name) => names.includes(name));
}

/** Buckets are cumulative in the format. */
function* bucketsOf(name: string, labels: Labels, histogram: Histogram): Iterable<Line> {
  let below = 0;
  for (const [i, count] of histogram.counts.entries()) {
    below += count;
    yield { metricName: `${name}_bucket`, labels: { ...labels, le: histogram.bounds[i] ?? '+Inf' }, value: below };
  }
  yield { metricName: `${name}_sum`, labels, value: histogram.sum };
  yield { metricName: `${name}_count`, labels, value: histogram.count };
}
