// Explains a value: a computed one by the profile's view from its shard and the identity's events from the log, a field of the records by
// the fragments themselves.
// ES1: the view comes first, and events are read up to its sequence: list and value agree.
// ES2: everything has an end: so many at once, so much time; a worker that stops waits for none of it.
import type { Attribute } from '../aggregate/plan.ts';
import { mergeSources } from '../aggregate/merged_record.ts';
import { VisageError } from '../base/errors.ts';
import { parseRfc3339 } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ExplainQuery } from '../ports/reads.ts';
import type { Explanation, FieldExplanation } from '../profile/explanation.ts';
import { askedField } from '../profile/field_mask.ts';
import { fitExplanation } from '../profile/fit_explanation.ts';
import { CountedEvents } from '../shard/counted_events.ts';
import { explain, type LogBeginning } from '../shard/explain.ts';
import { explainField, isSaid } from '../shard/explain_field.ts';
import type { Shard } from '../shard/shard.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import { endOf, profileNow, readEvents, type Ended, type ProfileNow } from './identity_reading.ts';
import { noSuchField, type KnownFields } from './known_fields.ts';
import { Turns } from '../stream/turns.ts';

const AT_ONCE = 2; // more of them only make each other late
const WAITING_MAX = 16;
const EVENTS_LISTED = 100;
const EVENTS_LISTED_MAX = 10_000;
const ANSWER_BYTES_MAX = 16 * 1024 ** 2;

export type ExplainRequest = {
  readonly shard: Shard;
  readonly key: IdentityKey;
  readonly query: ExplainQuery;
  readonly timeoutMs: number;
};

/** Undefined: there is no such profile. @throws VisageError, see `ReadService` */
export type ExplainService = (request: ExplainRequest) => Promise<Explanation | FieldExplanation | undefined>;

export function explainService(options: {
  /** Undefined until the worker is connected. */
  readonly log: () => IdentityLog | undefined;
  readonly draining: () => boolean;
  readonly knownFields: (now: ProfileNow) => KnownFields;
}): ExplainService {
  const busy = (): VisageError =>
    new VisageError('too_many_explains', 'too many values are being explained; try again in a second', { kind: 'retry' });
  const turns = new Turns({ atOnce: AT_ONCE, waiting: WAITING_MAX, busy });
  return async ({ shard, key, query, timeoutMs }) => {
    const limit = query.limit ?? EVENTS_LISTED;
    if (!(limit >= 1 && limit <= EVENTS_LISTED_MAX))
      throw new VisageError('bad_query', `limit must be between 1 and ${EVENTS_LISTED_MAX}`, { kind: 'usage' });
    const log = options.log();
    if (log === undefined) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    const endMs = performance.now() + timeoutMs;
    const late = (): VisageError => {
      const text = `the events could not be read within ${timeoutMs} ms; try again, or allow more time`;
      return new VisageError('explain_timeout', text, { kind: 'retry' });
    };
    const ended = endOf({ ...options, endMs, late });
    const wanted = { shard, key, after: query.after ?? 0, timeoutMs, policy: query.policy };
    const asked = await profileNow(wanted, (now) => toExplain(now, query.field, options.knownFields(now)));
    if (asked === undefined || 'field' in asked) return asked;
    const given = { ...asked, limit, log, ended };
    const answer = await (asked.attribute.expression === null
      ? turns.run(endMs - performance.now(), () => explainFromLog(given))
      : explainFromView(given));
    return fitExplanation(answer, ANSWER_BYTES_MAX);
  };
}

type Computed = { readonly now: Omit<ProfileNow, 'state'>; readonly attribute: Attribute };

/** A field of the records is explained at once; a computed attribute needs the log.
 *  @throws VisageError `no_such_field` (usage): it does not repeat what was asked with */
function toExplain({ state, ...now }: ProfileNow, field: string, known: KnownFields): Computed | FieldExplanation {
  const { plan, view } = now;
  const asked = askedField(field, known.computed);
  if (asked.kind === 'computed') return { now, attribute: plan.attributes.find(({ name }) => name === asked.name)! };
  const sources = mergeSources(state, plan);
  if (asked.kind !== 'attributes' || !(isSaid(sources, asked.path) || known.has(asked.path))) throw noSuchField(field, known);
  const policy = plan.policies.find(({ name }) => name === view.policy)!;
  return explainField({ view, sources, policy, datasets: plan.datasets, path: asked.path });
}

type ToExplain = Computed & {
  readonly limit: number;
  readonly log: IdentityLog;
  readonly ended: Ended;
};

function explainFromView({ now, ...given }: ToExplain): Promise<Explanation> {
  const beginning: LogBeginning = { sequence: 1, timeMs: Infinity };
  const { clockMode } = now.shard.options;
  return Promise.resolve(explain({ ...now, ...given, events: [], beginning, liveAfter: 0, clockMode }));
}

async function explainFromLog(given: ToExplain): Promise<Explanation> {
  const { now, attribute, log } = given;
  const { view, plan } = now;
  // what was before a delete counts no more, as what was before the attribute
  const deletedTo = now.deleted.tombstone?.sequence ?? 0;
  const liveAfter = Math.max(now.revisions.find(({ revision }) => revision === attribute.revision)?.sequence ?? 0, deletedTo);
  const counted = new CountedEvents({ attribute, nowMs: parseRfc3339(view.time), liveAfter, plan });
  const settings = await readEvents({ ...given, through: view.sequence }, (event) => counted.take(event));
  // again: it may have been trimmed while it was read
  const beginning = await log.beginning();
  const { clockMode } = now.shard.options;
  return explain({ ...now, ...given, settings, clockMode, liveAfter, events: counted.newestFirst(), beginning });
}
