// Who is there, and who owns which shard: entries that vanish unless they are renewed. For liveness only: safety is the change stream's fence.
// LE1: an entry changes only from the revision that its writer knows: of several that try, one succeeds.
// LE2: what is not renewed within `ttlMs` vanishes, by the store's own clock, up to 2 s late.

export type LeaseEntry = { readonly key: string; readonly value: string; readonly revision: number };

/** Not done: it was at another revision; `now` is what the leader has. */
export type PutOutcome =
  { readonly done: true; readonly revision: number } | { readonly done: false; readonly now: LeaseEntry | undefined };

export interface LeaseStore {
  readonly ttlMs: number;
  /** Everything there is; perhaps as of a moment ago. @throws VisageError `unavailable` (retry) */
  list(): Promise<readonly LeaseEntry[]>;
  /** Makes an entry (revision 0) or renews it. @throws VisageError `unavailable` (retry): it may be written or not · `not_allowed` */
  put(key: string, value: string, revision: number): Promise<PutOutcome>;
  /** Takes the entry away, if it is still at this revision. @throws as `put` */
  remove(key: string, revision: number): Promise<void>;
  /** Tells everybody that something has changed: they look at once, instead of at their next turn. May get lost. */
  hint(): void;
  /** @returns end of it */
  onHint(callback: () => void): () => void;
}
