// What explanations and lists of events have in common: a profile as of one moment, then what the log has about it up to there.
// IR1: view, definitions and deletes are of one moment: what is listed agrees with the view. IR2: every reading has an end in time.
import { VisageError } from '../base/errors.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { FoldSettings } from '../message/control.ts';
import { controlSubject } from '../message/subject.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { RevisionStart } from '../ports/profile_store.ts';
import type { ProfileView } from '../profile/view.ts';
import { IdentityEvents, type AdmittedEvent, type Deleted, type InForce } from '../shard/identity_events.ts';
import { loadNamed } from '../shard/load_named.ts';
import type { Shard } from '../shard/shard.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import { readIdentity } from './read_identity.ts';

/** A shard that applies message after message may be ahead of the view by the time we look again. */
const TRIES_MAX = 100;

/** Why reading must not go on. */
export type Ended = () => VisageError | undefined;

/** @param late makes the error for when the time is over */
export function endOf(options: {
  readonly draining: () => boolean;
  readonly endMs: number;
  readonly late: () => VisageError;
}): Ended {
  return () => {
    if (options.draining()) return new VisageError('stopped', 'the worker is stopping; try again', { kind: 'retry' });
    return performance.now() < options.endMs ? undefined : options.late();
  };
}

/** A profile, and all else that its shard says about it, of one moment. */
export type ProfileNow = {
  readonly shard: Shard;
  readonly key: IdentityKey;
  readonly view: ProfileView;
  /** As readers see it: nothing of deleted datasets is in it. Valid until something is waited for. */
  readonly state: IdentityState;
  readonly plan: Plan;
  readonly settings: FoldSettings;
  readonly foldVersion: number;
  readonly revisions: readonly RevisionStart[];
  readonly deleted: Deleted;
};

export type ProfileNowOptions = {
  readonly shard: Shard;
  readonly key: IdentityKey;
  readonly after: number;
  readonly timeoutMs: number;
  readonly policy?: string | undefined;
};

/** Hands the profile to `use` in the turn in which all of it is so; undefined: there is no such profile.
 *  @throws VisageError `not_yet`, `stopped` (retry), `no_such_policy` (usage) */
export async function profileNow<T>(options: ProfileNowOptions, use: (now: ProfileNow) => T): Promise<T | undefined> {
  const { shard, key, after, timeoutMs, policy } = options;
  for (let tries = 1; ; tries++) {
    const view = await shard.reads.get(key, after, timeoutMs, policy);
    if (view === undefined) return undefined;
    const state = shard.reads.stateOf(key);
    if (state === undefined || (shard.reads.viewPoint().sequence !== view.sequence && tries < TRIES_MAX)) continue;
    const { hash, settings, foldVersion, revisions } = shard.definitionsInForce;
    const plan = shard.options.definitions.planOf(hash!);
    return use({ shard, key, view, state, plan, settings, foldVersion, revisions, deleted: shard.reads.deletedOf(key) });
  }
}

export type LogReading = {
  readonly now: Omit<ProfileNow, 'state'>;
  readonly log: IdentityLog;
  /** The last sequence that is wanted. */
  readonly through: number;
  readonly ended: Ended;
};

/** Gives every event that counts to `take`, in the order of the log. @returns the settings in force at the end
 *  @throws VisageError, see `readIdentity`; what `take` throws */
export async function readEvents(reading: LogReading, take: (event: AdmittedEvent) => void): Promise<FoldSettings> {
  const { now, log, through, ended } = reading;
  const { shard, key, deleted } = now;
  const { definitions, root } = shard.options;
  const why = ended(); // it has waited for its turn
  if (why !== undefined) throw why;
  const from = await inForceAtFirst(now, log);
  const erasedAs = shard.options.erasures.hashOf(key);
  const events = new IdentityEvents({ ...shard.options, planOf: (hash) => definitions.planOf(hash), from, deleted, erasedAs });
  const control = controlSubject(root, shard.options.shard, 'definitions');
  const wanted = { log, shard: shard.options.shard, key, deleted: deleted.tombstone !== null, through, ended };
  await readIdentity(wanted, async (message) => {
    if (message.subject === control) await loadNamed(definitions, message, from?.generation ?? 1);
    const event = events.take(message);
    if (event !== undefined) take(event);
  });
  return events.settings;
}

/** What the state that the view shows began with; null: with nothing. */
async function inForceAtFirst(now: LogReading['now'], log: IdentityLog): Promise<InForce | null> {
  const { shard, view, plan, settings, foldVersion } = now;
  const { definitions } = shard.options;
  const generation = (await shard.options.log.generations()).findLast(({ sequence }) => sequence <= view.sequence);
  if (generation !== undefined) {
    await definitions.load(generation.hash);
    return { ...generation, plan: definitions.planOf(generation.hash) };
  }
  // where the beginning is gone, the definitions that went with it are taken to be those of now
  return (await log.beginning()).sequence <= 1 ? null : { plan, settings, foldVersion, generation: shard.position.generation };
}
