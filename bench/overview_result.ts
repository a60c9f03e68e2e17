// bench/results/overview.json: panels of the overview dashboard, and what Prometheus said of their expressions.
import { existsSync, readFileSync } from 'node:fs';
import type { Panel } from './dashboards.ts';

/** One value a step, null where there was none. */
export type OverviewSeries = { readonly name: string; readonly values: readonly (number | null)[] };

export type OverviewPanel = Pick<Panel, 'title' | 'type' | 'gridPos'> & {
  readonly unit: string;
  readonly isStacked: boolean;
  readonly isLog: boolean;
  readonly expressions: readonly string[];
  readonly series: readonly OverviewSeries[];
};

export type OverviewResult = {
  readonly size: { readonly profiles: number };
  readonly arms: {
    readonly marks: readonly { readonly seconds: number; readonly what: string }[];
    readonly stepSeconds: number;
    readonly panels: readonly OverviewPanel[];
  };
};

/** Undefined when it was not run. */
export function readOverview(): OverviewResult | undefined {
  const path = new URL('./results/overview.json', import.meta.url);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as OverviewResult) : undefined;
}
