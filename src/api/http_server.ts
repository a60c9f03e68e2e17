// The two listeners: the admin port (health and metrics, no profiles), the HTTP port (the same, and reads).
// HS1: nothing of a request is logged. HS2: whoever is slow is cut off: headers, body and idle connections have their time.
// HS3: `close` waits for answers under way, but no connection that is kept alive holds it up.
import { fastify, type FastifyInstance } from 'fastify';
import { errorText, VisageError } from '../base/errors.ts';
import type { Health } from '../ports/health.ts';
import type { MetricsPage } from '../ports/metrics.ts';
import { healthRoutes } from './health_routes.ts';
import { liveRoutes, type LiveRoutes } from './live_routes.ts';
import { problem, problemOnSocket, sendProblem } from './problem.ts';
import { profileRoutes, type ProfileRoutes } from './profile_routes.ts';

const BODY_BYTES_MAX = 64 * 1024;
/** An id of 512 bytes, every one of them percent-encoded. */
const PARAMETER_MAX = 3 * 512;
const CONNECTION_MS = 65_000;
const REQUEST_MS = 5_000;
/** Node looks for slow requests only so often; by itself every 30 s. */
const LOOK_MS = 1_000;
const CLOSE_MS = 1_000;

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

export type ListenOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: MetricsPage;
  /** Hears of errors that are no VisageError. */
  readonly onDefect: (error: unknown) => void;
};

/** @throws VisageError `port_in_use`, `cannot_listen` (usage) */
export function serveAdmin(options: ListenOptions): Promise<HttpServer> {
  const app = application(options);
  return listen(app, options, 'admin');
}

/** @throws VisageError `port_in_use`, `cannot_listen` (usage) */
export function serveHttp(options: ListenOptions & ProfileRoutes & LiveRoutes): Promise<HttpServer> {
  const app = application(options);
  profileRoutes(app, options);
  liveRoutes(app, options);
  return listen(app, options, 'http');
}

function application({ health, metrics, onDefect }: ListenOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PARAMETER_MAX },
    connectionTimeout: CONNECTION_MS,
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: REQUEST_MS, connectionsCheckingInterval: LOOK_MS },
    exposeHeadRoutes: false, // the pages are for GET
    return503OnClosing: false, // while it closes every page still says in its own way that the worker is stopping
    forceCloseConnections: 'idle',
    clientErrorHandler: problemOnSocket,
    frameworkErrors: (_, __, reply) =>
      void problem(reply, { status: 400, code: 'bad_path', detail: 'the path is not percent-encoded UTF-8, or too long' }),
  });
  app.removeAllContentTypeParsers(); // no page takes a body: a request that brings one gets the same answer as without
  app.setNotFoundHandler((_, reply) =>
    problem(reply, { status: 404, code: 'no_such_page', detail: 'there is no such page for this method' }),
  );
  app.setErrorHandler((error, _, reply) => {
    const { statusCode } = error as { statusCode?: number };
    if (statusCode !== undefined && statusCode < 500)
      return problem(reply, { status: statusCode, code: 'bad_request', detail: 'the request cannot be read' });
    onDefect(error);
    return sendProblem(reply, error);
  });
  // an answer under way when it closes is its connection's last: kept alive, it would hold `close` up
  app.addHook('onSend', (_, reply, __, done) => {
    if (!app.server.listening) reply.header('connection', 'close');
    done();
  });
  healthRoutes(app, health, metrics);
  return app;
}

async function listen(app: FastifyInstance, { host, port }: ListenOptions, setting: 'http' | 'admin'): Promise<HttpServer> {
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
