// Every metric of Visage's own, once. docs/metrics.md, the registry, the dashboards' and the rules' tests go by this table.
// MC1: names are visage_<noun>_<unit>[_total]; seconds and bytes. MC2: labels are bounded (shard, reason, state), never an identity.

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export type MetricDefinition = {
  readonly name: string;
  readonly kind: MetricKind;
  /** One sentence; ends without a full stop, as Prometheus shows it. */
  readonly help: string;
  readonly labels: readonly string[];
  /** What to think when it moves; for docs/metrics.md. */
  readonly meaning: string;
};

const metric = (kind: MetricKind, name: string, labels: readonly string[], help: string, meaning: string): MetricDefinition => ({
  kind,
  name,
  labels,
  help,
  meaning,
});

/** What belongs together, in the order in which it is shown. */
export const TOPICS: readonly { readonly topic: string; readonly metrics: readonly MetricDefinition[] }[] = [
  {
    topic: 'The worker',
    metrics: [
      metric(
        'gauge',
        'visage_build_info',
        ['version', 'node'],
        'Always 1; the labels say what runs',
        'which release a worker runs',
      ),
      metric('gauge', 'visage_ready', [], '1 while /readyz says ready', 'connected, and no shard is restoring or replaying'),
      metric(
        'gauge',
        'visage_nats_connected',
        [],
        '1 while every connection to NATS is up',
        '0: the worker waits for the server; nothing is lost',
      ),
      metric(
        'counter',
        'visage_nats_disconnects_total',
        [],
        'Connections to NATS that were lost',
        'restarts of the server, or a bad network',
      ),
      metric(
        'counter',
        'visage_reads_refused_total',
        ['door'],
        'Reads refused because too many were under way, over `nats` and over `http`',
        'readers ask faster than they are answered; shards are not held up by it',
      ),
      metric(
        'counter',
        'visage_http_messages_total',
        ['outcome'],
        'Messages that came in over HTTP: `stored`, `refused`, `busy` (sent again later), `unavailable`',
        '`busy`: the log is full, or more comes than goes out',
      ),
      metric(
        'counter',
        'visage_http_denied_total',
        ['reason'],
        'Requests over HTTP that were not let in, by reason',
        '`bad_token`: a token that was taken out is still in use, or somebody guesses; `foreign_host`, `foreign_origin`: a page of another site asked',
      ),
      metric(
        'counter',
        'visage_token_file_failures_total',
        [],
        'Changes of http.tokensFile that could not be used',
        'the tokens of before hold: correct the file, the log says where',
      ),
      metric(
        'gauge',
        'visage_live_streams',
        [],
        'Clients that follow a profile over HTTP',
        'at most 1,000 a worker; more are told to come again',
      ),
      metric(
        'counter',
        'visage_live_events_total',
        [],
        'Change events sent to clients that follow a profile',
        'what is looked at',
      ),
      metric(
        'counter',
        'visage_live_resets_total',
        [],
        'Clients that could not go on where they were',
        'they were away for longer than `changes.maxAge`, or the change stream was made again',
      ),
      metric(
        'counter',
        'visage_live_cut_off_total',
        ['reason'],
        'Clients cut off because they took too little: too much waited for them (`slow`), or nothing was taken (`stalled`)',
        'bad networks; a client goes on where it was when it comes again',
      ),
    ],
  },
  {
    topic: 'Shards',
    metrics: [
      metric(
        'gauge',
        'visage_shards',
        ['state'],
        'Shards by lifecycle state',
        '`elsewhere` are those of other workers, `behind` and `prepared` are followed; anything else but `active` that stays needs a look',
      ),
      metric(
        'gauge',
        'visage_shard_active',
        ['shard'],
        '1 while this worker has the shard and it is active',
        '0 at every worker: nobody answers for the shard',
      ),
      metric(
        'gauge',
        'visage_shard_halted',
        ['shard'],
        '1 while the shard is halted',
        'page somebody: it serves nothing until a person decides; `visage status` says why',
      ),
      metric(
        'counter',
        'visage_shard_halts_total',
        ['shard', 'code'],
        'Times the shard halted, by error code',
        'the code names what to do, see docs/operations.md',
      ),
      metric(
        'counter',
        'visage_shard_restarts_total',
        ['shard'],
        'Times the shard started again from its last checkpoint after a failure',
        'now and then: a lost connection; often: read the log',
      ),
      metric(
        'counter',
        'visage_log_gaps_total',
        ['shard'],
        'Log gaps found at a start: messages that aged out before they were applied',
        'values may lack those messages',
      ),
      metric(
        'counter',
        'visage_log_rewinds_total',
        ['shard'],
        'Times the log or the change stream was found older than the state',
        'a restored copy or a power failure of the server; the shard halts',
      ),
      metric(
        'counter',
        'visage_fence_conflicts_total',
        ['shard'],
        'Times another owner was found to have committed',
        'a worker was paused or cut off for longer than its lease: another has taken the shard over, nothing is lost; often: the lease is too short',
      ),
      metric(
        'counter',
        'visage_shard_takeovers_total',
        ['shard'],
        'Times this worker began to own the shard',
        'starts, and shards that move; steadily: workers come and go',
      ),
      metric(
        'counter',
        'visage_snapshots_total',
        ['shard'],
        'Snapshots taken by this worker',
        'stands still although events come: see the failures',
      ),
      metric(
        'counter',
        'visage_snapshot_failures_total',
        ['shard'],
        'Snapshots that could not be taken',
        'the object store does not answer or is full, or the disk has no room for a copy; the shard goes on',
      ),
    ],
  },
  {
    topic: 'Events',
    metrics: [
      metric('counter', 'visage_events_applied_total', ['shard'], 'Events that counted', 'the rate of work'),
      metric(
        'counter',
        'visage_events_replayed_total',
        ['shard'],
        'Events applied again after a start, up to the last commit',
        'what was not in the last checkpoint',
      ),
      metric(
        'counter',
        'visage_events_duplicate_total',
        ['shard'],
        'Events whose id was known already',
        'producers that send again; no harm',
      ),
      metric(
        'counter',
        'visage_events_refused_total',
        ['shard', 'reason'],
        'Messages refused to the dead-letter stream, by reason',
        'a producer sends what definitions or limits do not allow; `visage dead list`',
      ),
      metric('counter', 'visage_records_applied_total', ['shard'], 'Writes to records that were applied', 'the rate of work'),
      metric(
        'counter',
        'visage_stale_writes_total',
        ['shard'],
        'Writes to records older than what was there, dropped',
        'normal where producers send out of order; no harm',
      ),
      metric(
        'counter',
        'visage_deleted_dropped_total',
        ['shard'],
        'Events and writes as of a time that was deleted, dropped',
        'somebody sends again what was deleted; no harm',
      ),
      metric(
        'counter',
        'visage_primary_mismatches_total',
        ['shard'],
        "Messages whose payload names an identity that ranks higher than the subject's",
        'a producer does not choose the identity by priority',
      ),
      metric(
        'counter',
        'visage_dedupe_evicted_total',
        ['shard'],
        'Event ids forgotten before the dedupe horizon because of limits.dedupeIds',
        'duplicates of these would count twice',
      ),
    ],
  },
  {
    topic: 'Time',
    metrics: [
      metric(
        'counter',
        'visage_expiries_total',
        ['shard'],
        'Profiles whose values left a window without a message of their own',
        'the work of time',
      ),
      metric(
        'histogram',
        'visage_expiry_lateness_seconds',
        [],
        'How long after it was due a value left its window, in log time',
        'should stay near `tick`; under `clock: event` nothing is late, and nothing is counted',
      ),
      metric('counter', 'visage_ticks_total', ['shard'], 'Ticks appended to the log', 'time kept moving without messages'),
      metric(
        'counter',
        'visage_tick_failures_total',
        ['shard'],
        'Ticks that could not be appended',
        'the log is full or away: values leave their windows late',
      ),
    ],
  },
  {
    topic: 'Changes',
    metrics: [
      metric(
        'counter',
        'visage_changes_total',
        ['shard'],
        'Visible changes of profiles',
        'several may fold into one change event',
      ),
      metric(
        'counter',
        'visage_change_events_total',
        ['shard'],
        'Change events published and acknowledged',
        'what consumers see',
      ),
      metric(
        'counter',
        'visage_commits_total',
        ['shard'],
        'Commits acknowledged by the change stream',
        'one commit carries the change events of a few milliseconds',
      ),
      metric(
        'counter',
        'visage_commit_failures_total',
        ['shard'],
        'Attempts to commit without a clear answer',
        'the server is slow or away; the shard asks and tries again',
      ),
      metric(
        'histogram',
        'visage_commit_duration_seconds',
        [],
        'From publishing a commit to its acknowledgement',
        "the server's share of the latency",
      ),
      metric(
        'histogram',
        'visage_end_to_end_latency_seconds',
        [],
        'From the log storing a message to its change event being acknowledged, by the wall clocks of server and worker',
        'what a consumer waits for',
      ),
    ],
  },
  {
    topic: 'Checkpoints',
    metrics: [
      metric('counter', 'visage_checkpoints_total', ['shard'], 'Checkpoints written', 'how often state moves to disk'),
      metric('counter', 'visage_checkpoint_profiles_total', ['shard'], 'Profiles written by checkpoints', 'the work of the disk'),
      metric(
        'histogram',
        'visage_checkpoint_duration_seconds',
        [],
        'From the freeze of a checkpoint to its transaction being committed',
        'grows with the disk; what it lasts is replayed after a crash',
      ),
      metric(
        'gauge',
        'visage_checkpoint_age_seconds',
        ['shard'],
        'Time since the first applied message that no checkpoint has',
        'bounds what a crash makes it replay',
      ),
    ],
  },
  {
    topic: 'Lag',
    metrics: [
      metric(
        'gauge',
        'visage_lag_messages',
        ['shard'],
        "Messages in the shard's log that are not applied yet",
        'growing: more load than one core takes',
      ),
      metric(
        'gauge',
        'visage_lag_seconds',
        ['shard'],
        'Age of the last applied message while more are waiting, else 0',
        'how stale values are',
      ),
    ],
  },
  {
    topic: 'Profiles and memory',
    metrics: [
      metric('gauge', 'visage_profiles', ['shard'], 'Profiles', 'what the store holds'),
      metric('gauge', 'visage_cached_profiles', ['shard'], 'Profiles in memory', 'the cache'),
      metric(
        'gauge',
        'visage_cached_bytes',
        ['shard'],
        'Estimated memory of the profiles in memory',
        'bounded by visage_cache_budget_bytes, plus what is not checkpointed',
      ),
      metric('gauge', 'visage_cache_budget_bytes', [], 'Memory that the profiles of all shards may take', 'cache.maxBytes'),
      metric(
        'counter',
        'visage_cache_misses_total',
        ['shard'],
        'Profiles that had to be read from the store',
        'many: the cache is smaller than what is hot',
      ),
      metric('gauge', 'visage_dirty_profiles', ['shard'], 'Profiles changed since the last checkpoint', 'replayed after a crash'),
    ],
  },
  {
    topic: 'Disk',
    metrics: [
      metric('gauge', 'visage_store_file_bytes', ['shard'], 'Size of the LMDB file', 'disk'),
      metric(
        'gauge',
        'visage_store_used_bytes',
        ['shard'],
        'Pages of the file that hold profiles',
        'file minus this is free pages and overhead',
      ),
      metric(
        'gauge',
        'visage_store_map_bytes',
        ['shard'],
        'Address space reserved for the LMDB file',
        'grows by itself; near the file size it is about to',
      ),
    ],
  },
];

export const CATALOGUE: readonly MetricDefinition[] = TOPICS.flatMap(({ metrics }) => metrics);
