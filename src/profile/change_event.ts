// Change events as consumers read them. Shapes only.
import type { Identity } from '../message/identity.ts';
import type { ComputedValue, ProfileView } from './view.ts';

/** What a program knows of its profiles: the types of what records say, and of computed values by name. */
export type ProfileShape = { readonly attributes?: object; readonly computed?: object };

type AttributesOf<T extends ProfileShape> = T extends { readonly attributes: infer A } ? A : ProfileView['attributes'];
type ComputedOf<T extends ProfileShape> = T extends { readonly computed: infer C extends object } ? C : Record<string, unknown>;

/** A profile whose values have types. They are the program's word: the definitions are what makes them so. */
export type TypedProfile<T extends ProfileShape = ProfileShape> = Omit<ProfileView, 'attributes' | 'computed'> & {
  readonly attributes: AttributesOf<T>;
  readonly computed: { readonly [K in keyof ComputedOf<T>]?: ComputedValue & { readonly value: ComputedOf<T>[K] } };
};

/** What a visible change came from. `sequence`: of the message in the shard's log. */
export type ChangeCause =
  | { readonly kind: 'event'; readonly dataset: string; readonly _id: string; readonly sequence: number }
  | {
      readonly kind: 'record';
      readonly dataset: string;
      readonly operation: string;
      readonly _id?: string;
      readonly sequence: number;
    }
  /** Of a dataset when it names one, else of the whole profile. */
  | { readonly kind: 'delete'; readonly operation: string; readonly dataset?: string; readonly sequence: number }
  | { readonly kind: 'erase' | 'expiry' | 'definitions'; readonly sequence: number };

/** A value that was absent has no `before`, one that is absent has no `after`. */
export type ValueChange<T extends ProfileShape = ProfileShape> =
  | {
      [K in keyof ComputedOf<T> & string]: {
        readonly path: `computed.${K}`;
        readonly before?: ComputedOf<T>[K];
        readonly after?: ComputedOf<T>[K];
      };
    }[keyof ComputedOf<T> & string]
  | { readonly path: `attributes.${string}`; readonly before?: unknown; readonly after?: unknown };

/** A CloudEvent of the change stream. */
export type ChangeEvent<T extends ProfileShape = ProfileShape> = {
  readonly specversion: '1.0';
  readonly id: string;
  /** Names the shard, and past the first the generation of its state. */
  readonly source: string;
  readonly type: 'visage.profile.created' | 'visage.profile.updated' | 'visage.profile.deleted';
  /** `customerId:17850` */
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** W3C Trace Context, of the first cause that has one. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly data: {
    readonly profile: Identity;
    readonly version: number;
    /** The version at the profile's previous change event; 0 for the first. */
    readonly previousVersion: number;
    readonly sequence: number;
    /** At most 20. */
    readonly cause: readonly ChangeCause[];
    /** How many causes there were, when they are not all listed. */
    readonly causeCount?: number;
    /** Too large for its values: `changes` has the paths only, and of those not all when there is a `changesTotal`. */
    readonly truncated?: true;
    readonly changesTotal?: number;
    /** An older change stream, which has aged out, may have had it. */
    readonly possiblyRepeated?: true;
    readonly changes: readonly ValueChange<T>[];
    readonly audiences: { readonly entered: readonly string[]; readonly exited: readonly string[] };
  };
};
