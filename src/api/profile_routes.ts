// GET /profiles/{namespace}/{id}, …/explain/{field}, …/events; /schemas/union/{class}. PR1: an unknown profile is 404, never an empty one.
// PR2: reads at once are bounded. PR3: what is answered is of this moment, and about a person: no cache keeps it.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { VisageError } from '../base/errors.ts';
import type { ReadService } from '../ports/reads.ts';
import { isTooMany, sendProblem } from './problem.ts';
import './route_scope.ts';
import { afterOf, eventsOf, fieldsOf, limitOf, policyOf, refuseUnknown, timeoutOf, type Query } from './read_query.ts';

const READS_MAX = 1_000;
const READ = { config: { scope: 'read' } } as const;

type Named = { readonly namespace: string; readonly id: string };

export type ProfileRoutes = {
  readonly reads: ReadService;
  /** Hears of each read that was one too many. */
  readonly onRefused: () => void;
  readonly onDefect: (error: unknown) => void;
};

export function profileRoutes(app: FastifyInstance, { reads, onRefused, onDefect }: ProfileRoutes): void {
  let inFlight = 0;
  /** Undefined is an unknown profile. */
  const answer = async (reply: FastifyReply, read: () => Promise<unknown>): Promise<FastifyReply> => {
    inFlight++;
    try {
      if (inFlight > READS_MAX) throw new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' });
      const found = await read();
      if (found === undefined) throw new VisageError('not_found', 'there is no such profile', { kind: 'usage' });
      return await reply.header('cache-control', 'no-store').type('application/json').send(JSON.stringify(found));
    } catch (error) {
      if (!(error instanceof VisageError)) onDefect(error);
      else if (isTooMany(error)) onRefused();
      return await sendProblem(reply, error);
    } finally {
      inFlight--;
    }
  };
  app.get('/profiles/:namespace/:id', READ, (request, reply) =>
    answer(reply, async () => {
      const query = request.query as Query;
      refuseUnknown(query, ['policy', 'fields', 'after', 'timeout']);
      const named = request.params as Named;
      return reads.profile({ ...named, ...policyOf(query), ...fieldsOf(query), ...afterOf(query), ...timeoutOf(query) });
    }),
  );
  app.get('/profiles/:namespace/:id/explain/:field', READ, (request, reply) =>
    answer(reply, async () => {
      const query = request.query as Query;
      refuseUnknown(query, ['policy', 'limit', 'after', 'timeout']);
      const named = request.params as Named & { readonly field: string };
      return reads.explain({ ...named, ...policyOf(query), ...limitOf(query), ...afterOf(query), ...timeoutOf(query) });
    }),
  );
  app.get('/profiles/:namespace/:id/events', READ, (request, reply) =>
    answer(reply, async () => {
      const query = request.query as Query;
      refuseUnknown(query, ['start', 'end', 'type', 'property', 'order', 'limit', 'page', 'after', 'timeout']);
      const named = request.params as Named;
      return reads.events({ ...named, ...eventsOf(query), ...limitOf(query), ...afterOf(query), ...timeoutOf(query) });
    }),
  );
  app.get('/schemas/union/:class', READ, (request, reply) =>
    answer(reply, async () => {
      refuseUnknown(request.query as Query, []);
      return reads.unionSchema((request.params as { readonly class: string }).class);
    }),
  );
}
