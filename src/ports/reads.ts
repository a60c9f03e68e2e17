// What a worker answers about its shards. The API rooms see this, never a shard.
import type { Explanation } from '../profile/explanation.ts';
import type { ProfileView } from '../profile/view.ts';

export type ProfileQuery = {
  readonly namespace: string;
  readonly id: string;
  readonly after?: number;
  readonly timeoutMs?: number;
};
/** `field`: the name of a computed attribute, with or without `computed.` before it. `limit`: at most so many events are listed. */
export type ExplainQuery = ProfileQuery & { readonly field: string; readonly limit?: number };
export type ExportQuery = { readonly shard: number; readonly cut: string; readonly after: string };
export type ExportAnswer = {
  readonly shard: number;
  readonly sequence: number;
  readonly profiles: readonly string[];
  readonly next: string | null;
};

export interface ReadService {
  /** Undefined: there is no such profile. @throws VisageError `bad_identity`, `not_yet`, `shard_not_ready` … */
  profile(query: ProfileQuery): Promise<ProfileView | undefined>;
  /** Why a computed value is what it is; undefined: there is no such profile. @throws VisageError as `profile`, and `no_such_field`,
   *  `bad_query` (usage) · `too_much_history` (refuse) · `too_many_explains`, `explain_timeout`, `unavailable` (retry) */
  explain(query: ExplainQuery): Promise<Explanation | undefined>;
  /** A page of the export whose cut was appended to the shard's log; waits a little for the cut to be reached. */
  exportPage(query: ExportQuery): Promise<ExportAnswer>;
  status(): WorkerStatus;
}

/** One shard as `status` shows it; `state` is the lifecycle's. Numbers are absent until the shard was restored. */
export type ShardSummary = {
  readonly shard: number;
  readonly state: string;
  /** Why it is halted or waiting; one line. */
  readonly reason: string | null;
  readonly reasonCode: string | null;
  readonly [figure: string]: unknown;
};

export type WorkerStatus = {
  readonly instance: string;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly ready: boolean;
  readonly shards: readonly ShardSummary[];
};
