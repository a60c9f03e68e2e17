// A file into the log: hashed, resumed where an earlier run stopped, sent, and under the event clock time moved to its end.
// Boundary: files and the ports of ingest_ports.ts; no NATS, no terminal.
// IN1: running it again adds nothing twice: rows up to the position are skipped; of later ones the log itself says which it has; the
//      rest go out under the same message id and `_id` as before.
// IN2: a row is named by its number in the file and the file by its hash, so that every run names it alike.
// IN3: what cannot be known is refused, not guessed: a log that lost what was acknowledged, or was trimmed past what a resume needs.
// IN4: a file of records with another operation is another ingestion: to delete what a file has created is no repetition.
import { createHash } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import { formatTime, parseRfc3339, type EpochMs } from '../base/time.ts';
import { AckWindow, EMPTY_TALLY, type Tally } from './ack_window.ts';
import { csvHeader, csvRows } from './csv_rows.ts';
import { FileBytes, hashFile, type FileFacts } from './file_bytes.ts';
import { checkColumns } from './check_map.ts';
import type { IngestMap } from './ingest_map.ts';
import type { IngestLog, PositionStore, Sender } from './ingest_ports.ts';
import { IngestRun } from './ingest_run.ts';
import { rowMapper } from './map_row.ts';
import { ndjsonRows } from './ndjson_rows.ts';
import { payloadMapper } from './payload_row.ts';
import { Patience, Stopped } from './patience.ts';
import { PositionKeeper, readPosition, refuseRunning, type Found, type PositionRecord } from './position.ts';
import type { MapRow, RowRules } from './row_message.ts';
import { checkLog, checkTrimmed, checkWhole, LogScan } from './resume.ts';

export type IngestFormat = 'ndjson' | 'csv';

