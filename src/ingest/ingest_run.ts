// One run over the rows of a file: each is mapped, sent, and counted when the log has it.
// IR1: a row is settled once: sent (acknowledged), found in the log already, or refused with its line. Nothing else moves the position.
// IR2: a row whose fate is unknown is sent again, for ever, under the same message id and `_id`: it counts once.
// IR3: memory is bounded: rows under way, rows beyond the position, rows beyond the written position.
// IR4: a refused row stops nothing; a log that takes nothing at all (rights, setup) stops the run, its position kept.
// IR5: records of one identity are sent one after the other, each when the log has the one before: sent again after trouble, an earlier one
//      would come behind a later one and win. Events do not mind their order.
import { errorText, VisageError } from '../base/errors.ts';
import type { AckWindow } from './ack_window.ts';
import { RowRefusal } from './evaluate.ts';
import type { FileRow } from './file_row.ts';
import type { Sender } from './ingest_ports.ts';
import { isForNow, waits } from './patience.ts';
import { WRITE_MS, type PositionKeeper } from './position.ts';
import type { MapRow, RowMessage } from './row_message.ts';

const UNDER_WAY_MAX = 1_024;
const AHEAD_MAX = 16_384;
/** A position that cannot be written holds the run up before a resume would have to remember more rows than this. */
const UNWRITTEN_MAX = 1_000_000;
const GRACE_MS = 5_000;
/** What is wrong with the producer, even where it may be tried again. */
const STOPPING = ['not_allowed', 'not_set_up', 'closed', 'no_priorities', 'bad_dataset'];
/** What is wrong with this one message. An answer of the log that nobody knows is not: it may be meant for every one. */
const ROW_ERRORS = ['no_identity', 'ambiguous_identity', 'unknown_namespace', 'bad_identity', 'malformed', 'too_large'];

export type RunOptions = {
  readonly dataset: string;
  readonly sender: Sender;
  readonly mapRow: MapRow;
  readonly window: AckWindow;
  readonly keeper: PositionKeeper;
  /** Rows after the position that the log has already. */
  readonly present: Set<number>;
  readonly idPrefix: string;
  readonly messagePrefix: string;
  /** An event later than this is refused by the shard, and moves no clock. */
  readonly latestMs: () => number;
  readonly signal: AbortSignal;
};

export class IngestRun {
  failure: unknown;
  isStopped = false;
  private readonly options: RunOptions;
  private readonly pauses = new Set<() => void>();
  private readonly stopped = Promise.withResolvers<void>();
  private timer: NodeJS.Timeout | undefined;
  private underWay = 0;
  /** By identity: when its last record that is under way is settled. As many at most as rows are under way. */
  private readonly turns = new Map<string, Promise<void>>();
  private settled = Promise.withResolvers<void>();
  private writing: Promise<void> | undefined;
  /** Why a row is sent again, or the position not written. */
  private trouble: string | null = null;

  constructor(options: RunOptions) {
    this.options = options;
    options.signal.addEventListener('abort', this.stop, { once: true });
    if (options.signal.aborted) this.stop();
  }

  get waitingFor(): string | null {
    return this.options.sender.waitingFor ?? this.trouble;
  }

  /** Says that this run holds the file, and from then on every WRITE_MS, whatever it does, until `letGo`. */
  async hold(): Promise<void> {
    const { keeper, window } = this.options;
    if (await this.again(() => keeper.write(window.tally, 'running')))
      this.timer = setInterval(() => void this.write(), WRITE_MS);
  }

  /** Afterwards nothing writes the position but the caller. */
  async letGo(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
  }

  /** Takes rows until there are none, or until it is stopped. What went wrong is in `failure`. */
  async take(batches: AsyncIterable<readonly FileRow[]>): Promise<void> {
    try {
      for await (const rows of batches) {
        for (const row of rows) {
          if (this.isStopped) return;
          if (row.number > this.options.window.position) await this.offer(row);
        }
      }
    } catch (error) {
      this.failure ??= error; // what was read before it is still sent
    } finally {
      await this.drained();
    }
  }

  /** Tries until it succeeds, or the run is stopped: then false. What is no matter of trying again is in `failure`. */
  async again(what: () => Promise<void>): Promise<boolean> {
    for (const waitMs of waits()) {
      try {
        await what();
        this.trouble = null;
        return true;
      } catch (error) {
        if (!isForNow(error)) this.fail(error);
        if (this.isStopped) return false;
        this.trouble = errorText(error);
        await this.pause(waitMs);
      }
    }
    return false; // not reached
  }

  /** As `again`, but a stop does not wait for it: for what does no harm when it goes on. */
  async againUnlessStopped(what: () => Promise<void>): Promise<boolean> {
    return this.again(() => Promise.race([this.stopped.promise, what()])).then((isDone) => isDone && !this.isStopped);
  }

  private readonly stop = (): void => {
    this.isStopped = true;
    this.stopped.resolve();
    for (const end of this.pauses) end();
    this.wake();
  };

