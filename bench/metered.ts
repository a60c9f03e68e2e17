// The two sides of G14: nothing is counted · everything is counted, and scraped as Prometheus does, but every second.
import { createMetricsPage } from '../src/metrics/prometheus.ts';
import { Metering } from '../src/shard/metering.ts';
import type { Shard } from '../src/shard/shard.ts';
import { WorkerMetrics } from '../src/worker/worker_metrics.ts';

const SCRAPE_MS = 1_000;

/** From now on every shard of this process tells its meters nothing. */
export function stopMetering(): void {
  const none = (): void => undefined;
  Object.assign(Metering.prototype, {
    look: ({ lateMs }: Parameters<Metering['look']>[0]): void => void (lateMs.length = 0), // else it would grow
    refused: none,
    committed: none,
    checkpointed: none,
  });
}

export type Scraped = { readonly metrics: WorkerMetrics; start(): void; stop(): void };

/** `shards`: those that there are when it starts, by number. */
export function scraped(shards: readonly Shard[]): Scraped {
  const metrics = new WorkerMetrics(() => ({
    ready: true,
    connected: true,
    disconnects: 0,
    cacheBudgetBytes: 0,
    shards: shards.map((shard) => ({
      state: 'active',
      snapshots: { taken: 0, failures: 0 },
      status: shard.status(),
      store: undefined,
    })),
  }));
  const page = createMetricsPage(metrics);
  let timer: NodeJS.Timeout | undefined;
  return {
    metrics,
    start: () => void (timer = setInterval(() => void page.text(), SCRAPE_MS)),
    stop: () => clearInterval(timer),
  };
}
