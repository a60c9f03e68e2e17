// GET /profiles/{namespace}/{id}/changes: a profile's change events as they happen, until either side ends it.
// LR1: first comes `ready` with the version that a read has at that moment; whatever the profile becomes after it is an event. The first
//      event may begin at an earlier version than that, never at a later one.
// LR2: `id` is a position: with it in `Last-Event-ID`, or as `from`, any worker goes on behind it. Where that cannot be, `reset` says so.
// LR3: at most STREAMS_MAX at once; each holds what event_stream.ts lets it hold, also while `ready` is not out.
// LR4: a stream ends within seconds when its token is taken away.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { VisageError } from '../base/errors.ts';
import type { ChangeFeed, ChangeListener, ChangesQuery, ChangeSubscription, LostWhy } from '../ports/changes.ts';
import type { LiveMeter } from '../ports/metrics.ts';
import type { ReadService } from '../ports/reads.ts';
import { EventStream } from './event_stream.ts';
import './auth.ts';
import { isQueued, oneAtATime } from './pipelined.ts';
import { isTooMany, sendProblem } from './problem.ts';
import { IDENTITY, parameters, TEXT } from './request_schemas.ts';
import { problemsOf, READ_PROBLEMS } from './route_schema.ts';

const STREAMS_MAX = 1_000;
const ALLOWED_LOOK_MS = 2_000;
const PENDING_BYTES_MAX = 1024 * 1024;

const CHANGES_SCHEMA = {
  tags: ['profiles'],
  summary: 'What a profile becomes, live: server-sent events',
  description: 'First `ready`, then a `change` with the CloudEvent of each change; `reset` where it cannot go on without a gap.',
  params: parameters(IDENTITY),
  querystring: parameters({ from: { ...TEXT, description: 'the position after which to go on: the `id` of an event' } }),
  headers: { type: 'object', properties: { 'Last-Event-ID': { ...TEXT, description: 'as `from`, and goes before it' } } },
  response: {
    200: { description: 'a stream of events', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    ...problemsOf([...READ_PROBLEMS, 'too_many_streams', 'pipelined']),
  },
};

export type LiveRoutes = {
  readonly changes: ChangeFeed;
  readonly reads: Pick<ReadService, 'profile'>;
  readonly live: LiveMeter;
  /** Hears of each stream that was one too many. */
  readonly onRefused: () => void;
  readonly onDefect: (error: unknown) => void;
};

export function liveRoutes(app: FastifyInstance, options: LiveRoutes): void {
  const { changes, reads, live, onRefused, onDefect } = options;
  const open = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { namespace, id } = request.params as { readonly namespace: string; readonly id: string };
    const outlet = new Outlet(live, reply);
    const subscription = await changes.subscribe({ namespace, id, ...positionOf(request) }, outlet);
    const close = (): void => {
      outlet.abandon();
      subscription.close();
    };
    if (reply.raw.closed) return close();
    reply.raw.once('close', close);
    try {
      const version = (await reads.profile({ namespace, id }))?.version ?? null;
      if (reply.raw.closed) return;
      reply.hijack();
      outlet.begin(subscription, version);
    } catch (error) {
      close();
      throw error;
    }
  };
  app.get('/profiles/:namespace/:id/changes', { config: { scope: 'read' }, schema: CHANGES_SCHEMA }, async (request, reply) => {
    if (isQueued(reply)) return sendProblem(reply, oneAtATime());
    if (live.open >= STREAMS_MAX) {
      onRefused();
      return sendProblem(reply, new VisageError('too_many_streams', 'too many look on already; try again', { kind: 'retry' }));
    }
    live.open++;
    const looking = setInterval(() => {
      if (!request.isStillAllowed()) reply.raw.destroy();
    }, ALLOWED_LOOK_MS);
    reply.raw.once('close', () => {
      live.open--;
      clearInterval(looking);
    });
    try {
      await open(request, reply);
    } catch (error) {
      if (!(error instanceof VisageError)) onDefect(error);
      else if (isTooMany(error)) onRefused();
      return sendProblem(reply, error);
    }
    return reply;
  });
}

/** A browser that comes again says where it was in the header, and leaves the address as it was. */
function positionOf(request: FastifyRequest): Pick<ChangesQuery, 'from'> {
  const header = request.headers['last-event-id'];
  if (typeof header === 'string' && header !== '') return { from: header };
  const { from } = request.query as { readonly from?: string };
  return from === undefined ? {} : { from };
}

/** Takes change events from the first moment; they go out behind `ready`. */
class Outlet implements ChangeListener {
  private readonly live: LiveMeter;
  private readonly reply: FastifyReply;
  private stream: EventStream | undefined;
  private readonly begun = Promise.withResolvers<void>();
  private pending: ((stream: EventStream) => void)[] = [];
  private pendingBytes = 0;

  constructor(live: LiveMeter, reply: FastifyReply) {
    this.live = live;
    this.reply = reply;
  }

  begin(subscription: ChangeSubscription, version: number | null): void {
    const { live, reply, pending } = this;
    const stream = new EventStream({
      response: reply.raw,
      headers: reply.getHeaders(),
      position: () => subscription.position,
      onCutOff: (why) => live.cutOff[why]++,
    });
    // with a position it would say that what is pending was seen
    stream.event('ready', JSON.stringify({ version }), pending.length === 0 ? subscription.position : undefined);
    this.stream = stream;
    this.pending = [];
    for (const act of pending) act(stream);
    this.begun.resolve();
  }

  change(event: string, position: string): void {
    this.act(event.length, (stream) => {
      this.live.events++;
      stream.event('change', event, position);
    });
  }

  lost(reason: LostWhy, position: string): void {
    this.act(0, (stream) => {
      this.live.resets++;
      stream.event('reset', JSON.stringify({ reason }), position);
    });
  }

  end(): void {
    this.act(0, (stream) => stream.end());
  }

  async drained(): Promise<void> {
    await this.begun.promise;
    await this.stream?.drained();
  }

  /** Nobody waits for it any more, whether it has begun or not. */
  abandon(): void {
    this.begun.resolve();
  }

  private act(bytes: number, act: (stream: EventStream) => void): void {
    const { stream, live, reply } = this;
    if (stream !== undefined) return act(stream);
    this.pending.push(act);
    this.pendingBytes += bytes;
    if (this.pendingBytes <= PENDING_BYTES_MAX || reply.raw.destroyed) return;
    live.cutOff.slow++;
    reply.raw.destroy();
  }
}
