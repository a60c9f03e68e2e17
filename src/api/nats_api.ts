// Reads over NATS request and reply: `<root>.api.<verb>`, JSON in, JSON out.
// NA1: an answer is `{ "ok": … }` or `{ "error": { code, message } }`; a request that cannot be read is an error, never silence.
// NA2: nothing of a request is logged: it names a person.
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { apiSubject } from '../message/subject.ts';
import type { EventsQuery, ExplainQuery, ExportQuery, ProfileQuery, ReadService } from '../ports/reads.ts';
import { isTooMany } from './problem.ts';
import { fitExplanation } from '../profile/fit_explanation.ts';

const VERBS = ['profile', 'explain', 'events', 'export', 'status'] as const;
type Verb = (typeof VERBS)[number];
const IN_FLIGHT_MAX = 10_000;
const FLUSH_MS = 500;
/** For what is around an answer. */
const ROOM_BYTES = 1024;

export interface NatsApi {
  /** Takes no more requests. */
  close(): void;
  /** Resolves when the answers to those taken are with the server; a server that is away is not waited for. */
  answered(): Promise<void>;
}

/** Answers reads. `onDefect` hears of errors that are no VisageError. */
export function serveNatsApi(options: {
  nc: NatsConnection;
  root: string;
  reads: ReadService;
  /** Hears of each read that was one too many. */
  onRefused: () => void;
  onDefect: (error: unknown) => void;
}): NatsApi {
  const inFlight = new Set<Promise<void>>();
  const subscriptions = VERBS.map((verb) =>
    options.nc.subscribe(apiSubject(options.root, verb), {
      callback: (error, message) => {
        if (error !== null) return;
        if (inFlight.size >= IN_FLIGHT_MAX) {
          options.onRefused();
          return respondError(message, new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' }));
        }
        const bytesMax = (options.nc.info?.max_payload ?? Infinity) - ROOM_BYTES;
        const answering = answer(options.reads, verb, message, bytesMax)
          .then((ok) => respond(message, JSON.stringify({ ok: ok ?? null }), bytesMax))
          .catch((thrown: unknown) => {
            if (options.nc.isClosed()) return; // nobody can be told any more
            if (!(thrown instanceof VisageError)) options.onDefect(thrown);
            else if (isTooMany(thrown)) options.onRefused();
            respondError(message, thrown);
          })
          .catch(options.onDefect)
          .finally(() => inFlight.delete(answering));
        inFlight.add(answering);
      },
    }),
  );
  return {
    close: () => subscriptions.forEach((subscription) => subscription.unsubscribe()),
    async answered() {
      await Promise.all(inFlight);
      if (options.nc.isClosed()) return;
      await Promise.race([options.nc.flush().catch(() => undefined), new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
    },
  };
}

/** @param bytesMax the server takes no larger answer */
async function answer(reads: ReadService, verb: Verb, message: Msg, bytesMax: number): Promise<unknown> {
  switch (verb) {
    case 'status':
      return reads.status();
    case 'profile':
      return reads.profile(profileQuery(parse(message)));
    case 'explain': {
      const explanation = await reads.explain(explainQuery(parse(message)));
      return explanation !== undefined && 'events' in explanation ? fitExplanation(explanation, bytesMax) : explanation;
    }
    case 'events':
      return reads.events(eventsQuery(parse(message)), bytesMax);
    case 'export':
      return reads.exportPage(exportQuery(parse(message)));
  }
}

function parse(message: Msg): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(message.string());
    if (typeof data === 'object' && data !== null) return data as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new VisageError('bad_request', 'the request must be a JSON object', { kind: 'usage' });
}

function identityQuery(data: Record<string, unknown>): Pick<ProfileQuery, 'namespace' | 'id' | 'after' | 'timeoutMs'> {
  const { namespace, id, after, timeoutMs } = data;
  if (typeof namespace !== 'string' || typeof id !== 'string')
    throw new VisageError('bad_request', 'namespace and id must be strings', { kind: 'usage' });
  return { namespace, id, ...wholeNumber('after', after), ...wholeNumber('timeoutMs', timeoutMs) };
}

function profileQuery(data: Record<string, unknown>): ProfileQuery {
  return { ...identityQuery(data), ...textOf('policy', data), ...textsOf('fields', data) };
}

function explainQuery(data: Record<string, unknown>): ExplainQuery {
  const { field, limit } = data;
  if (typeof field !== 'string') throw new VisageError('bad_request', 'field must be a string', { kind: 'usage' });
  return { ...identityQuery(data), ...textOf('policy', data), field, ...wholeNumber('limit', limit) };
}

function eventsQuery(data: Record<string, unknown>): EventsQuery {
  return {
    ...identityQuery(data),
    ...textOf('start', data),
    ...textOf('end', data),
    ...textsOf('types', data),
    ...textsOf('properties', data),
    ...textOf('order', data),
    ...wholeNumber('limit', data['limit']),
    ...textOf('page', data),
  };
}

function exportQuery(data: Record<string, unknown>): ExportQuery {
  const { shard, cut, after, policy } = data;
  if (typeof shard !== 'number' || typeof cut !== 'string' || typeof after !== 'string')
    throw new VisageError('bad_request', 'shard, cut and after are needed', { kind: 'usage' });
  if (policy !== undefined && typeof policy !== 'string')
    throw new VisageError('bad_request', 'policy must be a string', { kind: 'usage' });
  return { shard, cut, after, ...(policy === undefined ? {} : { policy }) };
}

function wholeNumber<N extends string>(name: N, value: unknown): { [key in N]?: number } {
  if (value === undefined) return {};
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new VisageError('bad_request', `${name} must be a whole number, 0 or more`, { kind: 'usage' });
  return { [name]: value } as { [key in N]?: number };
}

function textOf<N extends string>(name: N, data: Record<string, unknown>): { [key in N]?: string } {
  const value = data[name];
  if (value === undefined) return {};
  if (typeof value !== 'string') throw new VisageError('bad_request', `${name} must be a string`, { kind: 'usage' });
  return { [name]: value } as { [key in N]?: string };
}

function textsOf<N extends string>(name: N, data: Record<string, unknown>): { [key in N]?: readonly string[] } {
  const value = data[name];
  if (value === undefined) return {};
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw new VisageError('bad_request', `${name} must be an array of strings`, { kind: 'usage' });
  return { [name]: value as readonly string[] } as { [key in N]?: readonly string[] };
}

/** @throws VisageError `too_large` (refuse): the server would cut the connection */
function respond(message: Msg, answer: string, bytesMax: number): void {
  if (Buffer.byteLength(answer) > bytesMax + ROOM_BYTES)
    throw new VisageError('too_large', 'the answer is larger than the server carries: ask for less, or over HTTP', {
      kind: 'refuse',
    });
  message.respond(answer);
}

function respondError(message: Msg, thrown: unknown): void {
  const known = thrown instanceof VisageError;
  message.respond(
    JSON.stringify({
      error: {
        code: known ? thrown.code : 'defect',
        message: known ? thrown.message : 'the worker could not answer; its log says why',
      },
    }),
  );
}
