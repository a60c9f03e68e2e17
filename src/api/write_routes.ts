// POST /datasets/{dataset}/messages, DELETE /profiles/{namespace}/{id}, POST …/erase, DELETE /datasets/{dataset}/profiles.
// WT1: whether there is room is looked at before a body is read, after who asks. WT2: nothing of a body or a path is repeated.
// WT3: only bodies that say they are JSON or NDJSON are taken (bodies.ts): a page of another site cannot send those without being asked first.
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteShorthandOptions } from 'fastify';
import { VisageError } from '../base/errors.ts';
import type { RecordOperation } from '../message/decode.ts';
import type { Identity } from '../message/identity.ts';
import { traceHeaders } from '../message/trace.ts';
import type { WriteOutcome, WriteService, Written } from '../ports/writes.ts';
import { audited, type Audit, type AuditEntry } from './audit.ts';
import { messageTexts } from './message_texts.ts';
import type { OnDefect } from './application.ts';
import { JSON_TYPE } from './bodies.ts';
import { isQueued, oneAtATime } from './pipelined.ts';
import { sendProblem } from './problem.ts';
import type { RouteScope } from './route_scope.ts';
import { answerWritten, faultOf } from './write_answer.ts';
import { WriteRoom } from './write_room.ts';
import {
  DELETE_DATASET_SCHEMA,
  DELETE_PROFILE_SCHEMA,
  ERASE_PROFILE_SCHEMA,
  MESSAGES_SCHEMA,
  NDJSON_TYPE,
} from './write_schemas.ts';

const BODY_BYTES_MAX = 8 * 1024 * 1024;
const DELETES_MAX = 100;
const OPERATION = 'visage-operation';
const LAST_UPDATED = 'visage-last-updated';

export type WriteRoutes = {
  readonly writes: WriteService;
  readonly audit: Audit;
  /** Hears how many messages ended how. */
  readonly onWritten: (outcome: WriteOutcome, messages: number) => void;
  readonly onDefect: OnDefect;
};

export function writeRoutes(app: FastifyInstance, options: WriteRoutes): void {
  // a part of its own: what it takes is nothing to the others
  app.register((part, _, done) => {
    messageRoute(part, options);
    done();
  });
  deleteRoutes(app, options);
}

