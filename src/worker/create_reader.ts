// A program that reads: profiles and why they are what they are, asked of the workers; change events, read from their stream.
// CR1: it needs the rights of a reader (config/nats/reader.conf) and no more: it writes nothing.
import type { Connection } from '../nats/connection.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import type { Identity } from '../message/identity.ts';
import { topologyOf } from '../message/subject.ts';
import { connectWith, type ConnectOptions } from '../nats/connect_options.ts';
import type { EventsQuery, ExplainQuery, ProfileQuery, WorkerStatus } from '../ports/reads.ts';
import type { ProfileShape, TypedProfile } from '../profile/change_event.ts';
import type { EventsPage } from '../profile/events_page.ts';
import type { Explanation, FieldExplanation } from '../profile/explanation.ts';
import { followChanges, type ChangeStream, type FollowOptions } from '../stream/follow_changes.ts';
import { openMetaBucket } from '../stream/meta_bucket.ts';
import { questions } from './questions.ts';

const FLUSH_MS = 500;

export type ReaderOptions = ConnectOptions & {
  /** Used instead of one of its own; `close` leaves it open. */
  readonly connection?: Connection;
  /** Default: visage */
  readonly root?: string;
};

type Of<Query extends Identity> = Omit<Query, keyof Identity>;

export interface Reader {
  /** Undefined: there is no such profile.
   *  @throws VisageError (usage) `bad_identity`, `bad_query`, `no_such_policy` · (retry) `not_yet`, `shard_not_ready`, `no_worker` · `not_allowed` */
  profile<T extends ProfileShape = ProfileShape>(
    identity: Identity,
    options?: Of<ProfileQuery>,
  ): Promise<TypedProfile<T> | undefined>;
  /** A page of the events that count for a profile; the `next` of a page is the `page` of the one behind. @throws as `profile`, and
   *  VisageError (refuse) `too_much_history`, `too_large` · (retry) `too_many_reads`, `events_timeout`, `unavailable` */
  events(identity: Identity, options?: Of<EventsQuery>): Promise<EventsPage | undefined>;
  /** Why a field is what it is: the name of a computed attribute, or the path of a record field. @throws as `events`, and VisageError
   *  (usage) `no_such_field` · (retry) `too_many_explains`, `explain_timeout` */
  explain(
    identity: Identity,
    field: string,
    options?: Omit<Of<ExplainQuery>, 'field'>,
  ): Promise<Explanation | FieldExplanation | undefined>;
  /** Of every shard, and who else is there. */
  status(): Promise<WorkerStatus>;
  /** Change events, of one profile or of all, from now or from a position on. Resolves when it stands there: what happens after that is in
   *  it. Each event is held against the one before of its profile.
   *  @throws VisageError (usage) `bad_query`: the position is none · (refuse) `position_lost`: what came next may be gone, or is another
   *  stream's; and from the iterator `chain_broken` · (retry) `stream_changed`, `unavailable` */
  subscribe<T extends ProfileShape = ProfileShape>(options?: FollowOptions): Promise<ChangeStream<T>>;
  /** Ends what it follows, and its connection if that is its own. */
  close(): Promise<void>;
}

/** Connects to a root that was set up. Cost: three requests.
 *  @throws VisageError `no_connection`, `not_authorized`, `tls_failed`, `bad_login`, `unreadable_file`, `server_too_old`, `not_set_up`, `not_allowed`,
 *  `bad_root` */
export async function createReader(options: ReaderOptions = {}): Promise<Reader> {
  const topology = topologyOf(options.root ?? 'visage');
  if (options.connection?.isClosed() === true)
    throw new VisageError('no_connection', 'the connection that was given is closed', { kind: 'usage' });
  const nc = options.connection ?? (await connectWith(options, 'visage reader'));
  const close = async (): Promise<void> => {
    if (options.connection !== undefined) return;
    // what ends the readers at the server is on its way; a server that is away ends them by itself
    await Promise.race([nc.flush().catch(() => undefined), delay(FLUSH_MS, undefined, { ref: false })]);
    await nc.close();
  };
  try {
    const partitions = await (await openMetaBucket(nc, topology)).partitions();
    return reader({ nc, topology, partitions, close });
  } catch (error) {
    await close();
    throw error;
  }
}

function reader(of: {
  readonly nc: Connection;
  readonly topology: ReturnType<typeof topologyOf>;
  readonly partitions: number;
  readonly close: () => Promise<void>;
}): Reader {
  const { nc, topology, partitions } = of;
  const { reads } = questions(nc, topology.root);
  const following = new Set<ChangeStream>();
  const endAll = async (): Promise<void> => {
    for (const stream of [...following]) await stream.close();
  };
  void nc.closed().then(endAll); // nothing comes over a connection that somebody else has closed
  return {
    profile: async <T extends ProfileShape>({ namespace, id }: Identity, options: Of<ProfileQuery> = {}) =>
      (await reads.profile({ ...options, namespace, id })) as TypedProfile<T> | undefined,
    events: ({ namespace, id }, options = {}) => reads.events({ ...options, namespace, id }),
    explain: ({ namespace, id }, field, options = {}) => reads.explain({ ...options, namespace, id, field }),
    status: () => reads.status(),
    async subscribe(options: FollowOptions = {}) {
      const stream: ChangeStream = await followChanges(
        { nc, topology, partitions, onEnd: () => following.delete(stream) },
        options,
      );
      following.add(stream);
      return stream;
    },
    async close() {
      await endAll();
      await of.close();
    },
  };
}
