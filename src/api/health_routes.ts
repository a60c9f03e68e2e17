// /healthz, /readyz, /metrics: for orchestrators and Prometheus.
// HR1: /healthz answers while the event loop turns; it depends on nothing else. HR2: no profile data on any of them.
import type { FastifyInstance } from 'fastify';
import type { Health } from '../ports/health.ts';
import type { MetricsPage } from '../ports/metrics.ts';

export function healthRoutes(app: FastifyInstance, health: Health, metrics: MetricsPage): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_, reply) => {
    const readiness = health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
}
