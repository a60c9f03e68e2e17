// A consumer of change events that proves it has all of them: each profile's events are a chain, each link once.
// H1: the values rebuilt from the events alone are kept, so that every `before`, and in the end the export, can be checked.
// H2: no problem text names an identity, only its hash; but it may quote values: it is for people and tests, not for logs.
import { identityKey, type IdentityKey } from '../message/identity.ts';
import { profileHash, type ExportedProfile } from './compare.ts';
import { jsonEqual } from './json_equal.ts';

/** What is read of a CloudEvent of the change stream. */
export type ChainEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly profile: { readonly namespace: string; readonly id: string };
    readonly version: number;
    /** The version at the profile's previous change event; 0 for the first. */
    readonly previousVersion: number;
    /** `before`/`after` without key: absent. */
    readonly changes: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[];
    /** Too large for its values: `changes` has the paths only. */
    readonly truncated?: boolean;
  };
};

/** A value of a truncated event: known to have changed, not known to what. */
const UNKNOWN = Symbol('unknown');
type Link = { version: number; readonly values: Map<string, unknown> };

const CREATED = 'visage.profile.created';
const UPDATED = 'visage.profile.updated';

export class ChainChecker {
  /** Everything that is wrong so far, at most `problemsMax` of it. */
  readonly problems: string[] = [];
  /** How many problems there were, also those past the bound. */
  problemCount = 0;
  /** Change events taken in. */
  events = 0;
  readonly #links = new Map<IdentityKey, Link>();
  readonly #ids = new Set<string>();
  readonly #problemsMax: number;

  constructor(options: { readonly problemsMax?: number } = {}) {
    this.#problemsMax = options.problemsMax ?? 1000;
  }

  /** The next change event; those of one shard in the order of the stream, shards in any. @throws never */
  feed(event: ChainEvent): void {
    this.events++;
    if (this.#ids.has(event.id)) return this.#problem(`event ${event.id} came twice`);
    this.#ids.add(event.id);
    if (event.type !== CREATED && event.type !== UPDATED)
      return this.#problem(`event ${event.id} has the unknown type ${event.type}`);
    const { profile, version, previousVersion, changes, truncated } = event.data;
    let key: IdentityKey;
    try {
      key = identityKey(profile);
    } catch {
      return this.#problem(`event ${event.id} names no identity`);
    }
    const link = this.#links.get(key) ?? { version: 0, values: new Map<string, unknown>() };
    const at = `event ${event.id} of profile ${profileHash(key)}`;
    if (previousVersion !== link.version)
      this.#problem(`${at}: previousVersion is ${previousVersion}, but its last event had version ${link.version}`);
    if (!(version > link.version)) this.#problem(`${at}: version ${version} is not greater than ${link.version}`);
    if ((event.type === CREATED) !== (link.version === 0))
      this.#problem(`${at}: it is a ${event.type}, but ${link.version === 0 ? 'the first' : 'not the first'} of its profile`);
    for (const change of changes) {
      if (truncated === true) {
        link.values.set(change.path, UNKNOWN);
        continue;
      }
      const before = link.values.get(change.path);
      // A value is never undefined in JSON, so undefined is: no key.
      if (before !== UNKNOWN && !jsonEqual(before, change.before)) {
        this.#problem(`${at}: before of ${change.path} is ${text(change.before)}, but the events before it say ${text(before)}`);
      }
      if (change.after === undefined) link.values.delete(change.path);
      else link.values.set(change.path, change.after);
    }
    link.version = version;
    this.#links.set(key, link);
  }

  /** The version of the profile's last change event; undefined when there was none. */
  versionOf(key: IdentityKey): number | undefined {
    return this.#links.get(key)?.version;
  }

  /** The values by path (`computed.<name>`), rebuilt from the change events; undefined when there was none. */
  valuesOf(key: IdentityKey): ReadonlyMap<string, unknown> | undefined {
    return this.#links.get(key)?.values;
  }

  /** Where the chains end against an export of all profiles, taken when every change up to it had been fed and none after it.
   *  Returns what is wrong; `problems` stays as it was. */
  checkAgainstExport(views: Iterable<ExportedProfile>): string[] {
    const wrong: string[] = [];
    const seen = new Set<IdentityKey>();
    for (const view of views) {
      const key = identityKey(view.profile);
      const at = `profile ${profileHash(key)}`;
      seen.add(key);
      const link = this.#links.get(key);
      if (link === undefined) {
        wrong.push(`${at} was exported, but had no change event`);
        continue;
      }
      if (link.version !== view.version) wrong.push(`${at}: exported version ${view.version}, last change event ${link.version}`);
      const exported = new Map(Object.entries(view.computed).map(([name, computed]) => [`computed.${name}`, computed.value]));
      for (const path of new Set([...exported.keys(), ...link.values.keys()])) {
        const rebuilt = link.values.get(path);
        if (rebuilt === UNKNOWN || jsonEqual(rebuilt, exported.get(path))) continue;
        wrong.push(`${at}: ${path} was exported as ${text(exported.get(path))}, the change events say ${text(rebuilt)}`);
      }
    }
    for (const key of this.#links.keys())
      if (!seen.has(key)) wrong.push(`profile ${profileHash(key)} had change events, but was not exported`);
    return wrong;
  }

  #problem(problem: string): void {
    this.problemCount++;
    if (this.problems.length < this.#problemsMax) this.problems.push(problem);
  }
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 200);
}
