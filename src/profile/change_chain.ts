// Does a change event follow on the one before of its profile? A consumer that asks of each knows that it missed nothing.
// CC1: within a generation of a shard's state `previousVersion` is the `version` before. A later generation begins every chain anew: at 0,
//      or at one number for all profiles.
// CC2: who was erased and is there again follows on the erasure, which names nobody: its version is remembered instead.
// CC3: bounded: of so many profiles the last version is remembered, oldest out first; the next event of one that fell out is believed.
// Source: design/semantics.md §10
import { identityName } from '../message/identity.ts';
import type { ChangeEvent } from './change_event.ts';

const PROFILES_MAX = 100_000;
const ERASURES_MAX = 10_000;
const DELETED = 'visage.profile.deleted';

type Link = {
  readonly version: number;
  readonly source: string;
  /** It is deleted, by the first event that its generation has of it. */
  readonly isGoneAtOnce: boolean;
};

type Follows = 'next' | 'repeated' | 'broken';

export class ChangeChain {
  private readonly links = new Map<string, Link>();
  /** `<source> <version>` of the last events of erased profiles. */
  private readonly erasures = new Set<string>();
  /** By source, where its chains begin that do not begin at 0. */
  private readonly beginnings = new Map<string, number>();
  private readonly profilesMax: number;

  constructor(profilesMax: number = PROFILES_MAX) {
    this.profilesMax = profilesMax;
  }

  /** How many profiles are remembered. */
  get size(): number {
    return this.links.size;
  }

  /** The next event of the stream, of whichever profile. After a broken one its chain goes on from that one. */
  take(event: ChangeEvent): Follows {
    const { source, data } = event;
    if (isErasure(event)) return this.takeErasure(`${source} ${data.version}`);
    const name = identityName(data.profile);
    const known = this.links.get(name);
    const follows = known === undefined ? 'next' : known.source === source ? this.within(event, known) : this.anew(event, known);
    if (follows === 'repeated') return follows;
    this.links.delete(name); // to the end of the line
    const isGoneAtOnce = event.type === DELETED && known?.source !== source;
    this.links.set(name, { version: data.version, source, isGoneAtOnce });
    if (this.links.size > this.profilesMax) this.links.delete(this.links.keys().next().value!);
    return follows;
  }

  private takeErasure(key: string): Follows {
    if (this.erasures.has(key)) return 'repeated';
    this.erasures.add(key);
    if (this.erasures.size > ERASURES_MAX) this.erasures.delete(this.erasures.keys().next().value!);
    return 'next';
  }

  private within({ source, data }: ChangeEvent, known: Link): Follows {
    if (data.version <= known.version) return 'repeated';
    if (data.previousVersion === known.version) return 'next';
    if (this.erasures.has(`${source} ${data.previousVersion}`)) return 'next';
    return data.previousVersion === 0 && known.isGoneAtOnce ? 'next' : 'broken';
  }

  private anew({ source, data }: ChangeEvent, known: Link): Follows {
    if (generationOf(source) < generationOf(known.source)) return 'broken';
    if (data.previousVersion === 0) return 'next';
    const began = this.beginnings.get(source) ?? data.previousVersion;
    this.beginnings.set(source, began);
    return data.previousVersion === began ? 'next' : 'broken';
  }
}

/** Nothing is left of whom it is about but a keyed hash. */
function isErasure({ type, data: { profile } }: ChangeEvent): boolean {
  return type === DELETED && profile.namespace === 'erased';
}

/** `/visage/VISAGE_LOG/3` is the first, `/visage/VISAGE_LOG/3/2` the second. */
function generationOf(source: string): number {
  return Number(source.split('/')[4] ?? 1);
}
