// What must hold before a run sends its first row, and what the log says about the rows after the position (IN1, IN3 of ingest.ts).
import { VisageError } from '../base/errors.ts';
import { parseRfc3339, type EpochMs } from '../base/time.ts';
import { FileBytes, type FileFacts } from './file_bytes.ts';
import type { IngestLog, PositionStore } from './ingest_ports.ts';
import type { PositionRecord } from './position.ts';

/** A scan that takes longer is said to the user. */
const QUIET_MS = 1_000;

/** Finds the rows after the position that an earlier run had stored: it may have been killed before it heard of them. */
export class LogScan {
  readonly present: Set<number>;
  private messages = 0;
  private startMs = NaN;

  /** @param present takes the rows that are found */
  constructor(present: Set<number>) {
    this.present = present;
  }

  /** Null when there is nothing to say about it. */
  get waitingFor(): string | null {
    return performance.now() - this.startMs < QUIET_MS || Number.isNaN(this.startMs)
      ? null
      : `reading in the log what an earlier run stored, ${this.messages} messages so far`;
  }

  /** May be repeated: what was found stays found. */
  async read(log: IngestLog, record: PositionRecord, messagePrefix: string, isStopped: () => boolean): Promise<void> {
    this.startMs = performance.now();
    this.messages = 0;
    try {
      for await (const id of log.messageIdsAfter(record.scanFrom)) {
        if (isStopped()) return; // and nothing will be sent
        this.messages++;
        const row = id.startsWith(messagePrefix) ? Number(id.slice(messagePrefix.length)) : NaN;
        if (row > record.rows) this.present.add(row);
      }
    } finally {
      this.startMs = NaN;
    }
  }
}

/** A file that was cut short on its way here is refused before its first row: the whole file has another hash, and the rows of the
 *  first part that have no _id of their own would count twice. @throws VisageError `damaged_gzip` */
export async function checkWhole(facts: FileFacts, signal: AbortSignal): Promise<void> {
  const chunks = new FileBytes(facts).chunks();
  try {
    while (!signal.aborted && (await chunks.next()).done !== true);
    await chunks.return(undefined);
  } catch (error) {
    if (!(error instanceof VisageError) || error.code !== 'damaged_gzip') throw error;
    throw new VisageError(error.code, `${error.message}; nothing of it is ingested: get the whole file`, {
      cause: error,
      kind: 'usage',
    });
  }
}

type LogState = Awaited<ReturnType<IngestLog['state']>>;

export function checkLog(record: PositionRecord, log: LogState, store: PositionStore): void {
  if (record.logCreated === log.created && log.lastSequence >= record.logSequence) return;
  throw new VisageError(
    'log_changed',
    `this file was ingested into a log that is gone or has lost messages (it had ${record.logSequence}, it ends at ${log.lastSequence}); ` +
      `to ingest all of it again delete ${store.name}`,
    { kind: 'refuse' },
  );
}

export function checkTrimmed(record: PositionRecord, log: LogState, nowMs: EpochMs, dedupeHorizonMs: number): void {
  const trimmed = log.firstSequence > record.scanFrom + 1 && log.lastSequence > record.scanFrom;
  if (!trimmed || nowMs - parseRfc3339(record.scanFromAt) < dedupeHorizonMs) return;
  throw new VisageError(
    'log_trimmed',
    `rows after ${record.rows} may have been ingested or not: the log no longer has what came after sequence ${record.scanFrom}, and _ids are ` +
      `not remembered since ${record.scanFromAt}; put the rows after ${record.rows} that are missing into a file of their own and ingest that`,
    { kind: 'refuse' },
  );
}
