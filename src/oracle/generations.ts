// Sources of change events: a shard's `/<root>/<stream>/<shard>`, and `/<root>/<stream>/<shard>/<generation>` from the second on.
// GN1: where the versions of a later generation begin is not known beforehand: the first event that tells says it for all profiles.

type Known = {
  generation: number;
  /** The version that every profile has had since this generation began; undefined until an event says so. */
  firstVersion: number | undefined;
};

export class Generations {
  /** By the source of the shard's first generation. */
  readonly #newest = new Map<string, Known>();

  /** Takes notice of the source of an event; false when a later one of the same shard has been seen. */
  notice(source: string): boolean {
    const { shard, generation } = split(source);
    const newest = this.#newest.get(shard);
    if (newest !== undefined && generation < newest.generation) return false;
    if (newest === undefined || generation > newest.generation) this.#newest.set(shard, { generation, firstVersion: undefined });
    return true;
  }

  /** Somebody knows where a later generation began. */
  begin(source: string, sequence: number): void {
    const { shard, generation } = split(source);
    if (generation > 1 && this.notice(source)) this.#newest.get(shard)!.firstVersion ??= sequence;
  }

  /** May this be the previous version of a profile's first event of a source that was noticed? */
  begins(source: string, previousVersion: number): boolean {
    const { shard, generation } = split(source);
    const newest = this.#newest.get(shard);
    if (previousVersion === 0) return true;
    if (newest === undefined || generation === 1 || generation !== newest.generation) return false;
    newest.firstVersion ??= previousVersion;
    return previousVersion === newest.firstVersion;
  }

  /** Did this later generation begin at `version`, as far as is known? */
  beganAt(source: string, version: number): boolean {
    const { shard, generation } = split(source);
    const newest = this.#newest.get(shard);
    return generation > 1 && newest?.generation === generation && (newest.firstVersion ?? version) === version;
  }

  /** The version that a profile is at whose last event is of this source and had the version `last`. */
  versionAt(source: string, last: number): number {
    const { shard, generation } = split(source);
    const newest = this.#newest.get(shard);
    return newest === undefined || newest.generation === generation ? last : (newest.firstVersion ?? last);
  }

  /** May a profile whose last event is of this source and had the version `last` have this one now? */
  canBeAt(source: string, last: number, version: number): boolean {
    const { shard, generation } = split(source);
    const newest = this.#newest.get(shard);
    if (newest === undefined || newest.generation === generation) return version === last;
    // nothing of it has changed in the newest generation
    return version === 0 || newest.firstVersion === undefined || version === newest.firstVersion;
  }
}

function split(source: string): { readonly shard: string; readonly generation: number } {
  const m = /^(\/[^/]+\/[^/]+\/\d+)\/(\d+)$/.exec(source);
  return m === null ? { shard: source, generation: 1 } : { shard: m[1]!, generation: Number(m[2]) };
}
