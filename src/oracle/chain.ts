// A consumer of change events that proves it has all of them: each profile's events are a chain, each link once.
// H1: the values and audiences rebuilt from the events alone are kept, so that every `before`, and in the end the export, can be checked.
// H2: no problem text names an identity, only its hash; but it may quote values: it is for people and tests, not for logs.
// H3: a later generation of a shard goes on where the earlier one ended, as far as values go. Versions begin anew: at 0, or at one number
//     for all profiles. An earlier generation says nothing any more once a later one has spoken.
// H4: `created` is the event of a profile that is not there, and no other; after `deleted` it is not there.
import { identityKey, type IdentityKey } from '../message/identity.ts';
import { profileHash, type ExportedProfile } from './compare.ts';
import { Generations } from './generations.ts';
import { jsonEqual } from './json_equal.ts';

/** What is read of a CloudEvent of the change stream. */
export type ChainEvent = {
  readonly id: string;
  readonly type: string;
  /** Names the shard and its generation; without it all events are of one. */
  readonly source?: string;
  readonly data: {
    readonly profile: { readonly namespace: string; readonly id: string };
    readonly version: number;
    /** The version at the profile's previous change event; 0 for the first. */
    readonly previousVersion: number;
    readonly cause?: readonly { readonly kind: string }[];
    /** `before`/`after` without key: absent. */
    readonly changes: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[];
    readonly audiences: { readonly entered: readonly string[]; readonly exited: readonly string[] };
    /** Too large for its values: `changes` has the paths only. */
    readonly truncated?: boolean;
  };
};

/** A value of a truncated event: known to have changed, not known to what. */
const UNKNOWN = Symbol('unknown');
type Link = {
  version: number;
  /** Of its last event; null before the first. */
  source: string | null;
  /** Is the profile there? Not before it is created, not after it is deleted. */
  alive: boolean;
  readonly values: Map<string, unknown>;
  readonly audiences: Set<string>;
};

const CREATED = 'visage.profile.created';
const DELETED = 'visage.profile.deleted';
const TYPES: readonly string[] = [CREATED, 'visage.profile.updated', DELETED];

export class ChainChecker {
  /** Everything that is wrong so far, at most `problemsMax` of it. */
  readonly problems: string[] = [];
  /** How many problems there were, also those past the bound. */
  problemCount = 0;
  /** Change events taken in. */
  events = 0;
  readonly #links = new Map<IdentityKey, Link>();
  readonly #ids = new Set<string>();
  readonly #generations = new Generations();
  /** Names that someone has entered: what is known to be an audience. */
  readonly #entered = new Set<string>();
  readonly #problemsMax: number;

  constructor(options: { readonly problemsMax?: number } = {}) {
    this.#problemsMax = options.problemsMax ?? 1000;
  }

  /** The next change event; those of one shard in the order of the stream, shards in any. @throws never */
  feed(event: ChainEvent): void {
    this.events++;
    if (this.#ids.has(event.id)) return this.#problem(`event ${event.id} came twice`);
    this.#ids.add(event.id);
    if (!TYPES.includes(event.type)) return this.#problem(`event ${event.id} has the unknown type ${event.type}`);
    let key: IdentityKey;
    try {
      key = identityKey(event.data.profile);
    } catch {
      return this.#problem(`event ${event.id} names no identity`);
    }
    const link = this.#links.get(key) ?? newLink();
    const at = `event ${event.id} of profile ${profileHash(key)}`;
    this.#checkVersions(event, link, at);
    if ((event.type === CREATED) === link.alive)
      this.#problem(`${at}: it is a ${event.type}, but its profile is ${link.alive ? 'there' : 'not there'}`);
    this.#checkAudiences(event, link, at);
    this.#takeChanges(event, link, at);
    link.version = event.data.version;
    link.source = event.source ?? '';
    link.alive = event.type !== DELETED;
    if (!link.alive) {
      link.values.clear();
      link.audiences.clear();
    }
    this.#links.set(key, link);
  }

  #checkVersions(event: ChainEvent, link: Link, at: string): void {
    const { version, previousVersion } = event.data;
    if (!this.#generations.notice(event.source ?? '')) this.#problem(`${at}: its generation ${event.source} is over`);
    if (!this.#follows(event, link))
      this.#problem(`${at}: previousVersion is ${previousVersion}, but its last event had version ${link.version}`);
    if (!(version > link.version)) this.#problem(`${at}: version ${version} is not greater than ${link.version}`);
    else if (!(version > previousVersion))
      this.#problem(`${at}: version ${version} is not greater than previousVersion ${previousVersion}`);
  }

  #follows({ source = '', data }: ChainEvent, link: Link): boolean {
    // what is left of a deleted profile may have forgotten its version
    if (data.previousVersion === 0 && !link.alive) return true;
    return source === link.source
      ? data.previousVersion === link.version
      : this.#generations.begins(source, data.previousVersion);
  }

  /** Entered and exited say what the changes of the same names say, and follow on what was entered before. */
  #checkAudiences({ data }: ChainEvent, link: Link, at: string): void {
    const { entered, exited } = data.audiences;
    const changes = new Map(data.changes.map((change) => [change.path, change]));
    const moves = (name: string, enters: boolean): boolean => {
      const change = changes.get(`computed.${name}`);
      // definitions that change say of attributes that are what they were that they are audiences now, or none any more
      if (data.cause?.some(({ kind }) => kind === 'definitions') === true) return true;
      if (data.truncated === true) return change !== undefined;
      return change !== undefined && (change.before === true) === !enters && (change.after === true) === enters;
    };
    for (const name of entered) {
      if (link.audiences.has(name)) this.#problem(`${at}: it enters audience ${name} a second time`);
      if (!moves(name, true)) this.#problem(`${at}: it enters audience ${name}, but its changes do not say so`);
      link.audiences.add(name);
      this.#entered.add(name);
    }
    for (const name of exited) {
      if (!moves(name, false)) this.#problem(`${at}: it exits audience ${name}, but its changes do not say so`);
      if (!link.audiences.delete(name)) this.#problem(`${at}: it exits audience ${name}, but had not entered it`);
    }
    if (data.truncated === true || data.cause?.some(({ kind }) => kind === 'definitions') === true) return;
    for (const name of this.#entered) {
      const change = changes.get(`computed.${name}`);
      if (change !== undefined && (change.after === true) !== link.audiences.has(name))
        this.#problem(`${at}: audience ${name} became ${text(change.after)}, but is neither entered nor exited`);
    }
  }

