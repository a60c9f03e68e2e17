// GET /definitions, /shards: what is live in the root, and who has which shard, how far.
import type { FastifyInstance } from 'fastify';
import type { ReadService, ShardSummary, WorkerStatus } from '../ports/reads.ts';
import { refTo } from './answer_schemas.ts';
import type { Answer } from './answers.ts';
import { parameters } from './request_schemas.ts';
import { answersOf } from './route_schema.ts';

export function rootRoutes(
  app: FastifyInstance,
  { reads, answer }: { readonly reads: ReadService; readonly answer: Answer },
): void {
  const config = { scope: 'read' } as const;
  const querystring = parameters({});
  app.get(
    '/definitions',
    {
      config,
      schema: {
        tags: ['definitions'],
        summary: 'The live definitions, and since when they are',
        querystring,
        response: answersOf('the definitions', refTo('Definitions'), [
          'bad_query',
          'shard_not_ready',
          'no_definitions',
          'unavailable',
          'too_many_reads',
        ]),
      },
    },
    (_, reply) => answer(reply, () => reads.definitions()),
  );
  app.get(
    '/shards',
    {
      config,
      schema: {
        tags: ['worker'],
        summary: 'Every shard, as its owner says, and every worker',
        querystring,
        response: answersOf('the shards', refTo('Shards'), ['bad_query', 'too_many_reads']),
      },
    },
    (_, reply) => answer(reply, async () => withOwners(await reads.status())),
  );
}

/** `owner` is the instance here: it is what people call a worker. */
function withOwners(status: WorkerStatus): WorkerStatus {
  const owned = ({ instance, ...shard }: ShardSummary): ShardSummary => ({ ...shard, owner: instance ?? null });
  return { ...status, shards: status.shards.map(owned) };
}
