// /healthz, /readyz, /metrics: for orchestrators and Prometheus.
// HEAD is answered too: some load balancers ask with it.
// HR1: /healthz answers while the event loop turns; it depends on nothing else. HR2: no profile data on any of them.
import type { FastifyInstance } from 'fastify';
import type { Health } from '../ports/health.ts';
import type { MetricsPage } from '../ports/metrics.ts';
import { refTo } from './answer_schemas.ts';
import { answersOf } from './route_schema.ts';

const READINESS = { 'application/json': { schema: refTo('Readiness') } };

export function healthRoutes(app: FastifyInstance, health: Health, metrics: MetricsPage): void {
  const open = { exposeHeadRoute: true, config: { scope: 'open' } } as const;
  const tags = ['worker'];
  const alive = answersOf('alive', refTo('Health'), []);
  app.get('/healthz', { ...open, schema: { tags, summary: 'Does the worker turn?', response: alive } }, () => ({ status: 'ok' }));
  const response = {
    200: { description: 'ready', content: READINESS },
    503: { description: 'not ready: `reasons` say why', content: READINESS },
  };
  app.get('/readyz', { ...open, schema: { tags, summary: 'Is the worker ready?', response } }, (_, reply) => {
    const readiness = health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  const page = { 200: { description: 'the metrics', content: { 'text/plain': { schema: { type: 'string' } } } } };
  app.get(
    '/metrics',
    { ...open, schema: { tags, summary: "Metrics in Prometheus's text format", response: page } },
    async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
