// The two listeners: the admin port (health and metrics, no profiles), the HTTP port (the same, and everything else).
// HS1: nothing of a request is logged. HS2: whoever is slow is cut off: headers, body and idle connections have their time.
// HS3: `close` waits for answers under way, but no connection that is kept alive holds it up.
import { errorText, VisageError } from '../base/errors.ts';
import type { Access } from '../ports/access.ts';
import type { Health } from '../ports/health.ts';
import type { MetricsPage } from '../ports/metrics.ts';
import type { ReadService } from '../ports/reads.ts';
import { answers } from './answers.ts';
import { application, type Application, type OnDefect } from './application.ts';
import { authenticate } from './auth.ts';
import { explorerRoutes } from './explorer_routes.ts';
import { healthRoutes } from './health_routes.ts';
import { liveRoutes, type LiveRoutes } from './live_routes.ts';
import { lookupRoutes } from './lookup_routes.ts';
import { openApiRoutes } from './openapi.ts';
import { profileRoutes } from './profile_routes.ts';
import { rootRoutes } from './root_routes.ts';
import type { RouteScope } from './route_scope.ts';
import { writeRoutes, type WriteRoutes } from './write_routes.ts';

const CLOSE_MS = 1_000;

/** A page, and what its caller must be allowed to do; null: it does not say. */
export type RouteEntry = { readonly method: string; readonly url: string; readonly scope: RouteScope | null };

export interface HttpServer {
  readonly port: number;
  readonly routes: readonly RouteEntry[];
  close(): Promise<void>;
}

export type ListenOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: MetricsPage;
  readonly onDefect: OnDefect;
};

export type HttpOptions = Omit<ListenOptions, 'host' | 'port'> &
  WriteRoutes &
  LiveRoutes & {
    /** Who may use the pages. */
    readonly access: Access;
    readonly reads: ReadService;
    /** Hears of each read that was one too many. */
    readonly onRefused: () => void;
    /** Do shards wait for their next turn of the event loop? */
    readonly isBusy: () => boolean;
    /** Of the worker, for the OpenAPI document. */
    readonly version: string;
  };

/** @throws VisageError `port_in_use`, `cannot_listen` (usage) */
export function serveAdmin(options: ListenOptions): Promise<HttpServer> {
  const pages = application(options);
  healthRoutes(pages.app, options.health, options.metrics);
  return listen(pages, options, 'admin');
}

/** @throws VisageError `port_in_use`, `cannot_listen` (usage) */
export function serveHttp(options: ListenOptions & HttpOptions): Promise<HttpServer> {
  return listen(httpPages(options), options, 'http');
}

/** Every page of the HTTP port, without a listener. */
export function httpPages(options: HttpOptions): Application {
  const pages = application(options);
  const { app, routes } = pages;
  const answer = answers(options);
  authenticate(app, options.access); // before any page
  healthRoutes(app, options.health, options.metrics);
  profileRoutes(app, { ...options, answer });
  lookupRoutes(app, { ...options, answer });
  rootRoutes(app, { ...options, answer });
  writeRoutes(app, options);
  liveRoutes(app, options);
  explorerRoutes(app);
  openApiRoutes(app, { routes, version: options.version });
  return pages;
}

async function listen(
  { app, routes }: Application,
  { host, port }: ListenOptions,
  setting: 'http' | 'admin',
): Promise<HttpServer> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const why = inUse ? 'is in use' : `cannot be listened on: ${errorText(cause)}`;
    throw new VisageError(
      inUse ? 'port_in_use' : 'cannot_listen',
      `port ${port} of ${host} ${why}; set ${setting}.port (and ${setting}.host), 0 takes any free port`,
      { cause, kind: 'usage' },
    );
  }
  const address = app.server.address();
  return {
    routes: routes.flatMap(({ method, url, config }) =>
      [method].flat().map((each) => ({ method: each, url, scope: config?.scope ?? null })),
    ),
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const force = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
      try {
        await app.close();
      } finally {
        clearTimeout(force);
      }
    },
  };
}