export type IngestOptions = {
  readonly path: string;
  readonly format: IngestFormat;
  readonly dataset: string;
  /** Null: every line is an event or a record. CSV needs one. */
  readonly map: IngestMap | null;
  readonly rules: RowRules;
  readonly sender: Sender;
  readonly log: IngestLog;
  /** The key of this dataset and file. */
  readonly positionOf: (key: string) => PositionStore;
  readonly now: () => EpochMs;
  readonly maxFutureSkewMs: number;
  /** How long `_id`s are remembered. */
  readonly dedupeHorizonMs: number;
  /** Stops reading; what is under way is waited for, and the position kept. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
};

/** Called about ten times a second. */
export type Progress = Tally & { readonly fileBytes: number; readonly readBytes: number; readonly waitingFor: string | null };

/** rows = sent + skipped + refused, of the whole file when it is `done`. */
export type IngestReport = {
  /** `already`: an earlier run had done it, at `finishedAt`. `interrupted`: by the signal; run it again to go on. */
  readonly state: 'done' | 'already' | 'interrupted';
  readonly rows: number;
  /** By this run. */
  readonly sent: number;
  /** In the log already, from an earlier run. */
  readonly skipped: number;
  readonly refused: number;
  /** The first ten: line and reason. */
  readonly refusals: Tally['refusals'];
  readonly greatestTimestamp: string | null;
  /** Null when it was interrupted before that was known. */
  readonly hash: string | null;
  readonly finishedAt: string | null;
  /** It was done with another map file, or as another format; nothing was sent again. */
  readonly mapDiffers: boolean;
};

const NOTHING_DONE: IngestReport = {
  state: 'interrupted',
  rows: 0,
  sent: 0,
  skipped: 0,
  refused: 0,
  refusals: [],
  greatestTimestamp: null,
  hash: null,
  finishedAt: null,
  mapDiffers: false,
};
const PROGRESS_MS = 100;
const FILE_ERRORS = ['damaged_gzip', 'bad_csv', 'file_changed'];

/** @throws VisageError `damaged_gzip`, `bad_csv`, `file_changed`, `bad_map`, `ingest_running`, `ingest_taken`, `ingest_differs`,
 *  `log_changed`, `log_trimmed`, `bad_position`, and what the producer stops with */
export async function ingest(options: IngestOptions): Promise<IngestReport> {
  const facts = await hashFile(options.path, options.signal);
  if (facts === null) return NOTHING_DONE;
  const patience = new Patience(options.signal);
  // only while it waits: where an earlier run stopped is not known yet
  const timer = setInterval(() => {
    const { waitingFor } = patience;
    if (waitingFor !== null) options.onProgress?.({ ...EMPTY_TALLY, fileBytes: facts.bytes, readBytes: 0, waitingFor });
  }, PROGRESS_MS);
  let prepared: Prepared | IngestReport;
  try {
    prepared = await prepare(options, facts, patience);
  } catch (error) {
    if (error instanceof Stopped) return { ...NOTHING_DONE, hash: facts.hash };
    throw error;
  } finally {
    clearInterval(timer);
  }
  return 'keeper' in prepared ? runOnce(options, prepared) : prepared;
}

type Prepared = {
  readonly facts: FileFacts;
  readonly found: Found;
  readonly keeper: PositionKeeper;
  readonly mapRow: MapRow;
};

/** @returns the report when there is nothing to do   @throws Stopped, and what `ingest` throws */
async function prepare(options: IngestOptions, facts: FileFacts, patience: Patience): Promise<Prepared | IngestReport> {
  const { format, map, dataset, now } = options;
  const store = options.positionOf(`ingest.${dataset}.${facts.hash}${suffixOf(options, '.')}`);
  const read = (): Promise<Found> => patience.until(() => readPosition(store));
  const found = await refuseRunning(read, await read(), (ms) => patience.pause(ms));
  const { record } = found;
  const log = await patience.until(() => options.log.state());
  if (record !== undefined) checkLog(record, log, store);
  const mapDiffers = record !== undefined && (record.map !== (map?.hash ?? null) || record.format !== format);
  if (record?.state === 'done') return already(record, facts, mapDiffers);
  if (mapDiffers)
    throw new VisageError(
      'ingest_differs',
      `this file is half ingested with another map file or format (${record.rows} rows); finish it with that one`,
      { kind: 'usage' },
    );
  if (record !== undefined) checkTrimmed(record, log, now(), options.dedupeHorizonMs);
  else await checkWhole(facts, options.signal);
  const mapRow = await mapperOf(options, facts);
  const startedAt = formatTime(now());
  const start = {
    revision: found.revision,
    map: map?.hash ?? null,
    format,
    logCreated: log.created,
    scanFrom: record?.scanFrom ?? log.lastSequence,
    scanFromAt: record?.scanFromAt ?? startedAt,
    logSequence: record?.logSequence ?? log.lastSequence,
    startedAt: record?.startedAt ?? startedAt,
  };
  return { facts, found, keeper: new PositionKeeper(store, now, start, record?.rows ?? 0), mapRow };
}

async function runOnce(options: IngestOptions, { facts, found, keeper, mapRow }: Prepared): Promise<IngestReport> {
  const { dataset, log, format, now } = options;
  const { record } = found;
  const window = new AckWindow(record === undefined ? EMPTY_TALLY : tallyOf(record));
  const skippedBefore = window.tally.sent;
  const messagePrefix = `i${createHash('sha256')
    .update(`${dataset}\n${facts.hash}${suffixOf(options, '\n')}`)
    .digest('hex')
    .slice(0, 20)}-`;
  const scan = new LogScan(new Set());
  const run = new IngestRun({
    dataset,
    sender: options.sender,
    mapRow,
    window,
    keeper,
    present: scan.present,
    idPrefix: `${facts.hash.slice(0, 16)}${suffixOf(options, '-')}-`,
    messagePrefix,
    latestMs: () => now() + options.maxFutureSkewMs,
    signal: options.signal,
  });
  const bytes = new FileBytes(facts);
  const report = (): void => {
    const waitingFor = run.waitingFor ?? scan.waitingFor;
    options.onProgress?.({ ...window.tally, fileBytes: facts.bytes, readBytes: bytes.read, waitingFor });
  };
  const timer = setInterval(report, PROGRESS_MS);
  let isDone = false;
  try {
    if (record !== undefined) keeper.scanning();
    await run.hold();
    const isKnown =
      record === undefined || (await run.againUnlessStopped(() => scan.read(log, record, messagePrefix, () => run.isStopped)));
    if (isKnown) {
      for (const row of scan.present) keeper.left(row);
      keeper.scanned();
      await run.take(format === 'csv' ? csvRows(bytes.chunks()) : ndjsonRows(bytes.chunks()));
    }
    isDone = await finish(run, log, keeper, window.tally);
    if (!isDone) await keeper.write(window.tally, 'running', false).catch(() => undefined); // the one before it counts, and loses nothing
  } finally {
    clearInterval(timer);
    report();
  }
  if (run.failure !== undefined) throw withPosition(run.failure, window.tally);
  const { rows, sent, refused, refusals, greatestTimestampMs } = window.tally;
  const skipped = skippedBefore + window.skipped;
  return {
    state: isDone ? 'done' : 'interrupted',
    rows,
    sent: sent - skipped,
    skipped,
    refused,
    refusals,
    greatestTimestamp: greatestTimestampMs === null ? null : formatTime(greatestTimestampMs),
    hash: facts.hash,
    finishedAt: isDone ? formatTime(now()) : null,
    mapDiffers: false,
  };
}

/** Moves time, then says `done`. Repeating it is harmless: a kill in between does. @returns false when the run was stopped or failed */
async function finish(run: IngestRun, log: IngestLog, keeper: PositionKeeper, tally: Tally): Promise<boolean> {
  const { greatestTimestampMs: timeMs } = tally;
  const hasTime = log.moveTime !== null && timeMs !== null;
  let isDone = run.failure === undefined && !run.isStopped;
  if (isDone && hasTime) isDone = await run.againUnlessStopped(() => log.moveTime!(timeMs));
  await run.letGo();
  if (!isDone || run.isStopped) return false;
  return run.again(() => keeper.write(tally, 'done'));
}

/** Behind what names the file (IN4): nothing for what is created. */
function suffixOf({ rules }: IngestOptions, before: string): string {
  return rules.behavior === 'record' && rules.operation !== 'create' ? `${before}${rules.operation}` : '';
}

function tallyOf(record: PositionRecord): Tally {
  const { rows, sent, refused, refusals, greatestTimestamp } = record;
  return {
    rows,
    sent,
    refused,
    refusals,
    greatestTimestampMs: greatestTimestamp === null ? null : parseRfc3339(greatestTimestamp),
  };
}

async function mapperOf({ map, format, rules }: IngestOptions, facts: FileFacts): Promise<MapRow> {
  if (format === 'ndjson') return map === null ? payloadMapper(rules) : rowMapper(map, null, rules);
  if (map === null) throw new VisageError('no_map', 'a CSV file needs a map file', { kind: 'usage' });
  const header = await csvHeader(new FileBytes(facts).chunks());
  checkColumns(map, header);
  return rowMapper(map, header, rules);
}

function already(record: PositionRecord, facts: FileFacts, mapDiffers: boolean): IngestReport {
  const { rows, sent, refused, refusals, greatestTimestamp } = record;
  return {
    state: 'already',
    rows,
    sent: 0,
    skipped: sent,
    refused,
    refusals,
    greatestTimestamp,
    hash: facts.hash,
    finishedAt: record.updatedAt,
    mapDiffers,
  };
}

/** How far it got, behind what it stopped with. */
function withPosition(failure: unknown, { rows }: Tally): unknown {
  if (!(failure instanceof VisageError) || failure.code === 'ingest_taken') return failure;
  let text = `${failure.message}. The first ${rows} rows are ingested; running it again goes on after them`;
  if (FILE_ERRORS.includes(failure.code))
    text += '. A repaired file is another file: of its rows only those with an _id of their own count once';
  return new VisageError(failure.code, text, { cause: failure, kind: failure.kind });
}
