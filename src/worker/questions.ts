// What is asked of workers over NATS, whichever of them takes it: for commands, and for programs that read.
import type { Connection } from '../nats/connection.ts';
import { VisageError } from '../base/errors.ts';
import { apiSubject } from '../message/subject.ts';
import type { EventsQuery, ExplainQuery, ProfileQuery, WorkerStatus } from '../ports/reads.ts';
import type { EventsPage } from '../profile/events_page.ts';
import type { Explanation, FieldExplanation } from '../profile/explanation.ts';
import type { ProfileView } from '../profile/view.ts';
import { askWorker } from '../api/forward.ts';
import { notAllowed } from '../stream/permission.ts';

const REQUEST_MS = 35_000;
/** A profile is waited for so long when a read does not say; and its way takes at most this, over a worker that is not its shard's owner. */
const READ_MS = 5_000;
const WAY_MS = 5_000;

type Questions = {
  /** @throws VisageError from the worker, `no_worker` (retry), `not_allowed` */
  ask<T>(verb: string, query: unknown, timeoutMs?: number): Promise<T>;
  readonly reads: {
    profile(query: ProfileQuery): Promise<ProfileView | undefined>;
    explain(query: ExplainQuery): Promise<Explanation | FieldExplanation | undefined>;
    events(query: EventsQuery): Promise<EventsPage | undefined>;
    status(): Promise<WorkerStatus>;
  };
};

export function questions(nc: Connection, root: string): Questions {
  const ask = async <T>(verb: string, query: unknown, timeoutMs: number = REQUEST_MS): Promise<T> =>
    (await askWorker(nc, { subject: apiSubject(root, verb), query, timeoutMs }, (cause) => unanswered(root, cause))) as T;
  return {
    ask,
    reads: {
      profile: async (query) =>
        (await ask<ProfileView | null>('profile', query, (query.timeoutMs ?? READ_MS) + WAY_MS)) ?? undefined,
      explain: async (query) => (await ask<Explanation | FieldExplanation | null>('explain', query)) ?? undefined,
      events: async (query) => (await ask<EventsPage | null>('events', query)) ?? undefined,
      status: () => ask<WorkerStatus>('status', {}),
    },
  };
}

function unanswered(root: string, cause: unknown): VisageError {
  const text = `no worker of root '${root}' answers; start one with 'visage worker'`;
  return notAllowed(cause) ?? new VisageError('no_worker', text, { cause, kind: 'retry' });
}
