// One answer of server-sent events: text/event-stream, as the HTML standard has it.
// ES1: what waits for the client is bounded in bytes, and who has taken none of it between two heartbeats is cut off.
// ES2: a heartbeat is a comment; with a position it also moves the client's `Last-Event-ID`, without being an event.
// ES3: the listener's timeouts are for requests; the heartbeat is what finds a connection that is dead.
import type { ServerResponse } from 'node:http';

const WAITING_BYTES_MAX = 1024 * 1024;
const BEAT_MS = 15_000;
/** After which a browser asks again, by then some other worker. */
const RETRY_MS = 1_000;

/** slow: too much waits for it; stalled: it takes nothing. */
export type CutOff = 'slow' | 'stalled';

type EventStreamOptions = {
  readonly response: ServerResponse;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  /** Where the client would go on; asked at every heartbeat. */
  readonly position: () => string | undefined;
  readonly onCutOff: (why: CutOff) => void;
};

export class EventStream {
  private readonly options: EventStreamOptions;
  private readonly beat: NodeJS.Timeout;
  private sent = 0;
  private taken = 0;
  private takenAtBeat = 0;

  constructor(options: EventStreamOptions) {
    this.options = options;
    const { response } = options;
    response.socket?.setTimeout(0); // ES3
    response.socket?.setNoDelay(true);
    response.writeHead(200, {
      ...options.headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // nginx would hold events back
      connection: 'close', // at its end the connection is of no more use
    });
    this.beat = setInterval(() => this.onBeat(), BEAT_MS);
    response.once('close', () => clearInterval(this.beat));
    response.flushHeaders();
  }

  /** @param data one line */
  event(name: string, data: string, position?: string): void {
    this.write(`${position === undefined ? '' : `id: ${position}\n`}event: ${name}\ndata: ${data}\n\n`);
  }

  end(): void {
    const { response } = this.options;
    clearInterval(this.beat);
    if (!response.writableEnded) response.end(`retry: ${RETRY_MS}\n\n`);
  }

  /** Resolves when nothing waits, or it is over. */
  drained(): Promise<void> {
    const { response } = this.options;
    if (!response.writableNeedDrain || response.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.on('drain', done).on('close', done);
    });
  }

  private onBeat(): void {
    if (this.taken < this.sent && this.taken === this.takenAtBeat) return this.cutOff('stalled');
    this.takenAtBeat = this.taken;
    const position = this.options.position();
    this.write(position === undefined ? ':\n\n' : `:\nid: ${position}\n\n`);
  }

  private write(text: string): void {
    const { response } = this.options;
    if (response.writableEnded || response.destroyed) return;
    this.sent++;
    response.write(text, () => this.taken++);
    if (response.writableLength > WAITING_BYTES_MAX) this.cutOff('slow');
  }

  private cutOff(why: CutOff): void {
    clearInterval(this.beat);
    this.options.onCutOff(why);
    this.options.response.destroy();
  }
}