function messageRoute(app: FastifyInstance, { writes, onWritten, onDefect }: WriteRoutes): void {
  const room = new WriteRoom();
  const leaving = new WeakMap<FastifyRequest, () => void>();
  const handled = new WeakSet<FastifyRequest>();
  app.addContentTypeParser<Buffer>([JSON_TYPE, NDJSON_TYPE], { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  app.route({
    method: 'POST',
    url: '/datasets/:dataset/messages',
    schema: MESSAGES_SCHEMA,
    config: { scope: 'write' },
    bodyLimit: BODY_BYTES_MAX,
    onRequest: (request, reply, done) => {
      if (isQueued(reply)) return void sendProblem(reply, oneAtATime());
      const declared = Number(request.headers['content-length'] ?? BODY_BYTES_MAX);
      const leave = room.enter(Math.min(declared, BODY_BYTES_MAX));
      if (leave === undefined) {
        onWritten('busy', 1);
        return void sendProblem(reply, tooMany());
      }
      leaving.set(request, leave);
      // a request that never gets to its handler ends with its connection, or its answer
      reply.raw.once('close', () => {
        if (!handled.has(request)) leave();
      });
      done();
    },
    handler: async (request, reply) => {
      handled.add(request);
      try {
        const written = await writes.write(batchOf(request));
        count(written, onWritten);
        return await answerWritten(reply, written);
      } catch (error) {
        return await failed(reply, error, onDefect);
      } finally {
        leaving.get(request)?.();
      }
    },
  });
}

function deleteRoutes(app: FastifyInstance, { writes, audit, onDefect }: WriteRoutes): void {
  let inFlight = 0;
  const accept = async (reply: FastifyReply, act: () => Promise<object>): Promise<FastifyReply> => {
    inFlight++;
    try {
      if (inFlight > DELETES_MAX) throw tooMany();
      const said = JSON.stringify(await act());
      return await reply.code(202).header('cache-control', 'no-store').type(JSON_TYPE).send(said);
    } catch (error) {
      return await failed(reply, error, onDefect);
    } finally {
      inFlight--;
    }
  };
  const page = (scope: RouteScope, action: AuditEntry['action'], schema: FastifySchema): RouteShorthandOptions => ({
    config: { scope },
    schema,
    onSend: audited(action, audit, writes),
  });
  app.delete('/profiles/:namespace/:id', page('delete', 'delete_profile', DELETE_PROFILE_SCHEMA), ({ params }, reply) =>
    accept(reply, () => writes.deleteProfile(params as Identity)),
  );
  app.post('/profiles/:namespace/:id/erase', page('admin', 'erase_profile', ERASE_PROFILE_SCHEMA), ({ params }, reply) =>
    accept(reply, () => writes.erase(params as Identity)),
  );
  app.delete('/datasets/:dataset/profiles', page('delete', 'delete_dataset', DELETE_DATASET_SCHEMA), ({ params, query }, reply) =>
    accept(reply, async () => {
      const { dataset } = params as { readonly dataset: string };
      if ((query as { readonly confirm?: string }).confirm !== dataset) throw notConfirmed();
      return { dataset, shards: await writes.deleteDataset(dataset) };
    }),
  );
}

/** @throws VisageError what is wrong with the request as a whole */
function batchOf(request: FastifyRequest): Parameters<WriteService['write']>[0] {
  const { dataset } = request.params as { readonly dataset: string };
  const { headers } = request;
  const operation = headers[OPERATION] as RecordOperation | undefined; // one of its schema's
  const lastUpdated = headers[LAST_UPDATED] as string | undefined;
  const identity = identityOf(request.query as Partial<Identity>);
  const body = request.body as Buffer | undefined;
  request.body = undefined; // the texts are all that is needed of it
  const isNothing = body === undefined || body.length === 0;
  const type = headers['content-type'] ?? '';
  const format = type.toLowerCase().startsWith(NDJSON_TYPE) ? 'ndjson' : 'json';
  const texts =
    isNothing && operation === 'delete' && identity !== undefined ? [null] : messageTexts(body ?? new Uint8Array(), format);
  if (identity !== undefined && texts.length > 1)
    throw new VisageError('bad_query', 'namespace and id are for a request with one message', { kind: 'usage' });
  return {
    dataset,
    texts,
    trace: traceHeaders(headers),
    ...(operation !== undefined && { operation }),
    ...(lastUpdated !== undefined && { lastUpdated }),
    ...(identity !== undefined && { identity }),
  };
}

function identityOf({ namespace, id }: Partial<Identity>): Identity | undefined {
  if (namespace !== undefined && id !== undefined) return { namespace, id };
  if (namespace === undefined && id === undefined) return undefined;
  throw new VisageError('bad_query', 'namespace and id go together', { kind: 'usage' });
}

function count(written: readonly Written[], onWritten: WriteRoutes['onWritten']): void {
  const outcomes = Map.groupBy(written, (each): WriteOutcome => {
    return 'error' in each ? faultOf(each.error) : 'stored';
  });
  for (const [outcome, messages] of outcomes) onWritten(outcome, messages.length);
}

function failed(reply: FastifyReply, error: unknown, onDefect: OnDefect): FastifyReply {
  if (!(error instanceof VisageError)) onDefect(error, reply.request.id);
  return sendProblem(reply, error);
}

function notConfirmed(): VisageError {
  const text = "this deletes what a dataset has said about every profile: say ?confirm= and the dataset's name";
  return new VisageError('not_confirmed', text, { kind: 'usage' });
}

function tooMany(): VisageError {
  return new VisageError('too_many_writes', 'too many writes at once; try again', { kind: 'retry' });
}
