// /healthz, /readyz, /metrics: for orchestrators and Prometheus.
// HEAD is answered too: some load balancers ask with it.
// HR1: /healthz answers while the event loop turns; it depends on nothing else. HR2: no profile data on any of them.
import type { FastifyInstance } from 'fastify';
import type { Health } from '../ports/health.ts';
import type { MetricsPage } from '../ports/metrics.ts';
import './route_scope.ts';

const HEAD_TOO = { exposeHeadRoute: true, config: { scope: 'open' } } as const;

export function healthRoutes(app: FastifyInstance, health: Health, metrics: MetricsPage): void {
  app.get('/healthz', HEAD_TOO, () => ({ status: 'ok' }));
  app.get('/readyz', HEAD_TOO, (_, reply) => {
    const readiness = health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  app.get('/metrics', HEAD_TOO, async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
}
