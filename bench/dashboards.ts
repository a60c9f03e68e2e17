// The dashboards of config/grafana/dashboards, for the bench that draws one of them and for the tests.
import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../config/grafana/dashboards/', import.meta.url);

type DataSource = { readonly type: string; readonly uid: string };

export type Panel = {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly type: 'stat' | 'timeseries';
  readonly datasource: DataSource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly links?: readonly { readonly title: string; readonly url: string }[];
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: DataSource;
  }[];
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string;
      readonly custom?: {
        readonly stacking: { readonly mode: 'none' | 'normal' };
        readonly scaleDistribution?: { readonly type: 'log' };
      };
    };
  };
};

export type Dashboard = {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly links: readonly { readonly type: string; readonly tags: readonly string[]; readonly includeVars: boolean }[];
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: string | { readonly query: string };
    }[];
  };
};

/** File name → dashboard. */
export function readDashboards(): ReadonlyMap<string, Dashboard> {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return new Map(names.map((name) => [name, JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Dashboard]));
}

/** What Grafana asks when all workers are chosen; `rateInterval` is what it would take for `$__rate_interval`. */
export function asked(expr: string, rateInterval: string): string {
  return expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', rateInterval);
}
