// GET /profiles/{namespace}/{id}, …/explain/{field}, …/events; /schemas/union/{class}.
import type { FastifyInstance } from 'fastify';
import type { ReadService } from '../ports/reads.ts';
import { refTo } from './answer_schemas.ts';
import type { Answer } from './answers.ts';
import { eventsOf, fieldsOf, readOf, type EventsParameters, type ReadParameters } from './read_query.ts';
import { AFTER, EVENTS, FIELDS, IDENTITY, LIMIT, parameters, POLICY, TEXT, TIMEOUT } from './request_schemas.ts';
import { answersOf, READ_PROBLEMS } from './route_schema.ts';

type Named = { readonly namespace: string; readonly id: string };

export type ProfileRoutes = { readonly reads: ReadService; readonly answer: Answer };

export function profileRoutes(app: FastifyInstance, { reads, answer }: ProfileRoutes): void {
  const config = { scope: 'read' } as const;
  app.get<{ Params: Named; Querystring: ReadParameters }>(
    '/profiles/:namespace/:id',
    {
      config,
      schema: {
        tags: ['profiles'],
        summary: 'A profile',
        params: parameters(IDENTITY),
        querystring: parameters({ policy: POLICY, fields: FIELDS, after: AFTER, timeout: TIMEOUT }),
        response: answersOf('the profile', refTo('Profile'), [...READ_PROBLEMS, 'no_such_policy', 'not_yet']),
      },
    },
    ({ params, query }, reply) => answer(reply, () => reads.profile({ ...params, ...readOf(query), ...fieldsOf(query) })),
  );
  app.get<{ Params: Named & { readonly field: string }; Querystring: ReadParameters }>(
    '/profiles/:namespace/:id/explain/:field',
    {
      config,
      schema: {
        tags: ['profiles'],
        summary: 'Why a value is what it is',
        description: 'Of a computed attribute: the events that count. Of a field of the records: who says what, and who wins.',
        params: parameters({
          ...IDENTITY,
          field: { ...TEXT, description: 'a computed attribute, or the path of a record field' },
        }),
        querystring: parameters({ policy: POLICY, limit: LIMIT, after: AFTER, timeout: TIMEOUT }),
        response: answersOf('the explanation', { anyOf: [refTo('Explanation'), refTo('FieldExplanation')] }, [
          ...READ_PROBLEMS,
          'no_such_field',
          'no_such_policy',
          'too_much_history',
          'too_large',
          'too_many_explains',
          'not_yet',
          'explain_timeout',
        ]),
      },
    },
    ({ params, query }, reply) => answer(reply, () => reads.explain({ ...params, ...readOf(query) })),
  );
  app.get<{ Params: Named; Querystring: EventsParameters }>(
    '/profiles/:namespace/:id/events',
    {
      config,
      schema: {
        tags: ['profiles'],
        summary: 'The events that count for a profile, page by page',
        params: parameters(IDENTITY),
        querystring: parameters({ ...EVENTS, limit: LIMIT, after: AFTER, timeout: TIMEOUT }),
        response: answersOf('a page of events', refTo('EventsPage'), [
          ...READ_PROBLEMS,
          'too_much_history',
          'too_large',
          'not_yet',
          'events_timeout',
        ]),
      },
    },
    ({ params, query }, reply) => answer(reply, () => reads.events({ ...params, ...readOf(query), ...eventsOf(query) })),
  );
  app.get<{ Params: { readonly class: string } }>(
    '/schemas/union/:class',
    {
      config,
      schema: {
        tags: ['definitions'],
        summary: 'Which fields the profiles of a class can have, and who contributes them',
        params: parameters({ class: { ...TEXT, description: 'a class of schemas', examples: ['individual'] } }),
        querystring: parameters({}),
        response: answersOf('the union schema', refTo('UnionSchema'), [
          'no_such_class',
          'bad_query',
          'shard_not_ready',
          'unavailable',
          'no_definitions',
          'too_many_reads',
        ]),
      },
    },
    ({ params }, reply) => answer(reply, () => reads.unionSchema(params.class)),
  );
}
