// What a worker serves over HTTP: the admin listener for orchestrators and Prometheus, the HTTP port for readers and writers.
import type { Settings } from '../definitions/settings.ts';
import { serveAdmin, serveHttp, type HttpOptions, type HttpServer } from '../api/http_server.ts';
import { createMetricsPage } from '../metrics/prometheus.ts';
import type { MetricsSource } from '../ports/metrics.ts';
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

  /** @throws VisageError `port_in_use`, `needs_tokens`, `bad_tokens` (usage) */
  async open(): Promise<Ports> {
    const { settings, openAccess, ...served } = this.options;
    const { health, onDefect } = served;
    const access = (this.access = openAccess());
    const metrics = createMetricsPage(served.metrics);
    const admin = await serveAdmin({ ...settings.admin, health, metrics, onDefect });
    this.servers.push(admin);
    const http = await serveHttp({ ...served, ...settings.http, metrics, access });
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

export type PagesOptions = Omit<HttpOptions, 'metrics' | 'access'> & {
  readonly settings: Settings;
  readonly metrics: MetricsSource;
  readonly openAccess: () => HttpAccess;
};
