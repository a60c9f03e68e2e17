import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../src/base/histogram.ts';
import { CATALOGUE } from '../../../src/metrics/catalogue.ts';
import { createMetricsPage } from '../../../src/metrics/prometheus.ts';
import type { MetricsPage, Sample } from '../../../src/ports/metrics.ts';
import { parseMetrics, type MetricFamily } from '../../support/metrics_text.ts';

const pageOf = (...samples: Sample[]): MetricsPage => createMetricsPage({ collect: () => samples });
const parsed = async (...samples: Sample[]): Promise<ReadonlyMap<string, MetricFamily>> =>
  parseMetrics(await pageOf(...samples).text());

/** The lines of one metric, as they are written. */
async function linesOf(name: string, ...samples: Sample[]): Promise<string[]> {
  const text = await pageOf(...samples).text();
  return text.split('\n').filter((line) => line.startsWith(name) || line.startsWith(`# HELP ${name} `));
}

describe('the page', () => {
  it('announces every metric of the catalogue, in its order, also without a value', async () => {
    const families = await parsed();
    const announced = [...families].filter(([name]) => name.startsWith('visage_'));
    expect(announced.map(([name, { type, help, samples }]) => ({ name, type, help, samples: samples.size }))).toEqual(
      CATALOGUE.map(({ name, kind, help }) => ({ name, type: kind, help, samples: 0 })),
    );
  });

  it('is of the type that Prometheus asks for', () => {
    expect(pageOf().contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('shows counters and gauges with their labels', async () => {
    const families = await parsed(
      { name: 'visage_events_applied_total', labels: { shard: '0' }, value: 3 },
      { name: 'visage_events_applied_total', labels: { shard: '1' }, value: 1e21 },
      { name: 'visage_ready', labels: {}, value: 1 },
    );
    expect(Object.fromEntries(families.get('visage_events_applied_total')!.samples)).toEqual({
      'visage_events_applied_total{shard="0"}': 3,
      'visage_events_applied_total{shard="1"}': 1e21,
    });
    expect(Object.fromEntries(families.get('visage_ready')!.samples)).toEqual({ visage_ready: 1 });
  });

  it('escapes what a label holds', async () => {
    const labels = { version: 'a "b"\\c\nd', node: 'é, {x="y"}' };
    expect(await linesOf('visage_build_info', { name: 'visage_build_info', labels, value: 1 })).toEqual([
      '# HELP visage_build_info Always 1; the labels say what runs',
      'visage_build_info{version="a \\"b\\"\\\\c\\nd",node="é, {x=\\"y\\"}"} 1',
    ]);
  });

  it('shows a histogram with cumulative buckets, the last without an end, sum and count', async () => {
    const histogram = new Histogram([0.001, 0.5, 2]);
    for (const value of [0.001, 0.25, 0.5, 1, 7.25]) histogram.observe(value);
    const name = 'visage_commit_duration_seconds';
    const [, ...lines] = await linesOf(name, { name, labels: {}, histogram });
    expect(lines).toEqual([
      `${name}_bucket{le="0.001"} 1`,
      `${name}_bucket{le="0.5"} 3`,
      `${name}_bucket{le="2"} 4`,
      `${name}_bucket{le="+Inf"} 5`,
      `${name}_sum 9.001`,
      `${name}_count 5`,
    ]);
  });

  it('has the metrics of the process, once however many pages there are', async () => {
    const [families, again] = [await parsed(), await parsed()];
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_heap_size_used_bytes'])
      expect(families.get(name)?.samples.size).toBe(1);
    expect([...again.keys()]).toEqual([...families.keys()]);
  });

  it('asks its source once a scrape, and never mixes two scrapes', async () => {
    let asked = 0;
    const page = createMetricsPage({
      *collect() {
        asked++;
        yield { name: 'visage_profiles', labels: { shard: '0' }, value: asked };
        yield { name: 'visage_dirty_profiles', labels: { shard: '0' }, value: asked };
      },
    });
    const texts = await Promise.all([page.text(), page.text(), page.text()]);
    expect(asked).toBe(3);
    for (const [i, text] of texts.entries()) {
      const families = parseMetrics(text);
      expect(families.get('visage_profiles')!.samples.get('visage_profiles{shard="0"}')).toBe(i + 1);
      expect(families.get('visage_dirty_profiles')!.samples.get('visage_dirty_profiles{shard="0"}')).toBe(i + 1);
    }
  });
});

describe('what the catalogue does not say is a defect', () => {
  const histogram = new Histogram([1]);
  it.each<[string, Sample]>([
    ['the catalogue has no metric visage_made_up', { name: 'visage_made_up', labels: {}, value: 1 }],
    ['visage_ready has other labels', { name: 'visage_ready', labels: { shard: '0' }, value: 1 }],
    ['visage_profiles has other labels', { name: 'visage_profiles', labels: {}, value: 1 }],
    ['visage_profiles has other labels', { name: 'visage_profiles', labels: { reason: 'x' }, value: 1 }],
    ['visage_ready is a gauge', { name: 'visage_ready', labels: {}, histogram }],
    ['visage_commit_duration_seconds is a histogram', { name: 'visage_commit_duration_seconds', labels: {}, value: 1 }],
  ])('%s', async (message, sample) => {
    await expect(pageOf(sample).text()).rejects.toThrow(message);
  });
});