  #takeChanges({ data }: ChainEvent, { values }: Link, at: string): void {
    for (const change of data.changes) {
      if (data.truncated === true) {
        values.set(change.path, UNKNOWN);
        continue;
      }
      const before = values.get(change.path);
      // A value is never undefined in JSON, so undefined is: no key.
      if (before !== UNKNOWN && !jsonEqual(before, change.before))
        this.#problem(`${at}: before of ${change.path} is ${text(change.before)}, but the events before it say ${text(before)}`);
      if (change.after === undefined) values.delete(change.path);
      else values.set(change.path, change.after);
    }
  }

  /** Commits say which generation they are of, also when they have no change event: it began at this sequence. */
  generationBegan(source: string, sequence: number): void {
    this.#generations.begin(source, sequence);
  }

  /** Can this event of a profile be the next one, as far as its previous version tells? */
  canFollow(event: ChainEvent): boolean {
    return this.#follows(event, this.#links.get(identityKey(event.data.profile)) ?? newLink());
  }

  /** The version that the profile is at: of its last change event, or, as far as it is known, where a later generation began.
   *  Undefined when there was no change event. */
  versionOf(key: IdentityKey): number | undefined {
    const link = this.#links.get(key);
    return link === undefined ? undefined : this.#generations.versionAt(link.source ?? '', link.version);
  }

  /** The values by path (`computed.<name>`), rebuilt from the change events; undefined when the profile is not there. */
  valuesOf(key: IdentityKey): ReadonlyMap<string, unknown> | undefined {
    const link = this.#links.get(key);
    return link?.alive === true ? link.values : undefined;
  }

  /** The audiences that it has entered and not exited; undefined when the profile is not there. */
  audiencesOf(key: IdentityKey): ReadonlySet<string> | undefined {
    const link = this.#links.get(key);
    return link?.alive === true ? link.audiences : undefined;
  }

  /** Where the chains end against an export of all profiles, taken when every change up to it had been fed and none after it.
   *  Returns what is wrong; `problems` stays as it was. */
  checkAgainstExport(views: Iterable<ExportedProfile>): string[] {
    const wrong: string[] = [];
    const seen = new Set<IdentityKey>();
    for (const view of views) {
      const key = identityKey(view.profile);
      seen.add(key);
      wrong.push(...this.#checkView(view, this.#links.get(key)).map((problem) => `profile ${profileHash(key)}${problem}`));
    }
    for (const [key, { alive }] of this.#links)
      if (alive && !seen.has(key)) wrong.push(`profile ${profileHash(key)} had change events, but was not exported`);
    return wrong;
  }

  #checkView(view: ExportedProfile, link: Link | undefined): string[] {
    if (link === undefined) return [' was exported, but had no change event'];
    if (!link.alive) return [' was exported, but is deleted'];
    const wrong: string[] = [];
    if (!this.#generations.canBeAt(link.source ?? '', link.version, view.version))
      wrong.push(`: exported version ${view.version}, last change event ${link.version}`);
    const exported = new Map(Object.entries(view.computed).map(([name, computed]) => [`computed.${name}`, computed.value]));
    for (const path of new Set([...exported.keys(), ...link.values.keys()])) {
      const rebuilt = link.values.get(path);
      if (rebuilt === UNKNOWN || jsonEqual(rebuilt, exported.get(path))) continue;
      wrong.push(`: ${path} was exported as ${text(exported.get(path))}, the change events say ${text(rebuilt)}`);
    }
    if (!jsonEqual([...view.audiences].sort(), [...link.audiences].sort()))
      wrong.push(`: audiences were exported as ${text(view.audiences)}, the change events say ${text([...link.audiences])}`);
    return wrong;
  }

  #problem(problem: string): void {
    this.problemCount++;
    if (this.problems.length < this.#problemsMax) this.problems.push(problem);
  }
}

function newLink(): Link {
  return { version: 0, source: null, alive: false, values: new Map(), audiences: new Set() };
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 200);
}
