// Asks over HTTP, in a process of its own: GET of customers by chance, on connections that are kept alive, one request at a time on each.
// HL1: as fast as it is answered (no `rate`): every connection asks again at once. Else open loop: request i is due at start + i / rate,
//      whatever the server does, and its latency counts from then.
// HL2: every answer is looked at: its status must be the one that is expected, and its body as long as it says.
import { connect, type Socket } from 'node:net';
import { seededRandom } from '../src/base/random.ts';
import { percentile } from './figures.ts';

export type HttpOrder = {
  readonly port: number;
  readonly connections: number;
  readonly profiles: number;
  readonly seed: number;
  readonly seconds: number;
  /** Before the clock starts. */
  readonly warmSeconds?: number;
  /** Requests a second; absent: as many as are answered. */
  readonly rate?: number;
  /** A header line for each, e.g. of a token. */
  readonly header?: string;
  readonly status: number;
};

export type HttpResult = {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Another status, or no answer. */
  readonly wrong: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const LATENCIES_MAX = 2_000_000;
/** What is late is sent in turns, so that answers are read between. */
const BURST_MAX = 200;

const order = JSON.parse(process.argv[2]!) as HttpOrder;
const random = seededRandom(order.seed);
const latencies: number[] = [];
let counted = 0;
let wrong = 0;
let bytes = 0;
let counting = false;
let ended = false;

/** One request at a time. */
class Connection {
  private readonly socket: Socket;
  private readonly onFree: (connection: Connection) => void;
  private received: Buffer = Buffer.alloc(0);
  private dueMs = 0;

  constructor(socket: Socket, onFree: (connection: Connection) => void) {
    this.socket = socket;
    this.onFree = onFree;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.take(data));
    socket.on('close', () => {
      if (!ended) fail('a connection was closed');
    });
    socket.on('error', (error) => fail(error.message));
  }

  ask(dueMs: number): void {
    this.dueMs = dueMs;
    const header = order.header === undefined ? '' : `${order.header}\r\n`;
    this.socket.write(
      `GET /profiles/customerId/c-${random.below(order.profiles)} HTTP/1.1\r\nHost: 127.0.0.1:${order.port}\r\n${header}\r\n`,
    );
  }

  private take(data: Buffer): void {
    this.received = this.received.length === 0 ? data : Buffer.concat([this.received, data]);
    const headEnd = this.received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    const total = headEnd + HEAD_END.length + length;
    if (Number.isNaN(length)) return fail(`an answer without its length: ${head.slice(0, 100)}`);
    if (this.received.length < total) return;
    if (this.received.length > total) return fail('more than was asked for');
    this.received = Buffer.alloc(0);
    if (counting) {
      counted++;
      bytes += length;
      if (Number(head.slice(9, 12)) !== order.status) wrong++;
      if (latencies.length < LATENCIES_MAX) latencies.push(performance.now() - this.dueMs);
    }
    this.onFree(this);
  }

  end(): void {
    this.socket.destroy();
  }
}

function fail(why: string): void {
  console.error(`http load: ${why}`);
  process.exit(1);
}

const free: Connection[] = [];
const open = await Promise.all(
  Array.from(
    { length: order.connections },
    () =>
      new Promise<Connection>((resolve) => {
        const socket = connect(order.port, '127.0.0.1', () => resolve(new Connection(socket, onFree)));
      }),
  ),
);

let asked = 0;
let startMs = 0;

function onFree(connection: Connection): void {
  if (ended) return;
  if (order.rate === undefined) connection.ask(performance.now());
  else free.push(connection);
}

/** Sends what is due, as far as there are connections for it; the rest is late, and counts from when it was due. In turns: the worker
 *  closes a connection whose first request does not come within seconds. */
function sendDue(rate: number): void {
  if (ended) return;
  const due = Math.floor(((performance.now() - startMs) * rate) / 1000);
  for (let n = 0; n < BURST_MAX && asked < due && free.length > 0; n++) free.shift()!.ask(startMs + (asked++ * 1000) / rate);
  setTimeout(() => sendDue(rate), 1);
}

startMs = performance.now();
for (const connection of open) onFree(connection);
if (order.rate !== undefined) sendDue(order.rate);
const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
await delay((order.warmSeconds ?? 0) * 1000);
counting = true;
const countingMs = performance.now();
await delay(order.seconds * 1000);
counting = false;
const seconds = (performance.now() - countingMs) / 1000;
ended = true;
for (const connection of open) connection.end();
const sorted = latencies.sort((a, b) => a - b);
const at = (p: number): number => (sorted.length === 0 ? NaN : percentile(sorted, p));
const result: HttpResult = {
  requests: counted,
  seconds,
  perSecond: counted / seconds,
  wrong,
  bytes,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  maxMs: at(1),
};
console.log(JSON.stringify(result));
