// Explains a computed value: the profile's view from its shard, the identity's events from the log, put together.
// ES1: the view comes first, and events are read up to its sequence: list and value agree.
// ES2: everything has an end: so many at once, so much time; a worker that stops waits for none of it.
import type { Attribute, Plan } from '../aggregate/plan.ts';
import { VisageError } from '../base/errors.ts';
import { parseRfc3339 } from '../base/time.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { IdentityKey } from '../message/identity.ts';
import { isFor, parseControl } from '../message/control.ts';
import { controlSubject } from '../message/subject.ts';
import type { ExplainQuery } from '../ports/reads.ts';
import type { Explanation } from '../profile/explanation.ts';
import { fitExplanation } from '../profile/fit_explanation.ts';
import type { ProfileView } from '../profile/view.ts';
import { CountedEvents } from '../shard/counted_events.ts';
import { explain, type LogBeginning } from '../shard/explain.ts';
import { IdentityEvents, type InForce } from '../shard/identity_events.ts';
import type { Shard } from '../shard/shard.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import { readIdentity } from './read_identity.ts';
import { Turns } from './turns.ts';

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
export type ExplainService = (request: ExplainRequest) => Promise<Explanation | undefined>;

export function explainService(options: {
  /** Undefined until the worker is connected. */
  readonly log: () => IdentityLog | undefined;
  readonly draining: () => boolean;
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
    const ended = (): VisageError | undefined => {
      if (options.draining()) return new VisageError('stopped', 'the worker is stopping; try again', { kind: 'retry' });
      if (performance.now() < endMs) return undefined;
      const text = `the events could not be read within ${timeoutMs} ms; try again, or allow more time`;
      return new VisageError('explain_timeout', text, { kind: 'retry' });
    };
    const view = await shard.get(key, query.after ?? 0, timeoutMs);
    if (view === undefined) return undefined;
    const inForce = inForceIn(shard);
    const attribute = attributeOf(inForce.plan, query.field);
    const toExplain = { shard, key, view, ...inForce, attribute, limit, log, ended };
    const answer = await (attribute.expression === null
      ? turns.run(endMs - performance.now(), () => explainFromLog(toExplain))
      : explainFromView(toExplain));
    return fitExplanation(answer, ANSWER_BYTES_MAX);
  };
}

/** The definitions of the view, or ones that came just after it: those have everything that was there before. */
function inForceIn(shard: Shard): Pick<ToExplain, 'plan' | 'settings' | 'revisions'> {
  const { hash, settings, revisions } = shard.definitionsInForce;
  return { plan: shard.options.definitions.planOf(hash!), settings, revisions };
}

/** @throws VisageError `no_such_field` (usage): it does not repeat what was asked with */
function attributeOf(plan: Plan, field: string): Attribute {
  const name = field.replace(/^computed\./, '');
  const attribute = plan.attributes.find((known) => known.name === name);
  if (attribute !== undefined) return attribute;
  const known = plan.attributes.map((other) => other.name).sort();
  throw new VisageError(
    'no_such_field',
    `there is no such computed field${didYouMean(name, known)}; known: ${known.join(', ')}`,
    { kind: 'usage' },
  );
}

type ToExplain = {
  readonly shard: Shard;
  readonly key: IdentityKey;
  readonly view: ProfileView;
  readonly plan: Plan;
  readonly settings: Shard['definitionsInForce']['settings'];
  readonly revisions: Shard['definitionsInForce']['revisions'];
  readonly attribute: Attribute;
  readonly limit: number;
  readonly log: IdentityLog;
  /** Why it must not go on. */
  readonly ended: () => VisageError | undefined;
};

function explainFromView({ shard, ...given }: ToExplain): Promise<Explanation> {
  const beginning: LogBeginning = { sequence: 1, timeMs: Infinity };
  const { clockMode } = shard.options;
  return Promise.resolve(explain({ ...given, events: [], beginning, liveAfter: 0, clockMode }));
}

async function explainFromLog(given: ToExplain): Promise<Explanation> {
  const { shard, key, view, attribute, log, ended } = given;
  const { clockMode, definitions, root } = shard.options;
  const why = ended(); // it has waited for its turn
  if (why !== undefined) throw why;
  const from = await inForceAtFirst(given);
  const events = new IdentityEvents({ ...shard.options, planOf: (hash) => definitions.planOf(hash), from });
  const liveAfter = given.revisions.find(({ revision }) => revision === attribute.revision)?.sequence ?? 0;
  const counted = new CountedEvents({ attribute, nowMs: parseRfc3339(view.time), liveAfter });
  const control = controlSubject(root, shard.options.shard, 'definitions');
  await readIdentity({ log, shard: shard.options.shard, key, through: view.sequence, ended }, async (message) => {
    if (message.subject === control) {
      const named = parseControl('definitions', message.body);
      const isOurs = named.kind === 'definitions' && isFor(named, from?.generation ?? 1);
      if (isOurs) await definitions.load(named.hash);
    }
    const event = events.take(message);
    if (event !== undefined) counted.take(event);
  });
  // again: it may have been trimmed while it was read
  const beginning = await log.beginning();
  const inForce = { settings: events.settings, clockMode, liveAfter };
  return explain({ ...given, ...inForce, events: counted.newestFirst(), beginning });
}

/** What the state that the view shows began with; null: with nothing. */
async function inForceAtFirst({ shard, view, plan, settings, log }: ToExplain): Promise<InForce | null> {
  const { definitions } = shard.options;
  const generation = (await shard.options.log.generations()).findLast(({ sequence }) => sequence <= view.sequence);
  if (generation !== undefined) {
    await definitions.load(generation.hash);
    return { plan: definitions.planOf(generation.hash), settings: generation.settings, generation: generation.generation };
  }
  // where the beginning is gone, the definitions that went with it are taken to be those of now
  return (await log.beginning()).sequence <= 1 ? null : { plan, settings, generation: shard.status().generation };
}
