// Bugs on purpose, to see that they are found. They live in the twins and around the fold; nothing of the product knows them.
// PB1: a bug is a function of the sequence or the seed: a replay makes the same mistake again, as a real one would.
import { seededRandom } from '../base/random.ts';
import { LAST_UPDATED_HEADER, OPERATION_HEADER } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { EncodedProfile } from '../ports/profile_store.ts';
import type { Effects } from '../shard/effects.ts';
import type { Shard } from '../shard/shard.ts';
import type { SinkBugs } from './simulated_sink.ts';

/** Every bug by name, with what it does. */
export const PLANTED_BUGS = {
  'lost-tick': 'what a tick changes is lost',
  'late-leave': 'a tick does not move time: values stay in their windows',
  'double-count': 'an event that comes again counts again',
  'lost-event': 'some events do not count',
  'store-loses-a-profile': 'a checkpoint leaves out a profile',
  'checkpoint-past-commit': 'a commit is taken for stored before it is, so that a checkpoint passes it',
  'skipped-fence': 'the change stream takes commits of an owner that was fenced off',
  'trusts-for-ever': 'a worker that could not renew its lease acts as owner all the same (with several workers)',
  'repeat-after-crash': 'a commit whose answer was lost is stored again',
  'lost-dead-letter': 'a dead letter is taken for stored and is not',
  'stale-write': 'some writes to records count as of when they arrive, not as of when they say',
  'merge-replaces': 'some patches replace the record that they are for',
  'repeated-record': 'a write to a record that comes again counts again',
  'deleted-comes-back': 'what is as of a delete or before counts when it arrives after it',
  'sweep-skips-a-profile': 'the sweep after a delete of a dataset leaves out a profile',
  'created-for-updated': 'some change events say that a profile is new that is not',
} as const;

export type PlantedBug = keyof typeof PLANTED_BUGS;

export function isPlantedBug(name: string): name is PlantedBug {
  return Object.hasOwn(PLANTED_BUGS, name);
}

/** What the bug does at each of the places where one can be. */
export type Sabotage = {
  readonly sink: SinkBugs;
  readonly losesLetters: boolean;
  readonly delivered: (message: LogMessage) => LogMessage;
  readonly written: (profiles: readonly EncodedProfile[]) => readonly EncodedProfile[];
  /** Called once the shard is restored. */
  readonly inside: (shard: Shard) => void;
};

const EVERY = 5;

export function sabotageOf(bug: PlantedBug | null, seed: number): Sabotage {
  const random = seededRandom(seed + 0xb06);
  return {
    sink: {
      storesTwice: bug === 'repeat-after-crash',
      acknowledgesFirst: bug === 'checkpoint-past-commit',
      skipsFence: bug === 'skipped-fence',
    },
    losesLetters: bug === 'lost-dead-letter',
    delivered: deliveredBy(bug),
    written: (profiles) =>
      bug === 'store-loses-a-profile' && random.next() < 0.2 ? profiles.filter((_, n) => n !== profiles.length >> 1) : profiles,
    inside: (shard) => {
      if (bug === 'lost-tick') losesTicks(shard);
      if (bug === 'repeated-record') forgetsRecords(shard);
      if (bug === 'deleted-comes-back') shard['fold']['identities']['isDead'] = () => false;
      if (bug === 'sweep-skips-a-profile') skipsProfiles(shard);
      if (bug === 'created-for-updated') saysCreated(shard);
    },
  };
}

function deliveredBy(bug: PlantedBug | null): (message: LogMessage) => LogMessage {
  const isTick = ({ subject }: LogMessage): boolean => subject.endsWith('.ctl.tick');
  const ids = new Map<string, number>();
  switch (bug) {
    case 'late-leave':
      return (message) => (isTick(message) ? { ...message, stampMs: 0 } : message);
    case 'lost-event':
      return (message) => {
        const isHit = message.subject.includes('.in.') && message.headers === null && message.sequence % EVERY === 0;
        return isHit ? { ...message, text: () => '{"_id":"lost","timestamp":"2026-01-01T00:00:00Z"}' } : message;
      };
    case 'double-count':
      return (message) => {
        const text = new TextDecoder().decode(message.body);
        const id = /"_id":"([^"]+)"/.exec(text)?.[1];
        const name = `${message.subject} ${id}`;
        const first = ids.get(name) ?? message.sequence;
        ids.set(name, first);
        if (id === undefined || first === message.sequence) return message;
        return { ...message, text: () => text.replace(`"_id":"${id}"`, `"_id":"${id}~${message.sequence}"`) };
      };
    case 'stale-write':
      return (message) => withoutHeader(message, LAST_UPDATED_HEADER);
    case 'merge-replaces':
      return (message) => withoutHeader(message, OPERATION_HEADER);
    default:
      return (message) => message;
  }
}

function losesTicks(shard: Shard): void {
  const fold = shard['fold'];
  const apply = fold.apply.bind(fold);
  fold.apply = (message): Effects => {
    const effects = apply(message);
    const isHit = message.subject.endsWith('.ctl.tick') && message.sequence % EVERY === 0;
    return isHit ? { ...effects, changes: [] } : effects;
  };
}

/** Of some messages. */
function withoutHeader(message: LogMessage, name: string): LogMessage {
  if (message.headers === null || message.subject.includes('._profile.') || message.sequence % EVERY !== 0) return message;
  const kept = Object.entries(message.headers()).filter(([header]) => header.toLowerCase() !== name.toLowerCase());
  return { ...message, headers: () => Object.fromEntries(kept) };
}

function forgetsRecords(shard: Shard): void {
  const identities = shard['fold']['identities'];
  const isRemembered = identities['isRemembered'].bind(identities);
  identities['isRemembered'] = (state, dataset, id) => isRemembered(state, dataset, id) && dataset.behavior !== 'record';
}

function skipsProfiles(shard: Shard): void {
  const identities = shard['fold']['identities'];
  const bringUp = identities.bringUp.bind(identities);
  identities.bringUp = (state, plan) => {
    if (state.key.length % EVERY !== 0) bringUp(state, plan);
  };
}

function saysCreated(shard: Shard): void {
  const fold = shard['fold'];
  const apply = fold.apply.bind(fold);
  fold.apply = (message): Effects => {
    const effects = apply(message);
    if (message.sequence % EVERY !== 0) return effects;
    return { ...effects, changes: effects.changes.map((change) => ({ ...change, existed: false })) };
  };
}
