// What a worker serves over HTTP: the admin listener for orchestrators and Prometheus, the HTTP port for readers and writers.
import type { Settings } from '../definitions/settings.ts';
import { serveAdmin, serveHttp, type HttpServer } from '../api/http_server.ts';
import { createMetricsPage } from '../metrics/prometheus.ts';
import type { Health } from '../ports/health.ts';
import type { MetricsSource } from '../ports/metrics.ts';
import type { ReadService } from '../ports/reads.ts';
import type { WriteRoutes } from '../api/write_routes.ts';
import type { HttpAccess } from './http_access.ts';

/** Undefined until they are open. */
export type Ports = { readonly httpPort?: number; readonly adminPort?: number };

export class Pages {
  ports: Ports = {};
  private readonly options: PagesOptions;
  private servers: HttpServer[] = [];
  private access: HttpAccess | undefined;

  constructor(options: PagesOptions) {
    this.options = options;
  }

  /** @throws VisageError `port_in_use`, `needs_tokens` (usage), `bad_tokens` */
  async open(): Promise<Ports> {
    const { settings, health, ...served } = this.options;
    const { onDefect } = served;
    const access = (this.access = served.openAccess());
    const metrics = createMetricsPage(this.options.metrics);
    const admin = await serveAdmin({ ...settings.admin, health, metrics, onDefect });
    this.servers.push(admin);
    const http = await serveHttp({ ...served, ...settings.http, health, metrics, access });
    this.servers.push(http);
    this.ports = { httpPort: http.port, adminPort: admin.port };
    return this.ports;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    this.servers = [];
    this.access?.close();
  }
}

export type PagesOptions = WriteRoutes & {
  readonly settings: Settings;
  readonly health: Health;
  readonly metrics: MetricsSource;
  readonly reads: ReadService;
  readonly openAccess: () => HttpAccess;
  readonly onRefused: () => void;
};
