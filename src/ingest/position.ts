// Where an ingestion stands, kept in KV per dataset and file.
// PO1: every row up to `rows` is in the log or refused, and the counters are exactly theirs.
// PO2: every copy of a later row that any run stored lies after sequence `scanFrom` of the log: whoever resumes reads the log from there and
//      knows what is in it, however late that is. It is raised only when the position passes all rows that were under way when the
//      sequence was acknowledged, those that an earlier run left in the log included: what is sent later is stored later.
// PO3: one run at a time: every write names the revision it replaces. A run that finds another's revision stops.
import { randomBytes } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import { formatTime, type EpochMs } from '../base/time.ts';
import type { Refusal, Tally } from './ack_window.ts';
import type { PositionStore } from './ingest_ports.ts';

export type PositionRecord = {
  readonly version: 1;
  readonly state: 'running' | 'done';
  readonly rows: number;
  readonly sent: number;
  readonly refused: number;
  readonly refusals: readonly Refusal[];
  /** RFC 3339, of the events that were sent; null before the first. */
  readonly greatestTimestamp: string | null;
  /** Everything acknowledged up to `rows` is at this sequence of the log or before it. */
  readonly logSequence: number;
  /** When the log was made: another log has none of these rows. */
  readonly logCreated: string;
  readonly scanFrom: number;
  /** When the log ended at `scanFrom`. */
  readonly scanFromAt: string;
  /** SHA-256 of the map file; null without. */
  readonly map: string | null;
  readonly format: string;
  /** Which run holds it; null when its run has stopped in order. */
  readonly run: string | null;
  readonly startedAt: string;
  readonly updatedAt: string;
};

/** A run writes at least this often while it lives: also while it reads the log, and while it moves time. */
export const WRITE_MS = 1_000;
/** Long enough for a live run to be seen writing, one slow write included. */
const WATCH_MS = 3 * WRITE_MS;

export type Found = { readonly record: PositionRecord | undefined; readonly revision: number };

/** @throws VisageError `bad_position` */
export async function readPosition(store: PositionStore): Promise<Found> {
  const { value, revision } = await store.read();
  if (value === undefined) return { record: undefined, revision };
  try {
    const record = JSON.parse(value) as PositionRecord;
    if (record.version === 1 && Number.isSafeInteger(record.rows) && Number.isSafeInteger(record.scanFrom))
      return { record, revision };
  } catch {
    // said below
  }
  throw new VisageError('bad_position', `${store.name} was written by another release of Visage, or is damaged`);
}

/** Waits long enough to see whether the run that holds it is alive: by its writes, as the clocks of two machines may differ by any
 *  amount. One that stopped in order holds it no more, and is not waited for. @throws VisageError `ingest_running` */
export async function refuseRunning(
  read: () => Promise<Found>,
  found: Found,
  pause: (ms: number) => Promise<void>,
  watchMs = WATCH_MS,
): Promise<Found> {
  if (!isHeld(found)) return found;
  await pause(watchMs);
  const later = await read();
  if (later.revision === found.revision || !isHeld(later)) return later;
  throw new VisageError('ingest_running', 'this file is being ingested into this dataset by another process', { kind: 'refuse' });
}

function isHeld({ record }: Found): boolean {
  return record?.run != null && record.state !== 'done';
}

export type KeeperStart = Pick<
  PositionRecord,
  'scanFrom' | 'scanFromAt' | 'logSequence' | 'logCreated' | 'map' | 'format' | 'startedAt'
> & { readonly revision: number };

export class PositionKeeper {
  /** Rows up to here survive a crash. */
  writtenRows: number;
  private readonly run = randomBytes(8).toString('hex');
  private readonly store: PositionStore;
  private readonly now: () => EpochMs;
  private readonly start: KeeperStart;
  private revision: number;
  private scanFrom: number;
  private scanFromAt: string;
  private acknowledged: number;
  private sentThrough: number;
  /** Later than any row that an earlier run left in the log. */
  private leftThrough = 0;
  private isScanning = false;
  private mark: { readonly sequence: number; readonly sentThrough: number; readonly at: string } | undefined;

  constructor(store: PositionStore, now: () => EpochMs, start: KeeperStart, rows: number) {
    this.store = store;
    this.now = now;
    this.start = start;
    this.revision = start.revision;
    this.scanFrom = start.scanFrom;
    this.scanFromAt = start.scanFromAt;
    this.acknowledged = Math.max(start.logSequence, start.scanFrom);
    this.sentThrough = rows;
    this.writtenRows = rows;
  }

  /** Before a row is handed to the producer. */
  sending(row: number): void {
    if (row > this.sentThrough) this.sentThrough = row;
  }

  acknowledge(sequence: number): void {
    if (sequence > this.acknowledged) this.acknowledged = sequence;
  }

  /** Until `scanned` nobody knows what an earlier run left, so that `scanFrom` stays: it is where the scan begins. */
  scanning(): void {
    this.isScanning = true;
  }

  scanned(): void {
    this.isScanning = false;
  }

  /** Found in the log: left there by an earlier run. */
  left(row: number): void {
    if (row > this.leftThrough) this.leftThrough = row;
  }

  /** Not twice at a time. @throws VisageError `ingest_taken`, `unavailable` (retry) */
  async write(tally: Tally, state: 'running' | 'done', held = true): Promise<void> {
    const { rows, sent, refused, refusals, greatestTimestampMs } = tally;
    const at = formatTime(this.now());
    this.raise(rows, at);
    const { revision: _, ...start } = this.start;
    const record: PositionRecord = {
      version: 1,
      ...start,
      state,
      rows,
      sent,
      refused,
      refusals,
      greatestTimestamp: greatestTimestampMs === null ? null : formatTime(greatestTimestampMs),
      logSequence: this.acknowledged,
      scanFrom: this.scanFrom,
      scanFromAt: this.scanFromAt,
      run: held ? this.run : null,
      updatedAt: at,
    };
    this.revision = await this.put(record);
    this.writtenRows = rows;
  }

  private raise(rows: number, at: string): void {
    if (this.isScanning) return;
    if (this.mark !== undefined && rows >= this.mark.sentThrough && rows >= this.leftThrough) {
      this.scanFrom = Math.max(this.scanFrom, this.mark.sequence);
      this.scanFromAt = this.mark.at;
      this.mark = undefined;
    }
    this.mark ??= { sequence: this.acknowledged, sentThrough: this.sentThrough, at };
  }

  private async put(record: PositionRecord): Promise<number> {
    const value = JSON.stringify(record);
    try {
      return await this.store.write(value, this.revision);
    } catch (error) {
      if (!(error instanceof VisageError) || error.code !== 'conflict') throw error;
    }
    // an earlier write of ours whose answer was lost, or another run
    const found = await readPosition(this.store);
    if (found.record === undefined || found.record.run !== this.run)
      throw new VisageError('ingest_taken', 'another process has taken over the ingestion of this file; this one stops', {
        kind: 'refuse',
      });
    return this.store.write(value, found.revision);
  }
}
