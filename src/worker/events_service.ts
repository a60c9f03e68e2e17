// Lists a profile's events: its view from its shard says that there is one and as of when, the log has the events.
// EV1: the pages of a list go up to one sequence, that of the first page: what comes meanwhile moves nothing. What is deleted meanwhile is
//      on no later page, nor what is past its time to live by then.
// EV2: everything has an end: so many at once, so much time, so many bytes; a worker that stops waits for none of it.
import { VisageError } from '../base/errors.ts';
import { formatTime, parseRfc3339 } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { EventsQuery } from '../ports/reads.ts';
import type { EventsPage } from '../profile/events_page.ts';
import { EventPage } from '../shard/event_page.ts';
import { eventQuery, pageToken, type EventQuery } from '../shard/event_query.ts';
import type { LogBeginning } from '../shard/explain.ts';
import type { Shard } from '../shard/shard.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import { endOf, profileNow, readEvents, type Ended, type ProfileNow } from './identity_reading.ts';
import { Turns } from '../stream/turns.ts';

const AT_ONCE = 2; // as for explanations
const WAITING_MAX = 16;
const ANSWER_BYTES_MAX = 16 * 1024 ** 2;
/** For what is around the events beside the profile's name. */
const AROUND_BYTES = 1024;

export type EventsRequest = {
  readonly shard: Shard;
  readonly key: IdentityKey;
  readonly query: EventsQuery;
  readonly timeoutMs: number;
  /** What the answer may take as JSON. */
  readonly bytesMax?: number | undefined;
};

/** Undefined: there is no such profile. @throws VisageError, see `ReadService` */
export type EventsService = (request: EventsRequest) => Promise<EventsPage | undefined>;

export function eventsService(options: {
  /** Undefined until the worker is connected. */
  readonly log: () => IdentityLog | undefined;
  readonly draining: () => boolean;
}): EventsService {
  const busy = (): VisageError =>
    new VisageError('too_many_reads', 'too many lists of events are being read; try again in a second', { kind: 'retry' });
  const turns = new Turns({ atOnce: AT_ONCE, waiting: WAITING_MAX, busy });
  return async ({ shard, key, query, timeoutMs, bytesMax = ANSWER_BYTES_MAX }) => {
    const asked = eventQuery(query);
    const log = options.log();
    if (log === undefined) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    const endMs = performance.now() + timeoutMs;
    const late = (): VisageError => {
      const text = `the events could not be read within ${timeoutMs} ms; try again, or allow more time`;
      return new VisageError('events_timeout', text, { kind: 'retry' });
    };
    const after = Math.max(query.after ?? 0, asked.after?.through ?? 0);
    const now = await profileNow({ shard, key, after, timeoutMs }, ({ state: _, ...rest }) => rest);
    if (now === undefined) return undefined;
    const ended = endOf({ ...options, endMs, late });
    return turns.run(endMs - performance.now(), () => pageFromLog({ now, asked, log, ended, bytesMax }));
  };
}

type ToList = {
  readonly now: Omit<ProfileNow, 'state'>;
  readonly asked: EventQuery;
  readonly log: IdentityLog;
  readonly ended: Ended;
  readonly bytesMax: number;
};

async function pageFromLog({ now, asked, log, ended, bytesMax }: ToList): Promise<EventsPage> {
  const { view, plan } = now;
  const { profile, shard, time } = view;
  const through = asked.after?.through ?? view.sequence;
  const room = Math.min(bytesMax, ANSWER_BYTES_MAX) - AROUND_BYTES - Buffer.byteLength(JSON.stringify(profile));
  const page = new EventPage({ query: asked, plan, nowMs: parseRfc3339(time), bytesMax: room });
  await readEvents({ now, log, through, ended }, (event) => page.take(event));
  const beginning = await log.beginning(); // now: it may have been trimmed while it was read
  const { events, last } = page.result();
  if (last !== null && events.length === 0)
    throw new VisageError('too_large', 'the next event is larger than an answer may be here; ask for it over HTTP', {
      kind: 'refuse',
    });
  const next = last === null ? null : pageToken(asked, through, last);
  return { profile, events, next, shard, sequence: through, time, ...missingOf(beginning, asked, now) };
}

/** Does the list lack events because the log has lost its beginning? Not those that are deleted anyway, or later than what is asked. */
function missingOf(beginning: LogBeginning, { startMs }: EventQuery, now: ToList['now']): { missing?: string } {
  if (beginning.sequence <= 1) return {};
  if ((now.deleted.tombstone?.sequence ?? 0) >= beginning.sequence - 1) return {};
  if (startMs > beginning.timeMs + now.settings.maxFutureSkewMs) return {};
  const beginsAt = beginning.timeMs === Infinity ? '' : ` (${formatTime(beginning.timeMs)})`;
  return { missing: `the log begins at sequence ${beginning.sequence}${beginsAt}; events before are gone and cannot be listed` };
}
