// A consumer of change events that proves it has all of them: each profile's events are a chain, each link once.
// H1: the values and audiences rebuilt from the events alone are kept, so that every `before`, and in the end the export, can be checked.
// H2: no problem text names an identity, only its hash; but it may quote values: it is for people and tests, not for logs.
// H3: a later generation of a shard goes on where the earlier one ended, as far as values go. Versions begin anew: at 0, or at one number
//     for all profiles. An earlier generation says nothing any more once a later one has spoken.
// H4: `created` is the event of a profile that is not there, and no other; after `deleted` it is not there. The chain goes on through that:
//     who is created again follows on the event by which it was deleted. A `deleted` that lists nothing may be of a profile that is not
//     there: it was made and deleted again before anybody was told.
//     Who is deleted because a later generation does not have him may begin anew, at 0.
// H5: a `deleted` event lists everything that was there, and nothing that is. That of an erased identity lists nothing, and names the
//     identity by its keyed hash.
// H6: the leaves under `attributes` are those of one tree after each event: values are of the default merge policy.
import { errorText } from '../base/errors.ts';
import { identityKey, type IdentityKey } from '../message/identity.ts';
import { CREATED, DELETED, isErasure, isPartial, TYPES, type ChainEvent } from './chain_event.ts';
import { ChainValues, isLeafName, UNKNOWN } from './chain_values.ts';
import { profileHash, type ExportedProfile } from './compare.ts';
import { Generations } from './generations.ts';
import { jsonEqual } from './json_equal.ts';
import { namedLeaves, type Tree } from './json_tree.ts';
import { KeyedHashes, type HashOf } from './keyed_hashes.ts';

export type { ChainEvent };

type Link = {
  version: number;
  /** Of its last event; null before the first. */
  source: string | null;
  /** Is the profile there? Not before it is created, not after it is deleted. */
  alive: boolean;
  readonly values: ChainValues;
  readonly audiences: Set<string>;
};

