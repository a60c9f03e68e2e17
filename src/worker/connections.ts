// A worker's connections to NATS: opened by purpose, watched, closed together.
// WC1: a connection that is lost is said once, and once when it is back: what the worker waits for must be in its log.
import type { Settings } from '../definitions/settings.ts';
import { openConnection, type Connection } from '../nats/connection.ts';

export type ConnectionLog = (level: 'info' | 'warn', event: string, figures: Readonly<Record<string, unknown>>) => void;

export class Connections {
  /** Connections lost since the start. */
  disconnects = 0;
  private readonly settings: Settings;
  private readonly log: ConnectionLog;
  private readonly onClosed: (purpose: string) => void;
  private readonly all: Connection[] = [];
  private closing = false;
  private readonly lostAtMs = new Map<Connection, number>();

  /** @param onClosed hears of a connection that was closed, and not by `close`: the client gave it up */
  constructor(settings: Settings, log: ConnectionLog, onClosed: (purpose: string) => void) {
    this.settings = settings;
    this.log = log;
    this.onClosed = onClosed;
  }

  /** True while every connection is up, and there is one. */
  get up(): boolean {
    return this.all.length > 0 && this.lostAtMs.size === 0;
  }

  /** @throws VisageError, see `openConnection` */
  async open(purpose: string): Promise<Connection> {
    const nc = await openConnection(this.settings.nats, `visage ${this.settings.instance} ${purpose}`);
    this.all.push(nc);
    void this.watch(nc, purpose);
    return nc;
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.all.map((nc) => nc.close()));
    this.all.length = 0;
    this.lostAtMs.clear();
  }

  /** Ends when the connection is closed. */
  private async watch(nc: Connection, purpose: string): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect' && !this.lostAtMs.has(nc)) {
        this.lostAtMs.set(nc, performance.now());
        this.disconnects++;
        const event = 'connection to NATS lost; waiting for the server, nothing is lost';
        this.log('warn', event, { connection: purpose, servers: this.settings.nats.servers });
      } else if (status.type === 'reconnect') {
        const lostMs = Math.round(performance.now() - (this.lostAtMs.get(nc) ?? performance.now()));
        this.lostAtMs.delete(nc);
        this.log('info', 'connection to NATS is back', { connection: purpose, lostMs });
      }
    }
    if (!this.closing) this.onClosed(purpose);
  }
}
