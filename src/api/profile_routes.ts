// GET /profiles/{namespace}/{id}. PR1: an unknown profile is 404, never an empty one. PR2: reads at once are bounded.
// PR3: what is answered is of this moment, and about a person: no cache keeps it.
import type { FastifyInstance } from 'fastify';
import { VisageError } from '../base/errors.ts';
import { parseDuration } from '../base/time.ts';
import type { ProfileQuery, ReadService } from '../ports/reads.ts';
import { sendProblem } from './problem.ts';

const READS_MAX = 1_000;
const TIMEOUT_MS_MAX = 30_000;
const KNOWN = ['after', 'timeout'] as const;

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export function profileRoutes(app: FastifyInstance, reads: ReadService, onDefect: (error: unknown) => void): void {
  let inFlight = 0;
  app.get('/profiles/:namespace/:id', async (request, reply) => {
    inFlight++;
    try {
      if (inFlight > READS_MAX) throw new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' });
      const view = await reads.profile(queryOf(request.params as { namespace: string; id: string }, request.query as Query));
      if (view === undefined) throw new VisageError('not_found', 'there is no such profile', { kind: 'usage' });
      return await reply.header('cache-control', 'no-store').type('application/json').send(JSON.stringify(view));
    } catch (error) {
      if (!(error instanceof VisageError)) onDefect(error);
      return await sendProblem(reply, error);
    } finally {
      inFlight--;
    }
  });
}

function queryOf({ namespace, id }: { readonly namespace: string; readonly id: string }, query: Query): ProfileQuery {
  for (const key of Object.keys(query))
    if (!(KNOWN as readonly string[]).includes(key)) throw bad(`unknown parameter; known: ${KNOWN.join(', ')}`);
  return { namespace, id, ...afterOf(query['after']), ...timeoutOf(query['timeout']) };
}

function afterOf(text: Query[string]): { after?: number } {
  if (text === undefined) return {};
  const after = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(after)) throw bad('after must be a sequence: a whole number, 0 or more');
  return { after };
}

function timeoutOf(text: Query[string]): { timeoutMs?: number } {
  if (text === undefined) return {};
  let timeoutMs = NaN;
  try {
    if (typeof text === 'string') timeoutMs = parseDuration(text);
  } catch {
    // said below, without repeating it
  }
  if (!(timeoutMs <= TIMEOUT_MS_MAX)) throw bad('timeout must be one duration of at most 30s, e.g. 2s');
  return { timeoutMs };
}

function bad(message: string): VisageError {
  return new VisageError('bad_query', message, { kind: 'usage' });
}
