// What is measured, as its source gives it and as whoever shows it takes it.
// M1: sources count in plain numbers; nothing here is called per event.
// M2: a sample's name is one of the catalogue (metrics/catalogue.ts); its labels are those that the catalogue lists, and bounded.
import type { Histogram } from '../base/histogram.ts';
import type { Denial } from './access.ts';
import type { WriteOutcome } from './writes.ts';

export type Labels = Readonly<Record<string, string>>;

/** A counter's or gauge's value, or a histogram as it stands. Counters and histograms only grow over the life of the process. */
export type Sample =
  | { readonly name: string; readonly labels: Labels; readonly value: number }
  | { readonly name: string; readonly labels: Labels; readonly histogram: Histogram };

/** Asked at every scrape. */
export interface MetricsSource {
  collect(): Iterable<Sample>;
}

/** Shows what the source has. */
export interface MetricsPage {
  readonly contentType: string;
  text(): Promise<string>;
}

/** What one shard counts. Lives of the shard come and go; its meter stays, so that nothing ever counts backwards. */
export type ShardMeter = {
  eventsApplied: number;
  /** Applied again after a start, up to the last commit. */
  eventsReplayed: number;
  eventsDuplicate: number;
  recordsApplied: number;
  /** Older than what their fragment holds. */
  staleWrites: number;
  /** Events and writes as of a time that is deleted. */
  deletedDropped: number;
  primaryMismatches: number;
  dedupeEvicted: number;
  expiries: number;
  changes: number;
  changeEvents: number;
  commits: number;
  commitFailures: number;
  ticks: number;
  tickFailures: number;
  checkpoints: number;
  profilesWritten: number;
  cacheMisses: number;
  /** Messages sent to the dead letters, by reason. */
  readonly refused: Map<string, number>;
  /** The last message that was counted as refused. */
  refusedThrough: number;
};

/** Durations over all shards of a worker, in seconds. */
export type WorkerMeter = {
  readonly commitSeconds: Histogram;
  readonly checkpointSeconds: Histogram;
  /** From the log's stamp of a message to the acknowledgement of the commit that has its change event. */
  readonly endToEndSeconds: Histogram;
  /** From when a value was due to leave its window to the log time at which it did. */
  readonly expiryLatenessSeconds: Histogram;
  /** Reads that were refused because too many were under way, by where they came in. */
  readonly readsRefused: { nats: number; http: number };
  readonly live: LiveMeter;
};

/** Streams of server-sent events. */
export type LiveMeter = {
  /** At the moment. */
  open: number;
  events: number;
  /** Positions from which nothing could go on. */
  resets: number;
  /** Clients that took too little, by how it showed. */
  readonly cutOff: { slow: number; stalled: number };
};

/** What the HTTP port counts beside its reads. */
export type HttpMeter = {
  /** Requests that were not let in, by why. */
  readonly denied: Record<Denial, number>;
  /** Messages that came in, by what became of them. */
  readonly written: Record<WriteOutcome, number>;
  /** Changes of the file of tokens that could not be used. */
  tokenFileFailures: number;
};
