// What a worker answers about its shards. The API rooms see this, never a shard.
import type { EventsPage } from '../profile/events_page.ts';
import type { Explanation, FieldExplanation } from '../profile/explanation.ts';
import type { UnionSchema } from '../profile/union_schema.ts';
import type { ProfileView } from '../profile/view.ts';

/** `after`: the answer has everything up to this sequence of the shard's log in it; waits for it for at most `timeoutMs`. */
type IdentityQuery = {
  readonly namespace: string;
  readonly id: string;
  readonly after?: number;
  readonly timeoutMs?: number;
};
/** `policy`: the merge policy, by default the default one. `fields`: only these, see profile/field_mask.ts. */
export type ProfileQuery = IdentityQuery & { readonly policy?: string; readonly fields?: readonly string[] };
/** `field`: the name of a computed attribute, with or without `computed.` before it, or the path of a record field, with or without
 *  `attributes.` before it. `limit`: at most so many events are listed. `policy`: for record fields. */
export type ExplainQuery = IdentityQuery & { readonly field: string; readonly limit?: number; readonly policy?: string };
/** `start` (included) and `end` (excluded): RFC 3339, of the events' timestamps. `properties`: `path op value`, at most 3, all of which
 *  must hold. `page`: `next` of the page before. */
export type EventsQuery = IdentityQuery & {
  readonly start?: string;
  readonly end?: string;
  readonly types?: readonly string[];
  readonly properties?: readonly string[];
  readonly order?: string;
  readonly limit?: number;
  readonly page?: string;
};
/** `policy`: what records are merged by; the default one when none is named. */
export type ExportQuery = { readonly shard: number; readonly cut: string; readonly after: string; readonly policy?: string };
export type ExportAnswer = {
  readonly shard: number;
  readonly sequence: number;
  readonly profiles: readonly string[];
  readonly next: string | null;
};

/** `since`: when the definitions became live, in RFC 3339; null: not known. `definitions`: as a file has them. */
export type DefinitionsAnswer = {
  readonly hash: string;
  readonly since: string | null;
  readonly definitions: Readonly<Record<string, unknown>>;
};

export interface ReadService {
  /** Undefined: there is no such profile. @throws VisageError `bad_identity`, `bad_query`, `no_such_policy` (usage) · `not_yet`,
   *  `shard_not_ready` … */
  profile(query: ProfileQuery): Promise<ProfileView | undefined>;
  /** Why a computed value, or a field of the records, is what it is; undefined: there is no such profile. @throws VisageError as
   *  `profile`, and `no_such_field` (usage) · `too_much_history` (refuse) · `too_many_explains`, `explain_timeout`, `unavailable` (retry) */
  explain(query: ExplainQuery): Promise<Explanation | FieldExplanation | undefined>;
  /** A page of the events that count for a profile; undefined: there is no such profile. @param bytesMax what the answer may take as JSON
   *  @throws VisageError as `profile`, and `too_much_history`, `too_large` (refuse) · `too_many_reads`, `events_timeout`, `unavailable` (retry) */
  events(query: EventsQuery, bytesMax?: number): Promise<EventsPage | undefined>;
  /** The fields of a class with who contributes them, as the live definitions have it.
   *  @throws VisageError `no_such_class` (usage) · `shard_not_ready`, `unavailable` (retry) */
  unionSchema(className: string): Promise<UnionSchema>;
  /** What is live. @throws VisageError `shard_not_ready`, `no_definitions`, `unavailable` (retry) */
  definitions(): Promise<DefinitionsAnswer>;
  /** A page of the export whose cut was appended to the shard's log; waits a little for the cut to be reached. */
  exportPage(query: ExportQuery): Promise<ExportAnswer>;
  /** Of every shard, as its owner says. */
  status(): WorkerStatus | Promise<WorkerStatus>;
}

/** One shard as `status` shows it; `state` is the lifecycle's. Numbers are absent until the shard was restored. */
export type ShardSummary = {
  readonly shard: number;
  readonly state: string;
  /** Why it is halted or waiting; one line. */
  readonly reason: string | null;
  readonly reasonCode: string | null;
  /** Which worker says so; absent in what one worker says of itself. */
  readonly instance?: string;
  readonly [figure: string]: unknown;
};

export type WorkerStatus = {
  readonly instance: string;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly ready: boolean;
  readonly shards: readonly ShardSummary[];
  /** Who else is there; absent in what one worker says of itself. */
  readonly workers?: readonly WorkerSummary[];
};

/** `answers`: false when it did not say anything in time. */
export type WorkerSummary = {
  readonly instance: string;
  readonly answers: boolean;
  readonly version: string | null;
  readonly pid: number | null;
  readonly startedAt: string | null;
  readonly ready: boolean;
  readonly draining: boolean;
  /** How many shards it has. */
  readonly shards: number;
};