export type ChainCheckerOptions = {
  readonly problemsMax?: number;
  /** The keyed hash by which erasures name an identity: without it the event of an erased identity is a problem, it is no link of any chain. */
  readonly hashOf?: HashOf;
};

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
  readonly #hashes: KeyedHashes | undefined;

  constructor(options: ChainCheckerOptions = {}) {
    this.#problemsMax = options.problemsMax ?? 1000;
    if (options.hashOf !== undefined) this.#hashes = new KeyedHashes(options.hashOf);
  }

  /** The next change event; those of one shard in the order of the stream, shards in any. @throws never */
  feed(event: ChainEvent): void {
    this.events++;
    const id = `${event.source ?? ''} ${event.id}`; // of each source its own, as CloudEvents has it
    if (this.#ids.has(id)) return this.#problem(`event ${event.id} came twice`);
    this.#ids.add(id);
    if (!TYPES.includes(event.type)) return this.#problem(`event ${event.id} has the unknown type ${event.type}`);
    const key = this.keyOf(event);
    if (key === undefined) return this.#problem(`event ${event.id} ${this.#whyNobodys(event)}`);
    const link = this.#links.get(key) ?? newLink();
    const at = `event ${event.id} of profile ${profileHash(key)}`;
    this.#checkVersions(event, link, at);
    const isUnseen = event.type === DELETED && event.data.changes.length === 0 && !isErasure(event);
    if (link.alive ? event.type === CREATED : event.type !== CREATED && !isUnseen)
      this.#problem(`${at}: it is a ${event.type}, but its profile is ${link.alive ? 'there' : 'not there'}`);
    if (!isErasure(event)) {
      this.#checkAudiences(event, link, at);
      this.#takeChanges(event, link, at);
      this.#checkWhole(event, link, at);
    } else if (event.data.changes.length > 0) this.#problem(`${at}: its identity was erased, but it lists changes`);
    link.version = event.data.version;
    link.source = event.source ?? '';
    link.alive = event.type !== DELETED;
    if (!link.alive) {
      link.values.clear();
      link.audiences.clear();
    }
    this.#links.set(key, link);
  }

  /** Whose event it is; undefined when nobody can tell. */
  keyOf(event: ChainEvent): IdentityKey | undefined {
    const { profile } = event.data;
    if (isErasure(event)) return this.#hashes?.keyOf(profile.id, this.#links.keys());
    try {
      return identityKey(profile);
    } catch {
      return undefined;
    }
  }

  #whyNobodys(event: ChainEvent): string {
    if (!isErasure(event)) return 'names no identity';
    return this.#hashes === undefined
      ? "names an erased identity by its keyed hash: without the root's erasure secret nobody knows whose it is"
      : 'is of an erased identity, but of none that had change events';
  }

  #checkVersions(event: ChainEvent, link: Link, at: string): void {
    const { version, previousVersion } = event.data;
    const source = event.source ?? '';
    if (!this.#generations.notice(source)) this.#problem(`${at}: its generation ${event.source} is over`);
    if (!this.#follows(event, link))
      this.#problem(`${at}: previousVersion is ${previousVersion}, but its last event had version ${link.version}`);
    if (source === link.source && !(version > link.version))
      this.#problem(`${at}: version ${version} is not greater than ${link.version}`);
    else if (!(version > previousVersion))
      this.#problem(`${at}: version ${version} is not greater than previousVersion ${previousVersion}`);
  }

  #follows({ source = '', data }: ChainEvent, link: Link): boolean {
    // a generation knows nothing of those who were there before it and are not in it
    if (data.previousVersion === 0 && !link.alive && source === link.source && this.#generations.beganAt(source, link.version))
      return true;
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
      if (data.truncated === true) return change !== undefined || isPartial(data);
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
    if (isPartial(data)) values.forgetRest();
    for (const change of data.changes) {
      if (data.truncated === true) {
        values.set(change.path, UNKNOWN);
        continue;
      }
      const before = values.get(change.path);
      // A value is never undefined in JSON, so undefined is: no key.
      if (before !== UNKNOWN && !jsonEqual(before, change.before))
        this.#problem(`${at}: before of ${change.path} is ${text(change.before)}, but the events before it say ${text(before)}`);
      values.set(change.path, change.after);
    }
  }

  /** What the changes of an event leave is a tree; what those of a deletion leave is nothing. */
  #checkWhole({ type, data }: ChainEvent, { values }: Link, at: string): void {
    if (type === DELETED) {
      const left = data.truncated === true ? undefined : [...values.known().keys()][0];
      if (left !== undefined) this.#problem(`${at}: it deletes the profile, but leaves ${left}`);
    } else if (data.changes.some(({ path }) => isLeafName(path))) {
      try {
        if (values.isWhole && values.attributes() === undefined)
          this.#problem(`${at}: after it an attribute stands where another has members`);
      } catch (error) {
        this.#problem(`${at}: ${errorText(error)}`);
      }
    }
  }

  /** Commits say which generation they are of, also when they have no change event: it began at this sequence. */
  generationBegan(source: string, sequence: number): void {
    this.#generations.begin(source, sequence);
  }

  /** Can this event of a profile be the next one, as far as its previous version tells? */
  canFollow(event: ChainEvent): boolean {
    const key = this.keyOf(event);
    return key !== undefined && this.#follows(event, this.#links.get(key) ?? newLink());
  }

  /** The version that the profile is at: of its last change event, or, as far as it is known, where a later generation began.
   *  Undefined when there was no change event. */
  versionOf(key: IdentityKey): number | undefined {
    const link = this.#links.get(key);
    return link === undefined ? undefined : this.#generations.versionAt(link.source ?? '', link.version);
  }

  /** The values by path (`computed.<name>`, `attributes.<leaf>`), rebuilt from the change events, as far as they are known; undefined when
   *  the profile is not there. */
  valuesOf(key: IdentityKey): ReadonlyMap<string, unknown> | undefined {
    const link = this.#links.get(key);
    return link?.alive === true ? link.values.known() : undefined;
  }

  /** The attributes rebuilt from the change events; undefined when the profile is not there, or they are not all known. */
  attributesOf(key: IdentityKey): Tree | undefined {
    const link = this.#links.get(key);
    return link?.alive === true && link.values.isWhole ? link.values.attributes() : undefined;
  }

  /** The audiences that it has entered and not exited; undefined when the profile is not there. */
  audiencesOf(key: IdentityKey): ReadonlySet<string> | undefined {
    const link = this.#links.get(key);
    return link?.alive === true ? link.audiences : undefined;
  }

  /** Where the chains end against an export of all profiles under the default policy, taken when every change up to it had been fed and
   *  none after it.
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
    const exported = new Map<string, unknown>(namedLeaves(view.attributes as Tree));
    for (const [name, { value }] of Object.entries(view.computed)) exported.set(`computed.${name}`, value);
    for (const path of new Set([...exported.keys(), ...link.values.paths()])) {
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
  return { version: 0, source: null, alive: false, values: new ChainValues(), audiences: new Set() };
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 200);
}
