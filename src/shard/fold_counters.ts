// What a fold counts since its start, for metrics and status: not part of the state.

export type FoldCounters = {
  events: number;
  records: number;
  duplicates: number;
  refused: number;
  expired: number;
  dedupeEvicted: number;
  /** Writes older than what their fragment holds: normal reordering. */
  stale: number;
  /** Events and writes as of a time that is deleted. */
  deleted: number;
  /** Messages whose payload ranks another identity higher than the subject's. */
  primaryMismatches: number;
};

export function noCounters(): FoldCounters {
  return {
    events: 0,
    records: 0,
    duplicates: 0,
    refused: 0,
    expired: 0,
    dedupeEvicted: 0,
    stale: 0,
    deleted: 0,
    primaryMismatches: 0,
  };
}
