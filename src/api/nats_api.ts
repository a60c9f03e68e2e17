// Reads over NATS request and reply: `<root>.api.<verb>`, JSON in, JSON out.
// NA1: an answer is `{ "ok": … }` or `{ "error": { code, message } }`; a request that cannot be read is an error, never silence.
// NA2: nothing of a request is logged: it names a person.
// NA3: any worker takes a request; `<root>.api.shard.<p>.<verb>` is heard by the shard's owner alone, and is never passed on.
// NA4: see may_answer.ts.
import { setTimeout as delay } from 'node:timers/promises';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { apiSubject } from '../message/subject.ts';
import type { EventsQuery, ExplainQuery, ExportQuery, ProfileQuery, ReadService } from '../ports/reads.ts';
import { isTooMany } from './problem.ts';
import { fitExplanation } from '../profile/fit_explanation.ts';
import { shardSubject, WORKERS_QUEUE, workerSubject } from './forward.ts';
import { mayAnswer } from './may_answer.ts';

const VERBS = ['profile', 'explain', 'events', 'export', 'status'] as const;
type Verb = (typeof VERBS)[number];
const IN_FLIGHT_MAX = 10_000;
const FLUSH_MS = 500;
/** Who still waits for another worker then is told by its own deadline. */
const ANSWERS_MS_MAX = 6_000;
/** For what is around an answer. */
const ROOM_BYTES = 1024;

/** What the owner of a shard does beside reads, by verb. */
export type ShardActions = Readonly<Record<string, (shard: number, query: Record<string, unknown>) => Promise<unknown>>>;

export interface NatsApi {
  /** From now on this worker answers for the shard. */
  open(shard: number): void;
  /** It does not any more. */
  leave(shard: number): void;
  /** Leaves requests of any shard to the other workers. */
  retire(): void;
  /** Takes no more requests. */
  close(): void;
  /** Resolves when the answers to those taken are with the server; a server that is away is not waited for. */
  answered(): Promise<void>;
}

export type NatsApiOptions = {
  readonly nc: NatsConnection;
  readonly root: string;
  readonly owner: string;
  /** Answers for every shard, through its owner. */
  readonly reads: ReadService;
  /** Answers for the shards that are here. */
  readonly local: ReadService;
  readonly actions: ShardActions;
  /** Hears of each read that was one too many. */
  readonly onRefused: () => void;
  readonly onDefect: (error: unknown) => void;
};

/** Answers reads. `onDefect` hears of errors that are no VisageError. */
export function serveNatsApi(options: NatsApiOptions): NatsApi {
  const { nc, root, owner, reads, local, actions, onRefused, onDefect } = options;
  const inFlight = new Set<Promise<void>>();
  const doors = new Map<number, Subscription>();
  let closing: Promise<unknown> = Promise.resolve();
  const take = (message: Msg, act: (bytesMax: number) => Promise<unknown>): void => {
    if (!mayAnswer(root, message)) return;
    if (inFlight.size >= IN_FLIGHT_MAX) {
      onRefused();
      return respondError(message, new VisageError('too_many_reads', 'too many reads at once; try again', { kind: 'retry' }));
    }
    const bytesMax = (nc.info?.max_payload ?? Infinity) - ROOM_BYTES;
    const answering = act(bytesMax)
      .then((ok) => respond(message, JSON.stringify({ ok: ok ?? null }), bytesMax))
      .catch((thrown: unknown) => {
        if (nc.isClosed()) return; // nobody can be told any more
        if (!(thrown instanceof VisageError)) onDefect(thrown);
        else if (isTooMany(thrown)) onRefused();
        respondError(message, thrown);
      })
      .catch(onDefect)
      .finally(() => inFlight.delete(answering));
    inFlight.add(answering);
  };
  const subscriptions = VERBS.map((verb) =>
    nc.subscribe(apiSubject(root, verb), {
      queue: WORKERS_QUEUE,
      callback: (error, message) => {
        if (error === null) take(message, (bytesMax) => answer(reads, verb, message, bytesMax));
      },
    }),
  );
  subscriptions.push(
    nc.subscribe(workerSubject(root, owner, 'status'), {
      callback: (error, message) => {
        if (error === null) take(message, async () => local.status());
      },
    }),
  );
  const ofShard = async (shard: number, message: Msg, bytesMax: number): Promise<unknown> => {
    const verb = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    if ((VERBS as readonly string[]).includes(verb)) return answer(local, verb as Verb, message, bytesMax);
    const action = actions[verb];
    if (action === undefined) throw new VisageError('bad_request', 'there is no such request', { kind: 'usage' });
    return action(shard, parse(message));
  };
  return {
    open: (shard) => {
      if (doors.has(shard) || nc.isClosed()) return;
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null) take(message, (bytesMax) => ofShard(shard, message, bytesMax));
      };
      doors.set(shard, nc.subscribe(shardSubject(root, shard, '*'), { callback }));
    },
    leave: (shard) => {
      // what is on its way is told that the shard is elsewhere: whoever asks then asks again
      doors
        .get(shard)
        ?.drain()
        .catch(() => undefined);
      doors.delete(shard);
    },
    retire: () => {
      for (const subscription of subscriptions.splice(0)) void subscription.drain().catch(() => undefined);
    },
    close: () => {
      closing = Promise.allSettled([...subscriptions, ...doors.values()].map((subscription) => subscription.drain()));
    },
    async answered() {
      await atMost(FLUSH_MS, closing); // what the server had sent already is answered
      await atMost(ANSWERS_MS_MAX, Promise.all(inFlight));
      if (nc.isClosed()) return;
      await atMost(
        FLUSH_MS,
        nc.flush().catch(() => undefined),
      );
    },
  };
}

/** Waits no longer than that, and leaves no timer behind: a process whose worker has stopped would stay for it. */
async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, delay(ms, undefined, { signal: over.signal }).catch(() => undefined)]).finally(() => over.abort());
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
        ...(known ? { kind: thrown.kind } : {}),
      },
    }),
  );
}
