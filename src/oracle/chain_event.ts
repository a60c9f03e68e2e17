// What is read of a CloudEvent of the change stream, and what it says about itself.
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
    /** How many changes there were; more than `changes` has: not all paths are there either. */
    readonly changesTotal?: number;
  };
};

export const CREATED = 'visage.profile.created';
export const DELETED = 'visage.profile.deleted';
export const TYPES: readonly string[] = [CREATED, 'visage.profile.updated', DELETED];

const ERASED_NAMESPACE = 'erased';
const KEYED_HASH = /^[0-9a-f]{64}$/;

/** Is it the last event of an identity of which nothing is left but its keyed hash? `profile.id` is that. */
export function isErasure({ type, data: { profile } }: ChainEvent): boolean {
  return type === DELETED && profile.namespace === ERASED_NAMESPACE && KEYED_HASH.test(profile.id);
}

/** Does it name only some of the paths that changed? */
export function isPartial({ truncated, changes, changesTotal = 0 }: ChainEvent['data']): boolean {
  return truncated === true && changesTotal > changes.length;
}
