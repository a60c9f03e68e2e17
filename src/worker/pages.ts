// What a worker serves over HTTP: the admin listener for orchestrators and Prometheus, the HTTP port for readers.
import type { Settings } from '../definitions/settings.ts';
import type { OnDefect } from '../api/application.ts';
import { serveAdmin, serveHttp, type HttpServer } from '../api/http_server.ts';
import { createMetricsPage } from '../metrics/prometheus.ts';
import type { ChangeFeed } from '../ports/changes.ts';
import type { Health } from '../ports/health.ts';
import type { LiveMeter, MetricsSource } from '../ports/metrics.ts';
import type { ReadService } from '../ports/reads.ts';

/** Undefined until they are open. */
export type Ports = { readonly httpPort?: number; readonly adminPort?: number };

export class Pages {
  ports: Ports = {};
  private readonly options: PagesOptions;
  private servers: HttpServer[] = [];

  constructor(options: PagesOptions) {
    this.options = options;
  }

  /** @throws VisageError `port_in_use` */
  async open(): Promise<Ports> {
    const { settings, health, onDefect } = this.options;
    const metrics = createMetricsPage(this.options.metrics);
    const admin = await serveAdmin({ ...settings.admin, health, metrics, onDefect });
    this.servers.push(admin);
    const http = await serveHttp({ ...this.options, ...settings.http, health, metrics, onDefect });
    this.servers.push(http);
    this.ports = { httpPort: http.port, adminPort: admin.port };
    return this.ports;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    this.servers = [];
  }
}

export type PagesOptions = {
  readonly settings: Settings;
  readonly health: Health;
  readonly metrics: MetricsSource;
  readonly reads: ReadService;
  readonly version: string;
  readonly changes: ChangeFeed;
  readonly live: LiveMeter;
  readonly onRefused: () => void;
  readonly onDefect: OnDefect;
};
