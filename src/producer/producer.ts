// Messages into the log: many on their way, each answered for, memory bounded.
// PD1: at most `maxInFlight` are sent and not answered, at most `maxQueued` wait; more are refused at once (`queue_full`).
// PD2: a message is sent again, in the order of `send`, under its own message id, until a clear answer or the end of `retryForMs`:
//      the server drops repetitions inside its duplicate window, and after that nobody can say whether it was stored (`unknown`).
// PD3: nothing is handed to the connection while it is down: the client would keep it without bound.
import { createInbox, headers, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { identityKey, partitionOf, type Identity } from '../message/identity.ts';
import { inputSubject } from '../message/subject.ts';
import { chooseIdentity } from './choose_identity.ts';
import { answerOf, givenUp, type Answer, type Delivery, type Sent } from './delivery.ts';

const ATTEMPT_MS = 5_000;
const SWEEP_MS = 100;
const BACK_OFF_MS = 250;
/** A root that was never set up is told from a server that is just starting. */
const NOT_SET_UP_MS = 5_000;

export type SendOptions = {
  /** Who the message is about; default: chosen from its identityMap by the priority of namespaces. */
  readonly identity?: Identity;
  /** Default: one of the producer's own. Never the event's `_id`: message ids are remembered per stream. */
  readonly messageId?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export interface Producer {
  /** Sends one message; resolves when the log has stored it.
   *  @throws VisageError (refuse) `no_identity`, `ambiguous_identity`, `unknown_namespace`, `bad_identity`, `malformed`, `too_large`,
   *    `refused` · (retry) `unknown`: it may be stored or not, `log_full`, `queue_full`: await `ready` · `not_allowed`, `not_set_up`, `closed` */
  send(dataset: string, body: object | string | Uint8Array, options?: SendOptions): Promise<Sent>;
  /** Resolves when a message would be sent at once: the back-pressure of loops that do not await each `send`. */
  ready(): Promise<void>;
  /** Resolves when everything sent so far has succeeded or failed. */
  flush(): Promise<void>;
  readonly inFlight: number;
  readonly queued: number;
  /** Why nothing goes out at the moment, for people; null when it does. */
  readonly waitingFor: string | null;
  /** Flushes, then closes the connection if it is the producer's own. */
  close(): Promise<void>;
}

export type ProducerSetup = {
  readonly nc: NatsConnection;
  readonly ownsConnection: boolean;
  readonly root: string;
  readonly partitions: number;
  readonly priorities: ReadonlyMap<string, number> | null;
  readonly nonce: string;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly retryForMs: number;
  readonly onWaiting: (why: string | null) => void;
};

export class NatsProducer implements Producer {
  private readonly setup: ProducerSetup;
  private readonly inbox = createInbox();
  private readonly answers: Subscription;
  private readonly flying = new Map<number, Delivery>();
  private queue: Delivery[] = [];
  private head = 0;
  private lastId = 0;
  private connected = true;
  private closed = false;
  /** Some message was stored: the root is set up. */
  private stored = false;
  private trouble: string | null = null;
  private said: string | null = null;
  private sweep: NodeJS.Timeout | undefined;
  private pumping: NodeJS.Immediate | undefined;
  private readyWaiters: (() => void)[] = [];
  private flushWaiters: { readonly id: number; readonly resolve: () => void }[] = [];

  constructor(setup: ProducerSetup) {
    this.setup = setup;
    this.answers = setup.nc.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.answered(message);
      },
    });
    void this.watch();
  }

  get inFlight(): number {
    return this.flying.size;
  }

  get queued(): number {
    return this.queue.length - this.head;
  }

  get waitingFor(): string | null {
    return this.connected ? this.trouble : 'the connection to NATS is lost';
  }

  async send(dataset: string, body: object | string | Uint8Array, options: SendOptions = {}): Promise<Sent> {
    const { setup } = this;
    if (this.closed) throw new VisageError('closed', 'the producer is closed', { kind: 'usage' });
    const identity = options.identity ?? chooseIdentity(readable(body), setup.priorities);
    const subject = inputSubject(setup.root, dataset, identity);
    const bytes = encoded(body);
    this.refuseTooLarge(bytes);
    if (this.queued >= setup.maxQueued)
      throw new VisageError('queue_full', `${setup.maxQueued} messages are waiting already; await ready() before the next send`, {
        kind: 'retry',
      });
    const id = ++this.lastId;
    const h = headers();
    for (const [name, value] of Object.entries(options.headers ?? {})) h.set(name, value);
    h.set('Nats-Msg-Id', options.messageId ?? `${setup.nonce}-${id}`);
    const shard = partitionOf(identityKey(identity), setup.partitions);
    return new Promise((resolve, reject) => {
      this.queue.push({
        id,
        subject,
        body: bytes,
        headers: h,
        shard,
        identity,
        resolve,
        reject,
        firstSentMs: 0,
        lastSentMs: 0,
        retryAtMs: 0,
        unclear: false,
        lastRefusal: undefined,
      });
      this.pumpSoon();
    });
  }

  ready(): Promise<void> {
    if (this.closed || this.free > 0) return Promise.resolve();
    return new Promise((resolve) => this.readyWaiters.push(resolve));
  }

  flush(): Promise<void> {
    const id = this.lastId;
    if (this.oldest > id) return Promise.resolve();
    return new Promise((resolve) => this.flushWaiters.push({ id, resolve }));
  }

  async close(): Promise<void> {
    await this.flush();
    this.end();
    if (this.setup.ownsConnection) await this.setup.nc.close();
  }

  /** How many messages could be sent at once. */
  private get free(): number {
    return this.waitingFor === null ? this.setup.maxInFlight - this.flying.size - this.queued : 0;
  }

  /** The id of the oldest message that is not settled. */
  private get oldest(): number {
    const flying = this.flying.keys().next();
    if (flying.done !== true) return flying.value;
    return this.queue[this.head]?.id ?? Infinity;
  }

  private refuseTooLarge(body: Uint8Array | string): void {
    const max = this.setup.nc.info?.max_payload ?? Infinity;
    const size = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    // headers count too: ours are short
    if (size + 1_024 > max)
      throw new VisageError('too_large', `the message has ${size} bytes; the server takes ${max}`, { kind: 'refuse' });
  }

  /** Once a turn of the event loop, not once a message: what goes out together is one write to the socket. */
  private pumpSoon(): void {
    this.pumping ??= setImmediate(() => {
      this.pumping = undefined;
      this.pump();
    });
  }

  /** Sends what waits, as far as places go. */
  private pump(): void {
    while (this.waitingFor === null && this.head < this.queue.length && this.flying.size < this.setup.maxInFlight) {
      const delivery = this.queue[this.head++]!;
      this.flying.set(delivery.id, delivery);
      this.attempt(delivery, performance.now());
    }
    if (this.head > 1_000 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    } else if (this.head === this.queue.length) {
      this.queue = [];
      this.head = 0;
    }
    for (let free = this.free; free > 0 && this.readyWaiters.length > 0; free--) this.readyWaiters.shift()!();
    if (this.flying.size > 0) this.sweep ??= setInterval(() => this.look(), SWEEP_MS);
    else if (this.sweep !== undefined) {
      clearInterval(this.sweep);
      this.sweep = undefined;
    }
  }

  private attempt(delivery: Delivery, nowMs: number): void {
    if (delivery.firstSentMs === 0) delivery.firstSentMs = nowMs;
    delivery.lastSentMs = nowMs;
    delivery.retryAtMs = 0;
    try {
      this.setup.nc.publish(delivery.subject, delivery.body, {
        reply: `${this.inbox}.${delivery.id}`,
        headers: delivery.headers,
      });
    } catch (cause) {
      const text = `the message cannot be published: ${errorText(cause)}`;
      this.settle(delivery, () => delivery.reject(new VisageError('refused', text, { cause })));
    }
  }

  private answered(message: Msg): void {
    const delivery = this.flying.get(Number(message.subject.slice(this.inbox.length + 1)));
    if (delivery === undefined) return; // an answer to an attempt before the one that was answered
    const answer = answerOf(message);
    switch (answer.kind) {
      case 'stored': {
        const { sequence, duplicate } = answer;
        this.stored = true;
        this.settle(delivery, () =>
          delivery.resolve({ shard: delivery.shard, sequence, duplicate, identity: delivery.identity }),
        );
        return this.goOn();
      }
      case 'refused': {
        const error = new VisageError('refused', `the log refused the message: ${answer.text}`, { kind: 'refuse' });
        return this.settle(delivery, () => delivery.reject(error));
      }
      case 'later':
        return this.putOff(delivery, answer);
    }
  }

  private putOff(delivery: Delivery, { why, text }: Extract<Answer, { kind: 'later' }>): void {
    const nowMs = performance.now();
    if (why === 'no_responders' && !this.stored && nowMs - delivery.firstSentMs > NOT_SET_UP_MS) {
      const line = `no stream takes messages of root '${this.setup.root}'; run 'visage setup' first`;
      return this.settle(delivery, () => delivery.reject(new VisageError('not_set_up', line)));
    }
    const code = why === 'log_full' ? 'log_full' : 'unavailable';
    delivery.lastRefusal = new VisageError(code, `the log does not take the message: ${text}`, { kind: 'retry' });
    delivery.retryAtMs = nowMs + BACK_OFF_MS;
    this.say(why === 'log_full' ? 'the log is full' : 'the log is not available');
  }

  /** The log takes messages again: what was put off goes out at once. */
  private goOn(): void {
    if (this.trouble === null) return;
    this.say(null);
    const nowMs = performance.now();
    for (const delivery of this.flying.values()) if (delivery.retryAtMs > 0) this.attempt(delivery, nowMs);
    this.pump();
  }

  /** Looks for what is late. In trouble only the oldest is tried: it finds out for all. */
  private look(): void {
    const nowMs = performance.now();
    let tried = false;
    for (const delivery of [...this.flying.values()]) {
      if (nowMs - delivery.firstSentMs >= this.setup.retryForMs) {
        this.settle(delivery, () => delivery.reject(givenUp(delivery, this.setup.retryForMs)));
        continue;
      }
      if (!this.connected || (tried && this.trouble !== null)) continue;
      const silent = delivery.retryAtMs === 0 && nowMs - delivery.lastSentMs >= ATTEMPT_MS;
      if (silent) {
        delivery.unclear = true;
        this.say('the server does not answer');
      }
      if (silent || (delivery.retryAtMs > 0 && delivery.retryAtMs <= nowMs)) this.attempt(delivery, nowMs);
      tried = true;
    }
  }

  private settle(delivery: Delivery, how: () => void): void {
    this.flying.delete(delivery.id);
    how();
    if (this.flushWaiters.length > 0) {
      const { oldest } = this;
      const open = this.flushWaiters.filter((waiter) => waiter.id >= oldest);
      for (const waiter of this.flushWaiters) if (waiter.id < oldest) waiter.resolve();
      this.flushWaiters = open;
    }
    this.pumpSoon();
  }

  private say(trouble: string | null): void {
    this.trouble = trouble;
    const why = this.waitingFor;
    if (why === this.said) return;
    this.said = why;
    this.setup.onWaiting(why);
  }

  /** Ends when the connection is closed. */
  private async watch(): Promise<void> {
    for await (const status of this.setup.nc.status()) {
      if (status.type === 'disconnect') {
        this.connected = false;
        for (const delivery of this.flying.values()) delivery.unclear = true;
        this.say(this.trouble);
      } else if (status.type === 'reconnect') {
        this.connected = true;
        this.say(null);
        const nowMs = performance.now();
        for (const delivery of this.flying.values()) this.attempt(delivery, nowMs);
        this.pump();
      } else if (status.type === 'error') this.notAllowed(status.error);
    }
    this.end();
  }

  /** A denied publish has no answer: the server says so on the connection. */
  private notAllowed(error: Error): void {
    const { operation, subject } = error as Error & { readonly operation?: string; readonly subject?: string };
    if (operation !== 'publish') return;
    for (const delivery of [...this.flying.values()]) {
      if (delivery.subject !== subject) continue;
      const text = 'this user may not publish to that dataset and namespace; its permissions must allow visage.in.<dataset>.>';
      this.settle(delivery, () => delivery.reject(new VisageError('not_allowed', text.replace('visage', this.setup.root))));
    }
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.sweep);
    clearImmediate(this.pumping);
    if (!this.setup.nc.isClosed()) this.answers.unsubscribe();
    const error = new VisageError('closed', 'the connection was closed: the message may be stored or not', { kind: 'retry' });
    for (const delivery of [...this.flying.values(), ...this.queue.slice(this.head)]) delivery.reject(error);
    this.flying.clear();
    this.queue = [];
    this.head = 0;
    for (const wake of this.readyWaiters) wake();
    for (const waiter of this.flushWaiters) waiter.resolve();
  }
}

function encoded(body: object | string | Uint8Array): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
}

/** @throws VisageError `malformed` (refuse) */
function readable(body: object | string | Uint8Array): unknown {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return body;
  try {
    return JSON.parse(typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    throw new VisageError('malformed', 'the body is not JSON, so no identity can be read from it', { kind: 'refuse' });
  }
}
