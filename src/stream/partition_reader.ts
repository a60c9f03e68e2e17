// Reads the messages of a subject filter in stream order, by our own cursor: an ack-none pull consumer that is thrown away
// and made again from cursor + 1 whenever anything is in doubt.
// PR1: what `next` handed out is contiguous: no message of the filter between two of them is missing, none comes twice.
// PR2: the consumer's own sequence has no hole; a hole, a reconnect, lost heartbeats, 409 or 503 mean: make it again.
// PR3: credit is asked for only when a batch was taken: the queue holds at most PREFETCH batches, and a bounded number of bytes:
//      who is sent more than 64 MB that it has not read yet is cut off by the server, and would be again and again.
// PR4: a stream that is not the one it was (deleted and made again, rewound) is never read on as if nothing had happened: a consumer
//      that starts beyond the end would wait in silence until the old number is reached. `next` fails; whoever reads looks closer.
// PR5: `readThrough` is what the stream's leader says. In a cluster the consumer may be on a replica that does not have the newest yet.
// Why not the client's ordered consumer, why not acknowledgements: docs/adr/0003-own-partition-reader.md.
import { nuid, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { VisageError } from '../base/errors.ts';
import { fingerprint } from '../message/fingerprint.ts';
import type { LogMessage } from '../message/log_message.ts';
import { inboxOf } from '../nats/connection.ts';
import type { LogBatch, LogReader } from '../ports/log.ts';
import { StoredMessage } from './stored_message.ts';
import { ANSWER_MS_MAX, jetstreamManagerOf, stampOf } from './streams.ts';

/** What waits in the queue is alive at every scavenge: four times as much cost 3 % of the throughput. */
const BATCH = 256;
const PREFETCH = 2;
const PULL_BYTES = 8 * 1024 ** 2;
const EXPIRES_MS = 30_000;
/** The consumer is on one server only; that the server was killed shows in its silence. */
const HEARTBEAT_MS = 2_000;
const INACTIVE_MS = 60_000;
const RETRY_MAX_MS = 2_000;
const LEADER_RESTS_FACTOR = 50;

export type PartitionReaderOptions = {
  readonly nc: NatsConnection;
  readonly stream: string;
  /** One subject, or several that do not overlap. */
  readonly filter: string | readonly string[];
  /** Deliver what comes after this stream sequence. */
  readonly after: number;
};

export class PartitionReader implements LogReader {
  recreated = 0;
  private readonly nc: NatsConnection;
  private readonly options: PartitionReaderOptions;
  private jsm!: JetStreamManager;
  private name = '';
  private subscription: Subscription | undefined;
  private generation = 0;
  private queue: LogMessage[] = [];
  private queueBytes = 0;
  private readonly pullBytes: number;
  private handedOut: number;
  private lastMessage: LogMessage | null = null;
  private created = '';
  private failed: VisageError | undefined;
  private received = 0;
  private consumerSequence = 0;
  private asked = 0;
  private pending = 0;
  private lastHeardMs = 0;
  private heartbeat: NodeJS.Timeout | undefined;
  private waiting: PromiseWithResolvers<LogBatch | null> | undefined;
  private closed = false;
  private nextSubject = '';
  private ackPrefix = 0;
  private inbox = '';
  private leaderRestsUntilMs = 0;

  private constructor(options: PartitionReaderOptions) {
    this.options = options;
    this.nc = options.nc;
    this.handedOut = options.after;
    this.pullBytes = Math.max(PULL_BYTES, 4 * (options.nc.info?.max_payload ?? 0)); // one message always fits
  }

  static async open(options: PartitionReaderOptions): Promise<PartitionReader> {
    const reader = new PartitionReader(options);
    reader.jsm = await jetstreamManagerOf(options.nc, ANSWER_MS_MAX);
    void reader.watchConnection();
    await reader.recreate();
    return reader;
  }

  /** @throws VisageError `stream_changed` (retry) */
  next(): Promise<LogBatch | null> {
    if (this.failed !== undefined) return Promise.reject(this.failed);
    if (this.closed) return Promise.resolve(null);
    if (this.queue.length > 0) return Promise.resolve(this.take());
    this.waiting = Promise.withResolvers();
    return this.waiting.promise;
  }

  async readThrough(): Promise<number | undefined> {
    const at = this.handedOut;
    if (this.queue.length > 0 || this.closed) return undefined;
    const stream = await this.jsm.streams.info(this.options.stream);
    // asked after the stream: what it has for us up to its end was delivered or is pending
    const consumer = await this.jsm.consumers.info(this.options.stream, this.name);
    // by the consumer's own count: its stream sequence also moves over messages of others that it skipped
    if (consumer.num_pending > 0 || consumer.delivered.consumer_seq !== this.consumerSequence) return undefined;
    // PR5: the consumer counts what its own server has
    if (consumer.cluster?.leader !== stream.cluster?.leader && !(await this.isLastOfLeader(at))) return undefined;
    return this.handedOut === at && this.queue.length === 0 ? stream.state.last_seq : undefined;
  }

  /** Has the stream's leader nothing for us after this? It goes through all subjects of the filter, 10 ms for 100,000 of them: it is not
   *  asked so often that it does little else. */
  private async isLastOfLeader(sequence: number): Promise<boolean> {
    const { stream, filter } = this.options;
    const startMs = performance.now();
    if (startMs < this.leaderRestsUntilMs) return false;
    this.leaderRestsUntilMs = Infinity; // one question at a time
    try {
      const lasts = subjectsOf(filter).map((subject) => this.jsm.streams.getMessage(stream, { last_by_subj: subject }));
      return (await Promise.all(lasts)).every((last) => last === null || last.seq <= sequence);
    } finally {
      const nowMs = performance.now();
      this.leaderRestsUntilMs = nowMs + (nowMs - startMs) * LEADER_RESTS_FACTOR;
    }
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.closed = true;
    this.generation++;
    clearInterval(this.heartbeat);
    this.subscription?.unsubscribe();
    if (this.failed === undefined) this.waiting?.resolve(null);
    else this.waiting?.reject(this.failed);
    this.waiting = undefined;
    if (this.name !== '' && !this.nc.isClosed()) this.jsm.consumers.delete(this.options.stream, this.name).catch(() => undefined); // it would go by itself after INACTIVE_MS
    return Promise.resolve();
  }

  private take(): LogBatch {
    let messages = this.queue;
    if (messages.length <= BATCH) {
      this.queue = [];
      this.queueBytes = 0;
    } else {
      messages = this.queue.slice(0, BATCH);
      this.queue = this.queue.slice(BATCH);
      for (const message of messages) this.queueBytes -= message.body.length;
    }
    this.lastMessage = messages[messages.length - 1]!;
    this.handedOut = this.lastMessage.sequence;
    this.pull();
    return { messages, pending: this.pending + this.queue.length };
  }

  private deliver(): void {
    if (this.waiting === undefined || this.queue.length === 0) return;
    const { resolve } = this.waiting;
    this.waiting = undefined;
    resolve(this.take());
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (this.closed) return;
      if (status.type === 'disconnect') this.generation++; // what was in flight is lost to this consumer
      if (status.type === 'reconnect') void this.recreate();
    }
  }

  /** Drops what was not handed out and starts again after what was. Retries until it works. */
  private async recreate(): Promise<void> {
    const generation = ++this.generation;
    this.recreated++;
    this.subscription?.unsubscribe();
    clearInterval(this.heartbeat);
    this.queue = [];
    this.queueBytes = 0;
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      if (this.closed || generation !== this.generation) return;
      try {
        if (!(await this.isSameStream())) return this.fail();
        if (this.closed || generation !== this.generation) return;
        this.takeNewName();
        await this.jsm.consumers.add(this.options.stream, {
          name: this.name,
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: this.handedOut + 1,
          ...filterOf(this.options.filter),
          mem_storage: true,
          num_replicas: 1,
          max_deliver: 1,
          inactive_threshold: INACTIVE_MS * 1e6,
        });
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
    if (this.closed || generation !== this.generation) return;
    this.consumerSequence = 0;
    this.ackPrefix = 0;
    this.received = this.handedOut;
    this.asked = 0;
    this.lastHeardMs = performance.now();
    this.nextSubject = `$JS.API.CONSUMER.MSG.NEXT.${this.options.stream}.${this.name}`;
    this.inbox = inboxOf(this.nc);
    this.subscription = this.nc.subscribe(this.inbox, {
      callback: (error, message) => {
        if (generation !== this.generation) return;
        if (error !== null) void this.recreate();
        else this.onMessage(message);
      },
    });
    this.heartbeat = setInterval(() => {
      if (this.asked > 0 && performance.now() - this.lastHeardMs > HEARTBEAT_MS * 2.5) void this.recreate();
    }, HEARTBEAT_MS / 2);
    this.pull();
  }

  /** For every attempt: a cluster may give the consumer to a server that has just died, and under that name it stays with it: nobody
   *  answers until that server is back. */
  private takeNewName(): void {
    if (this.name !== '') this.jsm.consumers.delete(this.options.stream, this.name).catch(() => undefined);
    this.name = `visage_${nuid.next()}`;
  }

  /** Is it the stream that we have read from, and has it what we handed out? */
  private async isSameStream(): Promise<boolean> {
    const { stream } = this.options;
    const { created, state } = await this.jsm.streams.info(stream);
    if (this.created === '') this.created = String(created);
    if (String(created) !== this.created || state.last_seq < this.handedOut) return false;
    const last = this.lastMessage;
    if (last === null || state.first_seq > last.sequence) return true;
    const found = await this.jsm.streams.getMessage(stream, { seq: last.sequence });
    if (found === null) return true; // removed
    return fingerprint({ stampMs: stampOf(found.timestamp), subject: found.subject, body: found.data }) === fingerprint(last);
  }

  private fail(): void {
    if (this.closed) return;
    const text = `the stream ${this.options.stream} is not the one that was read up to ${this.handedOut}: it was made again or rewound`;
    this.failed = new VisageError('stream_changed', text, { kind: 'retry' });
    void this.close();
  }

  private onMessage(m: Msg): void {
    this.lastHeardMs = performance.now();
    const reply = m.reply;
    if (reply === undefined || !reply.startsWith('$JS.ACK.')) return this.onStatus(m);
    if (this.ackPrefix === 0) this.ackPrefix = ackPrefixOf(reply);
    const sequence = digits(reply, this.ackPrefix);
    const consumerSequence = digits(reply, cursor);
    const ns = cursor;
    const pendingAt = reply.indexOf('.', ns) + 1;
    if (consumerSequence !== this.consumerSequence + 1 || sequence <= this.received) return void this.recreate();
    this.consumerSequence = consumerSequence;
    this.received = sequence;
    this.asked--;
    this.pending = digits(reply, pendingAt);
    this.queueBytes += m.data.length;
    this.queue.push(new StoredMessage(sequence, Number(reply.slice(ns, pendingAt - 7)), m));
    // a batch, or all that there is for now
    if (this.waiting !== undefined && (this.queue.length >= BATCH || this.pending === 0 || this.asked <= 0)) this.deliver();
  }

  private onStatus(m: Msg): void {
    const code = m.headers?.code ?? 0;
    if (code === 100) {
      if (Number(m.headers?.get('Nats-Last-Consumer') || 0) > this.consumerSequence) void this.recreate();
      else this.deliver();
      return;
    }
    const left = Number(m.headers?.get('Nats-Pending-Messages') || 0);
    this.asked = Math.max(0, this.asked - left);
    const text = m.headers?.description ?? '';
    if (code === 404 || code === 408 || (code === 409 && !/deleted|leadership|shutdown/i.test(text))) {
      this.deliver();
      if (left === 0) this.asked = this.queue.length === 0 ? 0 : this.asked;
      this.pull();
      return;
    }
    void this.recreate();
  }

  private pull(): void {
    if (this.closed) return;
    const room = BATCH * PREFETCH - this.queue.length - this.asked;
    if (room <= 0 || (room < BATCH / 2 && this.asked > 0) || this.queueBytes >= this.pullBytes) return;
    if (this.asked === 0) this.lastHeardMs = performance.now(); // who asks for nothing hears nothing
    this.asked += room;
    this.nc.publish(
      this.nextSubject,
      JSON.stringify({ batch: room, max_bytes: this.pullBytes, expires: EXPIRES_MS * 1e6, idle_heartbeat: HEARTBEAT_MS * 1e6 }),
      { reply: this.inbox },
    );
  }
}

function subjectsOf(filter: string | readonly string[]): readonly string[] {
  return typeof filter === 'string' ? [filter] : filter;
}

function filterOf(filter: string | readonly string[]): { filter_subject: string } | { filter_subjects: string[] } {
  return typeof filter === 'string' ? { filter_subject: filter } : { filter_subjects: [...filter] };
}

/** Where the last `digits` ended: behind the dot. */
let cursor = 0;

/** The number that starts at `at`, up to the next dot or the end. No allocation. */
function digits(text: string, at: number): number {
  let n = 0;
  let i = at;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 46) break;
    n = n * 10 + (c - 48);
  }
  cursor = i + 1;
  return n;
}

/** `$JS.ACK.<stream>.<consumer>.<n>.<sequence>.<consumer sequence>.<ns>.<pending>`, or with domain and account hash before the stream
 *  and a token behind. Up to the sequence it is the same for every message of a consumer that delivers once. */
function ackPrefixOf(reply: string): number {
  const tokens = reply.split('.');
  return tokens.slice(0, tokens.length === 9 ? 5 : 7).join('.').length + 1;
}