  private fail(error: unknown): void {
    this.failure ??= error;
    this.stop();
  }

  private async offer(row: FileRow): Promise<void> {
    const { mapRow, present, keeper, idPrefix } = this.options;
    while (!this.isStopped && !this.hasRoom(row.number)) await this.settled.promise;
    if (this.isStopped) return;
    const message = row.refused === '' ? mapRow(row, `${idPrefix}${row.number}`) : new RowRefusal(row.refused);
    if (message instanceof RowRefusal) return this.refuse(row, message.reason);
    if (present.delete(row.number)) return this.settle(row.number, 'skipped', message);
    await this.ready();
    if (this.isStopped) return;
    keeper.sending(row.number);
    this.underWay++;
    void (message.operation === null ? this.deliver(row, message) : this.deliverInTurn(row, message));
  }

  /** Until the producer takes a row, or the run is stopped. */
  private async ready(): Promise<void> {
    let isReady = false;
    this.options.sender.ready().then(
      () => {
        isReady = true;
        this.wake();
      },
      (error: unknown) => this.fail(error),
    );
    while (!isReady && !this.isStopped) await this.settled.promise;
  }

  private hasRoom(row: number): boolean {
    const { window, keeper } = this.options;
    return this.underWay < UNDER_WAY_MAX && row - window.position <= AHEAD_MAX && row - keeper.writtenRows <= UNWRITTEN_MAX;
  }

  /** After the rows of this identity that came before it. @throws never */
  private async deliverInTurn(row: FileRow, message: RowMessage): Promise<void> {
    const key = `${message.identity.namespace}.${message.identity.id}`; // a namespace has no dot
    const turn = (this.turns.get(key) ?? Promise.resolve()).then(() => this.deliver(row, message));
    this.turns.set(key, turn);
    await turn;
    if (this.turns.get(key) === turn) this.turns.delete(key);
  }

  /** @throws never */
  private async deliver(row: FileRow, message: RowMessage): Promise<void> {
    const { sender, dataset, messagePrefix, keeper } = this.options;
    const { identity, operation, lastUpdated } = message;
    const options = {
      identity,
      messageId: `${messagePrefix}${row.number}`,
      ...(operation === null ? {} : { operation }),
      ...(lastUpdated === null ? {} : { lastUpdated }),
    };
    for (const waitMs of waits()) {
      if (this.isStopped) break;
      try {
        const { sequence } = await sender.send(dataset, message.body, options);
        keeper.acknowledge(sequence);
        this.trouble = null;
        this.settle(row.number, 'sent', message);
        break;
      } catch (error) {
        const verdict = verdictOf(error);
        if (verdict === 'refuse') this.refuse(row, errorText(error));
        else if (verdict === 'stop') this.fail(error);
        if (verdict !== 'again') break;
        this.trouble = errorText(error);
        await this.pause(waitMs);
      }
    }
    this.underWay--;
    this.wake();
  }

  private settle(row: number, kind: 'sent' | 'skipped', message: RowMessage): void {
    const timestampMs = message.timestampMs <= this.options.latestMs() ? message.timestampMs : NaN;
    this.options.window.settle(row, { kind, timestampMs });
  }

  private refuse(row: FileRow, reason: string): void {
    this.options.window.settle(row.number, { kind: 'refused', line: row.line, reason });
  }

  /** Nothing is under way any more. A run that was stopped does not wait for ever: whoever resumes looks into the log. */
  private async drained(): Promise<void> {
    let graceMs: number | undefined;
    while (this.underWay > 0) {
      if (this.isStopped) graceMs ??= performance.now() + GRACE_MS;
      const leftMs = graceMs === undefined ? WRITE_MS : graceMs - performance.now();
      if (leftMs <= 0) return;
      await timeout(this.settled.promise, leftMs);
    }
  }

  private async write(): Promise<void> {
    if (this.writing !== undefined) return;
    this.writing = this.options.keeper.write(this.options.window.tally, 'running').then(
      () => this.wake(),
      (error: unknown) => {
        if (isForNow(error)) this.trouble = errorText(error);
        else this.fail(error);
      },
    );
    await this.writing;
    this.writing = undefined;
  }

  private wake(): void {
    const { resolve } = this.settled;
    this.settled = Promise.withResolvers();
    resolve();
  }

  private async pause(ms: number): Promise<void> {
    if (this.isStopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.pauses.add(resolve);
    await timeout(promise, ms);
    this.pauses.delete(resolve);
  }
}

async function timeout(until: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([until, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** What a failed send means: another row of the same file may fare better, this one may later, or nothing will. */
function verdictOf(error: unknown): 'again' | 'refuse' | 'stop' {
  if (!(error instanceof VisageError) || STOPPING.includes(error.code)) return 'stop';
  if (ROW_ERRORS.includes(error.code)) return 'refuse';
  return isForNow(error) ? 'again' : 'stop';
}
