// What a worker answers about its shards. The API rooms see this, never a shard.
import type { ProfileView } from '../profile/view.ts';

export type ProfileQuery = {
  readonly namespace: string;
  readonly id: string;
  readonly after?: number;
  readonly timeoutMs?: number;
};
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
